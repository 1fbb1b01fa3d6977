//! What is asked of git: bring a clone up to date, say what its branches and tags are, read the
//! files of a commit out of the object database. All of it blocks. A repository on this machine is
//! read where it is; nothing is ever checked out.
//!
//! # Layout
//!
//! - [`fetch`]: clones and what is new in them.
//! - [`http`], [`daemon`]: ways to a remote that end when they are told to by [`interrupt`].
//! - [`read`]: the files of a commit.

mod daemon;
mod fetch;
mod http;
mod interrupt;
pub(super) mod read;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix::ObjectId;

use super::config::{Access, GitConfig};
use interrupt::Interrupt;

/// Why git gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// A clone is damaged, or an object is missing in it: it is made again.
    #[error("{0}")]
    Damaged(String),
    /// A commit holds more than it may: it is held back.
    #[error("{0}")]
    TooMuch(String),
    /// Everything else, which may pass: the remote, the way to it, the machine, the settings.
    #[error("{0}")]
    Failed(String),
}

/// Returns an error with the reasons behind it, in one line.
pub(super) fn reasons(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        source = error.source();
    }
    // Some errors draw a tree of their reasons over several lines.
    let words: Vec<&str> = out.split_whitespace().collect();
    words.join(" ")
}

/// Returns what an error in a clone means. What the machine refuses (too many files are open, a
/// folder may not be read) says nothing about the clone, which must not be removed for it.
fn in_clone(error: &(dyn std::error::Error + 'static)) -> GitError {
    let why = reasons(error);
    if is_of_machine(error) {
        GitError::Failed(why)
    } else {
        GitError::Damaged(why)
    }
}

fn is_of_machine(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        next = match error.downcast_ref::<std::io::Error>() {
            // It is around another one, of which it does not tell as its source.
            Some(io) if io.kind() == ErrorKind::Other => io.get_ref().map(|inner| inner as _),
            Some(io) => return !is_of_clone(io.kind()),
            None => error.source(),
        };
    }
    false
}

fn is_of_clone(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NotFound
            | ErrorKind::UnexpectedEof
            | ErrorKind::InvalidData
            | ErrorKind::InvalidInput
            | ErrorKind::NotADirectory
            | ErrorKind::IsADirectory
    )
}

/// Returns why the machine does not let a clone be read: git's library takes it for none then, or
/// its objects for missing, and does not say why.
fn refused(clone: &Path) -> Option<GitError> {
    let head = std::fs::read(clone.join("HEAD")).err();
    let folders = ["objects", "refs"].map(|name| std::fs::read_dir(clone.join(name)).err());
    let errors = folders.into_iter().chain([head]).flatten();
    let mut errors = errors.chain(read_packs(&clone.join("objects/pack")).err());
    let error = errors.find(|error| !is_of_clone(error.kind()))?;
    Some(GitError::Failed(format!("{}: {error}", clone.display())))
}

/// Reads what a clone came in, to the first error.
fn read_packs(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let mut pack = std::fs::File::open(entry?.path())?;
        std::io::copy(&mut pack, &mut std::io::sink())?;
    }
    Ok(())
}

/// The commits of branches and tags by name.
pub(crate) type Labels = BTreeMap<String, ObjectId>;

/// A repository, here or elsewhere.
#[derive(Debug)]
pub(crate) struct Git {
    place: Place,
    /// Set when whatever goes on should end.
    interrupt: Arc<Interrupt>,
}

#[derive(Debug)]
enum Place {
    /// Read where it is.
    Here(PathBuf),
    /// Cloned into a folder.
    Remote(Box<Remote>),
}

#[derive(Debug)]
struct Remote {
    uri: String,
    clone: PathBuf,
    access: AccessOf,
    timeout: std::time::Duration,
}

/// Access, which is shown to nobody.
struct AccessOf(Access);

impl std::fmt::Debug for AccessOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("...")
    }
}

