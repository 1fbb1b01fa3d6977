//! CPU of the whole process to read sealed segments of the reference workload back as lists of
//! spans, as they go into a database, and to forget them:
//! `cargo run --release -p speargun-segment --example move -- [SPANS] [SEAL_ROWS]`. Not a test.
#![expect(
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
use speargun_storage::{Local, Position, SpanWriter};

// As the server does.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

fn argument(index: usize, default: usize) -> usize {
    let given = std::env::args().nth(index);
    given.map_or(default, |text| text.parse().unwrap())
}

fn main() {
    let (count, seal_rows) = (argument(1, 300_000), argument(2, 1 << 15));
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        seal_rows,
        ..Config::waiting(dir.path().join("segments"))
    };
    let store = SegmentStore::open(config, Arc::new(RealDisk), Arc::new(SystemClock)).unwrap();
    let mut position = 0;
    for (part, _) in (0..count).step_by(100_000).enumerate() {
        let start = 1_760_000_000_000_000 + part as u64 * 1_000_000;
        let spans = Traffic::new(part as u64 + 1).spans(100_000.min(count), start, 1_000_000);
        for batch in batches(spans, 100) {
            let body = Format::Json.encode(&batch).into();
            let mut out = SpanBatch::default();
            codec::decode(codec::Format::JsonV2, body, &Bounds::default(), &mut out).unwrap();
            position += 1;
            store.write(&[Arc::new(out)], Position(position)).unwrap();
        }
    }
    store.seal().unwrap();
    let (spans, segments) = (store.backlog().spans, store.stats().segments);
    let (mut read, mut dropped, mut forgotten, mut lists) = (0, 0, 0, 0);
    let timed = |sum: &mut u64, before: u64| *sum += cpu_ns() - before;
    loop {
        let before = cpu_ns();
        let Some(mut portion) = store.next_portion().unwrap() else {
            break;
        };
        timed(&mut forgotten, before);
        loop {
            let before = cpu_ns();
            let Some(list) = portion.next_list().unwrap() else {
                break;
            };
            timed(&mut read, before);
            let before = cpu_ns();
            lists += 1;
            drop(list);
            timed(&mut dropped, before);
        }
        let before = cpu_ns();
        portion.forget().unwrap();
        timed(&mut forgotten, before);
    }
    let per = |ns: u64| ns / spans;
    println!(
        "{spans} spans in {segments} segments, {lists} lists: read {} ns a span, drop {}, take and \
         forget segments {}",
        per(read),
        per(dropped),
        per(forgotten)
    );
    store.close().unwrap();
}
