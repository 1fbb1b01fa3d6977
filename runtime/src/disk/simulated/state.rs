//! Names, files and planned faults of the simulated disk, all behind its one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::super::random::Random;
use super::inode::Inode;

/// A change of names that a power cut may undo.
#[derive(Clone, Debug)]
enum Naming {
    Create(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// What shall go wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) capacity: Option<u64>,
    pub(super) sync: Option<(u64, u64)>,
    pub(super) data_sync: Option<(u64, u64)>,
    pub(super) read: Option<u64>,
    pub(super) write: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) faults: Faults,
    /// Crashes so far.
    pub(super) epoch: u64,
    pub(super) syncs: u64,
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, u64>,
    synced_names: BTreeMap<PathBuf, u64>,
    unsynced_names: Vec<Naming>,
    inodes: BTreeMap<u64, Inode>,
    next_id: u64,
}

// === impl State: names ===

impl State {
    pub(super) fn create_dir_all(&mut self, dir: &Path) -> io::Result<()> {
        if dir.ancestors().any(|above| self.names.contains_key(above)) {
            return Err(Errno::EXIST.into());
        }
        self.dirs.extend(dir.ancestors().map(Path::to_path_buf));
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.check_dir(dir)?;
        let inside = |path: &&PathBuf| path.parent() == Some(dir);
        Ok(self.names.keys().filter(inside).cloned().collect())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<u64> {
        self.check_dir(path.parent().unwrap_or(Path::new("")))?;
        if self.names.contains_key(path) || self.dirs.contains(path) {
            return Err(Errno::EXIST.into());
        }
        let id = self.add(Inode::default());
        self.note(Naming::Create(path.to_path_buf(), id));
        Ok(id)
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<u64> {
        let found = self.names.get(path).copied();
        found.ok_or_else(|| Errno::NOENT.into())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.find(from)?;
        self.check_dir(to.parent().unwrap_or(Path::new("")))?;
        if self.dirs.contains(to) {
            return Err(Errno::ISDIR.into());
        }
        if from != to {
            self.note(Naming::Rename(from.to_path_buf(), to.to_path_buf()));
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        self.note(Naming::Remove(path.to_path_buf()));
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        self.check_dir(dir)?;
        let failure = self.sync_fault();
        let mut random = Random::new(failure.unwrap_or(0));
        for naming in std::mem::take(&mut self.unsynced_names) {
            let here = naming.paths().any(|path| path.parent() == Some(dir));
            if !here {
                self.unsynced_names.push(naming);
            } else if failure.is_none() || random.coin() {
                naming.apply(&mut self.synced_names);
            }
        }
        failure.map_or(Ok(()), |_| Err(Errno::IO.into()))
    }

    pub(super) fn put(&mut self, path: &Path, content: Vec<u8>) {
        let dirs = path.ancestors().skip(1).map(Path::to_path_buf);
        self.dirs.extend(dirs);
        let id = self.add(Inode::with_content(content));
        self.names.insert(path.to_path_buf(), id);
        self.synced_names.insert(path.to_path_buf(), id);
    }

    fn check_dir(&self, dir: &Path) -> io::Result<()> {
        // A relative name without a folder lies in the working folder, which is always there.
        if dir.as_os_str().is_empty() || self.dirs.contains(dir) {
            return Ok(());
        }
        Err(Errno::NOENT.into())
    }

    fn add(&mut self, inode: Inode) -> u64 {
        self.next_id += 1;
        self.inodes.insert(self.next_id, inode);
        self.next_id
    }

    fn note(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.unsynced_names.push(naming);
    }
}

// === impl State: bytes ===

impl State {
    pub(super) fn len(&mut self, id: u64, epoch: u64) -> io::Result<u64> {
        Ok(self.inode(id, epoch)?.content.len() as u64)
    }

    pub(super) fn read(&mut self, id: u64, epoch: u64) -> io::Result<&[u8]> {
        if due(&mut self.faults.read) {
            return Err(Errno::IO.into());
        }
        Ok(&self.inode(id, epoch)?.content)
    }

    pub(super) fn write(
        &mut self,
        id: u64,
        epoch: u64,
        (offset, mut bytes): (u64, Vec<u8>),
    ) -> io::Result<()> {
        let len = self.inode(id, epoch)?.content.len() as u64;
        let mut failure = None;
        if let Some(seed) = due_with(&mut self.faults.write) {
            bytes.truncate(Random::new(seed).below(bytes.len() as u64 + 1) as usize);
            failure = Some(Errno::IO);
        }
        let end_max = len.saturating_add(self.free_bytes());
        let end = offset.saturating_add(bytes.len() as u64);
        if end > end_max.max(len) {
            bytes.truncate(end_max.saturating_sub(offset) as usize);
            failure = failure.or(Some(Errno::NOSPC));
        }
        self.inode(id, epoch)?.write(offset, bytes);
        failure.map_or(Ok(()), |errno| Err(errno.into()))
    }

    pub(super) fn set_len(&mut self, id: u64, epoch: u64, len: u64) -> io::Result<()> {
        let free = self.free_bytes();
        let inode = self.inode(id, epoch)?;
        if len.saturating_sub(inode.content.len() as u64) > free {
            return Err(Errno::NOSPC.into());
        }
        inode.set_len(len);
        Ok(())
    }

    pub(super) fn sync_file(&mut self, id: u64, epoch: u64) -> io::Result<()> {
        self.inode(id, epoch)?;
        let failure = self.sync_fault();
        let failure = failure.or(due_with(&mut self.faults.data_sync));
        let inode = self.inode(id, epoch)?;
        match failure {
            None => inode.sync(),
            Some(seed) => {
                inode.sync_badly(&mut Random::new(seed));
                return Err(Errno::IO.into());
            }
        }
        Ok(())
    }

    pub(super) fn content(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let id = self.find(path)?;
        Ok(self.inode(id, self.epoch)?.content.clone())
    }

    pub(super) fn flip_bit(&mut self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        let id = self.find(path)?;
        let inode = self.inode(id, self.epoch)?;
        if inode.flip_bit(offset as usize, bit) {
            return Ok(());
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    pub(super) fn crash(&mut self, seed: u64) {
        let mut random = Random::new(seed);
        for naming in std::mem::take(&mut self.unsynced_names) {
            if random.coin() {
                naming.apply(&mut self.synced_names);
            }
        }
        self.names.clone_from(&self.synced_names);
        let named: BTreeSet<u64> = self.names.values().copied().collect();
        self.inodes.retain(|id, _| named.contains(id));
        for inode in self.inodes.values_mut() {
            inode.crash(&mut random);
        }
        self.epoch += 1;
        self.forget_faults();
    }

    pub(super) fn forget_faults(&mut self) {
        let capacity = self.faults.capacity;
        self.faults = Faults {
            capacity,
            ..Faults::default()
        };
    }

    fn inode(&mut self, id: u64, epoch: u64) -> io::Result<&mut Inode> {
        let found = self.inodes.get_mut(&id).filter(|_| epoch == self.epoch);
        found.ok_or_else(|| io::Error::other("the handle is from before a crash"))
    }

    fn sync_fault(&mut self) -> Option<u64> {
        self.syncs += 1;
        due_with(&mut self.faults.sync)
    }

    fn free_bytes(&self) -> u64 {
        let Some(capacity) = self.faults.capacity else {
            return u64::MAX;
        };
        let named = self.names.values().filter_map(|id| self.inodes.get(id));
        let used: u64 = named.map(|inode| inode.content.len() as u64).sum();
        capacity.saturating_sub(used)
    }
}

// === impl Naming ===

impl Naming {
    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let (first, second) = match self {
            Self::Create(path, _) | Self::Remove(path) => (path, None),
            Self::Rename(from, to) => (from, Some(to)),
        };
        std::iter::once(first).chain(second)
    }

    /// A change whose ground is missing (the creation before it was lost) does nothing.
    fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Create(path, id) => {
                names.insert(path.clone(), *id);
            }
            Self::Rename(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }
}

fn due(plan: &mut Option<u64>) -> bool {
    match plan {
        Some(0) => {
            *plan = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

fn due_with(plan: &mut Option<(u64, u64)>) -> Option<u64> {
    let (left, seed) = (*plan)?;
    if left == 0 {
        *plan = None;
        return Some(seed);
    }
    *plan = Some((left - 1, seed));
    None
}
