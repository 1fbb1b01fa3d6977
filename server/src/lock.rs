//! One process a data folder: a lock that ends with the process, and the pid of who holds it.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Holds the folder until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct FolderLock(#[expect(dead_code, reason = "held for its lock")] File);

impl FolderLock {
    /// Creates the folder if it is missing and locks it.
    pub(crate) fn take(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("the data folder {} can't be made", folder.display()))?;
        let path = folder.join("LOCK");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("{} can't be opened", path.display()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // The pid is a courtesy; without it the message still says what is wrong.
                let _read = (&mut file).take(32).read_to_string(&mut holder);
                bail!(
                    "the data folder {} is in use by process {}",
                    folder.display(),
                    holder.trim()
                );
            }
            Err(error) => {
                return Err(error).with_context(|| format!("{} can't be locked", path.display()));
            }
        }
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("a/b");
        let held = FolderLock::take(&data).unwrap();
        let refused = FolderLock::take(&data).unwrap_err().to_string();
        let pid = std::process::id().to_string();
        assert!(
            refused.ends_with(&format!("in use by process {pid}")),
            "{refused}"
        );
        drop(held);
        FolderLock::take(&data).unwrap();
    }
}
