//! How long a durable answer takes beside what the disk's own sync takes at that moment: one span a
//! request, at a rate far below what the server can do. Cost is the business of `ingest`.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use speargun_benches::cold::sync_latency;
use speargun_benches::harness::load;
use speargun_benches::measure::Words;
use speargun_benches::report::Report;
use speargun_e2e::{Options, Server};
use speargun_loadgen::report::ratio;

/// Of syncing, before and after each load.
const PROBE: Duration = Duration::from_secs(3);

pub(crate) fn run(words: Words) -> Result<()> {
    let probe = words.how_long(PROBE);
    let (turns, pace) = if words.tiny {
        (1, "--duration 300ms")
    } else {
        (3, "--warmup 2s --duration 10s")
    };
    let about = format!(
        "`speargun load --rate 1000 --batch 1 --connections 64 {pace}`, open loop: latency of the \
         202, which follows the journal's sync, from the moment the request was due. Beside it \
         what writing and syncing 4 KiB takes one program alone, without pause in a file of the \
         same file system, for {probe:?} before and after the load. x is the ratio of the two."
    );
    let mut report = Report::new("latency", &about);
    report.head(&[
        "format",
        "turn",
        "sync p50 us",
        "sync p99 us",
        "202 p50 us",
        "202 p99 us",
        "x, p50",
        "x, p99",
        "spans",
        "CPU us a span",
    ]);
    for format in ["json", "proto"] {
        for turn in 1..=turns {
            let load = (probe, format!("{pace} --format {format}"));
            report.row(&measure((format, turn), &load)?);
        }
    }
    report.finish(words)
}

fn measure((format, turn): (&str, u32), (probe, pace): &(Duration, String)) -> Result<Vec<String>> {
    let server = Server::start(Options::default())?;
    let mut sync_us = sync_latency(&server.data(), *probe)?;
    let given = load(
        server.port(),
        &format!("--rate 1000 --batch 1 --connections 64 {pace} --read-back 100 --quiet"),
    )?;
    sync_us.add(sync_latency(&server.data(), *probe)?);
    let step = given.steps.first().context("a report without a step")?;
    let lost = step.not_accepted();
    ensure!(lost == 0, "{lost} requests were not accepted");
    ensure!(given.read_back.is_whole(), "not all was read back");
    let [p50, p99] = [50.0, 99.0].map(|at| step.latency_at(at));
    let [sync_p50, sync_p99] = [50, 99].map(|at| sync_us.percentile(at));
    Ok(vec![
        format.to_owned(),
        turn.to_string(),
        sync_p50.to_string(),
        sync_p99.to_string(),
        p50.to_string(),
        p99.to_string(),
        format!("{:.2}", ratio(p50, sync_p50)),
        format!("{:.2}", ratio(p99, sync_p99)),
        step.accepted_spans.to_string(),
        format!("{:.1}", ratio(step.server_cpu_us, step.accepted_spans)),
    ])
}
