//! Prints what decoding costs: CPU nanoseconds of one thread a span, least and median of several
//! runs, with a checksum over what was decoded. Not a test: nothing here can fail on a slow day.
//!
//! ```text
//! cargo run --release -p speargun-model --example decode_bench            # made-up traffic
//! cargo run --release -p speargun-model --example decode_bench -- DIR     # bodies *.json, *.proto
//! ```

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use rustix::time::{ClockId, clock_gettime};
use speargun_model::batch::{Bounds, SpanBatch};
use speargun_model::codec::{Format, decode, json_v2, proto3};

#[path = "decode_bench/otlp.rs"]
mod otlp;
#[path = "decode_bench/traffic.rs"]
mod traffic;

const BATCH_SPANS: usize = 100;
const BATCHES: usize = 200;
const RUNS: usize = 15;
/// Enough passes a run to drown the clock's own cost.
const RUN_NS: u64 = 60_000_000;

#[expect(clippy::print_stderr, reason = "a program that says why it stops")]
fn main() -> ExitCode {
    let bodies = match std::env::args().nth(1) {
        Some(folder) => read_bodies(Path::new(&folder)),
        None => Ok(make_bodies()),
    };
    match bodies {
        Ok(bodies) => {
            for (format, bodies) in bodies {
                measure(format, &bodies);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot read the bodies: {error}");
            ExitCode::FAILURE
        }
    }
}

type Bodies = Vec<(Format, Vec<Bytes>)>;

fn make_bodies() -> Bodies {
    let mut traffic = traffic::Traffic::new(7);
    let batches: Vec<_> = (0..BATCHES).map(|_| traffic.batch(BATCH_SPANS)).collect();
    let encode = |encode: fn(&[speargun_model::Span], &mut Vec<u8>)| {
        let body = |spans: &Vec<_>| {
            let mut out = Vec::new();
            encode(spans, &mut out);
            Bytes::from(out)
        };
        batches.iter().map(body).collect()
    };
    let all = |encode: fn(&[speargun_model::Span]) -> Bytes| {
        batches.iter().map(|batch| encode(batch)).collect()
    };
    vec![
        (Format::JsonV2, encode(json_v2::encode_spans)),
        (Format::Proto3, encode(proto3::encode_spans)),
        (Format::OtlpJson, all(otlp::json)),
        (Format::OtlpProto, all(otlp::proto)),
    ]
}

fn read_bodies(folder: &Path) -> std::io::Result<Bodies> {
    let read = |extension: &str| -> std::io::Result<Vec<Bytes>> {
        let mut bodies = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == extension) {
                bodies.push(Bytes::from(std::fs::read(path)?));
            }
        }
        Ok(bodies)
    };
    Ok(vec![
        (Format::JsonV2, read("json")?),
        (Format::Proto3, read("proto")?),
    ])
}

#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
fn measure(format: Format, bodies: &[Bytes]) {
    let mut batch = SpanBatch::default();
    let (spans, checksum) = pass(format, bodies, &mut batch);
    let bytes: usize = bodies.iter().map(Bytes::len).sum();
    let once = time(|| pass(format, bodies, &mut batch)).max(1);
    let passes = (RUN_NS / once).max(1);
    let mut runs: Vec<u64> = (0..RUNS)
        .map(|_| {
            let total = time(|| {
                for _ in 0..passes {
                    black_box(pass(format, bodies, &mut batch));
                }
            });
            total * 10 / (passes * spans.max(1) as u64)
        })
        .collect();
    runs.sort_unstable();
    let tenths = |ns: u64| format!("{}.{}", ns / 10, ns % 10);
    println!(
        "{format:?}: least {} median {} ns CPU a span ({spans} spans in {} bodies, {} bytes a span, checksum {checksum:016x})",
        tenths(runs.first().copied().unwrap_or(0)),
        tenths(runs.get(RUNS / 2).copied().unwrap_or(0)),
        bodies.len(),
        bytes / spans.max(1),
    );
}

/// Decodes every body once; returns how many spans there were and a sum over them.
fn pass(format: Format, bodies: &[Bytes], batch: &mut SpanBatch) -> (usize, u64) {
    let bounds = Bounds::default();
    let mut spans = 0;
    let mut checksum = 0_u64;
    for body in bodies {
        if decode(format, body.clone(), &bounds, batch).is_err() {
            checksum ^= u64::MAX;
        }
        spans += batch.spans.len();
        for span in &batch.spans {
            checksum = checksum
                .rotate_left(5)
                .wrapping_add(span.id ^ span.trace_id.low ^ span.duration_us);
        }
        checksum = checksum.wrapping_add(batch.tags.len() as u64);
    }
    (spans, checksum)
}

fn time<T>(work: impl FnOnce() -> T) -> u64 {
    let now = || {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
    };
    let start = now();
    black_box(work());
    now() - start
}
