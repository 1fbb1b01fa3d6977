//! What a span costs the server that comes from Kafka: Apache's broker holds all messages before
//! the server starts, so that it takes them as fast as it can. It needs Java, so it runs only when
//! it is named.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use speargun_benches::measure::{Words, per};
use speargun_benches::process;
use speargun_benches::report::Report;
use speargun_benches::workload::{Format, Traffic, batches};
use speargun_e2e::broker::{Kafka, Sender};
use speargun_e2e::spans::now_us;
use speargun_e2e::{Options, Server, metrics};

/// How long the server may take for all.
const PATIENCE: Duration = Duration::from_mins(10);
/// How often it is asked, which costs it little.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const WINDOW_US: u64 = 600_000_000;

pub(crate) fn run(words: Words) -> Result<()> {
    let about = "Reference workload in a topic of two partitions, in messages as Zipkin's sender \
                 makes them, read by one stream; an offset is committed after the journal's sync \
                 of its spans. CPU is that of all the server's threads from its start until the \
                 last span is stored.";
    let mut report = Report::new("kafka", about);
    report.head(&[
        "format",
        "batch",
        "spans",
        "CPU ns a span",
        "spans/s (wall)",
        "peak MiB",
    ]);
    for format in [Format::Json, Format::Proto] {
        for (size, full) in [(10, 100_000), (100, 1_000_000)] {
            report.row(&measure(format, size, words.count(2000, full))?);
        }
    }
    report.finish(words)
}

fn measure(format: Format, size: usize, count: usize) -> Result<Vec<String>> {
    let broker = Kafka::start("")?;
    let mut sender = Sender::start("kafka", &broker.address(), "zipkin")?;
    let spans = Traffic::new(1).spans(count, now_us() - WINDOW_US, WINDOW_US);
    for batch in batches(spans, size) {
        sender.raw(&format.encode(&batch))?;
    }
    drop(sender);
    let options = Options::default().set("KAFKA_BOOTSTRAP_SERVERS", &broker.address());
    let start = Instant::now();
    let server = Server::start(options)?;
    loop {
        let stored = metrics::sum(&server, "speargun_spans_stored_total", "kafka")?;
        if format!("{stored}") == count.to_string() {
            break;
        }
        ensure!(start.elapsed() < PATIENCE, "{stored} of {count} spans");
        std::thread::sleep(LOOK_EVERY);
    }
    let wall_us = start.elapsed().as_micros() as u64;
    let cpu_ns = process::cpu_ns(server.pid())?;
    let memory = process::memory(server.pid())?;
    let spans = count as u64;
    Ok(vec![
        format.name().to_owned(),
        size.to_string(),
        count.to_string(),
        per(cpu_ns, spans).to_string(),
        per(spans * 1_000_000, wall_us).to_string(),
        per(memory.peak_bytes, 1 << 20).to_string(),
    ])
}
