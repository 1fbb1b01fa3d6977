//! Segment files and manifests with flipped bits and cut ends: what is damaged is reported, the
//! rest is served, and no span is made up. The damage is there when the store opens.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/agree.rs"]
mod agree;
#[path = "support/random.rs"]
mod random;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use speargun_memory::MemoryStore;
use speargun_model::{Span, TraceId};
use speargun_runtime::{Disk, ManualClock, SimulatedDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::Random;
use speargun_storage::contract::random::NAMES;
use speargun_storage::contract::spans::everything;
use speargun_storage::{Position, ReadContext, SpanReader, SpanWriter, TraceRequest, Window};

use crate::agree::{assert_agree, links, trace};
use crate::random::{START_MS, Times, batch};

const CONTEXT: ReadContext = ReadContext { deadline: None };
const DIR: &str = "/segments";
/// Bytes at the start of a segment that nothing depends on.
const HEADER_BYTES: usize = 16;

fn open(disk: &SimulatedDisk) -> Arc<SegmentStore> {
    open_with(disk, 1 << 20)
}

fn open_with(disk: &SimulatedDisk, merge_rows: u64) -> Arc<SegmentStore> {
    let config = Config {
        autocomplete_keys: vec![NAMES[0].into()],
        seal_age_ms: u64::MAX,
        merge_rows,
        ..Config::new(DIR)
    };
    let clock = Arc::new(ManualClock::new(START_MS));
    SegmentStore::open(config, Arc::new(disk.clone()), clock).unwrap()
}

/// A sound store: its files, and a model of what it holds.
struct Sound {
    files: Vec<(PathBuf, Vec<u8>)>,
    model: MemoryStore,
    position: u64,
}

impl Sound {
    fn new(seed: u64, segments: u64) -> Self {
        let disk = SimulatedDisk::new();
        let store = open_with(&disk, 1);
        let model = MemoryStore::new(&speargun_memory::Config {
            autocomplete_keys: vec![NAMES[0].into()],
            ..speargun_memory::Config::default()
        });
        let mut random = Random::seeded(seed);
        for end in 1..=segments {
            let times = [Times::Wild, Times::Near].into_iter().cycle().take(4);
            let group: Vec<_> = times.map(|times| batch(&mut random, times)).collect();
            store.write(&group, Position(end)).unwrap();
            model.write(&group, Position(end)).unwrap();
            store.seal().unwrap();
        }
        store.close().unwrap();
        let paths = disk.list(Path::new(DIR)).unwrap();
        let files = paths
            .into_iter()
            .map(|path| (path.clone(), disk.content(&path).unwrap()))
            .collect();
        Self {
            files,
            model,
            position: segments,
        }
    }

    fn disk(&self) -> SimulatedDisk {
        let disk = SimulatedDisk::new();
        for (path, content) in &self.files {
            disk.put(path, content.clone());
        }
        disk
    }

    fn segment(&self) -> (&Path, usize) {
        let mut segments = self.files.iter();
        let found = segments.find(|(path, _)| path.extension().is_some_and(|e| e == "segment"));
        let (path, content) = found.unwrap();
        (path, content.len())
    }
}

fn searched() -> TraceRequest {
    TraceRequest {
        window: all_time(),
        limit: usize::MAX,
        ..everything()
    }
}

fn all_time() -> Window {
    Window {
        end_ms: i64::MAX as u64 / 1000,
        lookback_ms: i64::MAX as u64 / 1000,
    }
}

fn is_part_of(part: &[Span], whole: &[Span]) -> bool {
    part.iter().all(|span| whole.contains(span))
}

/// Returns whether the store answers all that the model does; asserts that it answers no more.
fn is_complete(store: &SegmentStore, model: &MemoryStore) -> bool {
    let mut complete = true;
    for low in 0..14 {
        for high in [0, 1, u64::MAX / 2, u64::MAX / 2 * 2] {
            let id = TraceId { high, low };
            let (found, whole) = (trace(store, id), trace(model, id));
            assert!(is_part_of(&found, &whole), "trace {id}: {found:?}");
            complete &= found == whole;
        }
    }
    let whole = model.search(&searched(), &CONTEXT).unwrap();
    let found = store.search(&searched(), &CONTEXT).unwrap();
    for spans in &found {
        let id = spans.first().unwrap().trace_id;
        assert!(is_part_of(spans, &trace(model, id)), "found {spans:?}");
    }
    complete &= found.len() == whole.len();
    complete &= names(store, model, |reader| {
        reader.service_names(&CONTEXT).unwrap()
    });
    complete &= names(store, model, |reader| {
        reader.span_names("a", &CONTEXT).unwrap()
    });
    complete &= names(store, model, |reader| {
        reader.tag_values("a", &CONTEXT).unwrap()
    });
    complete &= names(store, model, |reader| {
        reader.remote_service_names("a", &CONTEXT).unwrap()
    });
    // Without some of its spans a trace links differently: only their sameness means something.
    complete & (links(store, all_time()) == links(model, all_time()))
}

fn names(
    store: &SegmentStore,
    model: &MemoryStore,
    ask: impl Fn(&dyn SpanReader) -> Vec<String>,
) -> bool {
    let (found, whole) = (ask(store), ask(model));
    let all: BTreeSet<&String> = whole.iter().collect();
    assert!(found.iter().all(|name| all.contains(name)), "{found:?}");
    found == whole
}

/// Opens what is on the disk, asks everything before and after merging, and returns whether all
/// was there. Damage must have been reported where something was not.
fn examine(disk: &SimulatedDisk, sound: &Sound) -> bool {
    let store = open(disk);
    let aside = |path: &PathBuf| path.extension().is_some_and(|e| e == "damaged");
    let is_aside = disk.list(Path::new(DIR)).unwrap().iter().any(aside);
    let complete = is_complete(&store, &sound.model);
    let reported = is_aside || store.stats().corrupt_reads > 0;
    assert!(complete || reported, "what is missing is not reported");
    // A merge refuses what is damaged and takes the rest.
    store.compact().ok();
    store.compact().ok();
    is_complete(&store, &sound.model);
    store.close().unwrap();
    complete
}

#[test]
fn no_flipped_bit_of_a_segment_goes_unseen() {
    let sound = Sound::new(21, 2);
    assert!(examine(&sound.disk(), &sound));
    let (path, len) = sound.segment();
    let mut random = Random::seeded(1);
    let mut incomplete = 0;
    let mut offset = 0;
    while offset < len {
        let disk = sound.disk();
        disk.flip_bit(path, offset as u64, (offset % 8) as u8)
            .unwrap();
        let complete = examine(&disk, &sound);
        incomplete += usize::from(!complete);
        assert!(offset >= HEADER_BYTES || complete, "offset {offset}");
        offset += 1 + random.below(len as u64 / 300) as usize;
    }
    // Every byte is read by some question.
    assert!(incomplete > 250, "{incomplete}");
}

#[test]
fn a_segment_cut_anywhere_is_put_aside_and_the_rest_is_served() {
    let sound = Sound::new(22, 3);
    let (path, len) = sound.segment();
    let content = sound.disk().content(path).unwrap();
    for cut in (0..len).step_by(len / 25) {
        let disk = sound.disk();
        disk.put(path, content[..cut].to_vec());
        assert!(!examine(&disk, &sound), "cut at {cut}");
        let aside = disk.content(&path.with_extension("damaged")).unwrap();
        assert_eq!(aside.len(), cut);
        let store = open(&disk);
        assert_eq!(store.durable_position(), Position(sound.position));
        store.close().unwrap();
    }
}

#[test]
fn a_manifest_with_any_flipped_bit_is_found_again_from_the_segments() {
    let sound = Sound::new(23, 3);
    let (path, manifest) = sound
        .files
        .iter()
        .find(|(p, _)| p.ends_with("MANIFEST"))
        .unwrap();
    for bit in 0..manifest.len() * 8 {
        let disk = sound.disk();
        disk.flip_bit(path, bit as u64 / 8, (bit % 8) as u8)
            .unwrap();
        let store = open(&disk);
        assert_eq!(
            store.durable_position(),
            Position(sound.position),
            "bit {bit}"
        );
        let mut random = Random::seeded(bit as u64);
        assert_agree(&sound.model, &*store, &mut random, Times::Wild);
        store.close().unwrap();
    }
    for cut in 0..manifest.len() {
        let disk = sound.disk();
        disk.put(path, manifest[..cut].to_vec());
        let store = open(&disk);
        assert_eq!(store.stats().segments, 3, "cut at {cut}");
        store.close().unwrap();
    }
    let disk = sound.disk();
    disk.remove(path).unwrap();
    assert!(examine(&disk, &sound));
}

#[test]
fn a_damaged_segment_does_not_keep_others_from_being_merged() {
    let sound = Sound::new(24, 12);
    let disk = sound.disk();
    let (path, _) = sound.segment();
    // The first page begins behind the header.
    disk.flip_bit(path, HEADER_BYTES as u64 + 40, 3).unwrap();
    let store = open(&disk);
    store.compact().ok();
    store.compact().unwrap();
    let stats = store.stats();
    assert_eq!((stats.segments, stats.merges), (2, 1), "{stats:?}");
    assert!(
        stats.failed_merges <= 1 && stats.corrupt_reads > 0,
        "{stats:?}"
    );
    assert!(!is_complete(&store, &sound.model));
    store.close().unwrap();
    assert!(
        disk.content(path).is_ok(),
        "the damaged file stays for whoever can mend it"
    );
}

#[test]
fn a_read_that_fails_is_reported_and_the_next_one_answers() {
    let sound = Sound::new(25, 2);
    let mut incomplete = 0;
    for nth in 0..60 {
        let disk = sound.disk();
        let store = open_with(&disk, 1);
        disk.fail_read(nth);
        let complete = is_complete(&store, &sound.model);
        let reported = store.stats().corrupt_reads > 0;
        // Where nothing was to be found, nothing is missing.
        assert!(complete || reported, "read {nth}");
        incomplete += usize::from(!complete);
        disk.forget_faults();
        assert!(is_complete(&store, &sound.model), "read {nth}");
        store.close().unwrap();
    }
    assert!(incomplete > 10, "{incomplete}");
}

#[test]
fn what_was_merged_counts_again_where_the_result_is_damaged() {
    let sound = Sound::new(5, 12);
    let disk = sound.disk();
    let store = open(&disk);
    store.compact().unwrap();
    assert_eq!(store.stats().segments, 1, "all are merged");
    store.close().unwrap();
    let listed = disk.list(Path::new(DIR)).unwrap();
    let merged = listed
        .iter()
        .find(|path| path.extension().is_some_and(|e| e == "segment"));
    let merged = merged.unwrap().clone();
    // As a crash in the middle of a merge leaves it, and then both files are damaged.
    for (path, content) in &sound.files {
        if path.extension().is_some_and(|e| e == "segment") {
            disk.put(path, content.clone());
        }
    }
    let content = disk.content(&merged).unwrap();
    disk.put(&merged, content[..content.len() / 2].to_vec());
    disk.put(&Path::new(DIR).join("MANIFEST"), b"nothing".to_vec());
    let store = open(&disk);
    let stats = store.stats();
    assert_eq!((stats.segments, stats.lost_segments), (12, 1));
    let mut random = Random::seeded(5);
    assert_agree(&sound.model, &*store, &mut random, Times::Wild);
    store.close().unwrap();
}

#[test]
fn a_segment_of_a_clock_that_was_ahead_holds_up_no_retention() {
    const DAY_MS: u64 = 24 * 3600 * 1000;
    let clock = Arc::new(ManualClock::new(START_MS + 30 * DAY_MS));
    let disk = SimulatedDisk::new();
    let config = Config {
        retention_age_ms: Some(7 * DAY_MS),
        ..Config::new(DIR)
    };
    let store = SegmentStore::open(config, Arc::new(disk), clock.clone()).unwrap();
    let mut random = Random::seeded(1);
    for end in 1..=2 {
        store
            .write(&[batch(&mut random, Times::Near)], Position(end))
            .unwrap();
        store.seal().unwrap();
        clock.set(START_MS);
    }
    clock.set(START_MS + 8 * DAY_MS);
    store.compact().unwrap();
    let stats = store.stats();
    assert_eq!((stats.segments, stats.expired_segments), (1, 1));
    store.close().unwrap();
}
