//! Any bytes as a segment file, or a sound one with changes behind its checksums, beside a sound
//! one: opening, every query and merging never panic, and the sound one is served whatever the
//! other says.

#![no_main]

use std::path::Path;
use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use speargun_model::TraceId;
use speargun_runtime::{Disk, ManualClock, SimulatedDisk};
use speargun_segment::fuzzing::{Edit, edited};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::random::NAMES;
use speargun_storage::contract::{NOW_MS, Random, Sketch, batch_of, span};
use speargun_storage::{Position, ReadContext, SpanReader, SpanWriter};

const DIR: &str = "/s";
const CONTEXT: ReadContext = ReadContext { deadline: None };
/// The lower half of the only trace of the sound segment.
const SOUND: u64 = 0xfeed;

fn open(disk: &SimulatedDisk, now_ms: u64) -> Option<Arc<SegmentStore>> {
    let config = Config {
        autocomplete_keys: vec![NAMES[0].into(), "key 1".into()],
        cache_bytes: 1 << 20,
        seal_age_ms: u64::MAX,
        retention_age_ms: None,
        ..Config::new(DIR)
    };
    SegmentStore::open(
        config,
        Arc::new(disk.clone()),
        Arc::new(ManualClock::new(now_ms)),
    )
    .ok()
}

/// Returns the segment files of a store that sealed after each of these groups.
fn sealed(groups: &[speargun_model::SpanBatch]) -> Vec<Vec<u8>> {
    let disk = SimulatedDisk::new();
    let store = open(&disk, NOW_MS).expect("a fresh disk");
    for batch in groups {
        store
            .write(&[Arc::new(batch.clone())], Position(1))
            .expect("a fresh disk");
        store.seal().expect("a fresh disk");
    }
    store.close().expect("a fresh disk");
    let files = disk.list(Path::new(DIR)).expect("the folder is there");
    let segments = files.iter().filter(|path| path.extension().is_some());
    segments
        .map(|path| disk.content(path).expect("the file is there"))
        .collect()
}

/// Segments to change: small with everything, one with loose and plain values, one of many traces.
fn sound() -> &'static [Vec<u8>] {
    static SOUND_FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SOUND_FILES.get_or_init(|| {
        let mut random = Random::seeded(5);
        let small: Vec<_> = (0..3).flat_map(|_| random.spans()).collect();
        let mut odd: Vec<_> = (0..1200_u64)
            .map(|n| span(1 + u128::from(n % 13), n + 1).tag("a", &format!("value {n}")))
            .collect();
        for n in 0..300 {
            let first = odd.remove(0);
            odd.push(first.tag(&format!("key {n}"), "x").note(5, "a"));
        }
        let many: Vec<_> = (0..600).map(|n| span(1 + n, 3).by("a").to("b")).collect();
        let kept = [span(u128::from(SOUND), 1).by("sound")];
        let alone = |spans: Vec<_>| sealed(&[batch_of(&spans)]);
        let mut files: Vec<_> = [small, odd, many].into_iter().flat_map(alone).collect();
        // The second of its store, since the one beside is the first.
        files.extend(sealed(&[batch_of(&kept), batch_of(&kept)]).pop());
        files
    })
}

fn ask(store: &SegmentStore, random: &mut Random) {
    for low in 0..14 {
        for high in 0..2 {
            store
                .trace(TraceId { high, low }, &CONTEXT)
                .expect("damage is left out");
        }
    }
    let kept = TraceId {
        high: 0,
        low: SOUND,
    };
    assert!(
        !store
            .trace(kept, &CONTEXT)
            .expect("damage is left out")
            .is_empty()
    );
    for _ in 0..2 {
        let mut request = random.request();
        request.limit = request.limit.min(20);
        store
            .search(&request, &CONTEXT)
            .expect("damage is left out");
        store
            .dependencies(request.window, &CONTEXT)
            .expect("damage is left out");
    }
    let services = store.service_names(&CONTEXT).expect("damage is left out");
    assert!(services.iter().any(|service| service == "sound"));
    for name in NAMES {
        store
            .span_names(name, &CONTEXT)
            .expect("damage is left out");
        store
            .remote_service_names(name, &CONTEXT)
            .expect("damage is left out");
        store
            .tag_values(name, &CONTEXT)
            .expect("damage is left out");
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&[kind, seed], content)) = input.split_first_chunk::<2>() else {
        return;
    };
    let [bases @ .., kept] = sound() else {
        return;
    };
    let file = if kind & 7 == 7 {
        Some(content.to_vec())
    } else {
        let edits: Vec<Edit> = content
            .chunks_exact(6)
            .take(64)
            .map(|c| Edit {
                part: u16::from_le_bytes([c[0], c[1]]),
                offset: u16::from_le_bytes([c[2], c[3]]),
                value: c[4],
                how: c[5],
            })
            .collect();
        edited(&bases[usize::from(kind >> 3) % bases.len()], &edits)
    };
    let Some(file) = file else {
        return;
    };
    let disk = SimulatedDisk::new();
    disk.put(Path::new("/s/000000000001-000000000001.segment"), file);
    disk.put(
        Path::new("/s/000000000002-000000000002.segment"),
        kept.clone(),
    );
    let Some(store) = open(&disk, NOW_MS) else {
        return;
    };
    let mut random = Random::seeded(u64::from(seed));
    ask(&store, &mut random);
    store.close().expect("nothing is left to seal");
    // Two partitions later neighbours are merged whatever their size.
    let store = open(&disk, NOW_MS * 2).expect("it was open before");
    for _ in 0..3 {
        store.compact().ok();
    }
    ask(&store, &mut random);
    store.close().expect("nothing is left to seal");
});
