//! Copies made while another thread writes as the committer does, with files so small that they are
//! sealed, merged and recycled all the time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use speargun_collector::inflate::Encoding;
use speargun_collector::replay::{Summary, replay};
use speargun_collector::sample::Sampler;
use speargun_collector::tag::Tag;
use speargun_journal::{Journal, Record, Tail};
use speargun_model::SpanBatch;
use speargun_model::batch::Bounds;
use speargun_model::codec::{Format, decode};
use speargun_model::id::TraceId;
use speargun_runtime::SystemClock;
use speargun_segment::SegmentStore;
use speargun_storage::{Position, ReadContext, SpanReader, SpanWriter};

use super::*;

/// Spans of a record, each of a trace of its own.
const SPANS: u64 = 20;
const COPIES: u64 = 20;

fn tag() -> Tag {
    Tag {
        format: Format::JsonV2,
        encoding: Encoding::Identity,
        sampler: Sampler::new(1.0).unwrap(),
    }
}

/// Returns the record's body: spans whose trace ids follow each other, from 1 on.
fn body(record: u64) -> Bytes {
    let spans = (record * SPANS + 1..=(record + 1) * SPANS).map(|id| {
        format!(
            r#"{{"traceId":"{id:016x}","id":"{id:016x}","name":"n","timestamp":{},
            "localEndpoint":{{"serviceName":"s"}},"tags":{{"k":"{}"}}}}"#,
            1_700_000_000_000_000 + id,
            id * 7919
        )
    });
    let spans: Vec<String> = spans.collect();
    Bytes::from(format!("[{}]", spans.join(",")))
}

struct Store {
    store: Arc<SegmentStore>,
    journal: Journal,
    replayed: Summary,
}

fn open(data: &Path) -> Store {
    let config = speargun_segment::Config {
        retention_age_ms: None,
        seal_rows: 400,
        merge_rows: 4000,
        ..speargun_segment::Config::new(data.join(SEGMENTS))
    };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let store = SegmentStore::open(config, Arc::clone(&disk), Arc::new(SystemClock)).unwrap();
    let config = speargun_journal::Config {
        dir: data.join(JOURNAL),
        file_bytes: 64 << 10,
        bytes_max: 4 << 20,
    };
    let mut journal = Journal::open(disk, config).unwrap();
    let replayed = replay(&mut journal, &*store).unwrap();
    Store {
        store,
        journal,
        replayed,
    }
}

/// Sets what it holds when it goes, also when a test fails: a thread that waits for it then ends.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Writes until it is told to end, at most so many records; counts what was acknowledged.
fn write(data: &Path, (acknowledged, limit, end): (&AtomicU64, &AtomicU64, &AtomicBool)) {
    let Store {
        store, mut journal, ..
    } = open(data);
    let mut record = 0;
    while !end.load(Ordering::Relaxed) {
        if record >= limit.load(Ordering::Relaxed) {
            std::thread::yield_now();
            continue;
        }
        let body = body(record);
        let mut batch = SpanBatch::default();
        decode(Format::JsonV2, body.clone(), &Bounds::WIDEST, &mut batch).unwrap();
        let appended = journal.append(&[Record::new(tag().encode(), body)]);
        let position = appended.unwrap();
        journal.sync().unwrap();
        store
            .write(&[Arc::new(batch.take_exact())], Position(position))
            .unwrap();
        journal.release(store.durable_position().0);
        record += 1;
        acknowledged.store(record, Ordering::Release);
    }
    store.close().unwrap();
}

/// Checks that a copy holds the first `records` records at least, and each span once. With as many
/// rows as there are ids, and all ids found, none is there twice; every `step`th is asked for.
fn check(data: &Path, records: u64, step: usize) {
    let Store {
        store,
        journal,
        replayed,
    } = open(data);
    assert_eq!(replayed.journal.tail, Tail::Clean, "{replayed:?}");
    assert_eq!(replayed.unreadable, 0);
    let stats = store.stats();
    assert_eq!((stats.lost_segments, stats.corrupt_reads), (0, 0));
    let held = stats.segment_rows + stats.head_rows;
    assert!(held >= records * SPANS, "{held} of {records} records");
    assert_eq!(held % SPANS, 0);
    let context = ReadContext::default();
    for id in (1..=held).rev().step_by(step) {
        let spans = store.trace(TraceId::new(0, id).unwrap(), &context).unwrap();
        assert_eq!(spans.len(), 1, "span {id} of {held}");
    }
    drop(journal);
    store.close().unwrap();
}

#[test]
fn each_acknowledged_span_is_once_in_a_copy_made_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (acknowledged, limit) = (AtomicU64::new(0), AtomicU64::new(0));
    let end = AtomicBool::new(false);
    let mut made = Vec::new();
    std::thread::scope(|scope| {
        let _end = SetAtEnd(&end);
        let writer = scope.spawn(|| write(&data, (&acknowledged, &limit, &end)));
        // Each copy while some more was written than the one before.
        for number in 0..COPIES {
            limit.store(25 * (number + 4), Ordering::Relaxed);
            while acknowledged.load(Ordering::Acquire) < 25 * number + 1 {
                assert!(!writer.is_finished(), "the writer failed");
                std::thread::yield_now();
            }
            let records = acknowledged.load(Ordering::Acquire);
            let to = folder.path().join(format!("copy-{number}"));
            let copied = copy(&data, &to).unwrap();
            made.push((to, records, copied));
        }
    });
    for (to, records, _) in &made {
        check(to, *records, 11);
    }
    let written = |copied: &Copied| copied.segments.segments > 0 && copied.journal.bytes > 0;
    assert!(made.iter().any(|(_, _, copied)| written(copied)));
    // A copy of a copy that nobody writes is one, too.
    let (last, records, _) = made.last().unwrap();
    let again = folder.path().join("again");
    copy(last, &again).unwrap();
    check(&again, *records, 1);
}

#[test]
fn a_copy_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    drop(open(&data));
    let to = folder.path().join("to");
    std::fs::create_dir(&to).unwrap();
    let error = copy(&data, &to).unwrap_err().to_string();
    assert!(error.ends_with("to is there already"), "{error}");
    std::fs::rename(&to, folder.path().join("to.part")).unwrap();
    let error = copy(&data, &to).unwrap_err().to_string();
    assert!(
        error.ends_with("that was not finished: remove it"),
        "{error}"
    );
    let error = copy(&folder.path().join("none"), &folder.path().join("other"));
    assert!(error.unwrap_err().to_string().contains("none"));
}
