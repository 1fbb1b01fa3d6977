//! What `speargun load` itself costs: a million spans a second against a server that only answers.
//! The server lives in this process, the harness in one of its own.

use anyhow::{Context, Result};
use speargun_benches::harness::load;
use speargun_benches::measure::Words;
use speargun_benches::report::Report;
use speargun_benches::sink;
use speargun_loadgen::report::ratio;

pub(crate) fn run(words: Words) -> Result<()> {
    let (turns, pace) = if words.tiny {
        (1, "--rate 20k --duration 300ms")
    } else {
        (3, "--rate 1M --warmup 2s --duration 10s")
    };
    let about = format!(
        "`speargun load {pace}`, open loop, batches of 100, 16 connections, against a server in \
         another process that reads bodies and answers 202. CPU of the harness by the spans that \
         were accepted; promised are 0.3 us for proto at a million spans a second."
    );
    let mut report = Report::new("harness", &about);
    report.head(&[
        "format",
        "turn",
        "accepted/s",
        "CPU us a span",
        "p50",
        "p99",
    ]);
    let port = sink::open()?;
    for format in ["proto", "json"] {
        for turn in 1..=turns {
            let given = load(
                port,
                &format!("{pace} --format {format} --read-back 0 --quiet"),
            )?;
            let step = given.steps.first().context("a report without a step")?;
            report.row(&[
                format.to_owned(),
                turn.to_string(),
                format!("{:.0}", step.rate()),
                format!("{:.3}", ratio(step.harness_cpu_us, step.accepted_spans)),
                format!("{} us", step.latency_at(50.0)),
                format!("{} us", step.latency_at(99.0)),
            ]);
        }
    }
    report.finish(words)
}
