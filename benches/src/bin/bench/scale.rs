//! What grows with the amount stored, and how: queries, memory, starts, bytes. Each amount is put
//! into a server of its own, spread over twenty hours. What is asked is in `questions`.

mod questions;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use speargun_benches::ask::{Asked, ask_after};
use speargun_benches::cold::forget;
use speargun_benches::fill::{Filled, Filling, check_counts, fill, spread};
use speargun_benches::measure::{Words, per};
use speargun_benches::process;
use speargun_benches::report::Report;
use speargun_e2e::spans::now_us;
use speargun_e2e::{Options, Server, metrics};
use speargun_loadgen::report::plot::{Axis, Colour, Line, Plot, Scale};
use speargun_loadgen::report::ratio;

use questions::{HOUR_US, LastHour, Question};

const MIB: u64 = 1 << 20;
const AMOUNTS: [usize; 3] = [1_000_000, 5_000_000, 20_000_000];
const TINY: [usize; 2] = [20_000, 40_000];
const WINDOW_US: u64 = 20 * HOUR_US;
/// A question is asked again until it took so long.
const ROW_TAKES: Duration = Duration::from_secs(5);

/// All that was measured of one amount.
struct Measured {
    spans: usize,
    asked: Vec<(Question, Asked)>,
    filling: Vec<String>,
}

pub(crate) fn run(words: Words) -> Result<()> {
    let amounts = match (words.spans, words.tiny) {
        (Some(spans), _) => vec![spans],
        (None, true) => TINY.to_vec(),
        (None, false) => AMOUNTS.to_vec(),
    };
    let about = "The reference workload, spread over twenty hours of the spans' own time, each \
                 amount in a server of its own that has merged what it merges. Queries come one at \
                 a time on one connection: latency in microseconds as a client sees it, CPU of all \
                 the server's threads, and what came from the disk. Cold is a server just started \
                 whose files the page cache was made to forget before each query; again is the \
                 same query right after.";
    let mut report = Report::new("scale", about);
    let all: Vec<Measured> = amounts
        .iter()
        .map(|amount| measure(*amount, &words))
        .collect::<Result<_>>()?;
    report.head(&[
        "query",
        "spans stored",
        "times",
        "p50 us",
        "p99 us",
        "CPU us",
        "from disk, KiB",
        "answer bytes",
    ]);
    for question in Question::ALL {
        for measured in &all {
            let asked = measured.asked.iter().filter(|(of, _)| *of == question);
            for (_, asked) in asked {
                report.row(&row(question, measured.spans, asked));
            }
        }
    }
    report.head(&[
        "spans stored",
        "taken spans/s",
        "idle behind it",
        "peak MiB under load",
        "MiB when idle",
        "MiB after all queries",
        "bytes a span",
        "start, cold, ms",
        "start, ms",
    ]);
    for measured in &all {
        report.row(&measured.filling);
    }
    report.plot("stored", &plot(&all));
    report.finish(words)
}

fn row(question: Question, spans: usize, asked: &Asked) -> Vec<String> {
    let times = asked.times();
    vec![
        question.name().to_owned(),
        spans.to_string(),
        times.to_string(),
        asked.wall_us.median().to_string(),
        asked.wall_us.percentile(99).to_string(),
        asked.cpu_us().to_string(),
        per(asked.disk_bytes, times << 10).to_string(),
        per(asked.answer_bytes, times).to_string(),
    ]
}

fn measure(spans: usize, words: &Words) -> Result<Measured> {
    let mut server = Server::start(Options::default())?;
    let begin_us = now_us() - WINDOW_US;
    let filling = Filling {
        seed: 1,
        spans,
        begin_us,
        length_us: WINDOW_US,
    };
    let mut last_hour = LastHour::new(begin_us + WINDOW_US);
    let filled = fill(server.port(), filling, &mut |span| last_hour.look(span))?;
    let stored = metrics::zipkin(&server, "counter.zipkin_collector.spans.http")?;
    ensure!(
        format!("{stored}") == spans.to_string(),
        "{stored} of {spans} spans were counted"
    );
    let peak_bytes = process::memory(server.pid())?.peak_bytes;
    let behind = Instant::now();
    let idle = process::wait_until_idle(server.pid(), words.patience())?;
    let behind = behind.elapsed().as_secs();
    let resting_bytes = process::memory(server.pid())?.resident_bytes;

    server.terminate()?;
    server.wait()?;
    let (all, journal) = process::disk_bytes(&server.data())?;
    forget(&server.data())?;
    let cold_ms = restart(&mut server)?;
    server.terminate()?;
    server.wait()?;
    let start_ms = restart(&mut server)?;

    let asked = ask_all(&mut server, &filled, &last_hour, words)?;
    let asked_bytes = process::memory(server.pid())?.resident_bytes;
    check_counts(&server, spread(&filled.known, 50))?;
    let sending_us = filled.sending.as_micros() as u64;
    Ok(Measured {
        spans,
        asked,
        filling: vec![
            spans.to_string(),
            per(spans as u64 * 1_000_000, sending_us).to_string(),
            format!("{}{behind} s", if idle { "" } else { "not in " }),
            per(peak_bytes, MIB).to_string(),
            per(resting_bytes, MIB).to_string(),
            per(asked_bytes, MIB).to_string(),
            format!("{:.1}", ratio(all - journal, spans as u64)),
            cold_ms.to_string(),
            start_ms.to_string(),
        ],
    })
}

