//! Segments that are moved away: the same lists under the same names after errors, restarts, power
//! cuts and kills, never merged meanwhile, gone only when they are forgotten, and no name given to
//! two lists.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use speargun_model::{Span, TraceId};
use speargun_runtime::{Clock, Disk, Machine, ManualClock, SimulatedDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::{NOW_MS, Random, Sketch, batch_of, span};
use speargun_storage::{
    Local, NamedList, Portion, Position, ReadContext, SpanReader, SpanWriter, SummaryRequest,
    TraceFilter, TraceRequest, Window,
};

const DIR: &str = "/spool";
const CONTEXT: ReadContext = ReadContext { deadline: None };

fn config() -> Config {
    Config {
        seal_age_ms: u64::MAX,
        merge_after_ms: 0,
        merge_rows: 100_000,
        ..Config::waiting(DIR)
    }
}

fn open(disk: &SimulatedDisk) -> Arc<SegmentStore> {
    on(Arc::new(disk.clone())).unwrap()
}

fn on(disk: Arc<dyn Disk>) -> Result<Arc<SegmentStore>, speargun_segment::OpenError> {
    SegmentStore::open(config(), disk, Arc::new(ManualClock::new(NOW_MS)))
}

/// Returns spans of some traces, told apart by their ids.
fn spans(from: u64, count: u64) -> Vec<Span> {
    let one = |id: u64| {
        span(u128::from(1 + id % 7), id)
            .by("a")
            .tag("k", &id.to_string())
    };
    (from..from + count).map(one).collect()
}

fn write(store: &SegmentStore, spans: &[Span], end: u64) {
    store
        .write(&[Arc::new(batch_of(spans))], Position(end))
        .unwrap();
}

fn lists(portion: &mut dyn Portion) -> Vec<NamedList> {
    std::iter::from_fn(|| portion.next_list().unwrap()).collect()
}

fn ids<'s>(spans: impl IntoIterator<Item = &'s Span>) -> BTreeSet<u64> {
    spans.into_iter().map(|span| span.id.0).collect()
}

fn all_time() -> Window {
    Window {
        end_ms: NOW_MS * 2,
        lookback_ms: NOW_MS * 2,
    }
}

#[test]
fn a_portion_gives_every_span_once_and_the_same_lists_again() {
    let disk = SimulatedDisk::new();
    let store = open(&disk);
    let written = spans(1, 500);
    write(&store, &written, 1);
    assert!(store.next_portion().unwrap().is_none(), "nothing is sealed");
    store.seal().unwrap();
    let mut portion = store.next_portion().unwrap().unwrap();
    let first = lists(&mut *portion);
    let moved: Vec<&Span> = first.iter().flat_map(|list| &list.spans).collect();
    assert_eq!(moved.len(), written.len());
    assert_eq!(ids(moved), ids(&written));
    // Merging leaves it as it is, and so does a restart.
    write(&store, &spans(1000, 10), 2);
    store.seal().unwrap();
    store.compact().unwrap();
    let mut again = store.next_portion().unwrap().unwrap();
    assert_eq!(lists(&mut *again), first);
    store.close().unwrap();
    let store = open(&disk);
    store.compact().unwrap();
    let mut again = store.next_portion().unwrap().unwrap();
    assert_eq!(lists(&mut *again), first);
    again.forget().unwrap();
    let mut next = store.next_portion().unwrap().unwrap();
    assert_eq!(lists(&mut *next)[0].spans.len(), 10);
    store.close().unwrap();
}

#[test]
fn what_waits_long_is_merged_and_what_is_moved_is_not() {
    let disk = SimulatedDisk::new();
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let config = Config {
        merge_after_ms: 60_000,
        ..config()
    };
    let store = SegmentStore::open(config, Arc::new(disk), clock.clone()).unwrap();
    let write_some = |from: u64| {
        for end in from..from + 12 {
            write(&store, &spans(end * 100, 10), end);
            store.seal().unwrap();
        }
    };
    write_some(1);
    let first = lists(&mut *store.next_portion().unwrap().unwrap());
    store.compact().unwrap();
    assert_eq!(store.stats().segments, 12, "all are fresh");
    clock.set(clock.now_ms() + 60_000);
    store.compact().unwrap();
    assert_eq!(store.stats().segments, 2, "all but the one that is moved");
    let mut portion = store.next_portion().unwrap().unwrap();
    assert_eq!(lists(&mut *portion), first);
    portion.forget().unwrap();
    let mut portion = store.next_portion().unwrap().unwrap();
    let rest = lists(&mut *portion);
    assert_eq!(rest.iter().map(|list| list.spans.len()).sum::<usize>(), 110);
    portion.forget().unwrap();
    assert!(store.next_portion().unwrap().is_none());
    store.close().unwrap();
}

