//! Whole records out of one file, through a window of bounded size. It reads and never writes, and
//! it does not decide what a damaged record means.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use speargun_runtime::DiskFile;

use crate::format::{
    ALIGNMENT, FILE_BYTES_MAX, FILE_HEADER_BYTES, FileHeader, NoHeader, RECORD_HEADER_BYTES,
    RECORD_MAGIC, RecordHeader, record_bytes,
};
use crate::record::Record;

/// Few system calls for small records, and no more than the second-level cache holds.
const WINDOW_BYTES: u64 = 256 << 10;

/// Reads one file.
#[derive(Debug)]
pub(crate) struct Scan {
    file: Arc<dyn DiskFile>,
    len: u64,
    window: Vec<u8>,
    window_start: u64,
    pub(crate) header: FileHeader,
}

/// What lies at an offset.
#[derive(Debug)]
pub(crate) enum Found {
    /// A record that is all there, and the offset behind it.
    Whole(Record, u64),
    /// A record whose header or body is not what was written, and the offset behind what is left.
    Torn(u64),
    /// Bytes that never were a record of this file, or nothing.
    Nothing,
}

/// The records of a file behind a place where one can't be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Survivors {
    /// The offset behind the last; 0 if there is none.
    pub(crate) end: u64,
    /// The greatest synced position that one of them knows.
    pub(crate) synced: u64,
}

// === impl Scan ===

impl Scan {
    /// Reads the file's header; the inner error says that it is none.
    pub(crate) fn open(file: Arc<dyn DiskFile>) -> io::Result<Result<Self, NoHeader>> {
        let len = file.len()?.min(FILE_BYTES_MAX);
        let mut bytes = [0; FILE_HEADER_BYTES];
        let present = (len as usize).min(FILE_HEADER_BYTES);
        let bytes = bytes.get_mut(..present).unwrap_or(&mut []);
        file.read_exact_at(bytes, 0)?;
        Ok(FileHeader::decode(bytes).map(|header| Self {
            file,
            len,
            window: Vec::new(),
            window_start: 0,
            header,
        }))
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn into_file(self) -> Arc<dyn DiskFile> {
        self.file
    }

    /// Reads the file anew from here on, in case it is being written.
    pub(crate) fn forget(&mut self) {
        self.window.clear();
    }

    /// Returns what lies at `offset`.
    pub(crate) fn record_at(&mut self, offset: u64) -> io::Result<Found> {
        let Some(header) = self.header_at(offset)? else {
            return self.torn_header_at(offset);
        };
        let body_start = offset + RECORD_HEADER_BYTES as u64;
        let body_bytes = u64::from(header.body_bytes);
        let end = offset + record_bytes(body_bytes);
        let body = self.body(body_start, body_bytes)?;
        let verify = |body| Record::verified(header.tag, body, header.body_checksum);
        Ok(match body.and_then(verify) {
            Some(record) => Found::Whole(record, end),
            None => Found::Torn(end.min(self.len)),
        })
    }

    /// Returns where the next record of this file behind `offset` starts; its body may be damaged.
    pub(crate) fn next_behind(&mut self, offset: u64) -> io::Result<Option<u64>> {
        let mut at = offset + ALIGNMENT;
        while let Some(candidate) = self.next_magic(at)? {
            if self.header_at(candidate)?.is_some() {
                return Ok(Some(candidate));
            }
            at = candidate + ALIGNMENT;
        }
        Ok(None)
    }

    /// Looks at all records of this file behind `offset`.
    pub(crate) fn survivors_behind(&mut self, offset: u64) -> io::Result<Survivors> {
        let mut survivors = Survivors::default();
        let mut at = offset + ALIGNMENT;
        while let Some(candidate) = self.next_magic(at)? {
            at = candidate + ALIGNMENT;
            if let Some(header) = self.header_at(candidate)? {
                let end = candidate + record_bytes(u64::from(header.body_bytes));
                survivors.synced = survivors.synced.max(header.synced);
                survivors.end = end.min(self.len);
                at = end;
            }
        }
        Ok(survivors)
    }

    /// Returns the next aligned offset from `at` on where a record's magic stands.
    fn next_magic(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        while at + RECORD_HEADER_BYTES as u64 <= self.len {
            let count = WINDOW_BYTES.min(self.len - at);
            let bytes = self.window(at, count)?;
            let slots = bytes.chunks_exact(ALIGNMENT as usize);
            if let Some(slot) = slots
                .clone()
                .position(|slot| slot.starts_with(&RECORD_MAGIC))
            {
                return Ok(Some(at + slot as u64 * ALIGNMENT));
            }
            // Fewer than one slot left is no room for a record.
            at += (slots.len() as u64).max(1) * ALIGNMENT;
        }
        Ok(None)
    }

    fn torn_header_at(&mut self, offset: u64) -> io::Result<Found> {
        let sequence = self.header.sequence;
        let end = self.len.min(offset + RECORD_HEADER_BYTES as u64);
        // The padding of the last record may be missing: then its end lies behind the file's.
        if end <= offset {
            return Ok(Found::Nothing);
        }
        let bytes = self.window(offset, end - offset)?;
        if RecordHeader::seems_meant(bytes, sequence, offset) {
            return Ok(Found::Torn(end));
        }
        Ok(Found::Nothing)
    }

    fn header_at(&mut self, offset: u64) -> io::Result<Option<RecordHeader>> {
        let (sequence, salt) = (self.header.sequence, self.header.salt);
        if offset + RECORD_HEADER_BYTES as u64 > self.len {
            return Ok(None);
        }
        let bytes = self.window(offset, RECORD_HEADER_BYTES as u64)?;
        let header = RecordHeader::decode(bytes, salt);
        let here = |header: &RecordHeader| {
            header.sequence == sequence && u64::from(header.offset) == offset
        };
        Ok(header.filter(here))
    }

    /// Returns `None` if the file ends before the body does: no memory is asked for then.
    fn body(&mut self, start: u64, count: u64) -> io::Result<Option<Bytes>> {
        if start + count > self.len {
            return Ok(None);
        }
        if count <= WINDOW_BYTES {
            return Ok(Some(Bytes::copy_from_slice(self.window(start, count)?)));
        }
        let mut body = vec![0; count as usize];
        self.file.read_exact_at(&mut body, start)?;
        Ok(Some(Bytes::from(body)))
    }

    /// Returns `count` bytes from `start`, at most a window of them, all within the file.
    fn window(&mut self, start: u64, count: u64) -> io::Result<&[u8]> {
        let held = self.window_start..self.window_start + self.window.len() as u64;
        if start < held.start || start + count > held.end {
            // Left empty if the read fails, so that no stale bytes are served.
            let mut window = std::mem::take(&mut self.window);
            window.resize(WINDOW_BYTES.min(self.len - start) as usize, 0);
            self.file.read_exact_at(&mut window, start)?;
            self.window = window;
            self.window_start = start;
        }
        let from = (start - self.window_start) as usize;
        let bytes = self.window.get(from..from + count as usize);
        bytes.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Returns how many bytes of records a file without a readable header may hold: none if its first
/// record does not even seem to be of this file.
pub(crate) fn unreadable_bytes(file: &dyn DiskFile, sequence: u32) -> io::Result<u64> {
    let len = file.len()?;
    let start = FILE_HEADER_BYTES as u64;
    let mut bytes = [0; RECORD_HEADER_BYTES];
    if len < start + bytes.len() as u64 {
        return Ok(0);
    }
    file.read_exact_at(&mut bytes, start)?;
    let meant = RecordHeader::seems_meant(&bytes, sequence, start);
    Ok(if meant { len - start } else { 0 })
}
