//! Appending, syncing and releasing. What was written before is found by the replay, and the bytes
//! are drawn in `format`.
//!
//! Three rules keep a promise once made:
//!
//! - A failed sync, or a write that failed for another reason than space, ends the journal: the
//!   kernel may have dropped the bytes and would call the next sync a success.
//! - A group that did not fit is taken back, durably, before its refusal is told: what is refused
//!   does not come back by a crash.
//! - A file's number is never used twice, so that nothing of an earlier life can be read.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IoSlice};
use std::sync::Arc;

use speargun_runtime::{Disk, DiskFile};

use crate::config::Config;
use crate::error::JournalError;
use crate::folder::{Folder, open_error};
use crate::format::{
    FILE_HEADER_BYTES, FileHeader, NoHeader, RECORD_HEADER_BYTES, RecordHeader, VERSION, place,
    position, record_bytes,
};
use crate::record::Record;
use crate::scan::Scan;
use crate::tail::{TailFile, cut, zeros_of};

/// Writes end on a page's border where they can: a page that is written whole for the first time
/// need not be read from a recycled file before.
const PAGE_BYTES: u64 = 4096;
static ZEROS: [u8; 4104] = [0; 4104];
/// The journal. One thread appends and syncs. Positions grow with every record and survive
/// restarts; 0 is before the first record.
#[derive(Debug)]
pub struct Journal {
    pub(crate) folder: Folder,
    config: Config,
    pub(crate) stage: Stage,
    /// The files whose records are still needed, oldest first; the last one is appended to.
    pub(crate) live: VecDeque<u32>,
    /// Files to recycle, oldest first.
    pub(crate) spares: VecDeque<u32>,
    pub(crate) tail: Option<TailFile>,
    pub(crate) next_sequence: u32,
    /// Behind the last record.
    pub(crate) position: u64,
    /// Up to here, all survives a crash.
    pub(crate) synced: u64,
    unsynced: Vec<(u32, Arc<dyn DiskFile>)>,
    folder_unsynced: bool,
    /// Keyed by the operating system's randomness; makes the salts.
    salts: RandomState,
    /// The headers of the group being written, kept for its memory.
    headers: Vec<u8>,
}

/// What may be asked of a journal now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Opened,
    Ready,
    Failed(String),
}

/// Where a group began, to go back there.
#[derive(Debug)]
struct Mark {
    tail: Option<TailFile>,
    files: usize,
    position: u64,
}

// === impl Journal ===

impl Journal {
    /// Opens the journal in `config.dir`, which is created if missing. A file there that is not a
    /// journal's, or of a newer format, is an error that names it.
    pub fn open(disk: Arc<dyn Disk>, config: Config) -> Result<Self, JournalError> {
        config.check()?;
        let folder = Folder::open(disk, config.dir.clone())?;
        let sequences = folder.sequences()?;
        let mut last = 0;
        for &sequence in &sequences {
            last = last.max(sequence).max(begun_as(&folder, sequence)?);
        }
        let used_up = || JournalError::Open("all file numbers are used up".into());
        Ok(Self {
            folder,
            config,
            stage: Stage::Opened,
            live: VecDeque::new(),
            spares: sequences.into(),
            tail: None,
            next_sequence: last.checked_add(1).ok_or_else(used_up)?,
            position: 0,
            synced: 0,
            unsynced: Vec::new(),
            folder_unsynced: false,
            salts: RandomState::new(),
            headers: Vec::new(),
        })
    }

    /// Appends the records in order; returns the position behind the last. All or none.
    pub fn append(&mut self, records: &[Record]) -> Result<u64, JournalError> {
        self.check_ready()?;
        self.check_room(records)?;
        let mark = Mark {
            tail: self.tail.clone(),
            files: self.live.len(),
            position: self.position,
        };
        match self.write_group(records) {
            Ok(()) => Ok(self.position),
            Err(error) if is_full(&error) => match self.take_back(mark) {
                Ok(()) => Err(JournalError::Full(error.to_string())),
                Err(worse) => Err(self.fail("take back what was not appended", &worse)),
            },
            Err(error) => Err(self.fail("write", &error)),
        }
    }

