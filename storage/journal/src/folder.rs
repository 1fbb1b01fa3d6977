//! The names of the journal's files. What is in the files is read elsewhere.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use speargun_runtime::{Disk, DiskFile};

use crate::error::JournalError;

const SUFFIX: &str = ".journal";

/// The folder and the disk it lies on.
#[derive(Debug)]
pub(crate) struct Folder {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

// === impl Folder ===

impl Folder {
    /// Creates the folder if it is missing.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: PathBuf) -> Result<Self, JournalError> {
        let made = disk.create_dir_all(&dir);
        made.map_err(|error| open_error(&dir, &error))?;
        Ok(Self { disk, dir })
    }

    /// Returns the numbers in the files' names, ascending.
    pub(crate) fn sequences(&self) -> Result<Vec<u32>, JournalError> {
        let files = self.disk.list(&self.dir);
        let mut sequences = Vec::new();
        for path in files.map_err(|error| open_error(&self.dir, &error))? {
            match sequence_of(&path) {
                Some(sequence) => sequences.push(sequence),
                None => tracing::warn!(path = %path.display(), "not a journal's file: left alone"),
            }
        }
        sequences.sort_unstable();
        Ok(sequences)
    }

    pub(crate) fn path(&self, sequence: u32) -> PathBuf {
        self.dir.join(format!("{sequence:010}{SUFFIX}"))
    }

    pub(crate) fn create(&self, sequence: u32) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.create(&self.path(sequence))
    }

    pub(crate) fn open_file(&self, sequence: u32) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&self.path(sequence))
    }

    /// Gives an old file a new number.
    pub(crate) fn recycle(&self, from: u32, to: u32) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.rename(&self.path(from), &self.path(to))?;
        self.open_file(to)
    }

    pub(crate) fn remove(&self, sequence: u32) -> io::Result<()> {
        self.disk.remove(&self.path(sequence))
    }

    /// Makes the names survive a crash.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.disk.sync_dir(&self.dir)
    }
}

fn sequence_of(path: &Path) -> Option<u32> {
    let digits = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
    let all_digits = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| all_digits)
}

/// Returns the error that names the file.
pub(crate) fn open_error(path: &Path, error: &dyn std::fmt::Display) -> JournalError {
    JournalError::Open(format!("{}: {error}", path.display()))
}
