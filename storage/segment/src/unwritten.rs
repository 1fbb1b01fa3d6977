//! Segments that are in memory alone. Under load a segment is merged within a second, and until
//! then what it holds is in the journal too: its file would be written, synced and deleted for
//! nothing. They are always the newest ones, so that what is on disk has an end in the journal.

use std::io;
use std::sync::Arc;

use speargun_storage::Position;

use crate::segment::Segment;
use crate::store::{Change, Shared};

/// How much is in memory alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Unwritten {
    pub(crate) bytes: u64,
    /// Bytes of the heads that they were, which is about what the journal keeps for them.
    pub(crate) head_bytes: u64,
    /// When the oldest span among them arrived; `None` where there is no segment.
    pub(crate) oldest_ms: Option<u64>,
}

impl Unwritten {
    pub(crate) fn of(segments: &[Arc<Segment>]) -> Self {
        let in_memory = segments.iter().filter(|segment| segment.is_in_memory());
        in_memory.fold(Self::default(), |sum, segment| {
            let arrived = segment.facts.arrived_min_ms;
            Self {
                bytes: sum.bytes + segment.bytes,
                head_bytes: sum.head_bytes + segment.head_bytes(),
                oldest_ms: Some(sum.oldest_ms.map_or(arrived, |oldest| oldest.min(arrived))),
            }
        })
    }
}

/// Returns first and last head of the segments that are on disk.
pub(crate) fn on_disk(segments: &[Arc<Segment>]) -> Vec<(u64, u64)> {
    let written = segments.iter().filter(|segment| !segment.is_in_memory());
    let heads = written.map(|segment| (segment.facts.first, segment.facts.last));
    heads.collect()
}

/// Returns the journal position up to which all that is not on disk is gone.
pub(crate) fn end_on_disk(segments: &[Arc<Segment>]) -> Position {
    let last = segments.iter().rfind(|segment| !segment.is_in_memory());
    Position(last.map_or(0, |segment| segment.facts.end_position))
}

/// Returns whether a segment may stay in memory, after writing older ones where that helps. If it
/// may not, none is in memory.
pub(crate) fn make_room(shared: &Shared, bytes: u64, head_bytes: u64) -> io::Result<bool> {
    let config = &shared.config;
    let fits = |unwritten: &Unwritten| {
        unwritten.bytes + bytes <= config.unwritten_bytes
            && unwritten.head_bytes + head_bytes <= config.unwritten_head_bytes
    };
    loop {
        if fits(&shared.unwritten()) {
            return Ok(true);
        }
        // Who merges may be about to make room.
        let _one_at_a_time = shared.housekeeping.lock();
        if !fits(&shared.unwritten()) && !write_oldest(shared, u64::MAX)? {
            return Ok(false);
        }
    }
}

/// Writes all of them, oldest first.
pub(crate) fn write_all(shared: &Shared) -> io::Result<()> {
    loop {
        let _one_at_a_time = shared.housekeeping.lock();
        if !write_oldest(shared, u64::MAX)? {
            return Ok(());
        }
    }
}

/// Writes those of heads before this one. To be called by who merges.
pub(crate) fn write_before(shared: &Shared, head: u64) -> io::Result<()> {
    while write_oldest(shared, head)? {}
    Ok(())
}

/// Writes the oldest of heads before this one; returns whether there was one.
fn write_oldest(shared: &Shared, before: u64) -> io::Result<bool> {
    let segments = shared.snapshot().segments;
    let oldest = segments.iter().find(|segment| segment.is_in_memory());
    let Some(segment) = oldest.filter(|segment| segment.facts.first < before) else {
        return Ok(false);
    };
    let written = segment.to_disk(&*shared.disk)?;
    shared.commit(&Change {
        remove: vec![segment.facts.first],
        add: Some(Arc::new(written)),
        ..Change::default()
    })?;
    Ok(true)
}
