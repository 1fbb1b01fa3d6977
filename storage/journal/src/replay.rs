//! Reading what was written before, and deciding where the log ends. Which bytes are a record is
//! `scan`'s to say.
//!
//! A record that can't be read is one of two things. Nobody was promised it: the machine stopped
//! while it was written, and the log ends there; later bytes may have reached the disk before
//! earlier ones, and they are cut off too. Or it was promised: a later record or file says that the
//! log was synced beyond it, so the disk lost or changed it. Then it is skipped and counted, and
//! reading goes on, since what lies behind was promised as well.

use std::io;

use crate::error::JournalError;
use crate::folder::{Folder, open_error};
use crate::format::{ALIGNMENT, FILE_HEADER_BYTES, NoHeader, place, position};
use crate::journal::{Journal, Stage};
use crate::record::Record;
use crate::scan::{Found, Scan, unreadable_bytes};
use crate::tail::{TailFile, cut_again, rewrite};

const RECORDS_START: u64 = FILE_HEADER_BYTES as u64;

/// In which state a replay found the log; a worse one hides a better one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Tail {
    /// Nothing was damaged.
    #[default]
    Clean,
    /// The end was torn, as a crash leaves it: records cut off were never synced, or were the very
    /// last ones and no later record tells.
    Torn,
    /// Records that had been synced are damaged or gone: the disk lost them.
    Corrupt,
}

/// What a replay found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Replay {
    /// Records handed to the visitor.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Bytes that were cut off because a record was torn or corrupt.
    pub cut_bytes: u64,
    /// Bytes between whole records that had been synced and can't be read any more. Bytes of files
    /// that are gone are not known and not counted.
    pub lost_bytes: u64,
    /// The state of the log.
    pub tail: Tail,
    /// The position behind the last record, where appends go on.
    pub position: u64,
}

// === impl Journal ===

impl Journal {
    /// Hands every whole record behind position `from` to `visit`, oldest first, with the position
    /// behind it; cuts the log at the first torn one, and skips and counts synced ones that the
    /// disk has damaged. To be called once, before the first append. If the files end before
    /// `from` (the folder was emptied), the log goes on from there: positions never go back.
    pub fn replay(
        &mut self,
        from: u64,
        visit: &mut dyn FnMut(u64, Record),
    ) -> Result<Replay, JournalError> {
        if self.stage != Stage::Opened {
            return Err(JournalError::Failed("it was replayed before".into()));
        }
        if place(from).0 == u32::MAX {
            return Err(JournalError::Open(format!(
                "{from} is no position of a journal"
            )));
        }
        let mut walk = Walk::new(&self.folder, self.spares.iter().copied().collect(), from);
        walk.run(visit)?;
        let Walk {
            replay,
            read,
            files,
            ..
        } = walk;
        self.settle(&read, &files, from)?;
        self.position = replay.position;
        self.synced = replay.position;
        self.next_sequence = self.next_sequence.max(place(from).0 + 1);
        self.stage = Stage::Ready;
        if replay.tail == Tail::Corrupt {
            // What told that the damaged records were promised may itself have been cut off; a new
            // file's header tells it from now on, should the machine stop before the next append.
            let told = self.begin_file().and_then(|()| self.sync_files());
            told.map_err(|error| self.fail("begin a file", &error))?;
        }
        Ok(replay)
    }

