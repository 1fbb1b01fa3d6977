//! Copies of a journal that another process may be writing. Nothing is locked and nothing of the
//! journal changes; where its log ends is decided by the replay of the copy.
//!
//! The caller must read the position from which it will replay the copy *after* it was made: what
//! is recycled while it is copied lies before that position, and then is not missed.

use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use speargun_runtime::{Disk, DiskFile};

use crate::error::JournalError;
use crate::folder::{Folder, open_error};
use crate::format::{FILE_HEADER_BYTES, FileHeader, place};
use crate::scan::{Found, Scan};

/// How often the folder is listed until two lists are equal. Files are begun far more seldom than
/// a folder is listed.
const LISTS_MAX: usize = 100;
/// Bytes that are copied at a time.
const STEP_BYTES: u64 = 1 << 20;

/// What was copied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Copied {
    /// Files.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// Copies the files of the journal in `from` that may hold records behind `position` into the empty
/// folder `to`, durably. Every record that was appended before the call is in the copy, or lies
/// before a position that was released meanwhile.
pub fn copy(
    disk: &Arc<dyn Disk>,
    (from, to): (&Path, &Path),
    position: u64,
) -> Result<Copied, JournalError> {
    let source = Folder::open(Arc::clone(disk), from.to_owned())?;
    let target = Folder::open(Arc::clone(disk), to.to_owned())?;
    let mut copied = Copied::default();
    let (oldest, _) = place(position);
    for sequence in settled(&source)? {
        if sequence < oldest {
            continue;
        }
        let bytes = copy_file(&source, &target, sequence);
        let bytes = bytes.map_err(|error| open_error(&source.path(sequence), &error))?;
        copied.files += u64::from(bytes > 0);
        copied.bytes += bytes;
    }
    target.sync().map_err(|error| open_error(to, &error))?;
    Ok(copied)
}

/// Returns the numbers of the files. While a file is renamed a list may have it under neither name,
/// but not two lists, one after the other: it is renamed once in its life.
fn settled(folder: &Folder) -> Result<Vec<u32>, JournalError> {
    let mut before = folder.sequences()?;
    for _ in 0..LISTS_MAX {
        let now = folder.sequences()?;
        if now == before {
            return Ok(now);
        }
        before = now;
    }
    Err(JournalError::Open(
        "its files change too fast to be copied: try again".to_owned(),
    ))
}

/// Copies a file up to its last whole record; returns the bytes, 0 for a file that is recycled or
/// removed, whose records are therefore no longer needed.
fn copy_file(source: &Folder, target: &Folder, sequence: u32) -> io::Result<u64> {
    let Some(mut scan) = begun(source, sequence)? else {
        return Ok(0);
    };
    let header = scan.header;
    let end = end_of(&mut scan)?;
    let copy = target.create(sequence)?;
    copy_bytes(scan.into_file().as_ref(), copy.as_ref(), end)?;
    let same = |scan: &Scan| scan.header == header;
    if !begun(source, sequence)?.as_ref().is_some_and(same) {
        target.remove(sequence)?;
        return Ok(0);
    }
    copy.sync_data()?;
    Ok(end)
}

/// Opens a file of the log; `None` for one that is gone, or whose header is another life's or not
/// to be read: a replay of the copy finds out whether it is missed.
fn begun(folder: &Folder, sequence: u32) -> io::Result<Option<Scan>> {
    let file = match folder.open_file(sequence) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let scan = Scan::open(file)?.ok();
    Ok(scan.filter(|scan: &Scan| named(&scan.header, sequence)))
}

fn named(header: &FileHeader, sequence: u32) -> bool {
    header.sequence == sequence
}

/// Returns the offset behind the last whole record. One that is not whole was being written, or is
/// damaged if it is not whole even after one behind it was seen.
fn end_of(scan: &mut Scan) -> io::Result<u64> {
    let mut offset = FILE_HEADER_BYTES as u64;
    loop {
        if let Found::Whole(_, end) = scan.record_at(offset)? {
            offset = end;
            continue;
        }
        let Some(behind) = scan.next_behind(offset)? else {
            return Ok(offset);
        };
        scan.forget();
        if !matches!(scan.record_at(offset)?, Found::Whole(..)) {
            offset = behind;
        }
    }
}

fn copy_bytes(from: &dyn DiskFile, to: &dyn DiskFile, end: u64) -> io::Result<()> {
    // The padding of the last record may be missing.
    let end = end.min(from.len()?);
    let mut buffer = vec![0; STEP_BYTES.min(end) as usize];
    for at in (0..end).step_by(STEP_BYTES as usize) {
        let len = STEP_BYTES.min(end - at) as usize;
        let chunk = buffer.get_mut(..len).unwrap_or_default();
        from.read_exact_at(chunk, at)?;
        to.write_all_at(&[IoSlice::new(chunk)], at)?;
    }
    Ok(())
}
