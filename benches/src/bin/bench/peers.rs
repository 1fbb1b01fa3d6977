//! Zipkin's own server, in memory and over a database, and ours under the same load, in turns:
//! `speargun load` at one rate, then looking for the highest rate that meets a target. What was
//! accepted is read back. How a server over a database is measured is in `behind`.

use std::path::Path;

use anyhow::{Context, Result};
use speargun_benches::database::Database;
use speargun_benches::harness::load;
use speargun_benches::measure::Words;
use speargun_benches::report::Report;
use speargun_benches::zipkin;
use speargun_e2e::{Options, Server};
use speargun_loadgen::report::{Report as Load, ratio};

mod behind;

/// What the higher rates are looked for with.
const TARGET: &str = "50ms";

/// A server and where it stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Peer {
    Memory,
    MySql,
    Speargun,
}

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "Zipkin, memory",
            Self::MySql => "Zipkin, MySQL",
            Self::Speargun => "Speargun",
        }
    }
}

/// How long things last.
struct Times {
    turns: usize,
    warmup: &'static str,
    hold: &'static str,
    search: &'static str,
    /// Of a server behind a database.
    behind: behind::Amount,
}

/// What one server gave.
struct Given {
    cpu_us_a_span: f64,
    p50_us: u64,
    p99_us: u64,
    /// Spans a second.
    highest: Option<f64>,
    resident_bytes: u64,
    disk_bytes_a_span: Option<f64>,
    lost: u64,
}

const FULL: Times = Times {
    turns: 2,
    warmup: "6s",
    hold: "8s",
    search: "2s",
    behind: behind::Amount {
        warmup: "2s",
        hold: "3s",
    },
};
const TINY: Times = Times {
    turns: 1,
    warmup: "1s",
    hold: "1s",
    search: "300ms",
    behind: behind::Amount {
        warmup: "200ms",
        hold: "500ms",
    },
};

pub(crate) fn run(words: Words) -> Result<()> {
    let times = if words.tiny { TINY } else { FULL };
    // What can't be had is said before the first minutes are spent.
    let schema = zipkin::schema()?;
    drop(Database::start(&schema)?);
    let mut report = Report::new("peers", &about(&times));
    report.head(&[
        "server",
        "format",
        "turn",
        "CPU us a span",
        "p50",
        "p99",
        "highest rate",
        "RSS MiB",
        "bytes a span",
        "spans lost",
    ]);
    let rounds: [(&str, &[Peer]); 2] = [
        ("json", &[Peer::Memory, Peer::Speargun, Peer::MySql]),
        // Behind a database the format is no matter.
        ("proto", &[Peer::Memory, Peer::Speargun]),
    ];
    let mut notes = Vec::new();
    for (format, peers) in rounds {
        let mut all = Vec::new();
        for turn in 1..=times.turns {
            for peer in peers {
                let given = measured(*peer, format, (&times, &schema))
                    .with_context(|| format!("{} with {format}", peer.name()))?;
                report.row(&row(*peer, (format, turn), &given));
                all.push((*peer, given));
            }
        }
        let others = peers.iter().filter(|peer| **peer != Peer::Speargun);
        notes.extend(others.map(|other| ratios(format, *other, &all)));
    }
    for note in notes {
        report.note(&note);
    }
    report.finish(words)
}

fn about(times: &Times) -> String {
    format!(
        "`speargun load`, open loop, batches of 100, 16 connections, on the machine of the server. \
         First 5,000 spans/s for {} after {} of warm-up: CPU of the server's process by the spans \
         it accepted, memory, disk, latency from the scheduled time. Then the highest rate with \
         p99 below {TARGET} and no refusal, tries of {}. 1,000 accepted traces were read back \
         after each. Zipkin 3.6.1 has a heap of 6 GiB. Speargun stores on disk, synced before each \
         202. {}",
        times.hold,
        times.warmup,
        times.search,
        behind::about(&times.behind)
    )
}