    /// Brings the folder into the state that was decided on, durably: files that are no part of the
    /// log are removed and its last one is cut, so that nothing there can be read another time.
    fn settle(&mut self, read: &[TailFile], files: &[u32], from: u64) -> Result<(), JournalError> {
        let last = read.last().map_or(place(from).0, |file| file.sequence);
        self.spares.clear();
        for &sequence in files {
            if read.iter().any(|file| file.sequence == sequence) {
                continue;
            }
            if sequence < place(from).0 {
                self.spares.push_back(sequence);
            } else {
                let removed = self.folder.remove(sequence);
                removed.map_err(|error| open_error(&self.folder.path(sequence), &error))?;
            }
        }
        let synced = self.folder.sync();
        synced.map_err(|error| open_error(&self.folder.path(last), &error))?;
        for file in read {
            // Read from the system's cache, perhaps, which after a failed sync takes bytes for
            // written that are not: only writing them again brings them to the disk.
            let written = rewrite(file.file.as_ref(), file.offset);
            let synced = written.and_then(|()| {
                if file.sequence == last {
                    cut_again(file.file.as_ref(), file.offset)
                } else {
                    file.file.sync_data()
                }
            });
            synced.map_err(|error| open_error(&self.folder.path(file.sequence), &error))?;
            self.live.push_back(file.sequence);
        }
        self.tail = read.last().cloned().map(|tail| TailFile {
            len: tail.offset,
            ..tail
        });
        Ok(())
    }
}

/// The way through the files.
struct Walk<'a> {
    folder: &'a Folder,
    files: Vec<u32>,
    from: u64,
    replay: Replay,
    /// The files that are part of the log, each with the offset where reading ended.
    read: Vec<TailFile>,
    /// The greatest synced position that anything behind the first damage knows. Whatever knows it
    /// was written later than all that it speaks of, so it answers for all damage further on.
    witness: Option<u64>,
}

/// How to go on.
#[derive(Debug)]
enum Next {
    Read(Scan, u64),
    Skip,
    Stop,
}

// === impl Walk ===

impl<'a> Walk<'a> {
    fn new(folder: &'a Folder, files: Vec<u32>, from: u64) -> Self {
        let replay = Replay {
            position: from,
            ..Replay::default()
        };
        Self {
            folder,
            files,
            from,
            replay,
            read: Vec::new(),
            witness: None,
        }
    }

    fn run(&mut self, visit: &mut dyn FnMut(u64, Record)) -> Result<(), JournalError> {
        let oldest = place(self.from).0;
        for index in 0..self.files.len() {
            let sequence = self.file(index);
            if sequence < oldest {
                continue;
            }
            let next = match self.enter(index) {
                Ok(Next::Read(scan, offset)) => self.read_file(index, (scan, offset), visit),
                other => other,
            };
            let next = next.map_err(|error| open_error(&self.folder.path(sequence), &error))?;
            if matches!(next, Next::Stop) {
                break;
            }
        }
        Ok(())
    }

    fn file(&self, index: usize) -> u32 {
        self.files.get(index).copied().unwrap_or(u32::MAX)
    }

    fn scan(&self, index: usize) -> io::Result<Result<Scan, NoHeader>> {
        self.folder.open_file(self.file(index)).and_then(Scan::open)
    }

    /// Decides whether the file goes on where the log has got to.
    fn enter(&mut self, index: usize) -> io::Result<Next> {
        let sequence = self.file(index);
        let mut scan = match self.scan(index)? {
            Ok(scan) if scan.header.sequence == sequence => scan,
            // Recycled, and never begun.
            Ok(_) => return Ok(Next::Skip),
            Err(_) => return self.pass_broken(index),
        };
        let (first, offset) = place(self.from);
        if sequence == first {
            return Ok(match offset.max(RECORDS_START) {
                offset if offset > scan.len() || offset % ALIGNMENT != 0 => Next::Skip,
                offset => Next::Read(scan, offset),
            });
        }
        let oldest = self.read.is_empty();
        let begins = oldest && scan.header.previous_end <= self.from;
        if !begins && scan.header.previous_end != self.replay.position {
            if self.witness(index, Some((&mut scan, 0)))? <= self.replay.position {
                self.cut_from(index)?;
                return Ok(Next::Stop);
            }
            // Who asks for all that there is does not miss the files that were recycled.
            if !(oldest && self.from == 0) {
                self.replay.tail = Tail::Corrupt;
            }
        }
        Ok(Next::Read(scan, RECORDS_START))
    }

