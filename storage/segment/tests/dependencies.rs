//! Links from summaries of segments, mended for traces that span several, agree with the memory
//! engine's: whatever the window, asked again and again while segments are sealed, merged and
//! opened anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use speargun_memory::MemoryStore;
use speargun_model::{DependencyLink, Endpoint, Kind, Span, SpanId, TraceId};
use speargun_runtime::{Disk, ManualClock, SimulatedDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::{NOW_MS, NOW_US, Random, batch_of};
use speargun_storage::{Position, ReadContext, ReadError, SpanReader, SpanWriter, Window};

const SERVICES: [&str; 5] = ["web", "cart", "stock", "päy", "db"];
const SEEDS: u64 = 16;

fn open(disk: &SimulatedDisk) -> Arc<SegmentStore> {
    let config = Config {
        seal_rows: 12,
        merge_rows: 60,
        // Less than traces that go on and on have.
        link_rows: 100,
        retention_age_ms: None,
        ..Config::new("/segments")
    };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    SegmentStore::open(config, disk, Arc::new(ManualClock::new(NOW_MS))).unwrap()
}

/// Returns the spans of a trace: calls that go down through the services, some shared, some failed,
/// some without one half, some without times.
fn trace(random: &mut Random, low: u64) -> Vec<Span> {
    // Traces are minutes apart, so that windows can lie between them.
    let start = NOW_US - (low % 40) * 60_000_000;
    let mut spans = Vec::new();
    let mut parent = None;
    for depth in 0..=random.below(4) {
        let id = SpanId(low * 100 + depth * 2 + 1);
        let shared = random.once_in(2);
        let server_id = if shared { id } else { SpanId(id.0 + 1) };
        let at = |offset: u64| start + depth * 1000 + offset;
        let from = SERVICES[random.below(5) as usize];
        let to = SERVICES[random.below(5) as usize];
        let client = Span {
            trace_id: TraceId { high: low % 2, low },
            parent_id: parent,
            id,
            kind: [Some(Kind::Client), None][random.below(5) as usize / 4],
            timestamp_us: if random.once_in(9) { 0 } else { at(0) },
            local_endpoint: Some(endpoint(from)),
            remote_endpoint: Some(endpoint(to)),
            tags: error(random),
            ..Span::default()
        };
        let server = Span {
            parent_id: if shared { parent } else { Some(id) },
            id: server_id,
            kind: [Some(Kind::Server), Some(Kind::Consumer)][random.below(5) as usize / 4],
            timestamp_us: at(500),
            local_endpoint: Some(endpoint(to)),
            remote_endpoint: None,
            tags: error(random),
            shared,
            ..client.clone()
        };
        spans.extend((!random.once_in(5)).then_some(client));
        spans.extend((!random.once_in(5)).then_some(server));
        parent = Some(server_id);
    }
    spans
}

fn endpoint(service: &str) -> Endpoint {
    Endpoint {
        service_name: Some(service.to_owned()),
        ..Endpoint::default()
    }
}

fn error(random: &mut Random) -> Vec<(String, String)> {
    let failed = random.once_in(4);
    failed
        .then(|| ("error".to_owned(), String::new()))
        .into_iter()
        .collect()
}

fn window(random: &mut Random) -> Window {
    let minute = 60_000;
    match random.below(4) {
        0 => Window {
            end_ms: NOW_MS + minute,
            lookback_ms: 24 * 60 * minute,
        },
        1 => Window {
            end_ms: NOW_MS + minute,
            lookback_ms: NOW_MS + minute,
        },
        _ => Window {
            end_ms: NOW_MS + 1 - random.below(40) * minute,
            lookback_ms: 1 + random.below(30) * minute + random.below(3),
        },
    }
}

fn links(reader: &dyn SpanReader, window: Window) -> BTreeSet<DependencyLink> {
    let links = reader
        .dependencies(window, &ReadContext::default())
        .unwrap();
    links.into_iter().collect()
}

#[test]
fn links_agree_with_the_memory_engine() {
    let mut merges = 0;
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut random = Random::seeded(seed);
        let disk = SimulatedDisk::new();
        let mut store = open(&disk);
        let model = MemoryStore::new(&speargun_memory::Config::default());
        // Spans of a trace are written apart, some late, some twice.
        let mut waiting: Vec<Span> = Vec::new();
        for step in 0..220 {
            // Some traces go on and on, through more segments than are mended one by one.
            let lows = if random.once_in(4) { 2 } else { 200 };
            let low = 1 + random.below(lows);
            waiting.extend(trace(&mut random, low));
            let count = random.below(waiting.len() as u64 + 1).min(9) as usize;
            let mut group: Vec<Span> = Vec::new();
            for _ in 0..count {
                let span = waiting.swap_remove(random.below(waiting.len() as u64) as usize);
                if random.once_in(10) {
                    group.push(span.clone());
                }
                group.push(span);
            }
            let batch = [Arc::new(batch_of(&group))];
            model.write(&batch, Position(0)).unwrap();
            store.write(&batch, Position(step + 1)).unwrap();
            match random.below(12) {
                0 => store.seal().unwrap(),
                1 => {
                    store.seal().unwrap();
                    store.compact().unwrap();
                }
                2 => {
                    merges += store.stats().merges;
                    store.close().unwrap();
                    store = open(&disk);
                }
                _ => {}
            }
            for _ in 0..random.below(3) {
                let window = window(&mut random);
                let expected = links(&model, window);
                assert_eq!(links(&*store, window), expected, "first, {window:?}");
                assert_eq!(links(&*store, window), expected, "again, {window:?}");
            }
        }
        merges += store.stats().merges;
        store.close().unwrap();
    }
    assert!(merges > SEEDS, "summaries were made: {merges}");
}

