//! The files of a commit, read out of the object database. Symbolic links and submodules are no
//! files here: they could lead out of the repository.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use gix::ObjectId;
use gix::objs::tree::EntryKind;

use super::{GitError, in_clone};
use crate::document::Format;
use crate::snapshot::{File, Limits, Reading, Snapshot};

/// Folders within folders.
const DEPTH_MAX: usize = 64;

/// Files of earlier commits by their contents: what did not change is not read again.
pub(in crate::source) type Known = HashMap<(ObjectId, Option<Format>), Weak<File>>;

fn damaged(error: impl std::error::Error + 'static) -> GitError {
    in_clone(&error)
}

/// Reads the files of a commit.
pub(in crate::source) fn snapshot(
    repository: &gix::Repository,
    commit: ObjectId,
    known: &mut Known,
    reading: &Arc<Reading>,
) -> Result<Snapshot, GitError> {
    let found = repository.find_commit(commit).map_err(damaged)?;
    let seconds = found.time().map_err(damaged)?.seconds;
    let tree = found.tree_id().map_err(damaged)?.detach();
    let mut walk = Walk {
        repository,
        known,
        reading,
        files: BTreeMap::new(),
        bytes: 0,
    };
    walk.folder(tree, (&mut String::new(), 0))?;
    let files = walk.files;
    known.retain(|_, file| file.strong_count() > 0);
    let mut snapshot = Snapshot::new(Some(commit.to_string()), files);
    snapshot.changed = u64::try_from(seconds)
        .ok()
        .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    Ok(snapshot)
}

/// Returns the first parent of a commit.
pub(in crate::source) fn parent(
    repository: &gix::Repository,
    commit: ObjectId,
) -> Option<ObjectId> {
    let commit = repository.find_commit(commit).ok()?;
    let parent = commit.parent_ids().next()?.detach();
    // The history may be cut off.
    repository.has_object(parent).then_some(parent)
}

/// Returns whether a text may be the beginning of a commit's name.
pub(in crate::source) fn is_id(text: &str) -> bool {
    (7..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Returns the commit that a text names by its beginning.
pub(in crate::source) fn by_id(repository: &gix::Repository, text: &str) -> Option<ObjectId> {
    if !is_id(text) {
        return None;
    }
    let id = repository.rev_parse_single(text).ok()?;
    let object = id.object().ok()?;
    Some(object.peel_to_commit().ok()?.id)
}

struct Walk<'a> {
    repository: &'a gix::Repository,
    known: &'a mut Known,
    reading: &'a Arc<Reading>,
    files: BTreeMap<Box<str>, Arc<File>>,
    bytes: usize,
}

impl Walk<'_> {
    fn folder(
        &mut self,
        tree: ObjectId,
        (path, depth): (&mut String, usize),
    ) -> Result<(), GitError> {
        if depth > DEPTH_MAX {
            return Err(GitError::TooMuch(format!("{path} is too deep")));
        }
        let tree = self.repository.find_tree(tree).map_err(damaged)?;
        let length = path.len();
        for entry in tree.iter() {
            let entry = entry.map_err(damaged)?;
            // Names that are no text are named by no request.
            let Ok(name) = std::str::from_utf8(entry.filename()) else {
                continue;
            };
            let kind = entry.mode().kind();
            if matches!(name, "" | "." | ".." | ".git") || name.contains('/') {
                continue;
            }
            path.push_str(name);
            match kind {
                EntryKind::Tree => {
                    path.push('/');
                    self.folder(entry.object_id(), (path, depth + 1))?;
                }
                EntryKind::Blob | EntryKind::BlobExecutable => {
                    self.file(entry.object_id(), path)?;
                }
                EntryKind::Link | EntryKind::Commit => {}
            }
            path.truncate(length);
        }
        Ok(())
    }

    fn file(&mut self, id: ObjectId, path: &str) -> Result<(), GitError> {
        let Limits {
            file_bytes_max,
            files_max,
            bytes_max,
        } = self.reading.limits;
        let key = (id, Format::of(path));
        let file = match self.known.get(&key).and_then(Weak::upgrade) {
            Some(file) => file,
            None => {
                let header = self.repository.find_header(id).map_err(damaged)?;
                let size = usize::try_from(header.size()).unwrap_or(usize::MAX);
                let file = if size > file_bytes_max {
                    File::too_large(path, size, self.reading)
                } else {
                    let blob = self.repository.find_blob(id).map_err(damaged)?;
                    // A copy takes what it needs; git's own buffer takes what it grew to.
                    let bytes = Bytes::copy_from_slice(&blob.data);
                    File::new(path, bytes, self.reading)
                };
                let file = Arc::new(file);
                self.known.insert(key, Arc::downgrade(&file));
                file
            }
        };
        self.bytes += file.bytes().len();
        if self.bytes > bytes_max || self.files.len() >= files_max {
            let what = format!("more than {files_max} files or {bytes_max} bytes");
            return Err(GitError::TooMuch(format!("the commit has {what}")));
        }
        self.files.insert(path.into(), file);
        Ok(())
    }
}
