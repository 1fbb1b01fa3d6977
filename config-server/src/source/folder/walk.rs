//! The files of folders, read again only when they changed. A symbolic link counts when it leads to
//! a file or a folder of the same folder, as those of mounted configuration maps do.

use std::collections::BTreeMap;
use std::fs::FileType;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::snapshot::{File, Reading};

/// Folders within folders.
const DEPTH_MAX: usize = 32;
/// Links to folders that are followed: some that lead to each other make many ways through few
/// folders.
const LINKS_MAX: usize = 10_000;

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
    /// The folders that it is in, by their own paths.
    trail: Vec<PathBuf>,
    links: usize,
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
            trail: Vec::new(),
            links: 0,
            changed: None,
        }
    }

    /// Finds the files of a folder and those within; an error when it can't be read whole.
    pub(super) fn folder(&mut self, folder: &Path, within: &Path) -> Result<(), String> {
        (self.trail, self.links) = (Vec::new(), 0);
        self.enter((folder, within.to_owned()), within)
    }

    /// Goes into a folder, unless it is in there already: a link may lead to where it lies.
    fn enter(&mut self, (folder, real): (&Path, PathBuf), within: &Path) -> Result<(), String> {
        if self.trail.contains(&real) {
            return Ok(());
        }
        if self.trail.len() > DEPTH_MAX {
            return Err(format!("{} is too deep", folder.display()));
        }
        self.trail.push(real);
        let found = self.inner(folder, within);
        self.trail.pop();
        found
    }

    fn inner(&mut self, folder: &Path, within: &Path) -> Result<(), String> {
        let failed = |error| format!("{}: {error}", folder.display());
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            if let Some(real) = self.real((&path, kind), within) {
                // Hidden folders are those of tools, as that of git.
                if entry.file_name().to_string_lossy().starts_with('.') {
                    continue;
                }
                self.links += usize::from(kind.is_symlink());
                if self.links > LINKS_MAX {
                    let folder = folder.display();
                    return Err(format!("{folder}: more than {LINKS_MAX} links to folders"));
                }
                self.enter((&path, real), within)?;
            } else if let Some(name) = path.to_str() {
                self.file(name, (&path, within))?;
            }
        }
        Ok(())
    }

    /// Returns the own path of a folder, or of the one that a link leads to.
    fn real(&self, (path, kind): (&Path, FileType), within: &Path) -> Option<PathBuf> {
        if kind.is_dir() {
            return Some(self.trail.last()?.join(path.file_name()?));
        }
        let target = Some(path).filter(|_| kind.is_symlink())?;
        let target = target.canonicalize().ok()?;
        (target.starts_with(within) && target.is_dir()).then_some(target)
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

#[cfg(test)]
mod tests {
    use std::fs::{create_dir, create_dir_all, write};
    use std::os::unix::fs::symlink;

    use super::*;

    /// Returns the paths of the files that are found, from the root on.
    fn found(root: &Path) -> Vec<String> {
        let (seen, reading) = (Found::new(), Arc::default());
        let mut walk = Walk::new(&seen, &reading, read);
        walk.folder(root, root).unwrap();
        let name = |path: &str| {
            let path = Path::new(path).strip_prefix(root).unwrap();
            path.display().to_string()
        };
        walk.found.keys().map(|path| name(path)).collect()
    }

    #[test]
    fn folders_behind_links_are_found_as_a_mounted_map_has_them() {
        let here = tempfile::tempdir().unwrap();
        let (root, outside) = (here.path().join("root"), here.path().join("outside"));
        create_dir_all(root.join("..one/team")).unwrap();
        create_dir(&outside).unwrap();
        write(root.join("..one/app.yml"), "a: 1").unwrap();
        write(root.join("..one/team/app.yml"), "a: 1").unwrap();
        write(outside.join("other.yml"), "a: 1").unwrap();
        symlink("..one", root.join("..data")).unwrap();
        symlink("..data/app.yml", root.join("app.yml")).unwrap();
        symlink("..data/team", root.join("team")).unwrap();
        symlink(&outside, root.join("outside")).unwrap();
        symlink("nowhere", root.join("nothing")).unwrap();
        assert_eq!(found(&root), ["app.yml", "team/app.yml"]);
    }

    #[test]
    fn links_that_lead_round_end() {
        let here = tempfile::tempdir().unwrap();
        let root = here.path();
        for (folder, link) in [("one", "../two"), ("two", "../one")] {
            create_dir(root.join(folder)).unwrap();
            write(root.join(folder).join("app.yml"), "a: 1").unwrap();
            symlink(link, root.join(folder).join("link")).unwrap();
            symlink("..", root.join(folder).join("up")).unwrap();
            symlink(".", root.join(folder).join("here")).unwrap();
        }
        let expected = [
            "one/app.yml",
            "one/link/app.yml",
            "two/app.yml",
            "two/link/app.yml",
        ];
        assert_eq!(found(root), expected);
        // Few folders, and more ways through them than anybody can go.
        for number in 0..20 {
            let folder = root.join(number.to_string());
            create_dir(&folder).unwrap();
            for other in 0..20 {
                symlink(format!("../{other}"), folder.join(other.to_string())).unwrap();
            }
        }
        let (seen, reading) = (Found::new(), Arc::default());
        let why = Walk::new(&seen, &reading, read).folder(root, root);
        assert!(
            why.unwrap_err()
                .ends_with("more than 10000 links to folders")
        );
    }
}