#[test]
fn the_backlog_is_what_waits() {
    let disk = SimulatedDisk::new();
    let store = open(&disk);
    assert_eq!(store.backlog(), speargun_storage::Backlog::default());
    write(&store, &spans(1, 5), 1);
    let waiting = store.backlog();
    assert_eq!(
        (waiting.spans, waiting.bytes, waiting.oldest_ms),
        (5, 0, NOW_MS)
    );
    store.seal().unwrap();
    let waiting = store.backlog();
    assert_eq!((waiting.spans, waiting.oldest_ms), (5, NOW_MS));
    assert!(waiting.bytes > 0);
    let mut portion = store.next_portion().unwrap().unwrap();
    lists(&mut *portion);
    portion.forget().unwrap();
    assert_eq!(store.backlog(), speargun_storage::Backlog::default());
    store.close().unwrap();
}

#[test]
fn a_view_keeps_what_is_moved_away() {
    let store = open(&SimulatedDisk::new());
    write(&store, &spans(1, 50), 1);
    store.seal().unwrap();
    let view = store.view();
    store.next_portion().unwrap().unwrap().forget().unwrap();
    write(&store, &spans(500, 1), 2);
    let id = TraceId { high: 0, low: 3 };
    let trace = view.reader().trace(id, &CONTEXT).unwrap();
    assert_eq!(trace.len(), 7);
    assert_eq!(view.traces(&[3], &CONTEXT).unwrap(), [trace]);
    assert!(store.trace(id, &CONTEXT).unwrap().is_empty());
    let recent = view.recent(Some(all_time()), 100, &CONTEXT).unwrap();
    assert_eq!((recent.traces.len(), recent.all), (7, true));
    assert_eq!(view.reader().extent(&CONTEXT).unwrap().spans, Some(50));
    assert_eq!(store.extent(&CONTEXT).unwrap().spans, Some(1));
    let asked = SummaryRequest {
        request: TraceRequest::everything(all_time(), 100),
        filter: TraceFilter::default(),
        after: None,
    };
    let summaries = view.reader().summaries(&asked, &CONTEXT).unwrap();
    assert_eq!(summaries.traces.len(), 7);
    store.close().unwrap();
}

#[test]
fn recent_traces_are_those_near_the_window_newest_first() {
    let store = open(&SimulatedDisk::new());
    let hour_us = 3_600_000_000_i64;
    let at = [0, -5_000, -hour_us / 2, -3 * hour_us];
    let spans: Vec<Span> = (1..)
        .zip(at)
        .map(|(id, at)| span(id, 1).at(at))
        .chain([span(9, 1).timeless()])
        .collect();
    for state in ["head", "segment"] {
        let window = Window {
            end_ms: NOW_MS,
            lookback_ms: 1000,
        };
        if state == "head" {
            write(&store, &spans, 1);
        } else {
            store.seal().unwrap();
        }
        let view = store.view();
        let recent = view.recent(Some(window), 10, &CONTEXT).unwrap();
        let expected = [(NOW_MS, 1), (NOW_MS - 5, 2), (0, 9), (0, 4), (0, 3)];
        assert_eq!(recent.traces, expected, "{state}");
        assert!(recent.all);
        let some = view.recent(Some(window), 2, &CONTEXT).unwrap();
        assert_eq!(some.traces, expected[..2]);
        assert!(!some.all);
        let all = view.recent(None, 10, &CONTEXT).unwrap();
        assert_eq!((all.traces.len(), all.all), (5, true));
    }
    store.close().unwrap();
}

