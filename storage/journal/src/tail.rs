//! The file that is appended to, and how it grows and is cut. What is written lies elsewhere.

use std::io::{self, IoSlice};
use std::sync::Arc;

use speargun_runtime::DiskFile;

/// A file that grows does so by this share of its greatest length at a time, in zeros that records
/// overwrite later: a sync that also has to record a new length costs twice the CPU.
const GROWTH_SHARE: u64 = 64;
static GROWTH: [u8; 64 << 10] = [0; 64 << 10];

/// The file that is appended to.
#[derive(Clone, Debug)]
pub(crate) struct TailFile {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) sequence: u32,
    pub(crate) salt: u32,
    pub(crate) offset: u64,
    /// How long the file is, at least.
    pub(crate) len: u64,
}

impl TailFile {
    /// Returns how many zeros to write behind `end`, where a write ends, in a file of at most
    /// `file_bytes`.
    pub(crate) fn growth(&self, end: u64, file_bytes: u64) -> u64 {
        let room = file_bytes.saturating_sub(end);
        let step = file_bytes / GROWTH_SHARE;
        if end > self.len { step.min(room) } else { 0 }
    }
}

/// Returns so many zeros, to be written.
pub(crate) fn zeros_of(count: u64) -> impl Iterator<Item = &'static [u8]> {
    (0..count).step_by(GROWTH.len()).map(move |at| {
        let len = (count - at).min(GROWTH.len() as u64) as usize;
        GROWTH.get(..len).unwrap_or(&[])
    })
}

/// Makes the file end at `offset`, durably.
pub(crate) fn cut(file: &dyn DiskFile, offset: u64) -> io::Result<()> {
    if file.len()? > offset {
        file.set_len(offset)?;
    }
    file.sync_data()
}

/// Makes the file end at `offset`, durably, whatever a failed sync left of an earlier cut there.
pub(crate) fn cut_again(file: &dyn DiskFile, offset: u64) -> io::Result<()> {
    if file.len()? == offset {
        // A length that does not change need not be written. If there is no space for a longer one,
        // what may come back by a crash was refused to its sender.
        file.set_len(offset + 1).ok();
    }
    cut(file, offset)
}

/// Writes the file's bytes up to `end` again, as they are.
pub(crate) fn rewrite(file: &dyn DiskFile, end: u64) -> io::Result<()> {
    const STEP: u64 = 1 << 20;
    let end = end.min(file.len()?);
    let mut buffer = vec![0; STEP.min(end) as usize];
    for at in (0..end).step_by(STEP as usize) {
        let len = STEP.min(end - at) as usize;
        let chunk = buffer.get_mut(..len).unwrap_or_default();
        file.read_exact_at(chunk, at)?;
        file.write_all_at(&[IoSlice::new(chunk)], at)?;
    }
    Ok(())
}
