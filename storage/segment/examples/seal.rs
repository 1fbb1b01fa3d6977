//! CPU of the whole process to seal and merge the reference workload and to answer its links, and
//! bytes a span on disk:
//! `cargo run --release -p speargun-segment --example seal -- [SPANS] [SEAL_ROWS]`. Not a test.
#![expect(
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measuring program"
)]

use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use speargun_benches::workload::{Format, Traffic, batches};
use speargun_model::{Bounds, SpanBatch, codec};
use speargun_runtime::{RealDisk, SystemClock};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::{Position, ReadContext, SpanReader, SpanWriter, Window};

fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

fn main() {
    let count: usize = std::env::args()
        .nth(1)
        .map_or(300_000, |n| n.parse().unwrap());
    let mut decoded = Vec::new();
    for (part, _) in (0..count).step_by(100_000).enumerate() {
        let start = 1_760_000_000_000_000 + part as u64 * 1_000_000;
        let spans = Traffic::new(part as u64 + 1).spans(100_000.min(count), start, 1_000_000);
        for batch in batches(spans, 100) {
            let body = Format::Json.encode(&batch).into();
            let mut out = SpanBatch::default();
            codec::decode(codec::Format::JsonV2, body, &Bounds::default(), &mut out).unwrap();
            decoded.push(Arc::new(out));
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let seal_rows = std::env::args()
        .nth(2)
        .map_or(65_536, |n| n.parse().unwrap());
    let open = |merge_rows| {
        let config = Config {
            merge_rows,
            seal_rows,
            ..Config::new(dir.path().join("segments"))
        };
        SegmentStore::open(config, Arc::new(RealDisk), Arc::new(SystemClock)).unwrap()
    };
    let store = open(0);
    let spans: u64 = decoded.iter().map(|batch| batch.spans.len() as u64).sum();
    let before = cpu_ns();
    for (at, batch) in decoded.drain(..).enumerate() {
        store.write(&[batch], Position(at as u64 + 1)).unwrap();
    }
    store.seal().unwrap();
    let sealed = cpu_ns();
    let stats = store.stats();
    println!(
        "{spans} spans: seal {} ns a span, {:.2} bytes a span in {} segments",
        (sealed - before) / spans,
        stats.segment_bytes as f64 / spans as f64,
        stats.segments
    );
    store.close().unwrap();
    let store = open(300_000);
    store.close().unwrap();
    let store = open(300_000);
    let before = cpu_ns();
    store.compact().unwrap();
    let stats = store.stats();
    println!(
        "merge {} ns a span, {:.2} bytes a span in {} segments, {} rows merged",
        (cpu_ns() - before) / spans,
        stats.segment_bytes as f64 / spans as f64,
        stats.segments,
        stats.merged_rows
    );
    let window = Window {
        end_ms: 1_760_000_000_000 + 3_600_000,
        lookback_ms: 7_200_000,
    };
    for times in ["first", "second"] {
        let before = cpu_ns();
        let links = store.dependencies(window, &ReadContext::default()).unwrap();
        println!(
            "{} links: {times} request {} us",
            links.len(),
            (cpu_ns() - before) / 1000
        );
    }
    store.close().unwrap();
}
