//! A machine whose power fails at the nth change of its disk: from then on its programs reach
//! nothing, and what survives is on the disk for the next one. Reads never cut the power.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use speargun_runtime::disk::DiskFile;
use speargun_runtime::{Disk, SimulatedDisk};

#[derive(Debug)]
struct Power {
    is_on: bool,
    /// Changes of the disk so far.
    changes: u64,
    /// The change that the power does not see through, and what then survives.
    cut: Option<(u64, u64)>,
}

/// The machine; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    disk: SimulatedDisk,
    power: Arc<Mutex<Power>>,
}

impl Machine {
    /// Returns a machine on this disk; `cut` says at which change the power fails, and the seed of
    /// what survives.
    pub(crate) fn new(disk: &SimulatedDisk, cut: Option<(u64, u64)>) -> Self {
        Self {
            disk: disk.clone(),
            power: Arc::new(Mutex::new(Power {
                is_on: true,
                changes: 0,
                cut,
            })),
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.with(|power| power.is_on)
    }

    pub(crate) fn changes(&self) -> u64 {
        self.with(|power| power.changes)
    }

    fn with<T>(&self, run: impl FnOnce(&mut Power) -> T) -> T {
        run(&mut self.power.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does one thing, unless the power is off or fails first; nothing else happens meanwhile.
    fn run<T>(&self, changes: bool, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.with(|power| {
            if changes && power.is_on {
                if let Some((nth, seed)) = power.cut
                    && nth == power.changes
                {
                    power.is_on = false;
                    // Half of the time the change was under way.
                    if seed % 2 == 0 {
                        act().ok();
                    }
                    self.disk.crash(seed);
                    return Err(io::Error::other("the power failed"));
                }
                power.changes += 1;
            }
            if power.is_on {
                act()
            } else {
                Err(io::Error::other("the power is off"))
            }
        })
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
