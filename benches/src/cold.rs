//! The disk by itself: forgetting what the page cache holds of files, what a process really read,
//! and what a sync takes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::fs::{Advice, fadvise};

use crate::measure::Samples;

/// The kernel's unit, and about what a small request adds to a journal.
const BLOCK_BYTES: usize = 4096;
const BLOCKS: u64 = 1024;

/// Drops all that the page cache holds of the files under a folder. What was not written back yet
/// is first.
pub fn forget(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            forget(&path)?;
            continue;
        }
        // A merge may have removed it since it was listed.
        let Ok(file) = File::open(&path) else {
            continue;
        };
        file.sync_data()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
    }
    Ok(())
}

/// Returns how many bytes a process has had from disks: what the page cache gave is not in it.
pub fn read_from_disk(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
    let mut lines = text.lines();
    let bytes = lines.find_map(|line| line.strip_prefix("read_bytes: "));
    Ok(bytes.context("the kernel does not count reads")?.parse()?)
}

/// Writes block after block into a file that has room for them, and syncs each: returns what write
/// and sync took, microseconds. That is the least a durable answer to one alone can take.
pub fn sync_latency(folder: &Path, how_long: Duration) -> Result<Samples> {
    let file = tempfile::tempfile_in(folder)?;
    let block = [0x5a; BLOCK_BYTES];
    for number in 0..BLOCKS {
        file.write_all_at(&block, number * BLOCK_BYTES as u64)?;
    }
    file.sync_all()?;
    let (mut samples, begin) = (Vec::new(), Instant::now());
    for number in 0.. {
        if begin.elapsed() >= how_long && number > 0 {
            break;
        }
        let start = Instant::now();
        file.write_all_at(&block, number % BLOCKS * BLOCK_BYTES as u64)?;
        file.sync_data()?;
        samples.push(start.elapsed().as_micros() as u64);
    }
    Ok(Samples::new(samples))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_measured_at_least_once() {
        let folder = tempfile::tempdir().unwrap();
        let samples = sync_latency(folder.path(), Duration::ZERO).unwrap();
        assert_eq!(samples.len(), 1);
    }

    #[test]
    fn files_are_forgotten_and_keep_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("file"), b"bytes").unwrap();
        forget(folder.path()).unwrap();
        assert_eq!(std::fs::read(inner.join("file")).unwrap(), b"bytes");
        assert!(forget(&folder.path().join("none")).is_err());
    }
}
