//! What a span of another kind than the reference costs: CPU, bytes on disk, and how much more
//! than the reference's. One workload after the other, each in a server of its own.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use speargun_benches::fill::{Known, check_counts, spread};
use speargun_benches::measure::{Words, per};
use speargun_benches::report::Report;
use speargun_benches::skew::Skew;
use speargun_benches::workload::Window;
use speargun_benches::{load, process};
use speargun_e2e::spans::now_us;
use speargun_e2e::{Options, Server, metrics};
use speargun_loadgen::report::ratio;

const READ_BACK: usize = 30;
const WINDOW_US: u64 = 600_000_000;

/// What all spans of a workload took together.
struct Cost {
    spans: u64,
    sent_bytes: u64,
    cpu_ns: u64,
    disk_bytes: u64,
    peak_bytes: u64,
}

impl Cost {
    /// CPU of a span and of a byte sent, bytes of a span on disk and for a byte sent.
    fn ratios(&self) -> [f64; 4] {
        [
            ratio(self.cpu_ns, self.spans * 1000),
            ratio(self.cpu_ns, self.sent_bytes),
            ratio(self.disk_bytes, self.spans),
            ratio(self.disk_bytes, self.sent_bytes),
        ]
    }
}

pub(crate) fn run(words: Words) -> Result<()> {
    let count = words.count(2000, 400_000);
    let about = "Workloads that differ from the reference in one thing, in batches of 100, as \
                 proto3 if not said otherwise, acknowledged, counted and read back. CPU is that of \
                 all the server's threads until it is idle again, merging included; bytes are \
                 those of the segments after an orderly end. x is how many times the reference's \
                 it is: for a span, and for a byte of the requests.";
    let mut report = Report::new("skew", about);
    report.head(&[
        "workload",
        "spans",
        "sent bytes a span",
        "CPU us a span",
        "x, a span",
        "x, a sent byte",
        "bytes a span on disk",
        "x, a span",
        "x, a sent byte",
        "peak MiB",
    ]);
    let mut reference = None;
    for skew in Skew::ALL {
        let cost = measure(skew, skew.count(count), words.patience())?;
        let ratios = cost.ratios();
        let base = *reference.get_or_insert(ratios);
        let times = |index: usize| format!("{:.2}", ratios[index] / base[index].max(1e-9));
        report.row(&[
            skew.name().to_owned(),
            cost.spans.to_string(),
            per(cost.sent_bytes, cost.spans).to_string(),
            format!("{:.2}", ratios[0]),
            times(0),
            times(1),
            format!("{:.1}", ratios[2]),
            times(2),
            times(3),
            per(cost.peak_bytes, 1 << 20).to_string(),
        ]);
    }
    report.finish(words)
}

fn measure(skew: Skew, count: usize, patience: Duration) -> Result<Cost> {
    let window = Window {
        start_us: now_us() - WINDOW_US,
        length_us: WINDOW_US,
    };
    let batches = skew.batches(count, window);
    let mut traces: HashMap<u128, usize> = HashMap::new();
    for span in batches.iter().flatten() {
        *traces.entry(span.trace_id).or_default() += 1;
    }
    let mut known: Vec<Known> = traces
        .into_iter()
        .map(|(trace_id, spans)| Known { trace_id, spans })
        .collect();
    known.sort_unstable_by_key(|known| known.trace_id);
    let spans = batches.iter().map(|batch| batch.len() as u64).sum();
    let requests: Vec<Bytes> = batches
        .iter()
        .map(|batch| skew.way().prepare(batch))
        .collect();
    drop(batches);

    let mut server = Server::start(Options::default())?;
    let before = process::cpu_ns(server.pid())?;
    load::send(skew.way(), server.port(), &requests)?;
    let counter = format!("counter.zipkin_collector.spans.{}", skew.way().transport());
    let stored = metrics::zipkin(&server, &counter)?;
    ensure!(
        format!("{stored}") == format!("{spans}"),
        "{}: {stored} of {spans} spans were counted",
        skew.name()
    );
    process::wait_until_idle(server.pid(), patience)?;
    let cpu_ns = process::cpu_ns(server.pid())? - before;
    let peak_bytes = process::memory(server.pid())?.peak_bytes;
    server.terminate()?;
    server.wait()?;
    let (all, journal) = process::disk_bytes(&server.data())?;
    server.restart()?;
    check_counts(&server, spread(&known, READ_BACK))?;
    Ok(Cost {
        spans,
        sent_bytes: requests.iter().map(|request| request.len() as u64).sum(),
        cpu_ns,
        disk_bytes: all - journal,
        peak_bytes,
    })
}
