//! A stopwatch for newcomers: from the start of `speargun demo` until it tells that a trace is
//! found, and what its processes take while it goes on.

#![expect(
    clippy::cast_precision_loss,
    reason = "counts of a benchmark are far below 2^52"
)]

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use rustix::process::{Pid, Signal};
use speargun_benches::measure::Words;
use speargun_benches::process;
use speargun_benches::report::Report;
use speargun_e2e::demo::Demo;

/// Visits a second, as the demo has them when nobody says how many.
const RATE: &str = "3";

pub(crate) fn run(words: Words) -> Result<()> {
    let (turns, watched) = if words.tiny {
        (1, Duration::from_secs(1))
    } else {
        (5, Duration::from_secs(20))
    };
    let about = format!(
        "`speargun demo --rate {RATE}`, the binary built before, each turn with a folder of its \
         own: the time from its start until it says that a trace is found, asked for as 30 s at \
         most; then the memory and CPU of all its processes, itself included, over {} s.",
        watched.as_secs()
    );
    let mut report = Report::new("demo", &about);
    report.head(&[
        "turn",
        "first trace found after",
        "processes",
        "resident",
        "CPU, of one core",
    ]);
    for turn in 1..=turns {
        let began = Instant::now();
        let mut demo = Demo::start(&["--rate", RATE])?;
        demo.read_until("first trace visible after")?;
        let found = began.elapsed();
        let mut pids: Vec<u32> = demo
            .processes()
            .into_iter()
            .map(|pid: Pid| pid.as_raw_nonzero().get().unsigned_abs())
            .collect();
        pids.push(demo.pid());
        let before = cpu_us(&pids)?;
        std::thread::sleep(watched);
        let used_us = cpu_us(&pids)? - before;
        report.row(&[
            turn.to_string(),
            format!("{:.1} s", found.as_secs_f64()),
            pids.len().to_string(),
            format!("{:.0} MiB", resident_bytes(&pids)? as f64 / 1_048_576.0),
            format!(
                "{:.1} %",
                used_us as f64 / watched.as_micros() as f64 * 100.0
            ),
        ]);
        demo.signal(Signal::INT)?;
        let ended = demo.wait()?;
        ensure!(ended.success(), "the demo ended with {ended}");
    }
    report.finish(words)
}

fn cpu_us(pids: &[u32]) -> Result<u64> {
    pids.iter().map(|pid| process::cpu_total_us(*pid)).sum()
}

/// Pages that processes share, those of the binary, count in each.
fn resident_bytes(pids: &[u32]) -> Result<u64> {
    let resident = |pid: &u32| Ok(process::memory(*pid)?.resident_bytes);
    pids.iter().map(resident).sum()
}