impl Git {
    /// Returns the repository at a URI. Clones of remote ones live in a folder of `base`.
    pub(crate) fn new(config: &GitConfig, uri: &str, base: &Path) -> Self {
        let place = match local(uri) {
            Some(path) => Place::Here(path),
            None => Place::Remote(Box::new(Remote {
                uri: uri.to_owned(),
                clone: base.join(folder_name(uri)),
                access: AccessOf(config.access.clone()),
                timeout: config.timeout,
            })),
        };
        Self {
            place,
            interrupt: Arc::default(),
        }
    }

    /// Asks whatever goes on to end.
    pub(crate) fn interrupt(&self) {
        self.interrupt.set();
    }

    /// Returns whether it is not asked for any more.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// Brings what is here up to date and returns its branches and tags. A damaged clone is made
    /// again.
    pub(crate) fn fetch(&self) -> Result<Labels, GitError> {
        match &self.place {
            Place::Here(path) => labels(&open(path)?),
            Place::Remote(remote) => match fetch::fetch(remote, &self.interrupt) {
                Err(GitError::Damaged(why)) if !self.interrupt.is_set() => {
                    self.forget_damaged()?;
                    let uri = super::config::shown(&remote.uri);
                    tracing::warn!(uri, why, "the clone is damaged: it is made again");
                    fetch::fetch(remote, &self.interrupt)
                }
                other => other,
            },
        }
    }

    /// Returns the branches and tags as they were when the clone was last brought up to date.
    pub(crate) fn known(&self) -> Option<Labels> {
        let Place::Remote(remote) = &self.place else {
            return None;
        };
        let labels = labels(&open(&remote.clone).ok()?).ok()?;
        (!labels.is_empty()).then_some(labels)
    }

    /// Returns whether it is a clone, which can be made again.
    pub(crate) fn is_clone(&self) -> bool {
        matches!(self.place, Place::Remote(_))
    }

    /// Removes a clone that is damaged, so that it is made again; an error when it is the machine
    /// that does not let it be read.
    pub(crate) fn forget_damaged(&self) -> Result<(), GitError> {
        if let Place::Remote(remote) = &self.place
            && let Some(refused) = refused(&remote.clone)
        {
            return Err(refused);
        }
        self.forget();
        Ok(())
    }

    /// Removes the clone, so that it is made again.
    pub(crate) fn forget(&self) {
        if let Place::Remote(remote) = &self.place
            && let Err(error) = std::fs::remove_dir_all(&remote.clone)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "a damaged clone can't be removed");
        }
    }

    /// Opens it for reading.
    pub(crate) fn open(&self) -> Result<gix::Repository, GitError> {
        match &self.place {
            Place::Here(path) => open(path),
            Place::Remote(remote) => open(&remote.clone),
        }
    }
}

/// Opens a repository, its own settings alone in force.
fn open(path: &Path) -> Result<gix::Repository, GitError> {
    let opened = gix::open::Options::isolated().open(path.to_owned());
    let opened = opened.map_err(|error| refused(path).unwrap_or_else(|| in_clone(&error)))?;
    Ok(opened.to_thread_local())
}

/// Returns the path of a repository on this machine.
fn local(uri: &str) -> Option<PathBuf> {
    if let Some(path) = uri.strip_prefix("file:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        let path = path.strip_prefix("localhost").unwrap_or(path);
        return Some(PathBuf::from(path));
    }
    let is_path = uri.starts_with(['/', '.']) || !uri.contains(':');
    is_path.then(|| PathBuf::from(uri))
}

/// Returns the name of a clone's folder: readable, and its own for each URI.
fn folder_name(uri: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, uri.as_bytes());
    let hex = crate::cipher::to_hex(digest.as_ref().get(..8).unwrap_or_default());
    let last = uri
        .trim_end_matches('/')
        .rsplit(['/', ':'])
        .next()
        .unwrap_or_default();
    let plain: String = last
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(32)
        .collect();
    format!("{plain}-{hex}.git")
}