    /// Makes every appended record survive a crash of the machine.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.check_ready()?;
        self.sync_files().map_err(|error| self.fail("sync", &error))
    }

    /// Says that records up to `position` are no longer needed; files before the one it lies in are
    /// recycled. That one is kept: the next replay begins in it.
    pub fn release(&mut self, position: u64) {
        let (kept, _) = place(position);
        while self.live.len() > 1
            && let Some(released) = self.live.pop_front_if(|sequence| *sequence < kept)
        {
            self.spares.push_back(released);
        }
        while self.live.len() + self.spares.len() > self.files_max() {
            let Some(&spare) = self.spares.back() else {
                break;
            };
            // A file that can't be removed stays a spare, and the next release tries again.
            if self.folder.remove(spare).is_err() {
                break;
            }
            self.spares.pop_back();
            self.folder_unsynced = true;
        }
    }

    /// Returns the position behind the last record.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Returns the position up to which all records survive a crash of the machine.
    pub fn synced_position(&self) -> u64 {
        self.synced
    }

    /// Returns the bytes of the largest body that [`Journal::append`] takes.
    pub fn body_bytes_max(&self) -> u64 {
        self.config.file_bytes / 8 * 8 - (FILE_HEADER_BYTES + RECORD_HEADER_BYTES) as u64
    }

    /// Returns how many files hold records that were not released.
    pub fn live_files(&self) -> usize {
        self.live.len()
    }

    fn files_max(&self) -> usize {
        usize::try_from(self.config.bytes_max / self.config.file_bytes).unwrap_or(usize::MAX)
    }

    fn check_ready(&self) -> Result<(), JournalError> {
        match &self.stage {
            Stage::Ready => Ok(()),
            Stage::Opened => Err(JournalError::Failed("it was not replayed".into())),
            Stage::Failed(why) => Err(JournalError::Failed(why.clone())),
        }
    }

    /// Refuses a group for which the files allowed would not do, before anything is written.
    fn check_room(&self, records: &[Record]) -> Result<(), JournalError> {
        let file_bytes = self.config.file_bytes;
        let mut files = self.live.len();
        let mut offset = self.tail.as_ref().map_or(file_bytes, |tail| tail.offset);
        for record in records {
            let body_bytes = record.body.len() as u64;
            if body_bytes > self.body_bytes_max() {
                let max = self.body_bytes_max();
                let text = format!("{body_bytes} bytes, at most {max} fit a file");
                return Err(JournalError::TooLarge(text));
            }
            let bytes = record_bytes(body_bytes);
            if offset + bytes > file_bytes {
                files += 1;
                offset = FILE_HEADER_BYTES as u64;
            }
            offset += bytes;
        }
        if files > self.files_max() {
            let max = self.config.bytes_max;
            return Err(JournalError::Full(format!(
                "all of its {max} bytes are in use"
            )));
        }
        Ok(())
    }

    fn write_group(&mut self, records: &[Record]) -> io::Result<()> {
        let mut rest = records;
        while !rest.is_empty() {
            let (run, later) = rest.split_at(self.count_fitting(rest));
            match self.tail.take() {
                Some(mut tail) if !run.is_empty() => {
                    let written = self.write_run(&mut tail, run);
                    self.tail = Some(tail);
                    written?;
                }
                _ => self.begin_file()?,
            }
            rest = later;
        }
        Ok(())
    }

    /// Returns how many of the records fit the file that is appended to.
    fn count_fitting(&self, records: &[Record]) -> usize {
        let Some(tail) = &self.tail else {
            return 0;
        };
        let mut offset = tail.offset;
        let fits = |record: &&Record| {
            offset += record_bytes(record.body.len() as u64);
            offset <= self.config.file_bytes
        };
        records.iter().take_while(fits).count()
    }

    /// Writes records that fit with one call: headers from one buffer, bodies from where they are.
    fn write_run(&mut self, tail: &mut TailFile, records: &[Record]) -> io::Result<()> {
        self.headers.clear();
        let mut offset = tail.offset;
        let mut pieces = Vec::with_capacity(records.len());
        let mut padding = 0;
        for record in records {
            let start = self.headers.len();
            // The padding of one record goes with the header of the next: fewer parts to write.
            self.headers.resize(start + padding, 0);
            let header = RecordHeader {
                body_bytes: record.body.len() as u32,
                sequence: tail.sequence,
                offset: offset as u32,
                synced: self.synced,
                tag: record.tag,
                body_checksum: record.checksum(),
            };
            header.encode(tail.salt, &mut self.headers);
            pieces.push(start..self.headers.len());
            let bytes = record_bytes(record.body.len() as u64);
            padding = bytes as usize - RECORD_HEADER_BYTES - record.body.len();
            offset += bytes;
        }
        let mut parts = Vec::with_capacity(2 * records.len() + 1);
        for (record, piece) in records.iter().zip(pieces) {
            parts.push(IoSlice::new(self.headers.get(piece).unwrap_or(&[])));
            parts.push(IoSlice::new(&record.body));
        }
        let page_end = offset.next_multiple_of(PAGE_BYTES);
        let fill = page_end.min(self.config.file_bytes.max(offset)) - offset;
        let zeros = ZEROS.get(..padding + fill as usize);
        parts.push(IoSlice::new(zeros.unwrap_or(&[])));
        let end = offset + fill;
        let growth = tail.growth(end, self.config.file_bytes);
        for zeros in zeros_of(growth) {
            parts.push(IoSlice::new(zeros));
        }
        if self
            .unsynced
            .last()
            .is_none_or(|(last, _)| *last != tail.sequence)
        {
            self.unsynced.push((tail.sequence, Arc::clone(&tail.file)));
        }
        tail.file.write_all_at(&parts, tail.offset)?;
        tail.len = tail.len.max(end + growth);
        tail.offset = offset;
        self.position = position(tail.sequence, offset);
        Ok(())
    }

    pub(crate) fn sync_files(&mut self) -> io::Result<()> {
        for (_, file) in &self.unsynced {
            file.sync_data()?;
        }
        if self.folder_unsynced {
            self.folder.sync()?;
        }
        self.unsynced.clear();
        self.folder_unsynced = false;
        self.synced = self.position;
        Ok(())
    }

    pub(crate) fn begin_file(&mut self) -> io::Result<()> {
        let sequence = self.next_sequence;
        let next = sequence.checked_add(1);
        let next = next.ok_or_else(|| io::Error::other("all file numbers are used up"))?;
        let file = match self.spares.front() {
            Some(&spare) => self.folder.recycle(spare, sequence)?,
            None => self.folder.create(sequence)?,
        };
        self.spares.pop_front();
        self.next_sequence = next;
        self.folder_unsynced = true;
        self.live.push_back(sequence);
        self.unsynced.push((sequence, Arc::clone(&file)));
        let header = FileHeader {
            sequence,
            previous_end: self.position,
            synced: self.synced,
            salt: self.salts.hash_one(sequence) as u32,
        };
        let page_end = PAGE_BYTES.min(self.config.file_bytes) as usize;
        let zeros = ZEROS.get(FILE_HEADER_BYTES..page_end).unwrap_or(&[]);
        let bytes = header.encode();
        file.write_all_at(&[IoSlice::new(&bytes), IoSlice::new(zeros)], 0)?;
        let len = file.len()?;
        self.tail = Some(TailFile {
            file,
            sequence,
            salt: header.salt,
            offset: FILE_HEADER_BYTES as u64,
            len,
        });
        Ok(())
    }

    /// Goes back to where the group began, on the disk too: files begun for it are removed, and
    /// its bytes are cut off the one before.
    fn take_back(&mut self, mark: Mark) -> io::Result<()> {
        let begun = self.live.split_off(mark.files);
        for file in &begun {
            self.unsynced.retain(|(sequence, _)| sequence != file);
            self.folder.remove(*file)?;
        }
        if !begun.is_empty() {
            self.folder.sync()?;
        }
        self.tail = mark.tail;
        if let Some(tail) = &mut self.tail {
            cut(tail.file.as_ref(), tail.offset)?;
            tail.len = tail.len.min(tail.offset);
        }
        self.position = mark.position;
        Ok(())
    }

    pub(crate) fn fail(&mut self, doing: &str, error: &io::Error) -> JournalError {
        let why = format!("can't {doing}: {error}");
        self.stage = Stage::Failed(why.clone());
        JournalError::Failed(why)
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

/// Returns the number in the file's header, which differs from the name's if a crash came between
/// recycling and writing; 0 if there is no header.
fn begun_as(folder: &Folder, sequence: u32) -> Result<u32, JournalError> {
    let path = folder.path(sequence);
    let file = folder.open_file(sequence);
    match file.and_then(Scan::open) {
        Ok(Ok(scan)) => Ok(scan.header.sequence),
        Ok(Err(NoHeader::Broken)) => Ok(0),
        Ok(Err(NoHeader::Foreign)) => Err(open_error(&path, &"not a journal's file")),
        Ok(Err(NoHeader::Version(version))) => {
            let text = format!("format {version}, this program knows {VERSION}");
            Err(open_error(&path, &text))
        }
        Err(error) => Err(open_error(&path, &error)),
    }
}
