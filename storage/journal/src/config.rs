//! Where a journal lies and how large it may grow. The defaults are the server's to say.

use std::path::PathBuf;

use crate::error::JournalError;
use crate::format::FILE_BYTES_MAX;

const FILE_BYTES_MIN: u64 = 1024;

/// Where and how large.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder, of this journal alone.
    pub dir: PathBuf,
    /// Bytes of one file, 1 KiB to 1 GiB; a record never spans two.
    pub file_bytes: u64,
    /// Bytes of all files together, at least two; beyond it, appends are refused until records are
    /// released.
    pub bytes_max: u64,
}

// === impl Config ===

impl Config {
    pub(crate) fn check(&self) -> Result<(), JournalError> {
        if !(FILE_BYTES_MIN..=FILE_BYTES_MAX).contains(&self.file_bytes) {
            let text = format!(
                "file_bytes is {}, allowed are {FILE_BYTES_MIN} to {FILE_BYTES_MAX}",
                self.file_bytes
            );
            return Err(JournalError::Open(text));
        }
        if self.bytes_max < 2 * self.file_bytes {
            let text = format!(
                "bytes_max is {}, it must be at least two files of {} bytes",
                self.bytes_max, self.file_bytes
            );
            return Err(JournalError::Open(text));
        }
        Ok(())
    }
}