/// Returns branches and tags; a branch wins over a tag of its name.
fn labels(repository: &gix::Repository) -> Result<Labels, GitError> {
    let damaged = |error: &(dyn std::error::Error + 'static)| in_clone(error);
    let mut labels = Labels::new();
    let references = repository.references().map_err(|error| damaged(&error))?;
    for prefix in ["refs/tags/", "refs/heads/"] {
        let found = references
            .prefixed(prefix)
            .map_err(|error| damaged(&error))?;
        for reference in found {
            let Ok(mut reference) = reference else {
                continue;
            };
            let name = reference.name().as_bstr().to_string();
            let label = name.strip_prefix(prefix).unwrap_or(&name).to_owned();
            let id = reference
                .peel_to_id()
                .map_err(|error| damaged(&error))?
                .detach();
            let header = repository
                .find_header(id)
                .map_err(|error| damaged(&error))?;
            // A tag of something else than a commit is no label.
            if header.kind() == gix::objs::Kind::Commit {
                labels.insert(label, id);
            }
        }
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_of_this_machine_are_read_in_place() {
        let path = |path: &str| Some(PathBuf::from(path));
        assert_eq!(local("file:///a/b"), path("/a/b"));
        assert_eq!(local("file:/a/b"), path("/a/b"));
        assert_eq!(local("/a/b"), path("/a/b"));
        assert_eq!(local("../b"), path("../b"));
        assert_eq!(local("repo"), path("repo"));
        assert_eq!(local("https://h/a"), None);
        assert_eq!(local("git@h:a/b.git"), None);
        assert_eq!(local("ssh://git@h/a"), None);
    }

    #[test]
    fn what_the_machine_refuses_is_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let clone = folder.path().join("x.git");
        gix::init_bare(&clone).unwrap();
        assert!(open(&clone).is_ok());
        // A loop of links stands for whatever keeps a file from being read, also from root.
        let head = clone.join("HEAD");
        std::fs::remove_file(&head).unwrap();
        std::os::unix::fs::symlink("HEAD", &head).unwrap();
        let error = open(&clone).unwrap_err();
        assert!(matches!(error, GitError::Failed(_)), "{error:?}");
        std::fs::remove_file(&head).unwrap();
        assert!(matches!(open(&clone), Err(GitError::Damaged(_))));
        let remote = Git {
            place: Place::Remote(Box::new(Remote {
                uri: String::new(),
                clone: clone.clone(),
                access: AccessOf(Access::default()),
                timeout: std::time::Duration::ZERO,
            })),
            interrupt: Arc::default(),
        };
        let pack = clone.join("objects/pack/x.pack");
        std::os::unix::fs::symlink("x.pack", &pack).unwrap();
        let refused = remote.forget_damaged();
        assert!(matches!(refused, Err(GitError::Failed(_))) && clone.exists());
        std::fs::remove_file(&pack).unwrap();
        assert!(remote.forget_damaged().is_ok() && !clone.exists());
        let nothing = open(&folder.path().join("nothing"));
        assert!(matches!(nothing, Err(GitError::Damaged(_))));
    }

    #[test]
    fn errors_of_the_machine_are_found_behind_others() {
        let full: std::io::Error = ErrorKind::StorageFull.into();
        assert!(is_of_machine(&std::io::Error::other(full)));
        assert!(
            is_of_machine(&std::io::Error::from_raw_os_error(24)),
            "too many files"
        );
        assert!(!is_of_machine(&std::io::Error::from(ErrorKind::NotFound)));
        assert!(!is_of_machine(&std::io::Error::other("something else")));
        assert!(!is_of_machine(&std::fmt::Error));
    }

    #[test]
    fn clones_have_folders_of_their_own() {
        let (one, two) = (
            folder_name("https://h/a.git"),
            folder_name("https://i/a.git"),
        );
        assert_ne!(one, two);
        assert!(one.starts_with("agit-"), "{one}");
        assert!(!folder_name("https://h/..").contains('/'));
    }
}
