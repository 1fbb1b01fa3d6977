//! A disk in memory that loses power and breaks on purpose, for the tests of everything durable. It
//! keeps apart what a program sees and what would survive a power cut; it knows no time and no
//! latency, and it does not model two hard links to one file.
//!
//! What a cut leaves: every write and `set_len` since the file's last `sync_data` is kept whole,
//! kept in part (a prefix of any length, or any choice of its 512-byte sectors) or lost, each for
//! itself; every creation, rename and removal since the folder's last `sync_dir` happened or did
//! not, each for itself, in their order. All of it follows from the seed.

mod inode;
mod state;

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Disk, DiskFile};
use state::State;

/// The disk; clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

// === impl SimulatedDisk ===

impl SimulatedDisk {
    /// Returns an empty disk without faults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Cuts the power: leaves what `seed` lets survive. Handles opened before fail from now on; all
    /// planned faults but the capacity are forgotten.
    pub fn crash(&self, seed: u64) {
        self.state.lock().crash(seed);
    }

    /// Limits the bytes of all files together; a write beyond it is cut short and fails as a full
    /// disk does. `None` lifts the limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state.lock().faults.capacity = bytes;
    }

    /// Lets the `nth` sync of a file or folder from now on (0 is the next one) fail with an I/O
    /// error. Of what it should have written, `seed` decides what is kept; the rest is lost by the
    /// next crash even if a later sync succeeds.
    pub fn fail_sync(&self, nth: u64, seed: u64) {
        self.state.lock().faults.sync = Some((nth, seed));
    }

    /// As [`SimulatedDisk::fail_sync`], but only syncs of files are counted and fail: file systems
    /// that can't sync a folder let nothing be written any more.
    pub fn fail_data_sync(&self, nth: u64, seed: u64) {
        self.state.lock().faults.data_sync = Some((nth, seed));
    }

    /// Lets the `nth` read from now on (0 is the next one) fail with an I/O error.
    pub fn fail_read(&self, nth: u64) {
        self.state.lock().faults.read = Some(nth);
    }

    /// Lets the `nth` write from now on (0 is the next one) fail with an I/O error; `seed` decides
    /// how much of it was written.
    pub fn fail_write(&self, nth: u64, seed: u64) {
        self.state.lock().faults.write = Some((nth, seed));
    }

    /// Forgets the failures planned; the capacity stays.
    pub fn forget_faults(&self) {
        self.state.lock().forget_faults();
    }

    /// Inverts one bit (0 to 7) of the byte at `offset`, as seen now and after a crash.
    pub fn flip_bit(&self, path: &Path, offset: u64, bit: u8) -> io::Result<()> {
        self.state.lock().flip_bit(path, offset, bit)
    }

    /// Returns what a program sees of a file.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.state.lock().content(path)
    }

    /// Puts a file there, durable at once, with its folder; an existing one is replaced.
    pub fn put(&self, path: &Path, content: Vec<u8>) {
        self.state.lock().put(path, content);
    }

    /// Returns how many syncs of files and folders were asked for, failed ones included.
    pub fn sync_count(&self) -> u64 {
        self.state.lock().syncs
    }

    fn handle(&self, id: u64, epoch: u64) -> Arc<dyn DiskFile> {
        Arc::new(SimulatedFile {
            state: Arc::clone(&self.state),
            id,
            epoch,
        })
    }
}

impl Disk for SimulatedDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.state.lock().create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.state.lock().list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state.lock();
        let id = state.create(path)?;
        Ok(self.handle(id, state.epoch))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state.lock();
        let id = state.find(path)?;
        Ok(self.handle(id, state.epoch))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state.lock().rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state.lock().remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.state.lock().sync_dir(dir)
    }
}

#[derive(Debug)]
struct SimulatedFile {
    state: Arc<Mutex<State>>,
    id: u64,
    /// The count of crashes when the handle was made: a later crash makes it fail.
    epoch: u64,
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        self.state.lock().len(self.id, self.epoch)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.state.lock();
        let content = state.read(self.id, self.epoch)?;
        let range = usize::try_from(offset)
            .ok()
            .and_then(|start| content.get(start..start.checked_add(buffer.len())?));
        match range {
            Some(bytes) => buffer.copy_from_slice(bytes),
            None if buffer.is_empty() => {}
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        Ok(())
    }

    fn write_all_at(&self, parts: &[IoSlice<'_>], offset: u64) -> io::Result<()> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter()).copied().collect();
        self.state
            .lock()
            .write(self.id, self.epoch, (offset, bytes))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.state.lock().set_len(self.id, self.epoch, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state.lock().sync_file(self.id, self.epoch)
    }
}
