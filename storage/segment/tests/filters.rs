//! Filters of merged segments: they hide nothing, they save reading what can't match, and where
//! they are damaged the rest is read instead.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use speargun_memory::MemoryStore;
use speargun_model::{Span, TraceId};
use speargun_runtime::{Disk, ManualClock, SimulatedDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::spans::with_terms;
use speargun_storage::contract::{NOW_MS, Sketch, batch_of, span};
use speargun_storage::{Position, ReadContext, SpanReader, SpanWriter, TraceRequest, Window};

const CONTEXT: ReadContext = ReadContext { deadline: None };
const DIR: &str = "/segments";
/// Spans of each of the segments that are merged: three pages in all.
const GROUP: u64 = 10_000;
/// Pages are the first thing in a file, behind its header.
const HEADER_BYTES: usize = 16;

fn open(disk: &SimulatedDisk, now_ms: u64) -> Arc<SegmentStore> {
    let config = Config {
        seal_rows: usize::MAX,
        seal_bytes: usize::MAX,
        seal_age_ms: u64::MAX,
        retention_age_ms: None,
        ..Config::new(DIR)
    };
    let clock = Arc::new(ManualClock::new(now_ms));
    SegmentStore::open(config, Arc::new(disk.clone()), clock).unwrap()
}

fn low(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A span with values that are its own, that some have, and that most have.
fn draw(number: u64) -> Span {
    let one = span(u128::from(low(number)), 1)
        .by(["shop", "bank"][(number % 2) as usize])
        .tag("few", &format!("{}", number % 3))
        .tag("own", &format!("value {number}"));
    if number.is_multiple_of(50) {
        one.tag("some", &format!("{}", number / 100))
    } else {
        one
    }
}

/// Returns a store of one merged segment, and a model of what it holds.
fn merged() -> (SimulatedDisk, MemoryStore) {
    let disk = SimulatedDisk::new();
    let model = MemoryStore::new(&speargun_memory::Config::default());
    let store = open(&disk, NOW_MS);
    for group in 0..2 {
        let spans: Vec<Span> = (group * GROUP..(group + 1) * GROUP).map(draw).collect();
        let batch = Arc::new(batch_of(&spans));
        store
            .write(std::slice::from_ref(&batch), Position(group + 1))
            .unwrap();
        model.write(&[batch], Position(0)).unwrap();
        store.seal().unwrap();
    }
    store.close().unwrap();
    // Hours later they are merged whatever their size.
    let store = open(&disk, NOW_MS * 2);
    store.compact().unwrap();
    assert_eq!(store.stats().segments, 1);
    store.close().unwrap();
    (disk, model)
}

fn file(disk: &SimulatedDisk) -> (PathBuf, Vec<u8>) {
    let paths = disk.list(Path::new(DIR)).unwrap();
    let is_segment = |path: &PathBuf| path.extension().is_some_and(|it| it == "segment");
    let path = paths.into_iter().find(is_segment).unwrap();
    let content = disk.content(&path).unwrap();
    (path, content)
}

fn request(key: &str, value: &str) -> TraceRequest {
    TraceRequest {
        window: Window {
            end_ms: i64::MAX as u64 / 1000,
            lookback_ms: i64::MAX as u64 / 1000,
        },
        limit: usize::MAX,
        ..with_terms(&[&format!("{key}={value}")])
    }
}

fn found(reader: &dyn SpanReader, request: &TraceRequest) -> BTreeSet<TraceId> {
    let traces = reader.search(request, &CONTEXT).unwrap();
    traces.iter().map(|trace| trace[0].trace_id).collect()
}

fn questions() -> Vec<TraceRequest> {
    let own = (0..2 * GROUP + 400).step_by(401);
    let own = own.map(|number| request("own", &format!("value {number}")));
    let some = (0..210).step_by(7);
    let some = some.map(|number| request("some", &number.to_string()));
    let few = ["0", "2", "3", ""].map(|value| request("few", value));
    let mut all: Vec<TraceRequest> = own.chain(some).chain(few).collect();
    all.push(request("nobody's", "0"));
    let of_service: Vec<TraceRequest> = all
        .iter()
        .map(|request| TraceRequest {
            service_name: Some("shop".into()),
            ..request.clone()
        })
        .collect();
    all.extend(of_service);
    // Of two tags either may be elsewhere.
    let mut both = request("own", "value 7");
    both.terms.extend(request("few", "1").terms);
    all.push(both);
    all
}

#[test]
fn searches_find_what_they_found_without_filters() {
    let (disk, model) = merged();
    let store = open(&disk, NOW_MS * 2);
    for question in questions() {
        let expected = found(&model, &question);
        assert_eq!(found(&*store, &question), expected, "{:?}", question.terms);
    }
    for number in (0..2 * GROUP + 900).step_by(97) {
        let id = TraceId {
            high: 0,
            low: low(number),
        };
        let there = !store.trace(id, &CONTEXT).unwrap().is_empty();
        assert_eq!(there, number < 2 * GROUP);
    }
    assert_eq!(store.stats().corrupt_reads, 0);
    store.close().unwrap();
}

#[test]
fn pages_that_can_not_match_are_not_read() {
    let (disk, _) = merged();
    let (path, mut content) = file(&disk);
    // Two of three pages at least: whoever reads one notices.
    for at in [0, 1, 2].map(|page| HEADER_BYTES + 1000 + page * content.len() / 4) {
        content[at] ^= 1;
    }
    disk.put(&path, content);
    let store = open(&disk, NOW_MS * 2);
    let mut read = 0;
    for number in 0..300 {
        let before = store.stats().corrupt_reads;
        assert!(found(&*store, &request("own", &format!("absent {number}"))).is_empty());
        read += u64::from(store.stats().corrupt_reads > before);
    }
    assert!(read < 20, "{read} of 300 searches read pages for nothing");
    let before = store.stats().corrupt_reads;
    for nobodys in [
        request("few", "3"),
        request("some", "999"),
        request("nobody's", "0"),
    ] {
        assert!(found(&*store, &nobodys).is_empty());
    }
    assert_eq!(store.stats().corrupt_reads, before);
    // And what could match is looked for.
    found(&*store, &request("few", "1"));
    assert!(store.stats().corrupt_reads >= before + 2);
    store.close().unwrap();
}

#[test]
fn damaged_filters_hide_nothing() {
    let (disk, model) = merged();
    let (path, content) = file(&disk);
    let question = request("own", "value 77");
    let expected = found(&model, &question);
    assert_eq!(expected.len(), 1);
    let mut reported = 0;
    // Filters lie behind the pages; whatever else is hit is reported, or makes no difference.
    for at in (content.len() / 2..content.len() - 100).step_by(997) {
        let mut content = content.clone();
        content[at] ^= 0x10;
        disk.put(&path, content);
        let store = open(&disk, NOW_MS * 2);
        let trace = store.trace(
            TraceId {
                high: 0,
                low: low(77),
            },
            &CONTEXT,
        );
        let whole = found(&*store, &question) == expected && trace.unwrap().len() == 1;
        let corrupt = store.stats().corrupt_reads > 0 || store.stats().segments == 0;
        assert!(whole || corrupt, "byte {at}");
        reported += u64::from(whole && corrupt);
        store.close().unwrap();
    }
    assert!(reported > 0, "no filter was damaged");
}
