//! Segments in memory alone: how many, for how long, and what a crash makes of them. Power cuts at
//! any change of the disk are in `faults`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use speargun_runtime::{Disk, ManualClock, SimulatedDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::{NOW_MS, Sketch, batch_of, span};
use speargun_storage::{Position, SpanWriter};

const DIR: &str = "/segments";

/// Each write fills a head, and nothing is merged by itself.
fn config() -> Config {
    Config {
        seal_rows: 1,
        seal_age_ms: 60_000,
        merge_rows: 1,
        retention_age_ms: None,
        ..Config::new(DIR)
    }
}

fn open(config: Config, disk: &SimulatedDisk, clock: &Arc<ManualClock>) -> Arc<SegmentStore> {
    SegmentStore::open(config, Arc::new(disk.clone()), clock.clone()).unwrap()
}

/// Writes heads of two spans and waits until each is a segment.
fn write_heads(store: &SegmentStore, positions: RangeInclusive<u64>) {
    for position in positions {
        let id = u128::from(position);
        let spans = [span(id, 1).at(1), span(id, 2).under(1).tag("a", "b")];
        let group = [Arc::new(batch_of(&spans))];
        store.write(&group, Position(position)).unwrap();
        until(|| store.stats().head_rows == 0);
    }
}

fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}

fn files(disk: &SimulatedDisk) -> usize {
    disk.list(Path::new(DIR)).unwrap().len()
}

#[test]
fn fresh_segments_are_no_files_until_they_have_waited() {
    let (disk, clock) = (SimulatedDisk::new(), Arc::new(ManualClock::new(NOW_MS)));
    let store = open(config(), &disk, &clock);
    write_heads(&store, 1..=5);
    let stats = store.stats();
    assert_eq!((stats.segments, stats.segment_rows), (5, 10));
    assert_eq!(stats.unwritten_bytes, stats.segment_bytes);
    assert_eq!((store.durable_position(), files(&disk)), (Position(0), 0));
    clock.set(NOW_MS + 60_000);
    until(|| store.stats().unwritten_bytes == 0);
    let stats = store.stats();
    assert_eq!((stats.segments, stats.segment_rows), (5, 10));
    // And the manifest.
    assert_eq!((store.durable_position(), files(&disk)), (Position(5), 6));
    store.close().unwrap();
}

#[test]
fn beyond_either_bound_the_oldest_are_written() {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let store = open(config(), &SimulatedDisk::new(), &clock);
    write_heads(&store, 1..=8);
    let all = store.stats().segment_bytes;
    store.close().unwrap();
    let some = [
        (all / 2, u64::MAX),
        (u64::MAX, 3 << 10),
        (0, u64::MAX),
        (u64::MAX, 0),
    ];
    for (unwritten_bytes, unwritten_head_bytes) in some {
        let disk = SimulatedDisk::new();
        let config = Config {
            unwritten_bytes,
            unwritten_head_bytes,
            ..config()
        };
        let store = open(config.clone(), &disk, &clock);
        write_heads(&store, 1..=8);
        let stats = store.stats();
        assert!(stats.unwritten_bytes <= unwritten_bytes, "{stats:?}");
        let is_none = unwritten_bytes == 0 || unwritten_head_bytes == 0;
        assert_eq!(stats.unwritten_bytes == 0, is_none, "{stats:?}");
        let durable = store.durable_position().0;
        assert!(durable > 0 && (durable == 8) == is_none, "{durable}");
        drop(store);
        // What the process had in memory goes with it, and comes again from the journal.
        disk.crash(durable);
        let store = open(config, &disk, &clock);
        assert_eq!(store.durable_position().0, durable);
        assert_eq!(store.stats().segments, durable);
        write_heads(&store, durable + 1..=8);
        store.close().unwrap();
        assert_eq!(store.stats().segments, 8);
        assert_eq!(store.durable_position().0, 8);
    }
}

#[test]
fn a_merge_writes_what_stands_before_it() {
    let minute = NOW_MS / 60_000 * 60_000;
    let (disk, clock) = (SimulatedDisk::new(), Arc::new(ManualClock::new(minute)));
    let config = Config {
        seal_age_ms: u64::MAX,
        merge_rows: 1_000_000,
        // Segments of one minute are merged, and no others.
        retention_age_ms: Some(128 * 60_000),
        ..config()
    };
    let store = open(config.clone(), &disk, &clock);
    write_heads(&store, 1..=1);
    clock.set(minute + 60_000);
    write_heads(&store, 2..=14);
    store.compact().unwrap();
    assert_eq!(store.stats().merges, 1);
    let first = Path::new(DIR).join("000000000001-000000000001.segment");
    assert!(disk.content(&first).is_ok(), "the oldest is a file");
    let durable = store.durable_position().0;
    assert!((12..=14).contains(&durable), "{durable}");
    drop(store);
    disk.crash(1);
    let store = open(config, &disk, &clock);
    assert_eq!(store.durable_position().0, durable);
    assert_eq!(store.stats().segment_rows, 2 * durable);
    write_heads(&store, durable + 1..=14);
    assert_eq!(store.stats().segment_rows, 28);
    store.close().unwrap();
}
