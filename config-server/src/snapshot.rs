//! The files of one commit or folder, in memory and never changed: whoever answers from one sees
//! all of it or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use bytes::Bytes;

use crate::cipher::Cipher;
use crate::document::{Bounds, Broken, Document, Format};
use crate::environment::assemble::BrokenFile;

/// What reading files needs.
#[derive(Debug, Default)]
pub struct Reading {
    /// How much a file may hold.
    pub bounds: Bounds,
    /// How much a snapshot may hold.
    pub limits: Limits,
    /// Decrypts values.
    pub cipher: Arc<Cipher>,
}

/// How much a snapshot may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Bytes of a file; of a larger one it is only known that it is there.
    pub file_bytes_max: usize,
    /// Files of a commit.
    pub files_max: usize,
    /// Bytes of all files of a commit.
    pub bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes_max: 4 << 20,
            files_max: 100_000,
            bytes_max: 256 << 20,
        }
    }
}

/// A file's contents, shared by all commits that have it.
#[derive(Debug)]
pub struct File {
    bytes: Bytes,
    format: Option<Format>,
    /// Whether its bytes are not here.
    is_lacking: bool,
    documents: OnceLock<Result<Vec<Document>, Broken>>,
    reading: Arc<Reading>,
}

impl File {
    /// Returns a file of these bytes, which is read when it is asked for first.
    pub(crate) fn new(path: &str, bytes: Bytes, reading: &Arc<Reading>) -> Self {
        Self {
            bytes,
            format: Format::of(path),
            is_lacking: false,
            documents: OnceLock::new(),
            reading: Arc::clone(reading),
        }
    }

    /// Returns a file of which only the size is known: a broken one, if it is configuration.
    pub(crate) fn too_large(path: &str, size: usize, reading: &Arc<Reading>) -> Self {
        let most = reading.limits.file_bytes_max;
        Self::lacking(path, format!("{size} bytes, at most {most}"), reading)
    }

    /// Returns a file that can't be read: a broken one, if it is configuration.
    pub(crate) fn unreadable(path: &str, why: &str, reading: &Arc<Reading>) -> Self {
        Self::lacking(path, format!("it can't be read: {why}"), reading)
    }

    fn lacking(path: &str, what: String, reading: &Arc<Reading>) -> Self {
        let broken = Broken::new(crate::document::Place { line: 1, column: 1 }, what);
        Self {
            bytes: Bytes::new(),
            format: Format::of(path),
            is_lacking: true,
            documents: OnceLock::from(Err(broken)),
            reading: Arc::clone(reading),
        }
    }

    /// Returns why its bytes are not here, when they are not.
    pub(crate) fn lacks(&self) -> Option<&Broken> {
        let read = self.documents.get().filter(|_| self.is_lacking);
        read.and_then(|read| read.as_ref().err())
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns its documents, values decrypted; none for a file that is no configuration.
    pub fn documents(&self) -> Result<&[Document], &Broken> {
        let read = self.documents.get_or_init(|| {
            let Some(format) = self.format else {
                return Ok(Vec::new());
            };
            let mut documents = format.read(&self.bytes, &self.reading.bounds)?;
            let entries = documents
                .iter_mut()
                .flat_map(|document| &mut document.entries);
            entries.for_each(|entry| self.reading.cipher.uncover(entry));
            Ok(documents)
        });
        read.as_deref()
    }
}

/// The files.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The commit; `None` for a folder.
    pub version: Option<String>,
    /// When it was committed, or read.
    pub changed: Option<SystemTime>,
    /// By path, with slashes and without one at the beginning.
    files: BTreeMap<Box<str>, Arc<File>>,
    /// Once somebody asked for them.
    folders: OnceLock<BTreeSet<Box<str>>>,
}

impl Snapshot {
    /// Returns a snapshot of these files.
    pub(crate) fn new(version: Option<String>, files: BTreeMap<Box<str>, Arc<File>>) -> Self {
        Self {
            version,
            changed: None,
            files,
            folders: OnceLock::new(),
        }
    }

    /// Returns a file.
    pub fn file(&self, path: &str) -> Option<&Arc<File>> {
        self.files.get(path)
    }

    /// Returns all paths with their files, in order.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Arc<File>)> {
        self.files.iter().map(|(path, file)| (&**path, file))
    }

    /// Returns the paths of files that another snapshot has not, or has otherwise.
    pub(crate) fn differences<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let missing = |from: &'a Self, in_other: &'a Self| {
            from.files.iter().filter(move |(path, file)| {
                let there = in_other.files.get(*path);
                there.is_none_or(|there| {
                    there.bytes != file.bytes || there.is_lacking != file.is_lacking
                })
            })
        };
        let all = missing(self, other).chain(missing(other, self));
        all.map(|(path, _)| &**path)
    }

    /// Returns all folders, each with a slash at its end; the root is the empty text.
    pub fn folders(&self) -> &BTreeSet<Box<str>> {
        self.folders.get_or_init(|| {
            let mut folders = BTreeSet::from([""]);
            for path in self.files.keys() {
                // Paths come in order, so that most often the folders are there.
                for (at, _) in path.rmatch_indices('/') {
                    if !folders.insert(path.get(..=at).unwrap_or_default()) {
                        break;
                    }
                }
            }
            folders.into_iter().map(Box::from).collect()
        })
    }

    /// Reads all files of configuration that lie where requests look; returns those that are
    /// broken.
    pub(crate) fn check(&self, is_searched: impl Fn(&str) -> bool) -> Vec<BrokenFile> {
        let mut broken = Vec::new();
        for (path, file) in &self.files {
            let folder = path
                .rfind('/')
                .map_or("", |at| path.get(..=at).unwrap_or(""));
            if file.format.is_some()
                && is_searched(folder)
                && let Err(error) = file.documents()
            {
                let broken_file = BrokenFile {
                    path: path.to_string(),
                    broken: error.clone(),
                };
                broken.push(broken_file);
            }
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_found_once() {
        let reading = Arc::new(Reading::default());
        let paths = ["a/b/c.yml", "a/b/d.yml", "a/e.yml", "f.yml", "/g/h.yml"];
        let files = paths.map(|path| {
            let file = File::new(path, Bytes::new(), &reading);
            (path.into(), Arc::new(file))
        });
        let snapshot = Snapshot::new(None, files.into());
        let folders = snapshot.folders();
        let expected = ["", "/", "/g/", "a/", "a/b/"].map(Box::from);
        assert_eq!(*folders, BTreeSet::from(expected));
        assert!(std::ptr::eq(folders, snapshot.folders()));
    }
}
