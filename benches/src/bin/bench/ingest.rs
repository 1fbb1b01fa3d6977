//! What a stored span costs the server over loopback: CPU, memory, disk. Every body is
//! acknowledged, and what was stored is counted and read back before a figure is believed.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use serde_json::Value;
use speargun_benches::load::{self, CONNECTIONS};
use speargun_benches::measure::{Words, per};
use speargun_benches::process;
use speargun_benches::report::Report;
use speargun_benches::way::Way;
use speargun_benches::workload::{Format, Traffic, batches};
use speargun_e2e::spans::now_us;
use speargun_e2e::{Options, Server, metrics};
use speargun_loadgen::report::plot::{Axis, Colour, Line, Plot, Scale};
use speargun_loadgen::report::ratio;

const MIB: u64 = 1 << 20;
const READ_BACK: usize = 50;
/// All ways in, and their lines in the plot.
const WAYS: [(Way, Colour); 5] = [
    (Way::Zipkin(Format::Json), Colour::Blue),
    (Way::Gzip(Format::Json), Colour::Violet),
    (Way::Zipkin(Format::Proto), Colour::Green),
    (Way::OtlpHttp, Colour::Amber),
    (Way::OtlpGrpc, Colour::Red),
];

pub(crate) fn run(words: Words) -> Result<()> {
    let about = format!(
        "Reference workload over loopback, {CONNECTIONS} keep-alive connections, every body \
         acknowledged (by default after the journal's sync), counted and read back. \
         CPU is that of all the server's threads: while loading, until the last answer; with \
         merging, until it is idle. Bytes a span are those of the segments after an orderly \
         end, which seals what is in memory, without the journal's recycled files."
    );
    let mut report = Report::new("ingest", &about);
    report.head(&[
        "format",
        "batch",
        "spans",
        "CPU ns a span, loading",
        "with merging",
        "spans/s (wall)",
        "503s",
        "bytes a span",
        "journal MiB",
        "RSS MiB",
        "peak MiB",
        "checksum",
    ]);
    let mut costs: Vec<Vec<(f64, f64)>> = vec![Vec::new(); WAYS.len()];
    for ((way, _), points) in WAYS.into_iter().zip(&mut costs) {
        for (size, full) in [(1, 100_000), (10, 400_000), (100, 2_000_000)] {
            let (row, cpu_ns) = measure((way, size), words.count(2000, full), words.patience())?;
            report.row(&row);
            points.push((ratio(size as u64, 1), ratio(cpu_ns, 1000)));
        }
    }
    report.plot("batch", &plot(costs));
    report.finish(words)
}

/// Cost against batch size, one line for each way in.
fn plot(costs: Vec<Vec<(f64, f64)>>) -> Plot<'static> {
    let lines = WAYS.into_iter().zip(costs);
    let lines = lines.map(|((way, colour), points)| Line {
        name: way.name(),
        colour,
        points,
    });
    Plot {
        title: "CPU of the server for a durable span, merging included",
        x: Axis {
            name: "spans in a request",
            scale: Scale::Powers,
            show: |size| format!("{size:.0}"),
            marks: vec![1.0, 10.0, 100.0],
        },
        y: Axis {
            name: "CPU, us a span",
            scale: Scale::Powers,
            show: |us| format!("{us}"),
            marks: Vec::new(),
        },
        lines: lines.collect(),
    }
}

/// Returns the row, and CPU ns a span with all that comes behind the load.
fn measure(
    (way, size): (Way, usize),
    count: usize,
    patience: Duration,
) -> Result<(Vec<String>, u64)> {
    let (requests, expected) = prepare(way, size, count);
    let mut server = Server::start(Options::default())?;
    let pid = server.pid();
    let before = process::cpu_ns(pid)?;
    let done = load::send(way, server.port(), &requests)?;
    let loading = process::cpu_ns(pid)? - before;
    drop(requests);

    let counter = format!("counter.zipkin_collector.spans.{}", way.transport());
    let stored = metrics::zipkin(&server, &counter)?;
    ensure!(
        format!("{stored}") == count.to_string(),
        "{stored} of {count} spans were counted"
    );
    let idle = process::wait_until_idle(pid, patience)?;
    let merged = process::cpu_ns(pid)? - before;
    let memory = process::memory(pid)?;
    // What still lies in memory is sealed by an orderly end; only then do bytes a span mean much.
    server.terminate()?;
    server.wait()?;
    let (all, journal) = process::disk_bytes(&server.data())?;
    server.restart()?;
    let checksum = read_back(&server, &expected)?;

    let spans = count as u64;
    let wall_us = done.wall.as_micros() as u64;
    let row = vec![
        way.name().to_owned(),
        size.to_string(),
        count.to_string(),
        per(loading, spans).to_string(),
        format!(
            "{}{}",
            per(merged, spans),
            if idle { "" } else { " (still merging)" }
        ),
        per(spans * 1_000_000, wall_us).to_string(),
        done.busy.to_string(),
        per(all - journal, spans).to_string(),
        per(journal, MIB).to_string(),
        per(memory.resident_bytes, MIB).to_string(),
        per(memory.peak_bytes, MIB).to_string(),
        format!("{checksum:08x}"),
    ];
    Ok((row, per(merged, spans)))
}

/// Returns the requests, and how many spans some of the traces have.
fn prepare(way: Way, size: usize, count: usize) -> (Vec<Bytes>, BTreeMap<u128, usize>) {
    let window_us = 600_000_000;
    let spans = Traffic::new(1).spans(count, now_us() - window_us, window_us);
    let mut expected: BTreeMap<u128, usize> = BTreeMap::new();
    for span in &spans {
        *expected.entry(span.trace_id).or_default() += 1;
    }
    let every = (expected.len() / READ_BACK).max(1);
    let expected = expected.into_iter().step_by(every).collect();
    let requests = batches(spans, size)
        .iter()
        .map(|batch| way.prepare(batch))
        .collect();
    (requests, expected)
}

/// Every sampled trace has all its spans; returns a checksum over what came back.
fn read_back(server: &Server, expected: &BTreeMap<u128, usize>) -> Result<u32> {
    let mut checksum = 0_u32;
    for (trace_id, count) in expected {
        let answer = server.get(&format!("/api/v2/trace/{trace_id:032x}"))?;
        let spans: Value = serde_json::from_slice(&answer.body)?;
        let got = spans.as_array().map_or(0, Vec::len);
        ensure!(got == *count, "trace {trace_id:x}: {got} of {count} spans");
        checksum = checksum.rotate_left(5) ^ (*trace_id as u32) ^ (got as u32);
    }
    Ok(checksum)
}