#[test]
fn a_read_that_fails_is_made_again_and_damage_is_left_out() {
    let disk = SimulatedDisk::new();
    let store = open(&disk);
    let written = spans(1, 30);
    write(&store, &written, 1);
    store.seal().unwrap();
    let mut failed = 0;
    for nth in 0..6 {
        let mut portion = store.next_portion().unwrap().unwrap();
        disk.fail_read(nth);
        let first = portion.next_list();
        disk.forget_faults();
        failed += u64::from(first.is_err());
        let list = first.unwrap_or_else(|_| portion.next_list().unwrap());
        assert_eq!(ids(&list.unwrap().spans), ids(&written), "read {nth}");
        assert_eq!(portion.next_list().unwrap(), None);
    }
    assert!(failed > 1, "{failed}");
    store.close().unwrap();
    // The first page begins behind the header.
    let path = Path::new(DIR).join("000000000001-000000000001.segment");
    disk.flip_bit(&path, 60, 1).unwrap();
    let store = open(&disk);
    let mut portion = store.next_portion().unwrap().unwrap();
    assert_eq!(lists(&mut *portion), []);
    assert!(store.stats().corrupt_reads > 0);
    portion.forget().unwrap();
    assert_eq!(store.backlog().spans, 0);
    let aside = disk.content(&path.with_extension("damaged"));
    assert!(aside.is_ok(), "it stays for whoever can mend it");
    store.close().unwrap();
}

#[test]
fn damage_anywhere_holds_up_nothing_behind_it() {
    let path = Path::new(DIR).join("000000000001-000000000001.segment");
    let mut damaged = 0;
    let mut offset = 16;
    loop {
        let disk = SimulatedDisk::new();
        let store = open(&disk);
        write(&store, &spans(1, 30), 1);
        store.seal().unwrap();
        write(&store, &spans(100, 5), 2);
        store.seal().unwrap();
        store.close().unwrap();
        if offset >= disk.content(&path).unwrap().len() as u64 {
            break;
        }
        disk.flip_bit(&path, offset, 1).unwrap();
        let store = open(&disk);
        let mut last = vec![];
        while let Some(mut portion) = store.next_portion().unwrap() {
            let lists = lists(&mut *portion);
            last = lists.into_iter().flat_map(|list| list.spans).collect();
            portion.forget().unwrap();
        }
        assert_eq!(ids(&last), ids(&spans(100, 5)), "bit of byte {offset}");
        assert_eq!(store.backlog().spans, 0);
        let stats = store.stats();
        damaged += u64::from(stats.corrupt_reads + stats.lost_segments > 0);
        store.close().unwrap();
        offset += 37;
    }
    assert!(damaged > 20, "{damaged}");
}

/// What a database has that remembers names: all spans of all lists.
#[derive(Clone, Default)]
struct Database(BTreeMap<String, Vec<Span>>);

impl Database {
    fn store(&mut self, list: &NamedList) {
        let name = list.name.to_string();
        let known = self
            .0
            .entry(name.clone())
            .or_insert_with(|| list.spans.clone());
        assert_eq!(*known, list.spans, "{name} is another list now");
    }

    fn spans(&self) -> impl Iterator<Item = &Span> {
        self.0.values().flatten()
    }
}

const GROUPS: u64 = 9;

/// Writes, seals, merges and moves; goes on after errors as long as the machine is on.
fn feed(
    store: &SegmentStore,
    database: &mut Database,
    random: &mut Random,
    is_on: &dyn Fn() -> bool,
) -> u64 {
    let first = store.durable_position().0;
    for end in first + 1..=GROUPS {
        if !is_on() {
            break;
        }
        write(store, &spans(end * 100, 12), end);
        while store.seal().is_err() && is_on() {}
        match random.below(4) {
            0 => while store.compact().is_err() && is_on() {},
            1 => move_some(store, database, false, is_on),
            2 => move_some(store, database, true, is_on),
            _ => {}
        }
    }
    store.durable_position().0
}

/// Moves the oldest portion, if there is one; forgets it or not.
fn move_some(
    store: &SegmentStore,
    database: &mut Database,
    forget: bool,
    is_on: &dyn Fn() -> bool,
) {
    let Ok(Some(mut portion)) = store.next_portion() else {
        return;
    };
    loop {
        match portion.next_list() {
            Ok(Some(list)) => database.store(&list),
            Ok(None) => break,
            Err(_) if is_on() => {}
            Err(_) => return,
        }
    }
    while forget && portion.forget().is_err() && is_on() {}
}

