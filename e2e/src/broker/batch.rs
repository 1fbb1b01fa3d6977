//! Batches of messages as Kafka's broker keeps them in a partition's file: where they lie, how they
//! are compressed, and how one is broken. The messages in them are the client's to read.
//!
//! ```text
//! 0  offset of the first message      8    23 offset of the last, from it      4
//! 8  bytes behind this field          4    27 times, producer                 30
//! 12 epoch, version (2 at 16)         5    57 number of messages               4
//! 17 checksum of all from 21 on       4    61 messages, compressed
//! 21 attributes: 3 bits of codec      2
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// A batch in a file.
#[derive(Clone, Debug)]
pub struct Batch {
    file: PathBuf,
    at: usize,
    /// Offset of its first message.
    pub offset: i64,
    /// Number of its messages.
    pub messages: u32,
    /// How it is compressed: 0 for not, then gzip, snappy, lz4, zstd.
    pub codec: u8,
}

const HEAD_BYTES: usize = 61;

impl Batch {
    /// Reads all of a partition's first file.
    pub(super) fn all(folder: &Path) -> Result<Vec<Self>> {
        let file = folder.join("00000000000000000000.log");
        let bytes = fs::read(&file).with_context(|| format!("read {}", file.display()))?;
        let mut batches = Vec::new();
        let mut at = 0;
        while let Some(head) = bytes.get(at..at + HEAD_BYTES) {
            let word = |from: usize| -> Result<u32> {
                Ok(u32::from_be_bytes(head[from..from + 4].try_into()?))
            };
            ensure!(head[16] == 2, "a batch of version {}", head[16]);
            batches.push(Self {
                file: file.clone(),
                at,
                offset: i64::from_be_bytes(head[..8].try_into()?),
                messages: word(57)?,
                codec: head[22] & 7,
            });
            at += 12 + usize::try_from(word(8)?)?;
        }
        Ok(batches)
    }

    /// Breaks it: a byte of its messages turns. The broker must not be running.
    pub fn damage(&self) -> Result<()> {
        self.write(HEAD_BYTES + 5, |byte| byte ^ 0x40)
    }

    /// Makes it one of a codec that nobody knows. The broker must not be running.
    pub fn make_foreign(&self) -> Result<()> {
        self.write(22, |byte| byte | 7)
    }

    fn write(&self, offset: usize, turn: impl Fn(u8) -> u8) -> Result<()> {
        let mut bytes = fs::read(&self.file)?;
        let byte = bytes.get_mut(self.at + offset).context("no such byte")?;
        *byte = turn(*byte);
        fs::write(&self.file, bytes)?;
        Ok(())
    }
}