/// A window of all times.
const ALWAYS: Window = Window {
    end_ms: NOW_MS + 60_000,
    lookback_ms: NOW_MS + 60_000,
};

/// Returns a store, and a model of it, with all parts of all traces, so mixed that most traces lie
/// in several merged segments.
fn mixed(disk: &SimulatedDisk) -> (Arc<SegmentStore>, MemoryStore) {
    let model = MemoryStore::new(&speargun_memory::Config::default());
    let store = open(disk);
    let mut random = Random::seeded(7);
    let mut spans: Vec<Span> = (1..=60).flat_map(|low| trace(&mut random, low)).collect();
    for position in 1.. {
        let count = spans.len().min(9);
        if count == 0 {
            break;
        }
        let group: Vec<Span> = (0..count)
            .map(|_| spans.swap_remove(random.below(spans.len() as u64) as usize))
            .collect();
        let batch = [Arc::new(batch_of(&group))];
        model.write(&batch, Position(0)).unwrap();
        store.write(&batch, Position(position)).unwrap();
    }
    store.seal().unwrap();
    store.compact().unwrap();
    assert!(store.stats().merges > 1, "several segments have a summary");
    (store, model)
}

#[test]
fn links_are_whole_again_once_reads_succeed_again() {
    let disk = SimulatedDisk::new();
    let (store, model) = mixed(&disk);
    store.close().unwrap();
    let expected = links(&model, ALWAYS);
    let mut failed = 0;
    for nth in 0..60 {
        let store = open(&disk);
        disk.fail_read(nth);
        links(&*store, ALWAYS);
        disk.forget_faults();
        failed += store.stats().corrupt_reads;
        assert_eq!(links(&*store, ALWAYS), expected, "read {nth} had failed");
        store.close().unwrap();
    }
    assert!(failed > 10, "reads of the first request failed: {failed}");
}

#[test]
fn nothing_is_read_again_for_links_of_what_did_not_change() {
    let disk = SimulatedDisk::new();
    let (store, model) = mixed(&disk);
    // Segments that were sealed and are not merged yet.
    let mut random = Random::seeded(8);
    for low in 1000..1003 {
        let batch = [Arc::new(batch_of(&trace(&mut random, low)))];
        model.write(&batch, Position(0)).unwrap();
        store.write(&batch, Position(1000 + low)).unwrap();
        store.seal().unwrap();
    }
    let expected = links(&model, ALWAYS);
    assert_eq!(links(&*store, ALWAYS), expected);
    disk.fail_read(0);
    assert_eq!(links(&*store, ALWAYS), expected);
    disk.forget_faults();
    assert_eq!(store.stats().corrupt_reads, 0);
    store.close().unwrap();
}

/// Returns a call of a random trace among many, one half of it.
fn half_of_call(random: &mut Random, low: u64) -> Span {
    let is_server = random.once_in(2);
    Span {
        trace_id: TraceId { high: 0, low },
        id: SpanId(1),
        kind: Some(if is_server {
            Kind::Server
        } else {
            Kind::Client
        }),
        timestamp_us: NOW_US - low % 40 * 60_000_000,
        local_endpoint: Some(endpoint(SERVICES[usize::from(is_server)])),
        remote_endpoint: Some(endpoint(SERVICES[usize::from(!is_server)])),
        shared: is_server,
        ..Span::default()
    }
}