    /// Decides what a file without a readable header means; its records can't be told from others.
    fn pass_broken(&mut self, index: usize) -> io::Result<Next> {
        let sequence = self.file(index);
        let mut synced = self.witness(index, None)?;
        if sequence == place(self.from).0 {
            // Whoever knows a position in this file knows that it had a header.
            synced = synced.max(self.from);
        }
        if synced > position(sequence, RECORDS_START) {
            self.replay.tail = Tail::Corrupt;
            return Ok(Next::Skip);
        }
        self.cut_from(index)?;
        Ok(Next::Stop)
    }

    fn read_file(
        &mut self,
        index: usize,
        (mut scan, mut offset): (Scan, u64),
        visit: &mut dyn FnMut(u64, Record),
    ) -> io::Result<Next> {
        let sequence = self.file(index);
        let next = loop {
            let found = scan.record_at(offset)?;
            if let Found::Whole(record, end) = found {
                offset = end;
                self.replay.position = position(sequence, end);
                self.replay.records += 1;
                self.replay.bytes += record.body.len() as u64;
                visit(self.replay.position, record);
                continue;
            }
            if self.goes_on_in(index + 1)? {
                break Next::Skip;
            }
            if self.witness(index, Some((&mut scan, offset)))? <= position(sequence, offset) {
                let end = scan.survivors_behind(offset)?.end;
                let torn = if let Found::Torn(end) = found { end } else { 0 };
                self.note_cut(end.max(torn).saturating_sub(offset));
                self.cut_from(index + 1)?;
                break Next::Stop;
            }
            self.replay.tail = Tail::Corrupt;
            let Some(survivor) = scan.next_behind(offset)? else {
                break Next::Skip;
            };
            self.replay.lost_bytes += survivor - offset;
            offset = survivor;
        };
        let empty = place(self.replay.position).0 != sequence;
        if empty && scan.header.previous_end != self.replay.position {
            // Neither a record nor its place links it to the log: it goes.
            return Ok(next);
        }
        self.read.push(TailFile {
            sequence,
            salt: scan.header.salt,
            offset,
            len: scan.len(),
            file: scan.into_file(),
        });
        Ok(next)
    }

    /// Returns whether the file was begun where the log has got to.
    fn goes_on_in(&self, index: usize) -> io::Result<bool> {
        if index >= self.files.len() {
            return Ok(false);
        }
        let begun = |scan: Scan| {
            scan.header.sequence == self.file(index)
                && scan.header.previous_end == self.replay.position
        };
        Ok(self.scan(index)?.is_ok_and(begun))
    }

    /// Returns up to where the log was synced, as far as anything behind `here` and in later files
    /// knows.
    fn witness(&mut self, index: usize, here: Option<(&mut Scan, u64)>) -> io::Result<u64> {
        if let Some(known) = self.witness {
            return Ok(known);
        }
        let mut synced = 0;
        if let Some((scan, offset)) = here {
            synced = scan.survivors_behind(offset)?.synced;
            // The header speaks of the files before its own.
            synced = synced.max(scan.header.synced);
        }
        for later in index + 1..self.files.len() {
            if let Ok(mut scan) = self.scan(later)?
                && scan.header.sequence == self.file(later)
            {
                synced = synced.max(scan.header.synced);
                synced = synced.max(scan.survivors_behind(0)?.synced);
            }
        }
        self.witness = Some(synced);
        Ok(synced)
    }

    fn note_cut(&mut self, bytes: u64) {
        if bytes > 0 {
            self.replay.cut_bytes += bytes;
            self.replay.tail = self.replay.tail.max(Tail::Torn);
        }
    }

    /// Counts what is cut off with the files from `index` on.
    fn cut_from(&mut self, index: usize) -> io::Result<()> {
        for later in index..self.files.len() {
            let sequence = self.file(later);
            let bytes = match self.scan(later)? {
                Ok(mut scan) if scan.header.sequence == sequence => {
                    let end = scan.survivors_behind(0)?.end;
                    end.saturating_sub(RECORDS_START)
                }
                // Recycled, and never begun.
                Ok(_) => 0,
                Err(_) => {
                    let file = self.folder.open_file(sequence)?;
                    unreadable_bytes(file.as_ref(), sequence)?
                }
            };
            self.note_cut(bytes);
        }
        Ok(())
    }
}
