//! The files of folders, read again only when they changed. A symbolic link counts when it leads to
//! a file of the same folder, as those of mounted configuration maps do.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::snapshot::{File, Reading};

/// Folders within folders.
const DEPTH_MAX: usize = 32;

/// What tells that a file is another one than before.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Stamp {
    target: PathBuf,
    inode: u64,
    bytes: u64,
    changed: Option<SystemTime>,
    /// When its rights changed last, too.
    touched: (i64, i64),
    /// Why it could not be read: that may pass and leave all else as it was.
    unreadable: Option<String>,
}

/// Files by their path, with what tells whether one changed.
pub(super) type Found = BTreeMap<Box<str>, (Stamp, Arc<File>)>;

/// Reads a file, or so much of it that it is known to be larger than allowed.
pub(super) type Read = fn(&Path, usize) -> std::io::Result<Vec<u8>>;

pub(super) fn read(path: &Path, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let file = std::fs::File::open(path)?;
    let mut bytes = Vec::new();
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A walk through folders.
pub(super) struct Walk<'a> {
    seen: &'a Found,
    reading: &'a Arc<Reading>,
    read: Read,
    pub(super) found: Found,
    bytes: usize,
    /// When any file changed last.
    pub(super) changed: Option<SystemTime>,
}

impl<'a> Walk<'a> {
    /// Returns a walk that takes what did not change from what was seen before.
    pub(super) fn new(seen: &'a Found, reading: &'a Arc<Reading>, read: Read) -> Self {
        Self {
            seen,
            reading,
            read,
            found: BTreeMap::new(),
            bytes: 0,
            changed: None,
        }
    }

    /// Finds the files of a folder and those within; an error when it can't be read whole.
    pub(super) fn folder(
        &mut self,
        folder: &Path,
        (within, depth): (&Path, usize),
    ) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("{} is too deep", folder.display()));
        }
        let failed = |error| format!("{}: {error}", folder.display());
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                // Hidden folders are those of tools, as that of git.
                if !entry.file_name().to_string_lossy().starts_with('.') {
                    self.folder(&path, (within, depth + 1))?;
                }
            } else if let Some(name) = path.to_str() {
                self.file(name, (&path, within))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, name: &str, (path, within): (&Path, &Path)) -> Result<(), String> {
        let (stamp, file) = match stamp(path, within) {
            Ok(Some(stamp)) => match self.seen.get(name) {
                Some((before, file)) if *before == stamp => (stamp, Arc::clone(file)),
                _ => match self.contents(name, &stamp) {
                    Ok(file) => (stamp, Arc::new(file)),
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                    Err(error) => self.unreadable(name, stamp, &error),
                },
            },
            Ok(None) => return Ok(()),
            // What goes away meanwhile is not there, nor is what a link leads to in vain.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => self.unreadable(name, Stamp::default(), &error),
        };
        let limits = self.reading.limits;
        self.changed = self.changed.max(stamp.changed);
        self.bytes += file.bytes().len();
        if self.bytes > limits.bytes_max || self.found.len() >= limits.files_max {
            let (files, bytes) = (limits.files_max, limits.bytes_max);
            return Err(format!("more than {files} files or {bytes} bytes"));
        }
        self.found.insert(name.into(), (stamp, file));
        Ok(())
    }

    fn contents(&self, name: &str, stamp: &Stamp) -> std::io::Result<File> {
        let most = self.reading.limits.file_bytes_max;
        let size = usize::try_from(stamp.bytes).unwrap_or(usize::MAX);
        if size > most {
            return Ok(File::too_large(name, size, self.reading));
        }
        let bytes = (self.read)(&stamp.target, most)?;
        // It may have grown since.
        if bytes.len() > most {
            return Ok(File::too_large(name, bytes.len(), self.reading));
        }
        Ok(File::new(name, bytes.into(), self.reading))
    }

    /// A file that can't be read is there, and is said to be broken: without it applications would
    /// get other values, and nobody would know.
    fn unreadable(&self, name: &str, stamp: Stamp, error: &std::io::Error) -> (Stamp, Arc<File>) {
        let why = error.to_string();
        let file = File::unreadable(name, &why, self.reading);
        let unreadable = Some(why);
        (
            Stamp {
                unreadable,
                ..stamp
            },
            Arc::new(file),
        )
    }
}

/// Returns what tells that a file changed; `None` for what is no file of the folder.
fn stamp(path: &Path, within: &Path) -> std::io::Result<Option<Stamp>> {
    let target = path.canonicalize()?;
    let data = std::fs::metadata(&target)?;
    if !target.starts_with(within) || !data.is_file() {
        return Ok(None);
    }
    Ok(Some(Stamp {
        target,
        inode: data.ino(),
        bytes: data.len(),
        changed: data.modified().ok(),
        touched: (data.ctime(), data.ctime_nsec()),
        unreadable: None,
    }))
}
