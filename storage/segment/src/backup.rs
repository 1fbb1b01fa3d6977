//! Copies of a store that another process may be writing. Segments never change, so that a manifest
//! and the segments that it names are a copy; what is not in them is the journal's. Nothing is
//! locked, and nothing of the store changes.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use speargun_runtime::RealDisk;

use crate::error::OpenError;
use crate::manifest::{self, Found, Manifest, segment_path};
use crate::moving::Ticket;

/// How often the manifest is read until all of its segments could be held. They go when they are
/// merged, seconds later at the earliest, and holding them takes milliseconds.
const TRIES_MAX: usize = 100;
/// How long a manifest is waited for where there are segments and none: the first segment is on
/// disk before the first manifest, which takes as long as the disk takes for a sync or two.
const FIRST_MANIFEST: Duration = Duration::from_secs(5);
/// Between two looks for it.
const PAUSE: Duration = Duration::from_millis(5);

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A newer version wrote it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The manifest is missing or damaged.
    #[error("{0} is missing or damaged: a start of the server finds out what counts")]
    Manifest(PathBuf),
    /// Its segments go into a database.
    #[error("{0} says that the spans of this folder move into a database: back that up")]
    Moving(PathBuf),
    /// Segments came and went too fast.
    #[error("{0} changes too fast to be copied: try again")]
    Busy(PathBuf),
}

/// What was copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    /// Segments.
    pub segments: u64,
    /// Of those, files that the copy has in common with the original (hard links).
    pub linked: u64,
    /// Bytes of all segments.
    pub bytes: u64,
    /// Segments that the manifest names and that are not there.
    pub missing: u64,
    /// The journal position up to which the copy holds everything.
    pub position: u64,
}

/// Returns the journal position up to which the store in `dir` holds everything.
pub fn durable_position(dir: &Path) -> Result<u64, BackupError> {
    Ok(read_manifest(dir)?.durable)
}

/// Copies the store in `from` into the folder `to`, which is empty, durably: segments as hard links
/// where the file system can.
pub fn copy(from: &Path, to: &Path) -> Result<Copied, BackupError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| BackupError::Io { path, source }
    };
    std::fs::create_dir_all(to).map_err(at(to))?;
    let (manifest, held) = hold_all(from, to)?;
    let mut copied = Copied {
        position: manifest.durable,
        ..Copied::default()
    };
    for (path, held) in held {
        copied.segments += 1;
        copied.bytes += match held {
            Held::Linked => {
                copied.linked += 1;
                path.metadata().map_err(at(&path))?.len()
            }
            Held::Open(file) => write_copy(file, &path).map_err(at(&path))?,
        };
    }
    copied.missing = manifest.segments.len() as u64 - copied.segments;
    manifest.write(&RealDisk, to).map_err(at(to))?;
    Ok(copied)
}

/// A segment that can't go away any more.
enum Held {
    Linked,
    /// To be copied.
    Open(File),
}

