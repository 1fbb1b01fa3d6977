//! The engine on disks that lose power, run full or refuse to sync: what was promised to be durable
//! is there exactly once, and nothing else is promised. Damage of what was written is in `damage`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/agree.rs"]
mod agree;
#[path = "support/random.rs"]
mod random;

use std::sync::Arc;

use speargun_memory::MemoryStore;
use speargun_model::SpanBatch;
use speargun_runtime::{Disk, Machine, ManualClock, SimulatedDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::Random;
use speargun_storage::{Position, SpanReader, SpanWriter, WriteError};

use crate::agree::assert_agree;
use crate::random::{START_MS, Times, batch};

const GROUPS: u64 = 12;

/// Groups of a journal; the one with index `n` ends at position `n + 1`.
fn journal(seed: u64) -> Vec<Vec<Arc<SpanBatch>>> {
    let mut random = Random::seeded(seed);
    let mut group = |index: u64| {
        let times = [Times::Near, Times::Wild][index as usize % 2];
        // Never empty, so that each seal has something to do.
        let mut all = vec![batch(&mut random, times)];
        while all.iter().all(|batch| batch.spans.is_empty()) {
            all.push(batch(&mut random, times));
        }
        all
    };
    (0..GROUPS).map(&mut group).collect()
}

fn config() -> Config {
    Config {
        merge_rows: 90,
        seal_age_ms: u64::MAX,
        ..Config::new("/segments")
    }
}

fn open(disk: Arc<dyn Disk>) -> Result<Arc<SegmentStore>, speargun_segment::OpenError> {
    open_as(config(), disk)
}

fn open_as(
    config: Config,
    disk: Arc<dyn Disk>,
) -> Result<Arc<SegmentStore>, speargun_segment::OpenError> {
    SegmentStore::open(config, disk, Arc::new(ManualClock::new(START_MS)))
}

/// Each write fills a head.
fn full_heads() -> Config {
    Config {
        seal_rows: 1,
        ..config()
    }
}

/// Asserts that the store holds the first groups of the journal, each once, and nothing else.
fn assert_holds(store: &SegmentStore, journal: &[Vec<Arc<SpanBatch>>], groups: u64) {
    let model = MemoryStore::new(&speargun_memory::Config::default());
    let held = journal.get(..groups as usize).unwrap();
    for group in held {
        model.write(group, Position(0)).unwrap();
    }
    let rows: usize = held.iter().flatten().map(|batch| batch.spans.len()).sum();
    let stats = store.stats();
    assert_eq!(stats.segment_rows + stats.head_rows, rows as u64);
    let mut random = Random::seeded(groups);
    assert_agree(&model, store, &mut random, Times::Wild);
    assert_eq!(store.stats().corrupt_reads, 0);
}

/// Writes the groups that the store does not hold, sealing each, merging now and then; goes on
/// after errors as long as the machine is on. Returns the last promise.
fn feed(store: &SegmentStore, journal: &[Vec<Arc<SpanBatch>>], is_on: impl Fn() -> bool) -> u64 {
    let first = store.durable_position().0;
    for (index, group) in journal.iter().enumerate().skip(first as usize) {
        if !is_on() {
            break;
        }
        store.write(group, Position(index as u64 + 1)).unwrap();
        while store.seal().is_err() && is_on() {}
        if index % 3 == 2 && is_on() {
            while store.compact().is_err() && is_on() {}
        }
    }
    store.durable_position().0
}

#[test]
fn a_power_cut_at_any_change_of_the_disk_loses_nothing_promised() {
    let journal = journal(7);
    let machine = Machine::new(&SimulatedDisk::new(), None);
    let store = open(Arc::new(machine.clone())).unwrap();
    assert_eq!(feed(&store, &journal, || true), GROUPS);
    let stats = store.stats();
    assert!(stats.merges > 0 && stats.segments < GROUPS, "{stats:?}");
    store.close().unwrap();
    let changes = machine.changes();
    assert!(changes > 60, "{changes}");
    for nth in 0..changes {
        for seed in 0..2 {
            println!("cut at change {nth}, seed {seed}");
            cut(
                &journal,
                (nth, nth * 31 + seed),
                config(),
                |store, is_on| feed(store, &journal, is_on),
            );
        }
    }
}

#[test]
fn a_power_cut_while_segments_are_in_memory_loses_nothing_promised() {
    let journal = journal(8);
    let machine = Machine::new(&SimulatedDisk::new(), None);
    let store = open_as(full_heads(), Arc::new(machine.clone())).unwrap();
    let promised = feed_on(&store, &journal, &|| true);
    let stats = store.stats();
    // Some are merged and on disk, and the newest is not.
    assert!(stats.merges > 0 && stats.unwritten_bytes > 0, "{stats:?}");
    assert!(0 < promised && promised < GROUPS, "{promised}");
    assert_holds(&store, &journal, GROUPS);
    store.seal().unwrap();
    assert_eq!(store.stats().unwritten_bytes, 0);
    let (changes, mut cuts) = (machine.changes(), 0);
    store.close().unwrap();
    for nth in 0..changes {
        println!("cut at change {nth}");
        let was_cut = cut(&journal, (nth, nth * 17), full_heads(), |store, is_on| {
            feed_on(store, &journal, is_on);
            store.seal().ok();
            store.durable_position().0
        });
        cuts += u64::from(was_cut);
    }
    // Merges come when they come, and with them the number of changes.
    assert!(cuts > changes / 2, "{cuts} of {changes}");
}

/// Writes the groups that the store does not hold, each a head that is full, merging now and then.
/// Returns the last promise.
fn feed_on(store: &SegmentStore, journal: &[Vec<Arc<SpanBatch>>], is_on: &dyn Fn() -> bool) -> u64 {
    let first = store.durable_position().0;
    for (index, group) in journal.iter().enumerate().skip(first as usize) {
        store.write(group, Position(index as u64 + 1)).unwrap();
        while store.stats().head_rows > 0 && store.check().is_ok() && is_on() {
            std::thread::yield_now();
        }
        if index % 3 == 1 {
            store.compact().ok();
        }
    }
    store.durable_position().0
}

/// Returns whether the cut came before all was written.
fn cut(
    journal: &[Vec<Arc<SpanBatch>>],
    (nth, seed): (u64, u64),
    config: Config,
    feed_some: impl Fn(&SegmentStore, &dyn Fn() -> bool) -> u64,
) -> bool {
    let disk = SimulatedDisk::new();
    let machine = Machine::new(&disk, Some((nth, seed)));
    let mut promised = 0;
    if let Ok(store) = open_as(config, Arc::new(machine.clone())) {
        promised = feed_some(&store, &|| machine.is_on());
    }
    let was_cut = !machine.is_on();
    let store = open(Arc::new(disk.clone())).unwrap();
    let durable = store.durable_position().0;
    assert!(durable >= promised, "{durable} of {promised}");
    assert_holds(&store, journal, durable);
    feed(&store, journal, || true);
    assert_holds(&store, journal, GROUPS);
    store.close().unwrap();
    disk.crash(seed);
    let store = open(Arc::new(disk)).unwrap();
    assert_eq!(store.durable_position().0, GROUPS);
    assert_holds(&store, journal, GROUPS);
    store.close().unwrap();
    was_cut
}

#[test]
fn a_power_cut_during_retention_leaves_all_or_nothing() {
    let journal = journal(12);
    let rows: usize = journal
        .iter()
        .flatten()
        .map(|batch| batch.spans.len())
        .sum();
    let later = START_MS + 8 * 24 * 3_600_000;
    for nth in 0..20 {
        let disk = SimulatedDisk::new();
        let store = open(Arc::new(disk.clone())).unwrap();
        feed(&store, &journal, || true);
        store.close().unwrap();
        let machine = Machine::new(&disk, Some((nth, nth)));
        let at = |disk: Arc<dyn Disk>| {
            SegmentStore::open(config(), disk, Arc::new(ManualClock::new(later)))
        };
        if let Ok(store) = at(Arc::new(machine.clone())) {
            store.compact().ok();
        }
        let store = open(Arc::new(disk.clone())).unwrap();
        assert_eq!(store.durable_position().0, GROUPS, "cut at change {nth}");
        let left = store.stats().segment_rows;
        assert!(
            left == 0 || left == rows as u64,
            "cut at change {nth}: {left}"
        );
        store.close().unwrap();
        let store = at(Arc::new(disk.clone())).unwrap();
        store.compact().unwrap();
        assert_eq!(
            (store.stats().segments, store.durable_position().0),
            (0, GROUPS)
        );
        assert_eq!(disk.list("/segments".as_ref()).unwrap().len(), 1);
        store.close().unwrap();
    }
}

#[test]
fn what_is_called_durable_after_a_kill_outlives_a_power_cut() {
    let journal = journal(13);
    let counting = Machine::new(&SimulatedDisk::new(), None);
    let store = open(Arc::new(counting.clone())).unwrap();
    feed(&store, &journal, || true);
    store.close().unwrap();
    for nth in (0..counting.changes()).step_by(3) {
        println!("killed at change {nth}");
        let disk = SimulatedDisk::new();
        let machine = Machine::killed_at(&disk, nth);
        if let Ok(store) = open(Arc::new(machine.clone())) {
            feed(&store, &journal, || machine.is_on());
        }
        let machine = Machine::new(&disk, None);
        let store = open(Arc::new(machine.clone())).unwrap();
        let promised = (store.durable_position().0, store.stats().segment_rows);
        machine.cut(nth * 31);
        let store = open(Arc::new(disk)).unwrap();
        let kept = (store.durable_position().0, store.stats().segment_rows);
        assert_eq!(kept, promised);
    }
}

#[test]
fn a_sync_or_write_that_fails_is_tried_again_and_loses_nothing() {
    let journal = journal(8);
    let counting = SimulatedDisk::new();
    let store = open(Arc::new(counting.clone())).unwrap();
    feed(&store, &journal, || true);
    store.close().unwrap();
    let mut failures = 0;
    for nth in 0..counting.sync_count() {
        println!("failure {nth}");
        let disk = SimulatedDisk::new();
        let store = open(Arc::new(disk.clone())).unwrap();
        if nth % 3 == 0 {
            disk.fail_write(nth / 2, nth);
        } else {
            disk.fail_sync(nth, nth);
        }
        assert_eq!(feed(&store, &journal, || true), GROUPS);
        let stats = store.stats();
        failures += stats.failed_seals;
        assert_holds(&store, &journal, GROUPS);
        store.check().unwrap();
        store.close().unwrap();
        disk.crash(nth);
        let store = open(Arc::new(disk)).unwrap();
        assert_eq!(store.durable_position().0, GROUPS);
        assert_holds(&store, &journal, GROUPS);
        store.close().unwrap();
    }
    assert!(failures > counting.sync_count() / 2, "{failures}");
}

fn used(disk: &SimulatedDisk) -> u64 {
    let files = disk.list("/segments".as_ref()).unwrap();
    let sizes = files
        .iter()
        .map(|path| disk.content(path).unwrap().len() as u64);
    sizes.sum()
}

#[test]
fn a_full_disk_is_reported_and_recovered_from() {
    let journal = journal(9);
    let disk = SimulatedDisk::new();
    // Merges, which come when they come, would make room.
    let config = Config {
        merge_rows: 1,
        ..config()
    };
    let store = open_as(config, Arc::new(disk.clone())).unwrap();
    let (early, late) = journal.split_at(4);
    feed(&store, early, || true);
    for room in [0, 1, 100, 700] {
        disk.set_capacity(Some(used(&disk) + room));
        let end = store.durable_position().0;
        let group = &late[(end - 4) as usize];
        store.write(group, Position(end + 1)).unwrap();
        assert!(
            matches!(store.seal(), Err(WriteError::Busy(_))),
            "room {room}"
        );
        assert!(store.check().is_err());
        assert!(store.stats().failed_seals > 0);
        assert_eq!(store.durable_position().0, end);
        assert_holds(&store, &journal, end + 1);
        disk.set_capacity(None);
        while store.seal().is_err() {}
        store.check().unwrap();
        assert_eq!(store.durable_position().0, end + 1);
        assert_holds(&store, &journal, end + 1);
    }
    store.close().unwrap();
    let store = open(Arc::new(disk.clone())).unwrap();
    assert_holds(&store, &journal, 8);
    store.close().unwrap();
}

/// Returns the length of the segment that all segments of the disk make when merged.
fn merged_bytes(disk: &SimulatedDisk) -> u64 {
    let copy = SimulatedDisk::new();
    for path in disk.list("/segments".as_ref()).unwrap() {
        copy.put(&path, disk.content(&path).unwrap());
    }
    let config = Config {
        merge_rows: 1 << 20,
        ..config()
    };
    let clock = Arc::new(ManualClock::new(START_MS));
    let store = SegmentStore::open(config, Arc::new(copy), clock).unwrap();
    store.compact().unwrap();
    let stats = store.stats();
    assert_eq!(stats.segments, 1);
    store.close().unwrap();
    stats.segment_bytes
}

#[test]
fn a_full_disk_stops_merges_and_nothing_else() {
    let journal = journal(10);
    let disk = SimulatedDisk::new();
    let with = |merge_rows| {
        let config = Config {
            merge_rows,
            ..config()
        };
        let clock = Arc::new(ManualClock::new(START_MS));
        SegmentStore::open(config, Arc::new(disk.clone()), clock).unwrap()
    };
    let store = with(1);
    feed(&store, &journal, || true);
    store.close().unwrap();
    let before = used(&disk);
    // With the last the merged segment fits, and the manifest beside it does not.
    for room in [0, 30, merged_bytes(&disk) + 10] {
        disk.set_capacity(Some(before + room));
        let store = with(1 << 20);
        assert!(store.compact().is_err(), "room {room}");
        store.check().unwrap();
        assert_eq!(store.stats().segments, GROUPS);
        assert_holds(&store, &journal, GROUPS);
        store.close().unwrap();
        assert_eq!(used(&disk), before, "room {room}");
    }
    disk.set_capacity(None);
    let store = with(1 << 20);
    store.compact().unwrap();
    assert_eq!(store.stats().segments, 1);
    assert_holds(&store, &journal, GROUPS);
    store.close().unwrap();
}

#[test]
fn an_engine_on_a_full_disk_is_not_ready_and_holds_up_nobody() {
    // As files, and with room for some in memory.
    for unwritten_bytes in [0, 4 << 10] {
        stop_and_go_on(unwritten_bytes);
    }
}

fn stop_and_go_on(unwritten_bytes: u64) {
    let journal = journal(11);
    let disk = SimulatedDisk::new();
    disk.set_capacity(Some(0));
    let config = Config {
        unwritten_bytes,
        ..full_heads()
    };
    let store = open_as(config, Arc::new(disk.clone())).unwrap();
    let (early, late) = journal.split_at(9);
    store.ready().unwrap();
    // Two heads wait when all room is taken. What was journaled before that showed is taken still.
    for (index, group) in early.iter().enumerate() {
        store.write(group, Position(index as u64 + 1)).unwrap();
    }
    assert!(matches!(store.seal(), Err(WriteError::Busy(_))));
    assert!(matches!(store.ready(), Err(WriteError::Busy(_))));
    assert!(store.check().is_err());
    assert!(store.stats().unwritten_bytes <= unwritten_bytes);
    assert_eq!(store.stats().unwritten_bytes > 0, unwritten_bytes > 0);
    assert_eq!(store.durable_position().0, 0);
    assert_holds(&store, &journal, 9);
    disk.set_capacity(None);
    while store.seal().is_err() {}
    store.ready().unwrap();
    store.check().unwrap();
    for (index, group) in late.iter().enumerate() {
        store.write(group, Position(index as u64 + 10)).unwrap();
    }
    while store.seal().is_err() {}
    assert_eq!(store.durable_position().0, GROUPS);
    assert_holds(&store, &journal, GROUPS);
    store.close().unwrap();
}
