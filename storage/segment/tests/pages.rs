//! Many traces of many pages read at once: answered as the memory engine does, and damage costs
//! what lies in it alone. Few traces and odd times are the business of `model` and `damage`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use speargun_memory::MemoryStore;
use speargun_model::{Span, SpanBatch, TraceId};
use speargun_runtime::{Disk, ManualClock, SimulatedDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::spans::{everything, of_service, with_terms};
use speargun_storage::contract::{NOW_MS, Random, Sketch, batch_of, span};
use speargun_storage::{
    IdMode, Position, ReadContext, SpanReader, SpanWriter, TraceRequest, Window,
};

const CONTEXT: ReadContext = ReadContext { deadline: None };
const DIR: &str = "/segments";
/// Spans of each segment, of up to three pages, and of the head.
const GROUPS: [u64; 4] = [9_000, 18_000, 700, 300];
/// Lower halves of trace ids.
const LOWS: u64 = 7_000;
/// Rows behind which a page ends.
const PAGE_ROWS: usize = 8192;
/// Traces of the damaged segment: two pages.
const DAMAGED: u64 = 10_000;

fn open(disk: &SimulatedDisk, config: Config) -> Arc<SegmentStore> {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    SegmentStore::open(config, Arc::new(disk.clone()), clock).unwrap()
}

/// Returns a configuration under which only this test seals, and nothing is merged.
fn config() -> Config {
    Config {
        seal_rows: usize::MAX,
        seal_bytes: usize::MAX,
        seal_age_ms: u64::MAX,
        merge_rows: 1,
        retention_age_ms: None,
        ..Config::new(DIR)
    }
}

fn low(trace: u64) -> u64 {
    (trace + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Returns a span with some of everything that a page has a column for.
fn draw(random: &mut Random, number: u64) -> Span {
    let mut drawn = random.span();
    let trace = random.below(LOWS);
    // Some lower halves have two upper ones.
    let high = if trace.is_multiple_of(10) {
        random.below(2)
    } else {
        trace % 3
    };
    drawn.trace_id = TraceId {
        high,
        low: low(trace),
    };
    drawn = drawn.at(random.below(20_000_000).cast_signed());
    let mut push = |key: &str, value: String| drawn.tags.push((key.into(), value));
    // Each value three times, for a dictionary of more than one chunk.
    push("thrice", format!("value {}", number / 3));
    match random.below(40) {
        0..10 => push("once", format!("{number:x} \u{e9}")),
        10..20 => push("few", random.below(12).to_string()),
        20 => push("long", format!("{number} ").repeat(3000)),
        21 if random.once_in(10) => {
            (0..300).for_each(|key| push(&format!("key {key}"), number.to_string()));
        }
        22..25 => {
            push("again", "first".into());
            push("again", random.below(3).to_string());
        }
        _ => {}
    }
    if random.once_in(3) {
        drawn = drawn.note(random.below(9).cast_signed(), &format!("note {number}"));
    }
    drawn
}

fn batches(spans: &[Span]) -> Vec<Arc<SpanBatch>> {
    let batches = spans.chunks(1000).map(batch_of);
    batches.map(Arc::new).collect()
}

/// Returns what both were told: an engine with some segments and a head, and its model.
fn told(random: &mut Random, config: &Config) -> (Arc<SegmentStore>, MemoryStore) {
    let store = open(&SimulatedDisk::new(), config.clone());
    let model = MemoryStore::new(&speargun_memory::Config {
        id_mode: config.id_mode,
        ..speargun_memory::Config::default()
    });
    let mut twice: Vec<Span> = vec![];
    for (end, count) in (1..).zip(GROUPS) {
        if end > 1 {
            store.seal().unwrap();
        }
        let mut spans: Vec<Span> = (0..count).map(|number| draw(random, number)).collect();
        // Equal spans meet across segments.
        spans.append(&mut twice);
        twice.extend(spans.iter().step_by(50).cloned());
        let group = batches(&spans);
        store.write(&group, Position(end)).unwrap();
        model.write(&group, Position(end)).unwrap();
    }
    assert_eq!(store.stats().segments, GROUPS.len() as u64 - 1);
    (store, model)
}

fn requests() -> Vec<TraceRequest> {
    let mut both = with_terms(&["few=7", "again"]);
    both.service_name = Some("a".into());
    vec![
        everything(),
        of_service("a"),
        with_terms(&["few=7"]),
        with_terms(&["long"]),
        with_terms(&["key 299"]),
        both,
    ]
}

/// Returns the id of a trace that is not among all: the whole of it is too much to print.
fn unlike(found: &[Vec<Span>], all: &HashSet<Vec<Span>>) -> Option<TraceId> {
    let unlike = found.iter().find(|spans| !all.contains(*spans))?;
    Some(unlike.first()?.trace_id)
}

/// Returns the newest millisecond inside the window of each trace: what a limit keeps the most of.
fn newest_times(traces: &[Vec<Span>], window: &Window) -> Vec<u64> {
    let inside = |ms: &u64| (window.start_ms()..=window.end_ms).contains(ms);
    let newest = |spans: &Vec<Span>| {
        let times = spans.iter().map(|span| span.timestamp_us / 1000);
        times.filter(inside).max().unwrap_or_default()
    };
    traces.iter().map(newest).collect()
}

fn assert_agree(model: &MemoryStore, store: &SegmentStore, random: &mut Random) {
    for request in requests() {
        let unlimited = TraceRequest {
            limit: usize::MAX,
            ..request.clone()
        };
        let all = model.search(&unlimited, &CONTEXT).unwrap();
        let found = store.search(&unlimited, &CONTEXT).unwrap();
        assert!(!all.is_empty(), "{request:?}");
        assert_eq!(found.len(), all.len(), "{request:?}");
        let mut times = newest_times(&all, &request.window);
        times.sort_unstable_by(|a, b| b.cmp(a));
        let all: HashSet<Vec<Span>> = all.into_iter().collect();
        assert_eq!(unlike(&found, &all), None, "{request:?}");
        for limit in [1, 20, 700] {
            let limited = TraceRequest {
                limit,
                ..request.clone()
            };
            let found = store.search(&limited, &CONTEXT).unwrap();
            let newest = times.get(..limit).unwrap_or(&times);
            assert_eq!(newest_times(&found, &request.window), newest, "{limited:?}");
            assert_eq!(unlike(&found, &all), None, "{limited:?}");
            let found: HashSet<&Vec<Span>> = found.iter().collect();
            assert_eq!(found.len(), limit.min(all.len()), "none twice: {limited:?}");
        }
    }
    for _ in 0..100 {
        let id = TraceId {
            high: random.below(3),
            low: low(random.below(LOWS)),
        };
        let read = |reader: &dyn SpanReader| reader.trace(id, &CONTEXT).unwrap();
        assert!(read(store) == read(model), "trace {id}");
    }
    assert_eq!(store.stats().corrupt_reads, 0);
}

#[test]
fn many_traces_of_many_pages_are_answered_like_the_model() {
    for (seed, id_mode, cache_bytes) in [(1, IdMode::Strict, 0), (2, IdMode::Lenient, 48 << 20)] {
        println!("seed {seed}");
        let mut random = Random::seeded(seed);
        let config = Config {
            id_mode,
            cache_bytes,
            ..config()
        };
        let (store, model) = told(&mut random, &config);
        assert_agree(&model, &store, &mut random);
        assert!(store.stats().cache_bytes <= cache_bytes);
        store.close().unwrap();
    }
}

/// A segment of two pages whose traces each have another span in the head, so that all are found
/// whatever is damaged.
struct Damaged {
    path: PathBuf,
    files: Vec<(PathBuf, Vec<u8>)>,
    head: Vec<Arc<SpanBatch>>,
}

impl Damaged {
    fn new() -> Self {
        let mut random = Random::seeded(3);
        let mut numbers = || format!("{:016x}", random.below(u64::MAX)).repeat(2);
        let values: Vec<String> = (0..1000).map(|_| numbers()).collect();
        let deep: Vec<Span> = (0..DAMAGED)
            .map(|n| {
                let deep = span(u128::from(low(n)), low(n) ^ 1).by("deep");
                match n % 2 {
                    0 => deep.tag("half", &values[n as usize / 2 % 1000]),
                    _ => deep,
                }
            })
            .collect();
        let head: Vec<Span> = (0..DAMAGED)
            .map(|n| span(u128::from(low(n)), 2).by("head"))
            .collect();
        let disk = SimulatedDisk::new();
        let store = open(&disk, config());
        store.write(&batches(&deep), Position(1)).unwrap();
        store.close().unwrap();
        let paths = disk.list(Path::new(DIR)).unwrap();
        let is_segment = |path: &&PathBuf| path.extension().is_some_and(|e| e == "segment");
        Self {
            path: paths.iter().find(is_segment).unwrap().clone(),
            files: paths
                .iter()
                .map(|path| (path.clone(), disk.content(path).unwrap()))
                .collect(),
            head: batches(&head),
        }
    }

    fn len(&self) -> usize {
        let mut files = self.files.iter();
        files.find(|(path, _)| *path == self.path).unwrap().1.len()
    }

    /// Returns the numbers of the traces that lost what the segment has of them, once the bit is
    /// flipped; asserts that they are all there and none lost a part.
    fn lost(&self, flipped: Option<usize>) -> BTreeSet<u64> {
        let disk = SimulatedDisk::new();
        for (path, content) in &self.files {
            disk.put(path, content.clone());
        }
        if let Some(offset) = flipped {
            disk.flip_bit(&self.path, offset as u64, 5).unwrap();
        }
        let store = open(&disk, config());
        store.write(&self.head, Position(2)).unwrap();
        let request = TraceRequest {
            limit: usize::MAX,
            ..of_service("head")
        };
        let found = store.search(&request, &CONTEXT).unwrap();
        let mut lengths: HashMap<u64, usize> = HashMap::new();
        for spans in &found {
            lengths.insert(spans.first().unwrap().trace_id.low, spans.len());
        }
        assert_eq!(lengths.len() as u64, DAMAGED, "{flipped:?}");
        let lost: BTreeSet<u64> = (0..DAMAGED).filter(|&n| lengths[&low(n)] == 1).collect();
        let whole = lengths.values().filter(|&&len| len == 2).count();
        assert_eq!(whole + lost.len(), lengths.len(), "{flipped:?}");
        for spans in found.iter().filter(|spans| spans.len() == 2).take(100) {
            let deep = spans.iter().find(|span| span.id.0 != 2).unwrap();
            assert_eq!(deep.local_service_name(), Some("deep"), "{flipped:?}");
            assert_ne!(deep.tag("half"), Some(""), "{flipped:?}");
        }
        let aside = disk.content(&self.path).is_err();
        let reported = store.stats().corrupt_reads > 0 || aside;
        assert_eq!(reported, !lost.is_empty(), "{flipped:?}");
        lost
    }
}

#[test]
fn damage_costs_the_traces_that_lie_in_it() {
    let damaged = Damaged::new();
    assert_eq!(damaged.lost(None), BTreeSet::new());
    let mut in_order: Vec<u64> = (0..DAMAGED).collect();
    in_order.sort_by_key(|&n| low(n));
    let (first, second) = in_order.split_at(PAGE_ROWS);
    let parts: [(&str, BTreeSet<u64>); 3] = [
        ("first page", first.iter().copied().collect()),
        ("second page", second.iter().copied().collect()),
        ("dictionary", (0..DAMAGED).step_by(2).collect()),
    ];
    let mut seen: HashSet<&str> = HashSet::new();
    let step = damaged.len() / 24;
    for offset in (step / 2..damaged.len()).step_by(step) {
        let lost = damaged.lost(Some(offset));
        let part = parts.iter().find(|(_, traces)| *traces == lost);
        seen.extend(part.map(|(name, _)| name));
    }
    for (name, _) in parts {
        assert!(seen.contains(name), "{name} of {seen:?}");
    }
}