#[test]
fn traces_are_found_among_many_others_and_beyond_damage() {
    let mut random = Random::seeded(11);
    let disk = SimulatedDisk::new();
    let config = Config {
        seal_rows: 2_000,
        ..Config::new("/segments")
    };
    let open = || {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        SegmentStore::open(config.clone(), disk, Arc::new(ManualClock::new(NOW_MS))).unwrap()
    };
    let store = open();
    let model = MemoryStore::new(&speargun_memory::Config::default());
    let lows: Vec<u64> = (0..4_000).map(|_| 1 + random.below(u64::MAX / 2)).collect();
    let mut position = 0;
    let mut write = |store: &SegmentStore, spans: &[Span]| {
        position += 1;
        let batch = [Arc::new(batch_of(spans))];
        model.write(&batch, Position(0)).unwrap();
        store.write(&batch, Position(position)).unwrap();
        links(&model, ALWAYS)
    };
    // Segments of several chunks of ids, the first and the last with all of theirs in common.
    for part in 0..3 {
        let spans: Vec<Span> = lows
            .iter()
            .skip(part)
            .step_by(2)
            .map(|&low| half_of_call(&mut random, low))
            .collect();
        let expected = write(&store, &spans);
        store.seal().unwrap();
        assert_eq!(links(&*store, ALWAYS), expected, "part {part}");
        assert_eq!(links(&*store, ALWAYS), expected, "part {part} again");
    }
    // A few that are not in a segment, near and far from one another.
    for count in [1, 3, 40, 900] {
        let some: Vec<Span> = (0..count)
            .map(|_| {
                let low = lows[random.below(4_000) as usize];
                half_of_call(&mut random, low)
            })
            .collect();
        let expected = write(&store, &some);
        assert_eq!(links(&*store, ALWAYS), expected, "{count} more");
        let window = window(&mut random);
        assert_eq!(links(&*store, window), links(&model, window), "{window:?}");
    }
    // Reads that fail leave something out once.
    for nth in 0..12 {
        disk.fail_read(nth);
        links(&*store, ALWAYS);
        disk.forget_faults();
        assert_eq!(links(&*store, ALWAYS), links(&model, ALWAYS), "read {nth}");
    }
    store.close().unwrap();
}

/// Asks with no time left and expects to hear so.
fn expect_no_time(store: &SegmentStore) {
    let over = ReadContext {
        deadline: Some(Instant::now()),
    };
    let answer = store.dependencies(ALWAYS, &over);
    assert!(
        matches!(answer, Err(ReadError::DeadlineExceeded)),
        "{answer:?}"
    );
}

#[test]
fn a_deadline_is_kept_inside_one_trace() {
    let mut random = Random::seeded(3);
    let disk = SimulatedDisk::new();
    let store = open(&disk);
    for position in 1..=40 {
        let batch = [Arc::new(batch_of(&trace(&mut random, 1)))];
        store.write(&batch, Position(position)).unwrap();
    }
    store.seal().unwrap();
    store.compact().unwrap();
    let stats = store.stats();
    assert!(stats.segments > 1 && stats.merges > 1, "{stats:?}");
    expect_no_time(&store);
    store.close().unwrap();
}

#[test]
fn links_that_take_too_long_are_found_for_the_next_who_asks() {
    let mut random = Random::seeded(5);
    let disk = SimulatedDisk::new();
    let store = open(&disk);
    let model = MemoryStore::new(&speargun_memory::Config::default());
    for position in 1..=40 {
        let batch = [Arc::new(batch_of(&trace(&mut random, position % 9)))];
        store.write(&batch, Position(position)).unwrap();
        model.write(&batch, Position(0)).unwrap();
    }
    store.seal().unwrap();
    assert_eq!(store.stats().link_memo_bytes, 0, "nobody asked");
    expect_no_time(&store);
    let patience = Instant::now() + Duration::from_mins(1);
    while store.stats().link_memo_bytes == 0 {
        assert!(Instant::now() < patience, "nothing was found out");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(links(&*store, ALWAYS), links(&model, ALWAYS));
    store.close().unwrap();
}
