//! Random writes, seals, merges, restarts and days gone by, after each of which the engine answers
//! as the memory engine does that was told the same. No fault happens here.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/agree.rs"]
mod agree;
#[path = "support/random.rs"]
mod random;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use speargun_memory::MemoryStore;
use speargun_model::{SpanBatch, TraceId};
use speargun_runtime::{Clock, ManualClock, SimulatedDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::random::NAMES;
use speargun_storage::contract::spans::everything;
use speargun_storage::contract::{Random, batch_of, span};
use speargun_storage::{IdMode, Position, ReadContext, SpanReader, SpanWriter};

use crate::agree::{assert_agree, trace};
use crate::random::{START_MS, Times, batch};

const SEEDS: u64 = 24;
const ACTIONS: u64 = 24;
/// Spans written while others read.
const MOVED: u64 = 2000;
/// Retention whose partitions last a minute. Times move by some seconds or by many minutes, so that
/// no segment is ever just at its end.
const AGE_MS: u64 = 128 * 60_000;

/// An engine and what it should hold.
struct Pair {
    store: Arc<SegmentStore>,
    config: Config,
    disk: SimulatedDisk,
    clock: Arc<ManualClock>,
    /// All batches that are not past retention, with the time of their arrival.
    kept: Vec<(u64, Arc<SpanBatch>)>,
    position: u64,
    random: Random,
    times: Times,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut random = Random::seeded(seed);
        let config = Config {
            id_mode: [IdMode::Strict, IdMode::Lenient][seed as usize % 2],
            autocomplete_keys: NAMES[..2].iter().map(|key| (*key).into()).collect(),
            retention_age_ms: Some(AGE_MS),
            retention_bytes: None,
            cache_bytes: [0, 1 << 16, 1 << 24][random.below(3) as usize],
            seal_rows: 1 + random.below(60) as usize,
            seal_age_ms: u64::MAX,
            unwritten_bytes: [0, 1 << 14, 1 << 24][random.below(3) as usize],
            merge_rows: 20 + random.below(400),
            ..Config::new("/segments")
        };
        let disk = SimulatedDisk::new();
        let clock = Arc::new(ManualClock::new(START_MS));
        Self {
            store: SegmentStore::open(config.clone(), Arc::new(disk.clone()), clock.clone())
                .unwrap(),
            config,
            disk,
            clock,
            kept: vec![],
            position: 0,
            random,
            times: [Times::Near, Times::Wild][seed as usize / 2 % 2],
        }
    }

    fn act(&mut self) {
        match self.random.below(11) {
            0 => self.store.seal().unwrap(),
            1 => {
                self.store.seal().unwrap();
                self.store.compact().unwrap();
            }
            2 => self.reopen(),
            3 => self.clock.set(self.clock.now_ms() + 1000),
            4 => self.days_go_by(),
            _ => self.write(),
        }
    }

    fn write(&mut self) {
        let count = self.random.below(4);
        let group: Vec<Arc<SpanBatch>> = (0..count)
            .map(|_| batch(&mut self.random, self.times))
            .collect();
        self.position += 1 + self.random.below(100);
        self.store.write(&group, Position(self.position)).unwrap();
        let now = self.clock.now_ms();
        self.kept
            .extend(group.into_iter().map(|batch| (now, batch)));
    }

    fn reopen(&mut self) {
        self.store.close().unwrap();
        let all: usize = self.kept.iter().map(|(_, batch)| batch.spans.len()).sum();
        self.store = SegmentStore::open(
            self.config.clone(),
            Arc::new(self.disk.clone()),
            self.clock.clone(),
        )
        .unwrap();
        let stats = self.store.stats();
        assert_eq!((stats.segment_rows, stats.head_rows), (all as u64, 0));
        if all > 0 {
            assert!(self.store.durable_position() <= Position(self.position));
        }
    }

    fn days_go_by(&mut self) {
        self.store.seal().unwrap();
        let gone = 1_000_000 * (1 + self.random.below(9));
        self.clock.set(self.clock.now_ms() + gone);
        self.store.compact().unwrap();
        let now = self.clock.now_ms();
        self.kept.retain(|(arrived, _)| now - arrived <= AGE_MS);
    }

    fn compare(&mut self) {
        let model = MemoryStore::new(&speargun_memory::Config {
            id_mode: self.config.id_mode,
            autocomplete_keys: self.config.autocomplete_keys.clone(),
            ..speargun_memory::Config::default()
        });
        for (_, batch) in &self.kept {
            model
                .write(std::slice::from_ref(batch), Position(0))
                .unwrap();
        }
        assert_agree(&model, &*self.store, &mut self.random, self.times);
        assert_eq!(self.store.stats().corrupt_reads, 0);
    }
}

