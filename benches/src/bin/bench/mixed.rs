//! What queries take while spans come in at half the highest rate, beside what they take of an idle
//! server. Both are asked on a schedule, and a latency counts from the moment a question was due.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use speargun_benches::fill::{Filling, Known, fill, spread};
use speargun_benches::harness::load;
use speargun_benches::measure::{Samples, Words};
use speargun_benches::process;
use speargun_benches::report::Report;
use speargun_e2e::spans::now_us;
use speargun_e2e::{Connection, Options, Request, Server};
use speargun_loadgen::report::ratio;

/// All spans that are there before lie in this window before now.
const WINDOW_US: u64 = 6 * 3_600_000_000;
/// Questions of all kinds together.
const EACH_SECOND: u64 = 50;
/// People who ask in turns, so that none waits for the answer to another.
const ASKERS: usize = 7;
/// How long a phase lasts.
const PHASE: Duration = Duration::from_secs(20);
/// How long the highest rate is looked for, by as fast as 16 connections are answered.
const SEARCH: Duration = Duration::from_secs(8);

const KINDS: [&str; 6] = [
    "trace by id",
    "search, service",
    "search, rare value",
    "services",
    "span names",
    "dependencies of a day",
];

/// What each kind of question took, microseconds.
type Latencies = [Samples; KINDS.len()];

pub(crate) fn run(words: Words) -> Result<()> {
    let count = words.count(4000, 1_000_000);
    let (phase, search) = (words.how_long(PHASE), words.how_long(SEARCH));
    let server = Server::start(Options::default())?;
    let filling = Filling {
        seed: 1,
        spans: count,
        begin_us: now_us() - WINDOW_US,
        length_us: WINDOW_US,
    };
    let known = fill(server.port(), filling, &mut |_| ())?.known;
    process::wait_until_idle(server.pid(), words.patience())?;
    let idle = ask(server.port(), &known, phase)?;

    // Other seeds, for what comes in belongs to no trace that is there.
    let pace = format!("--closed --seed 2 --duration {}ms", search.as_millis());
    let highest = rate_of(server.port(), &pace)?;
    process::wait_until_idle(server.pid(), words.patience())?;
    let half = format!(
        "--rate {:.0} --seed 3 --duration {}ms",
        (highest / 2.0).max(1.0),
        (phase + phase / 10).as_millis()
    );
    let (loaded, held) = thread::scope(|scope| {
        let sender = scope.spawn(|| rate_of(server.port(), &half));
        let loaded = ask(server.port(), &known, phase);
        let held = sender.join();
        let held = held.map_err(|_| anyhow::anyhow!("the load panicked"))?;
        anyhow::Ok((loaded?, held?))
    })?;

    let about = format!(
        "{EACH_SECOND} queries a second on {ASKERS} connections over {count} spans that span six \
         hours, first of an idle server, then while spans of the reference workload come in, as \
         proto in batches of 100 from 16 connections, at half of what a closed loop reached; \
         everything on the same cores. Latency in microseconds from the moment a query was due. x \
         is loaded by idle."
    );
    let mut report = Report::new("mixed", &about);
    report.head(&[
        "query",
        "times",
        "idle p50",
        "idle p99",
        "loaded p50",
        "loaded p99",
        "x, p50",
        "x, p99",
    ]);
    for (kind, (idle, loaded)) in KINDS.iter().zip(idle.iter().zip(&loaded)) {
        report.row(&row(kind, idle, loaded));
    }
    let all = |latencies: &Latencies| {
        let mut all = Samples::default();
        latencies.iter().for_each(|kind| all.add(kind.clone()));
        all
    };
    report.row(&row("all", &all(&idle), &all(&loaded)));
    report.note(&format!(
        "The closed loop reached {highest:.0} spans/s; {held:.0} were held while queries came."
    ));
    report.finish(words)
}

fn row(kind: &str, idle: &Samples, loaded: &Samples) -> Vec<String> {
    let mut cells = vec![kind.to_owned(), loaded.len().to_string()];
    for samples in [idle, loaded] {
        cells.extend([50, 99].map(|at| samples.percentile(at).to_string()));
    }
    cells.extend([50, 99].map(|at| {
        let times = ratio(loaded.percentile(at), idle.percentile(at));
        format!("{times:.2}")
    }));
    cells
}

/// Loads the server; returns how many spans it accepted a second. Nothing may be refused.
fn rate_of(port: u16, pace: &str) -> Result<f64> {
    let given = load(
        port,
        &format!("{pace} --format proto --read-back 100 --settle 30s --quiet"),
    )?;
    let step = given.steps.first().context("a report without a step")?;
    ensure!(given.read_back.is_whole(), "not all was read back");
    Ok(step.rate())
}

/// Asks all kinds in turn, each question when it is due or as soon as the one before is answered.
fn ask(port: u16, known: &[Known], phase: Duration) -> Result<Latencies> {
    let every = Duration::from_secs(1) / EACH_SECOND as u32;
    let count = (phase.as_millis() / every.as_millis()).max(KINDS.len() as u128) as usize;
    let traces: Vec<Known> = spread(known, count).collect();
    ensure!(!traces.is_empty(), "no trace to ask for");
    let begin = Instant::now();
    let asker = |first: usize| -> Result<Vec<(usize, u64)>> {
        let mut connection = Connection::open(port)?;
        let mut taken = Vec::new();
        for number in (first..count).step_by(ASKERS) {
            let due = begin + every * number as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let kind = number % KINDS.len();
            let target = target(kind, number, traces[number % traces.len()]);
            let answer = connection.ask(&Request::get(target.as_str()))?;
            ensure!(answer.status == 200, "{target}: {}", answer.status);
            taken.push((kind, due.elapsed().as_micros() as u64));
        }
        Ok(taken)
    };
    let ask = &asker;
    let all = thread::scope(|scope| {
        let threads: Vec<_> = (0..ASKERS)
            .map(|first| scope.spawn(move || ask(first)))
            .collect();
        let ended = threads.into_iter().map(|thread| {
            let ended = thread.join();
            ended.map_err(|_| anyhow::anyhow!("an asker panicked"))?
        });
        ended.collect::<Result<Vec<_>>>()
    })?;
    let mut taken: [Vec<u64>; KINDS.len()] = Default::default();
    for (kind, latency) in all.into_iter().flatten() {
        if let Some(taken) = taken.get_mut(kind) {
            taken.push(latency);
        }
    }
    Ok(taken.map(Samples::new))
}

fn target(kind: usize, number: usize, trace: Known) -> String {
    match KINDS.get(kind).copied() {
        Some("trace by id") => format!("/api/v2/trace/{:032x}", trace.trace_id),
        Some("search, service") => "/api/v2/traces?serviceName=cart&limit=10".into(),
        // Few or no spans have the value, another one each time.
        Some("search, rare value") => format!(
            "/api/v2/traces?annotationQuery=http.path%3D%2Fapi%2Fv1%2Fproducts%2F{}&limit=10",
            15_000 + number
        ),
        Some("services") => "/api/v2/services".into(),
        Some("span names") => "/api/v2/spans?serviceName=cart".into(),
        _ => format!("/api/v2/dependencies?endTs={}", now_us() / 1000),
    }
}