fn measured(peer: Peer, format: &str, (times, schema): (&Times, &Path)) -> Result<Given> {
    match peer {
        Peer::Memory => {
            let server = zipkin::start(None)?;
            given((server.port(), server.pid()), (format, ""), times)
        }
        Peer::MySql => behind::given(&Database::start(schema)?, format, &times.behind),
        Peer::Speargun => {
            let server = Server::start(Options::default())?;
            let data = format!("--data {}", server.data().display());
            given((server.port(), server.pid()), (format, &data), times)
        }
    }
}

fn given((port, pid): (u16, u32), (format, data): (&str, &str), times: &Times) -> Result<Given> {
    let common = format!("--format {format} --pid {pid} --quiet --timeout 3s");
    let held = format!(
        "--rate 5k --warmup {} --duration {} {data}",
        times.warmup, times.hold
    );
    let held = load(port, &format!("{common} {held}"))?;
    let search = format!(
        "--find --p99 {TARGET} --rate 10k --duration {}",
        times.search
    );
    let highest = load(port, &format!("{common} {search}"))?.highest_rate;
    let cost = held.cost;
    let accepted = held.ledger.as_ref().map(|ledger| ledger.accepted);
    let a_span = |bytes| Some(ratio(bytes, accepted?));
    Ok(Given {
        cpu_us_a_span: cost.map_or(0.0, |cost| cost.cpu_us_per_span),
        p50_us: latency(&held, 50.0),
        p99_us: latency(&held, 99.0),
        highest,
        resident_bytes: cost.map_or(0, |cost| cost.resident_bytes),
        disk_bytes_a_span: cost.and_then(|cost| cost.disk_bytes).and_then(a_span),
        lost: held.read_back.lost_spans,
    })
}

fn latency(load: &Load, per_cent: f64) -> u64 {
    let step = load.steps.first();
    step.map_or(0, |step| step.latency_at(per_cent))
}

fn row(peer: Peer, (format, turn): (&str, usize), given: &Given) -> Vec<String> {
    let or_none = |number: Option<f64>| number.map_or("none".into(), |it| format!("{it:.0}"));
    vec![
        peer.name().to_owned(),
        format.to_owned(),
        turn.to_string(),
        format!("{:.2}", given.cpu_us_a_span),
        format!("{} us", given.p50_us),
        format!("{} us", given.p99_us),
        or_none(given.highest),
        (given.resident_bytes >> 20).to_string(),
        or_none(given.disk_bytes_a_span),
        given.lost.to_string(),
    ]
}

/// The ratios of the better turn of each.
fn ratios(format: &str, other: Peer, all: &[(Peer, Given)]) -> String {
    let least = |peer: Peer, figure: fn(&Given) -> f64| {
        let own = all.iter().filter(|(of, _)| *of == peer);
        own.map(|(_, given)| figure(given))
            .fold(f64::INFINITY, f64::min)
    };
    let times = |figure| least(other, figure) / least(Peer::Speargun, figure);
    // The least of what is turned round is the most.
    let slowness: fn(&Given) -> f64 = |given| 1.0 / given.highest.unwrap_or(0.0);
    let disk: fn(&Given) -> f64 = |given| given.disk_bytes_a_span.unwrap_or(f64::NAN);
    let disk = match other {
        Peer::MySql => format!(", {:.1} times the disk", times(disk)),
        Peer::Memory | Peer::Speargun => String::new(),
    };
    format!(
        "{format}, {}, the better turn of each: it takes {:.1} times the CPU a span, {:.1} times \
         the memory{disk}; its p99 is {:.1} times as long; Speargun's highest rate is {:.1} times \
         as high.",
        other.name(),
        times(|given| given.cpu_us_a_span),
        times(|given| ratio(given.resident_bytes, 1)),
        times(|given| ratio(given.p99_us, 1)),
        times(slowness),
    )
}