/// Holds the segments of one manifest, each with its place in the copy.
fn hold_all(from: &Path, to: &Path) -> Result<(Manifest, Vec<(PathBuf, Held)>), BackupError> {
    let mut before = None;
    for _ in 0..TRIES_MAX {
        let manifest = read_manifest(from)?;
        let mut held = Vec::with_capacity(manifest.segments.len());
        for &(first, last) in &manifest.segments {
            let (path, place) = (
                segment_path(from, first, last),
                segment_path(to, first, last),
            );
            match hold(&path, &place) {
                Ok(segment) => held.push((place, segment)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(BackupError::Io { path, source }),
            }
        }
        // What a manifest still names that was read before and is not there is lost, not merged.
        if held.len() == manifest.segments.len() || before.as_ref() == Some(&manifest) {
            return Ok((manifest, held));
        }
        for (place, segment) in &held {
            if let Held::Linked = segment {
                std::fs::remove_file(place).map_err(|source| BackupError::Io {
                    path: place.clone(),
                    source,
                })?;
            }
        }
        before = Some(manifest);
    }
    Err(BackupError::Busy(from.to_owned()))
}

fn hold(path: &Path, place: &Path) -> io::Result<Held> {
    match std::fs::hard_link(path, place) {
        Ok(()) => Ok(Held::Linked),
        // Another file system, or one without links.
        Err(error) if error.kind() != io::ErrorKind::NotFound => Ok(Held::Open(File::open(path)?)),
        Err(error) => Err(error),
    }
}

fn write_copy(mut from: File, to: &Path) -> io::Result<u64> {
    let mut copy = File::create_new(to)?;
    let bytes = io::copy(&mut from, &mut copy)?;
    copy.sync_all()?;
    Ok(bytes)
}

fn read_manifest(dir: &Path) -> Result<Manifest, BackupError> {
    let at = |source| BackupError::Io {
        path: dir.to_owned(),
        source,
    };
    let moving = Ticket::path(dir);
    if moving.try_exists().map_err(at)? {
        return Err(BackupError::Moving(moving));
    }
    let (is_new, found) = settled(dir).map_err(at)?;
    match found {
        Found::Manifest(manifest) => Ok(manifest),
        Found::TooNew(found) => Err(BackupError::Open(OpenError::TooNew {
            path: manifest::path(dir),
            found,
            known: manifest::VERSION,
        })),
        Found::Missing if is_new => Ok(Manifest::default()),
        Found::Missing | Found::Damaged(_) => Err(BackupError::Manifest(manifest::path(dir))),
    }
}

/// Reads the manifest, with whether nothing was sealed before; waits for the one that the first
/// segment of a store is about to be named in.
fn settled(dir: &Path) -> io::Result<(bool, Found)> {
    let began = Instant::now();
    loop {
        // In this order: a segment that comes between the two is of a store that was new.
        let is_new = is_empty(dir)?;
        let found = Manifest::read(&RealDisk, dir)?;
        let is_missing = matches!(found, Found::Missing);
        if is_new || !is_missing || began.elapsed() > FIRST_MANIFEST {
            return Ok((is_new, found));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Returns whether the folder holds no segment.
fn is_empty(dir: &Path) -> io::Result<bool> {
    let mut files = std::fs::read_dir(dir)?;
    Ok(!files
        .any(|file| file.is_ok_and(|file| manifest::parse_segment_path(&file.path()).is_some())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_store_or_no_longer_one_is_told_by_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("to");
        assert_eq!(copy(dir.path(), &to).unwrap(), Copied::default());
        std::fs::write(segment_path(dir.path(), 1, 1), "x").unwrap();
        let error = copy(dir.path(), &to).unwrap_err().to_string();
        assert!(error.contains("MANIFEST is missing or damaged"), "{error}");
        std::fs::write(dir.path().join("MOVING"), "x").unwrap();
        let error = copy(dir.path(), &to).unwrap_err().to_string();
        assert!(error.contains("MOVING says"), "{error}");
        let error = copy(&dir.path().join("none"), &to).unwrap_err().to_string();
        assert!(error.contains("none"), "{error}");
    }

    #[test]
    fn the_first_manifest_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(segment_path(dir.path(), 1, 1), "x").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(10 * PAUSE);
                let manifest = Manifest {
                    durable: 7,
                    segments: vec![(1, 1)],
                };
                manifest.write(&RealDisk, dir.path()).unwrap();
            });
            assert_eq!(durable_position(dir.path()).unwrap(), 7);
        });
    }

    #[test]
    fn a_segment_that_is_gone_for_good_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("to");
        let manifest = Manifest {
            durable: 7,
            segments: vec![(1, 1), (2, 2)],
        };
        manifest.write(&RealDisk, dir.path()).unwrap();
        std::fs::write(segment_path(dir.path(), 2, 2), "12345").unwrap();
        let copied = copy(dir.path(), &to).unwrap();
        let expected = Copied {
            segments: 1,
            linked: copied.linked,
            bytes: 5,
            missing: 1,
            position: 7,
        };
        assert_eq!(copied, expected);
        assert_eq!(durable_position(&to).unwrap(), 7);
    }
}