/// Each write adds a span to one trace; readers must find at least what was written before they
/// asked, each once, while heads become segments and segments are merged.
#[test]
fn readers_miss_nothing_while_spans_move() {
    let config = Config {
        seal_rows: 7,
        merge_rows: 400,
        retention_age_ms: None,
        ..Config::new("/segments")
    };
    let clock = Arc::new(ManualClock::new(START_MS));
    let store = SegmentStore::open(config, Arc::new(SimulatedDisk::new()), clock).unwrap();
    let written = AtomicU64::new(0);
    let read_all = || {
        let mut answers = 0_u64;
        loop {
            let before = written.load(Ordering::SeqCst);
            let spans = trace(&*store, TraceId { high: 0, low: 1 });
            let ids: Vec<u64> = spans.iter().map(|span| span.id.0).collect();
            let expected: Vec<u64> = (1..=ids.len() as u64).collect();
            assert_eq!(ids, expected, "each once, in order");
            assert!(ids.len() as u64 >= before, "{} of {before}", ids.len());
            let found = store
                .search(&everything(), &ReadContext::default())
                .unwrap();
            assert!(found.iter().all(|spans| spans.len() as u64 >= before));
            answers += 1;
            if before == MOVED {
                return answers;
            }
        }
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(read_all), scope.spawn(read_all)];
        for id in 1..=MOVED {
            let batch = Arc::new(batch_of(&[span(1, id)]));
            store.write(&[batch], Position(id)).unwrap();
            written.store(id, Ordering::SeqCst);
            if id % 40 == 0 {
                store.compact().unwrap();
            }
        }
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
    });
    let stats = store.stats();
    assert!(stats.merges > 0 && stats.segments > 0, "{stats:?}");
    assert_eq!(stats.corrupt_reads, 0);
    store.close().unwrap();
}

#[test]
fn bytes_beyond_the_limit_go_oldest_first() {
    let mut random = Random::seeded(77);
    let limit = 12_000;
    let config = Config {
        merge_rows: 1,
        retention_age_ms: None,
        retention_bytes: Some(limit),
        seal_age_ms: u64::MAX,
        ..Config::new("/segments")
    };
    let clock = Arc::new(ManualClock::new(START_MS));
    let store = SegmentStore::open(config, Arc::new(SimulatedDisk::new()), clock).unwrap();
    let mut groups = Vec::new();
    for end in 1..=20 {
        let mut group = vec![
            batch(&mut random, Times::Near),
            batch(&mut random, Times::Near),
        ];
        group.push(Arc::new(batch_of(&[span(1, end)])));
        store.write(&group, Position(end)).unwrap();
        store.seal().unwrap();
        store.compact().unwrap();
        groups.push(group);
        let stats = store.stats();
        assert!(stats.segment_bytes <= limit, "{stats:?}");
        assert_eq!(stats.segments + stats.expired_segments, end);
        let model = MemoryStore::new(&speargun_memory::Config::default());
        for group in groups.iter().skip(stats.expired_segments as usize) {
            model.write(group, Position(0)).unwrap();
        }
        assert_agree(&model, &*store, &mut random, Times::Near);
        assert_eq!(store.durable_position(), Position(end));
    }
    let stats = store.stats();
    assert!(
        stats.expired_segments > 5 && stats.segments > 1,
        "{stats:?}"
    );
    store.close().unwrap();
}

#[test]
fn retention_that_is_changed_counts_at_the_next_round() {
    let config = Config {
        merge_rows: 1,
        seal_age_ms: u64::MAX,
        ..Config::new("/segments")
    };
    let clock = Arc::new(ManualClock::new(START_MS));
    let disk = Arc::new(SimulatedDisk::new());
    let store = SegmentStore::open(config, disk, clock.clone()).unwrap();
    for end in 1..=4 {
        let group = [Arc::new(batch_of(&[span(1, end)]))];
        store.write(&group, Position(end)).unwrap();
        store.seal().unwrap();
        clock.set(START_MS + end * 1000);
    }
    let segments_after = || {
        store.compact().unwrap();
        store.stats().segments
    };
    assert_eq!(segments_after(), 4);
    store.retention().set_age_ms(2500);
    assert_eq!(segments_after(), 2);
    store.retention().set_bytes(store.stats().segment_bytes - 1);
    assert_eq!(segments_after(), 1);
    store.retention().set_age_ms(u64::MAX);
    store.retention().set_bytes(0);
    assert_eq!(segments_after(), 0);
    store.close().unwrap();
}

#[test]
fn random_actions_are_answered_like_the_model() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut pair = Pair::new(seed);
        for _ in 0..ACTIONS {
            pair.act();
            pair.compare();
        }
        pair.store.close().unwrap();
    }
}