#[test]
fn a_power_cut_at_any_change_moves_everything_once() {
    for seed in 0..2 {
        let machine = Machine::new(&SimulatedDisk::new(), None);
        let store = on(Arc::new(machine.clone())).unwrap();
        let mut database = Database::default();
        feed(&store, &mut database, &mut Random::seeded(seed), &|| true);
        store.close().unwrap();
        let changes = machine.changes();
        assert!(changes > 50, "{changes}");
        // Together the seeds stop at each change.
        for nth in (seed..changes).step_by(2) {
            println!("seed {seed}, stopped at change {nth}");
            let disk = SimulatedDisk::new();
            let machine = if nth % 4 < 2 {
                Machine::new(&disk, Some((nth, nth * 31 + seed)))
            } else {
                Machine::killed_at(&disk, nth)
            };
            stopped(&disk, &machine, seed);
        }
    }
}

fn stopped(disk: &SimulatedDisk, machine: &Machine, seed: u64) {
    let mut database = Database::default();
    let mut promised = 0;
    if let Ok(store) = on(Arc::new(machine.clone())) {
        let random = &mut Random::seeded(seed);
        promised = feed(&store, &mut database, random, &|| machine.is_on());
    }
    let store = open(disk);
    assert!(store.durable_position().0 >= promised);
    feed(
        &store,
        &mut database,
        &mut Random::seeded(seed + 100),
        &|| true,
    );
    while store.backlog().spans > 0 {
        move_some(&store, &mut database, true, &|| true);
    }
    store.close().unwrap();
    assert_eq!(database.spans().count() as u64, GROUPS * 12, "each once");
    assert_eq!(ids(database.spans()).len() as u64, GROUPS * 12);
}

#[test]
fn names_go_on_after_everything_was_moved_and_after_damage() {
    let disk = SimulatedDisk::new();
    let mut database = Database::default();
    let mut names = 0;
    for end in 1..=6 {
        let store = open(&disk);
        write(&store, &spans(end * 100, 4), end);
        store.seal().unwrap();
        move_some(&store, &mut database, true, &|| true);
        store.close().unwrap();
        names += 1;
        assert_eq!(database.0.len(), names, "a new list has a new name");
        let moving = Path::new(DIR).join("MOVING");
        match end {
            3 => disk.put(&Path::new(DIR).join("MANIFEST"), b"nothing".to_vec()),
            4 => disk.remove(&moving).unwrap(),
            5 => disk.flip_bit(&moving, 20, 3).unwrap(),
            _ => {}
        }
    }
    assert_eq!(database.spans().count(), 24);
}

/// Version 1: the folder 000102..., heads 3 to 77.
const TICKET: &[u8] = b"SPEARMOV\x01\0\0\0\xdc\xe5\xe1\xc3\
    \x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x01\x03\x4d";

#[test]
fn a_ticket_of_version_1_is_read() {
    let disk = SimulatedDisk::new();
    disk.put(&Path::new(DIR).join("MOVING"), TICKET.to_vec());
    let store = open(&disk);
    write(&store, &spans(1, 4), 1);
    store.seal().unwrap();
    let lists = lists(&mut *store.next_portion().unwrap().unwrap());
    assert_eq!(lists[0].name.origin, "000102030405060708090a0b0c0d0e0f");
    assert_eq!(lists[0].name.number, 78 << 28, "numbers go on");
    store.close().unwrap();
}

#[test]
fn any_damage_of_the_ticket_is_survived() {
    let disk = SimulatedDisk::new();
    let store = open(&disk);
    write(&store, &spans(1, 4), 1);
    store.seal().unwrap();
    let first = lists(&mut *store.next_portion().unwrap().unwrap());
    store.close().unwrap();
    let path = Path::new(DIR).join("MOVING");
    let content = disk.content(&path).unwrap();
    for bit in 0..content.len() * 8 {
        let mut bad = content.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        disk.put(&path, bad);
        let store = open(&disk);
        let again = lists(&mut *store.next_portion().unwrap().unwrap());
        assert_ne!(again[0].name.origin, first[0].name.origin, "bit {bit}");
        assert_eq!(again[0].spans, first[0].spans);
        store.close().unwrap();
    }
    for len in 0..content.len() {
        disk.put(&path, content[..len].to_vec());
        open(&disk).close().unwrap();
    }
}

#[test]
fn waiting_ends_when_there_is_a_segment() {
    let store = open(&SimulatedDisk::new());
    store.wait(Duration::ZERO);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| store.wait(Duration::from_hours(1)));
        write(&store, &spans(1, 4), 1);
        store.seal().unwrap();
        waiting.join().unwrap();
    });
    store.close().unwrap();
}
