//! Zipkin over a database, which answers 202 long before it has stored: what it accepts says
//! nothing of what it can do. So more than it can store is offered, and the time counts until all
//! is there.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use speargun_benches::database::Database;
use speargun_benches::harness::load;
use speargun_benches::process;
use speargun_benches::zipkin;
use speargun_loadgen::line::Http;
use speargun_loadgen::report::ratio;
use speargun_loadgen::target::Target;
use speargun_loadgen::tls::Trust;
use speargun_loadgen::truth::{Counters, Ledger, Sent};

use super::{Given, latency};

/// Spans a second that are offered.
const RATE: &str = "1k";
/// How often rows are counted.
const LOOK: Duration = Duration::from_millis(500);
/// Looks without a new row after which all is there.
const QUIET: u32 = 6;
/// How long storing may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// How long spans are offered.
pub(super) struct Amount {
    pub(super) warmup: &'static str,
    pub(super) hold: &'static str,
}

/// Returns the method in words.
pub(super) fn about(amount: &Amount) -> String {
    format!(
        "Over MySQL (MariaDB with 1 GiB of buffers, which does not wait for the disk) Zipkin \
         stores long after its 202: there {RATE} spans/s are offered for {}, after {} of warm-up \
         and until these are stored; CPU and memory are those of Zipkin and the database together, \
         the highest rate is what was stored by the time it took, and lost is what was counted as \
         dropped.",
        amount.hold, amount.warmup
    )
}

/// Measures a server over this database.
pub(super) fn given(database: &Database, format: &str, amount: &Amount) -> Result<Given> {
    let server = zipkin::start(Some(database))?;
    let pids = [server.pid(), database.pid()];
    let words = format!("--format {format} --rate {RATE} --read-back 0 --settle 0s --quiet");
    let warmup = format!("{words} --duration {} --seed 2", amount.warmup);
    load(server.port(), &warmup)?;
    stored(database)?;
    let before = (cpu_us(pids)?, counters(server.port())?);
    let disk_before = process::disk_bytes(&database.data())?.0;
    let start = Instant::now();
    let held = load(
        server.port(),
        &format!("{words} --duration {}", amount.hold),
    )?;
    let took = stored(database)?.duration_since(start).as_secs_f64();
    let spans = held.steps.iter().map(|step| step.accepted_spans).sum();
    let sent = Sent {
        accepted: spans,
        unknown: 0,
    };
    let ledger = Ledger::new(sent, before.1, counters(server.port())?);
    let a_span = |amount| ratio(amount, spans);
    let disk = process::disk_bytes(&database.data())?.0;
    let memory = pids.map(|pid| process::memory(pid).map(|memory| memory.resident_bytes));
    Ok(Given {
        cpu_us_a_span: a_span(cpu_us(pids)? - before.0),
        p50_us: latency(&held, 50.0),
        p99_us: latency(&held, 99.0),
        highest: Some(ratio(ledger.kept, 1) / took),
        resident_bytes: memory.into_iter().sum::<Result<u64>>()?,
        disk_bytes_a_span: Some(a_span(disk.saturating_sub(disk_before))),
        lost: ledger.missing(),
    })
}

/// Waits until no more rows are written; returns when the last ones were.
fn stored(database: &Database) -> Result<Instant> {
    let start = Instant::now();
    let (mut rows, mut last, mut quiet) = (database.rows_written()?, start, 0);
    while quiet < QUIET {
        ensure!(
            start.elapsed() < PATIENCE,
            "not all was stored in {PATIENCE:?}"
        );
        thread::sleep(LOOK);
        let now = database.rows_written()?;
        if now == rows {
            quiet += 1;
        } else {
            (rows, last, quiet) = (now, Instant::now(), 0);
        }
    }
    Ok(last)
}

fn cpu_us(pids: [u32; 2]) -> Result<u64> {
    pids.into_iter().map(process::cpu_total_us).sum()
}

fn counters(port: u16) -> Result<Counters> {
    let target = Target::parse(&format!("127.0.0.1:{port}"), Trust::System)
        .map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let mut http = Http::new(&target, Duration::from_secs(10));
    Counters::read(&mut http).ok_or_else(|| anyhow::anyhow!("zipkin has no counters"))
}
