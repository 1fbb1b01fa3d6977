//! Segments that are in memory alone. Under load a segment is merged within a second, and until
//! then what it holds is in the journal too: its file would be written, synced and deleted for
//! nothing. They are always the newest ones, so that what is on disk has an end in the journal.

use std::io;
use std::sync::Arc;

use speargun_storage::Position;

use crate::compact::discard;
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

/// Returns the journal position up to which nothing is in memory alone, by the segments before a
/// change and after it: what is in neither was expired before.
pub(crate) fn durable_end(before: &[Arc<Segment>], after: &[Arc<Segment>]) -> Position {
    let first = after.iter().find(|segment| segment.is_in_memory());
    let first = first.map_or(u64::MAX, |segment| segment.facts.first);
    let ended = before.iter().chain(after);
    let ended = ended.filter(|segment| segment.facts.last < first);
    Position(
        ended
            .map(|segment| segment.facts.end_position)
            .max()
            .unwrap_or_default(),
    )
}

/// Puts a segment that was written in its place; returns the one of the two that goes, which is the
/// written one where the other was merged meanwhile or has expired.
pub(crate) fn replace(segments: &mut [Arc<Segment>], written: &Arc<Segment>) -> Arc<Segment> {
    let mut unwritten = segments.iter_mut().filter(|segment| segment.is_in_memory());
    match unwritten.find(|segment| segment.number() == written.number()) {
        Some(place) => std::mem::replace(place, written.clone()),
        None => written.clone(),
    }
}

/// Returns whether a segment may stay in memory, after writing older ones where that helps. If it
/// may not, none is in memory.
pub(crate) fn make_room(shared: &Shared, bytes: u64, head_bytes: u64) -> io::Result<bool> {
    let config = &shared.config;
    let fits = |unwritten: &Unwritten| {
        unwritten.bytes + bytes <= config.unwritten_bytes
            && unwritten.head_bytes + head_bytes <= config.unwritten_head_bytes
    };
    while !fits(&shared.unwritten()) {
        if !write_oldest(shared, u64::MAX)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes all that there are now, oldest first.
pub(crate) fn write_all(shared: &Shared) -> io::Result<()> {
    let segments = shared.snapshot().segments;
    let end = segments.last().map_or(0, |newest| newest.facts.last + 1);
    write_before(shared, end)
}

/// Writes those of heads before this one.
pub(crate) fn write_before(shared: &Shared, head: u64) -> io::Result<()> {
    while write_oldest(shared, head)? {}
    Ok(())
}

/// Writes the oldest of heads before this one; returns whether there was one. It may be merged or
/// expire meanwhile: then its file goes again.
fn write_oldest(shared: &Shared, before: u64) -> io::Result<bool> {
    let _one_at_a_time = shared.writing.lock();
    let segments = shared.snapshot().segments;
    let oldest = segments.iter().find(|segment| segment.is_in_memory());
    let Some(segment) = oldest.filter(|segment| segment.facts.first < before) else {
        return Ok(false);
    };
    let written = segment.to_disk(&*shared.disk).map_err(io::Error::from);
    let done = written.and_then(|written| {
        shared.commit(&Change {
            written: Some(Arc::new(written)),
            ..Change::default()
        })
    });
    if let Err(error) = done {
        // Who merges it next knows of no file.
        discard(shared, segment);
        return Err(error);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::store::SegmentStore;
    use speargun_runtime::{Disk, ManualClock, SimulatedDisk};
    use speargun_storage::SpanWriter;
    use speargun_storage::contract::{NOW_MS, Sketch, batch_of, span};

    /// Returns a store of some segments in memory alone.
    fn store(disk: &SimulatedDisk, clock: &Arc<ManualClock>, count: u64) -> Arc<SegmentStore> {
        let config = Config {
            seal_rows: 1,
            seal_age_ms: u64::MAX,
            merge_rows: 1,
            retention_age_ms: Some(1_000_000),
            ..Config::new("/segments")
        };
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let store = SegmentStore::open(config, disk, clock.clone()).unwrap();
        for position in 1..=count {
            let spans = [span(u128::from(position), 1).at(1)];
            let group = [Arc::new(batch_of(&spans))];
            store.write(&group, Position(position)).unwrap();
            while store.stats().head_rows > 0 {
                std::thread::yield_now();
            }
        }
        store
    }

    #[test]
    fn what_is_written_too_late_goes_again() {
        let (disk, clock) = (SimulatedDisk::new(), Arc::new(ManualClock::new(NOW_MS)));
        let store = store(&disk, &clock, 3);
        let shared = &store.shared;
        let segments = shared.snapshot().segments;
        let first = segments.first().unwrap();
        let written = Arc::new(first.to_disk(&*shared.disk).unwrap());
        assert!(disk.content(&first.path).is_ok());
        // Meanwhile it expired.
        let expired = Change {
            remove: vec![first.facts.first],
            ..Change::default()
        };
        shared.commit(&expired).unwrap();
        let late = Change {
            written: Some(written),
            ..Change::default()
        };
        shared.commit(&late).unwrap();
        assert!(disk.content(&first.path).is_err(), "its file is gone");
        assert_eq!(shared.snapshot().segments.len(), 2);
        assert_eq!(store.durable_position(), Position(1));
        store.close().unwrap();
        assert_eq!(store.stats().segments, 2);
    }

    #[test]
    fn what_expired_in_memory_lets_the_journal_go() {
        let (disk, clock) = (SimulatedDisk::new(), Arc::new(ManualClock::new(NOW_MS)));
        let store = store(&disk, &clock, 4);
        assert_eq!(store.durable_position(), Position(0));
        clock.set(NOW_MS + 1_000_001);
        store.compact().unwrap();
        assert_eq!(store.stats().segments, 0);
        assert_eq!(store.durable_position(), Position(4));
        store.close().unwrap();
    }
}
