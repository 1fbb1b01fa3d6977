//! Zipkin's own server and ours under the same load, in turns: `speargun load` at one rate, then
//! looking for the highest rate that meets a target. What either accepted is read back.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use speargun_benches::measure::Words;
use speargun_benches::report::Report;
use speargun_benches::zipkin;
use speargun_e2e::server::{binary, root};
use speargun_e2e::{Options, Server};
use speargun_loadgen::report::{Report as Load, compare};

/// What the higher rates are looked for with.
const TARGET: &str = "50ms";

/// How long things last.
struct Times {
    turns: usize,
    warmup: &'static str,
    hold: &'static str,
    search: &'static str,
}

/// What one server gave.
struct Given {
    held: Load,
    highest: Option<f64>,
}

fn main() -> Result<()> {
    let words = Words::read()?;
    let times = if words.tiny {
        Times {
            turns: 1,
            warmup: "1s",
            hold: "1s",
            search: "300ms",
        }
    } else {
        Times {
            turns: 2,
            warmup: "10s",
            hold: "10s",
            search: "3s",
        }
    };
    let about = format!(
        "`speargun load`, open loop, batches of 100, 16 connections, on the machine of the server. \
         First 5,000 spans/s for {} after {} of warm-up: CPU of the server's process by the spans \
         it accepted, memory, latency from the scheduled time. Then the highest rate with p99 \
         below {TARGET} and no refusal, tries of {}. Zipkin 3.6.1 stores in memory with a heap of \
         6 GiB; Speargun on disk, synced before each 202. 1,000 accepted traces were read back \
         after each.",
        times.hold, times.warmup, times.search
    );
    let mut report = Report::new("peers", &about);
    report.head(&[
        "server",
        "format",
        "turn",
        "CPU us a span",
        "p50",
        "p99",
        "highest rate",
        "RSS MiB",
        "spans lost",
    ]);
    for format in ["json", "proto"] {
        let (mut zipkin, mut ours) = (Vec::new(), Vec::new());
        for turn in 1..=times.turns {
            let server = zipkin::start()?;
            let given = given((server.port(), server.pid()), format, &times)?;
            drop(server);
            report.row(&row("Zipkin", (format, turn), &given));
            zipkin.push(given);
            let server = Server::start(Options::default())?;
            let given = self::given((server.port(), server.pid()), format, &times)?;
            drop(server);
            report.row(&row("Speargun", (format, turn), &given));
            ours.push(given);
        }
        report.note(&ratios(format, &zipkin, &ours));
    }
    report.finish(words)
}

fn given((port, pid): (u16, u32), format: &str, times: &Times) -> Result<Given> {
    let common = format!("--format {format} --pid {pid} --quiet");
    let held = format!(
        "--rate 5k --warmup {} --duration {}",
        times.warmup, times.hold
    );
    let held = load(port, &format!("{common} {held}"))?;
    let search = format!(
        "--find --p99 {TARGET} --rate 10k --duration {}",
        times.search
    );
    let highest = load(port, &format!("{common} {search}"))?.highest_rate;
    Ok(Given { held, highest })
}

fn load(port: u16, words: &str) -> Result<Load> {
    let path: PathBuf = root().join("target/peers/load.json");
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    let status = Command::new(binary()?)
        .args(["load", "--target", &format!("127.0.0.1:{port}"), "--json"])
        .arg(&path)
        .args(words.split_whitespace())
        .stdout(Stdio::null())
        .status()
        .context("start the load")?;
    // 1 is a missed target, which is in the report.
    ensure!(
        matches!(status.code(), Some(0 | 1)),
        "load ended with {status}"
    );
    compare::read(&path)
}

fn row(server: &str, (format, turn): (&str, usize), given: &Given) -> Vec<String> {
    let step = given.held.steps.first();
    let at = |per_cent| step.map_or(0, |step| step.latency_at(per_cent));
    let cost = given.held.cost;
    vec![
        server.to_owned(),
        format.to_owned(),
        turn.to_string(),
        format!("{:.2}", cpu(given)),
        format!("{} us", at(50.0)),
        format!("{} us", at(99.0)),
        given
            .highest
            .map_or("none".into(), |rate| format!("{rate:.0}")),
        cost.map_or(0, |cost| cost.resident_bytes >> 20).to_string(),
        given.held.read_back.lost_spans.to_string(),
    ]
}

fn cpu(given: &Given) -> f64 {
    given.held.cost.map_or(0.0, |cost| cost.cpu_us_per_span)
}

/// The ratios of the better turn of each.
fn ratios(format: &str, zipkin: &[Given], ours: &[Given]) -> String {
    let least = |all: &[Given]| all.iter().map(cpu).fold(f64::INFINITY, f64::min);
    let most = |all: &[Given]| {
        let rates = all.iter().filter_map(|given| given.highest);
        rates.fold(0.0, f64::max)
    };
    format!(
        "{format}, the better turn of each: Zipkin takes {:.1} times the CPU a span; Speargun's \
         highest rate is {:.1} times as high.",
        least(zipkin) / least(ours),
        most(ours) / most(zipkin)
    )
}
