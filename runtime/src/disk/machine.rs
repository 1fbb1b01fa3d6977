//! A machine with a simulated disk, for tests: its power fails at the nth change of the disk, or
//! its programs are killed. From then on they reach nothing, and what survives is on the disk for
//! the next machine. Reads never cut the power; other faults are the disk's own.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::simulated::SimulatedDisk;
use super::{Disk, DiskFile};

#[derive(Debug)]
struct Power {
    is_on: bool,
    /// Changes of the disk so far.
    changes: u64,
    /// The change that is not seen through, and the seed of what then survives; without a seed the
    /// programs are killed and the disk goes on.
    end: Option<(u64, Option<u64>)>,
}

/// The machine; clones share it.
#[derive(Clone, Debug)]
pub struct Machine {
    disk: SimulatedDisk,
    power: Arc<Mutex<Power>>,
}

// === impl Machine ===

impl Machine {
    /// Returns a machine on this disk; `cut` says at which change the power fails, and the seed of
    /// what survives.
    pub fn new(disk: &SimulatedDisk, cut: Option<(u64, u64)>) -> Self {
        Self::ending(disk, cut.map(|(nth, seed)| (nth, Some(seed))))
    }

    /// Returns a machine whose programs are killed right before the `nth` change of the disk.
    pub fn killed_at(disk: &SimulatedDisk, nth: u64) -> Self {
        Self::ending(disk, Some((nth, None)))
    }

    fn ending(disk: &SimulatedDisk, end: Option<(u64, Option<u64>)>) -> Self {
        Self {
            disk: disk.clone(),
            power: Arc::new(Mutex::new(Power {
                is_on: true,
                changes: 0,
                end,
            })),
        }
    }

    /// Returns whether its programs still reach the disk.
    pub fn is_on(&self) -> bool {
        self.power.lock().is_on
    }

    /// Returns the changes of the disk so far.
    pub fn changes(&self) -> u64 {
        self.power.lock().changes
    }

    /// Ends its programs, as `kill -9` does: the disk loses nothing that they saw, and syncs
    /// nothing for them.
    pub fn kill(&self) {
        self.power.lock().is_on = false;
    }

    /// Cuts the power now, if it is on; `seed` decides what survives.
    pub fn cut(&self, seed: u64) {
        let mut power = self.power.lock();
        if std::mem::take(&mut power.is_on) {
            self.disk.crash(seed);
        }
    }

    /// Does one thing, unless the power is off or fails first; nothing else happens meanwhile.
    fn run<T>(&self, changes: bool, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let mut power = self.power.lock();
        if !power.is_on {
            return Err(io::Error::other("the power is off"));
        }
        if !changes {
            return act();
        }
        match power.end {
            Some((nth, seed)) if nth == power.changes => {
                power.is_on = false;
                if let Some(seed) = seed {
                    // Half of the time the change was under way.
                    if seed % 2 == 0 {
                        act().ok();
                    }
                    self.disk.crash(seed);
                }
                return Err(io::Error::other("the power failed"));
            }
            _ => {}
        }
        power.changes += 1;
        act()
    }

    fn wrap(&self, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(MachineFile {
            machine: self.clone(),
            file,
        })
    }
}

impl Disk for Machine {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.run(true, || self.disk.create_dir_all(dir))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.run(false, || self.disk.list(dir))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.run(true, || self.disk.create(path))
            .map(|file| self.wrap(file))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.run(false, || self.disk.open(path))
            .map(|file| self.wrap(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(true, || self.disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.run(true, || self.disk.remove(path))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.run(true, || self.disk.sync_dir(dir))
    }
}

#[derive(Debug)]
struct MachineFile {
    machine: Machine,
    file: Arc<dyn DiskFile>,
}

impl DiskFile for MachineFile {
    fn len(&self) -> io::Result<u64> {
        self.machine.run(false, || self.file.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.machine
            .run(false, || self.file.read_exact_at(buffer, offset))
    }

    fn write_all_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.machine
            .run(true, || self.file.write_all_at(parts, offset))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.machine.run(true, || self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.machine.run(true, || self.file.sync_data())
    }
}