/// Returns how long the server took until it was healthy, in milliseconds.
fn restart(server: &mut Server) -> Result<u128> {
    let begin = Instant::now();
    server.restart()?;
    Ok(begin.elapsed().as_millis())
}

/// Asks everything: traces first, then each other question of a server that was just started.
fn ask_all(
    server: &mut Server,
    filled: &Filled,
    last_hour: &LastHour,
    words: &Words,
) -> Result<Vec<(Question, Asked)>> {
    let (rounds, traces) = if words.tiny { (1, 3) } else { (4, 25) };
    let by_id: Vec<String> = spread(&filled.known, rounds * traces)
        .map(|known| format!("/api/v2/trace/{:032x}", known.trace_id))
        .collect();
    let (mut cold, mut again) = (Asked::default(), Asked::default());
    for round in 0..rounds {
        // Each start asks for traces from everywhere.
        let own: Vec<String> = by_id.iter().skip(round).step_by(rounds).cloned().collect();
        afresh(server)?;
        let data = server.data();
        let forget = &mut || forget(&data);
        cold.add(ask_after(server, own.clone(), ROW_TAKES, forget)?);
        for _ in 0..2 {
            again.add(ask(server, own.clone())?);
        }
    }
    let mut asked = vec![(Question::TraceCold, cold), (Question::TraceAgain, again)];
    let times = if words.tiny { 3 } else { 100 };
    for question in Question::ALL {
        let Some(first) = question.first() else {
            continue;
        };
        afresh(server)?;
        forget(&server.data())?;
        let found = ask(server, vec![last_hour.target(question, 0)])?;
        question.check(&found.last)?;
        asked.push((first, found));
        let targets = (1..=times).map(|number| last_hour.target(question, number));
        let found = ask(server, targets.collect())?;
        question.check(&found.last)?;
        asked.push((question, found));
    }
    Ok(asked)
}

fn ask(server: &Server, targets: Vec<String>) -> Result<Asked> {
    ask_after(server, targets, ROW_TAKES, &mut || Ok(()))
}

/// Starts the server again, which has kept nothing in memory then.
fn afresh(server: &mut Server) -> Result<()> {
    server.terminate()?;
    server.wait()?;
    server.restart()
}

fn plot(all: &[Measured]) -> Plot<'static> {
    let lines = [
        (Question::TraceCold, Colour::Blue),
        (Question::TraceAgain, Colour::Grey),
        (Question::Common, Colour::Green),
        (Question::Rare, Colour::Amber),
        (Question::Absent, Colour::Red),
        (Question::AbsentEverywhere, Colour::Violet),
    ];
    let cost = |question: Question, measured: &Measured| {
        let mut of = measured.asked.iter().filter(|(of, _)| *of == question);
        let (_, asked) = of.next()?;
        Some((
            ratio(measured.spans as u64, 1_000_000),
            ratio(asked.cpu_us().max(1), 1000),
        ))
    };
    let lines = lines.map(|(question, colour)| Line {
        name: question.name(),
        colour,
        points: all.iter().filter_map(|it| cost(question, it)).collect(),
    });
    Plot {
        title: "CPU of the server for a query, by amount stored",
        x: Axis {
            name: "spans stored, millions",
            scale: Scale::Powers,
            show: |millions| format!("{millions}"),
            marks: all
                .iter()
                .map(|it| ratio(it.spans as u64, 1_000_000))
                .collect(),
        },
        y: Axis {
            name: "CPU, ms a query",
            scale: Scale::Powers,
            show: |ms| format!("{ms}"),
            marks: Vec::new(),
        },
        lines: lines.into(),
    }
}
