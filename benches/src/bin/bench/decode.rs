//! CPU a span of decoding request bodies into batches, on one thread: the first thing that happens
//! to every span. Sockets and disks are measured elsewhere.

use std::hint::black_box;

use anyhow::{Result, ensure};
use bytes::Bytes;
use speargun_benches::measure::{Samples, Words, per, thread_cpu_ns};
use speargun_benches::report::Report;
use speargun_benches::workload::{Format, Traffic, batches};
use speargun_model::codec::{self, Format as Codec};
use speargun_model::{Bounds, SpanBatch};

const ROUNDS: usize = 15;

pub(crate) fn run(words: Words) -> Result<()> {
    let count = words.count(2000, 100_000);
    let about = "CPU of one thread to decode a span of the reference workload, ns: median of \
                 fifteen rounds, least in brackets.";
    let mut report = Report::new("decode", about);
    report.head(&[
        "format",
        "batch",
        "ns a span",
        "MB/s",
        "bytes a span",
        "checksum",
    ]);
    for format in [Format::Json, Format::Proto] {
        for size in [1, 10, 100, 1000] {
            report.row(&measure(format, size, count)?);
        }
    }
    report.finish(words)
}

fn measure(format: Format, size: usize, count: usize) -> Result<Vec<String>> {
    let spans = Traffic::new(1).spans(count, 1_760_000_000_000_000, 60_000_000);
    let bodies: Vec<Bytes> = batches(spans, size)
        .iter()
        .map(|batch| format.encode(batch).into())
        .collect();
    let bytes: u64 = bodies.iter().map(|body| body.len() as u64).sum();
    let spans = count as u64;
    let mut batch = SpanBatch::default();
    let (mut samples, mut checksum) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let before = thread_cpu_ns();
        let mut seen = 0;
        checksum = 0;
        for body in &bodies {
            codec::decode(
                codec_of(format),
                body.clone(),
                &Bounds::default(),
                &mut batch,
            )?;
            seen += batch.spans.len();
            let last = batch.spans.last();
            checksum ^= last.map_or(0, |span| span.id.rotate_left(seen as u32));
            black_box(&batch);
        }
        samples.push(thread_cpu_ns() - before);
        ensure!(seen == count, "{seen} of {count} spans came out");
    }
    let samples = Samples::new(samples);
    Ok(vec![
        format.name().to_owned(),
        size.to_string(),
        format!(
            "{} [{}]",
            per(samples.median(), spans),
            per(samples.min(), spans)
        ),
        per(bytes * 1000, samples.median()).to_string(),
        per(bytes, spans).to_string(),
        format!("{checksum:016x}"),
    ])
}

fn codec_of(format: Format) -> Codec {
    match format {
        Format::Json => Codec::JsonV2,
        Format::Proto => Codec::Proto3,
        Format::JsonV1 => Codec::JsonV1,
    }
}
