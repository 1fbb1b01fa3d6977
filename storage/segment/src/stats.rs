//! Figures of the store for its metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use speargun_storage::Extent;

use crate::segment::Segment;
use crate::store::{Shared, Snapshot};
use crate::unwritten::Unwritten;

/// What happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Segments that were damaged or missing at the start.
    pub(crate) lost_segments: u64,
    pub(crate) sealed_rows: AtomicU64,
    pub(crate) merged_rows: AtomicU64,
    pub(crate) merges: AtomicU64,
    pub(crate) expired_segments: AtomicU64,
    pub(crate) expired_rows: AtomicU64,
    pub(crate) corrupt_reads: AtomicU64,
    /// Those of them that the disk refused, and may grant the next time.
    pub(crate) refused_reads: AtomicU64,
    pub(crate) failed_seals: AtomicU64,
    pub(crate) failed_merges: AtomicU64,
}

/// Figures of the store for its metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Live segments.
    pub segments: u64,
    /// Spans in them.
    pub segment_rows: u64,
    /// Bytes of them, on disk or in memory alone.
    pub segment_bytes: u64,
    /// Bytes of those that are in memory alone until they are merged.
    pub unwritten_bytes: u64,
    /// Spans not yet in a segment.
    pub head_rows: u64,
    /// Bytes of memory of those.
    pub head_bytes: u64,
    /// Bytes of memory that the cache takes.
    pub cache_bytes: u64,
    /// Bytes of memory of what is remembered of links.
    pub link_memo_bytes: u64,
    /// Spans sealed since the start.
    pub sealed_rows: u64,
    /// Spans written again by merges since the start.
    pub merged_rows: u64,
    /// Merges since the start.
    pub merges: u64,
    /// Segments deleted by retention since the start.
    pub expired_segments: u64,
    /// Spans deleted by retention since the start.
    pub expired_rows: u64,
    /// Segments that were damaged or missing at the start.
    pub lost_segments: u64,
    /// Reads that met damaged bytes since the start.
    pub corrupt_reads: u64,
    /// Seals that failed and are tried again.
    pub failed_seals: u64,
    /// Merges that failed.
    pub failed_merges: u64,
}

/// Returns the figures of a store.
pub(crate) fn of(shared: &Shared) -> Stats {
    let snapshot = shared.snapshot();
    let sum = |of: fn(&Segment) -> u64| snapshot.segments.iter().map(|s| of(s)).sum();
    let counters = &shared.counters;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    Stats {
        segments: snapshot.segments.len() as u64,
        segment_rows: sum(|segment| segment.facts.rows),
        segment_bytes: sum(|segment| segment.bytes),
        unwritten_bytes: Unwritten::of(&snapshot.segments).bytes,
        head_rows: snapshot.heads.iter().map(|head| head.rows as u64).sum(),
        head_bytes: snapshot.heads.iter().map(|head| head.bytes as u64).sum(),
        cache_bytes: shared.cache.bytes(),
        link_memo_bytes: shared.link_memo.bytes(),
        sealed_rows: count(&counters.sealed_rows),
        merged_rows: count(&counters.merged_rows),
        merges: count(&counters.merges),
        expired_segments: count(&counters.expired_segments),
        expired_rows: count(&counters.expired_rows),
        lost_segments: counters.lost_segments,
        corrupt_reads: count(&counters.corrupt_reads),
        failed_seals: count(&counters.failed_seals),
        failed_merges: count(&counters.failed_merges),
    }
}

/// Returns how much is held; what lies in a head is on no disk but in the journal.
pub(crate) fn extent(snapshot: &Snapshot) -> Extent {
    let segments = snapshot.segments.iter();
    let rows = segments.clone().map(|segment| segment.facts.rows);
    let in_heads = snapshot.heads.iter().map(|head| head.rows as u64);
    let timed = segments.clone().filter(|s| s.facts.rows > s.facts.untimed);
    let of_segments = timed.flat_map(|s| [s.facts.time_min_us, s.facts.time_max_us]);
    let views = snapshot.heads.iter().flat_map(|head| head.views());
    let of_heads = views.map(|view| view.record().timestamp_us);
    let times_us = of_segments.chain(of_heads).filter(|us| *us != 0);
    let widen = |known: Option<(u64, u64)>, us: u64| match known {
        Some((least, greatest)) => Some((least.min(us), greatest.max(us))),
        None => Some((us, us)),
    };
    Extent {
        spans: Some(rows.chain(in_heads).sum()),
        bytes: Some(segments.map(|segment| segment.bytes).sum()),
        times_us: times_us.fold(None, widen),
    }
}
