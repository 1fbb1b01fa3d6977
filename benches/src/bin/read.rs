//! What reading costs once much is stored: traces by id, searches, names, dependencies, and how
//! long a start takes. The load is only the way there.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use speargun_benches::load;
use speargun_benches::measure::{Samples, Words, per};
use speargun_benches::process;
use speargun_benches::report::Report;
use speargun_benches::way::Way;
use speargun_benches::workload::{Format, Traffic, batches};
use speargun_e2e::spans::now_us;
use speargun_e2e::{Connection, Options, Request, Server};

const MIB: u64 = 1 << 20;
/// How spans come in.
const PROTO: Way = Way::Zipkin(Format::Proto);
const PATIENCE: Duration = Duration::from_mins(5);
/// A slow query is asked less often, so that a row takes about this long.
const ROW_TAKES: Duration = Duration::from_secs(10);
/// Spans that only the journal has when the server is killed.
const UNSEALED: usize = 50_000;
/// Spans made at a time: what is stored may be larger than this process' memory.
const CHUNK: usize = 200_000;
/// All spans lie in this window before now.
const WINDOW_US: u64 = 6 * 3_600_000_000;

/// A trace that was written.
#[derive(Clone, Copy, Debug)]
struct Known {
    trace_id: u128,
    spans: usize,
}

fn main() -> Result<()> {
    let words = Words::read()?;
    let count = words.count(4000, 1_000_000);
    let about = format!(
        "Queries over {count} spans of the reference workload that span six hours, one at a time \
         on one connection. Latency in microseconds as a client sees it; CPU of the server a query."
    );
    let mut report = Report::new("read", &about);
    let mut server = Server::start(Options::default())?;
    let known = fill(&server, (1, count))?;
    let idle = process::wait_until_idle(server.pid(), PATIENCE)?;

    report.head(&[
        "query",
        "times",
        "p50 us",
        "p99 us",
        "max us",
        "CPU us",
        "answer bytes",
    ]);
    let times = if words.tiny { 5 } else { 200 };
    let by_id: Vec<String> = spread(&known, times)
        .map(|known| format!("/api/v2/trace/{:032x}", known.trace_id))
        .collect();
    report.row(&ask(&server, "trace by id", &by_id)?);
    for (name, target) in queries() {
        report.row(&ask(&server, name, &vec![target.to_owned(); times])?);
    }
    check_counts(&server, &known, times)?;
    let memory = process::memory(server.pid())?;
    report.note(&format!(
        "{} MiB resident, {} MiB at most{}.",
        per(memory.resident_bytes, MIB),
        per(memory.peak_bytes, MIB),
        if idle { "" } else { "; still merging" }
    ));

    server.terminate()?;
    server.wait()?;
    let (all, journal) = process::disk_bytes(&server.data())?;
    report.note(&format!(
        "{} bytes a span in segments after an orderly end.",
        per(all - journal, count as u64)
    ));
    report.head(&["start after", "ms to healthy", "RSS MiB"]);
    report.row(&restart(&mut server, "an orderly end")?);
    let replayed = UNSEALED.min(count);
    let unsealed = fill(&server, (2, replayed))?;
    server.kill()?;
    let after = format!("kill -9, {replayed} spans to replay");
    report.row(&restart(&mut server, &after)?);
    check_counts(&server, &known, times)?;
    check_counts(&server, &unsealed, times)?;
    report.finish(words)
}

fn queries() -> [(&'static str, &'static str); 8] {
    [
        ("search, no condition", "/api/v2/traces?limit=10"),
        (
            "search, service",
            "/api/v2/traces?serviceName=cart&limit=10",
        ),
        (
            "search, errors of a service",
            "/api/v2/traces?serviceName=payment&annotationQuery=error&limit=10",
        ),
        (
            "search, rare value",
            "/api/v2/traces?annotationQuery=http.path%3D%2Fapi%2Fv1%2Fproducts%2F19873&limit=10",
        ),
        (
            "search, absent value",
            "/api/v2/traces?annotationQuery=customer.id%3Dnobody&limit=10",
        ),
        ("services", "/api/v2/services"),
        ("span names", "/api/v2/spans?serviceName=cart"),
        ("dependencies of a day", "dependencies"),
    ]
}

/// Writes the spans chunk by chunk; returns some of the traces.
fn fill(server: &Server, (seed, count): (u64, usize)) -> Result<Vec<Known>> {
    let mut traffic = Traffic::new(seed);
    let chunks = count.div_ceil(CHUNK);
    let begin_us = now_us() - WINDOW_US;
    let window_us = WINDOW_US / chunks as u64;
    let mut known = Vec::new();
    let mut left = count;
    for chunk in 0..chunks as u64 {
        let spans = traffic.spans(left.min(CHUNK), begin_us + chunk * window_us, window_us);
        left -= spans.len();
        for trace in spans.chunk_by(|a, b| a.trace_id == b.trace_id).step_by(97) {
            known.push(Known {
                trace_id: trace[0].trace_id,
                spans: trace.len(),
            });
        }
        let requests: Vec<_> = batches(spans, 500)
            .iter()
            .map(|batch| PROTO.prepare(batch))
            .collect();
        load::send(PROTO, server.port(), &requests)?;
    }
    Ok(known)
}

/// Returns `times` of the traces, spread over all time.
fn spread(known: &[Known], times: usize) -> impl Iterator<Item = Known> {
    let len = known.len().max(1);
    (0..times).filter_map(move |n| known.get(n * 7919 % len).copied())
}

fn ask(server: &Server, name: &str, targets: &[String]) -> Result<Vec<String>> {
    let mut connection = Connection::open(server.port())?;
    let (mut samples, mut bytes) = (Vec::new(), 0);
    let before = process::cpu_ns(server.pid())?;
    let begin = Instant::now();
    for target in targets {
        if samples.len() >= 5 && begin.elapsed() > ROW_TAKES {
            break;
        }
        let target = match target.as_str() {
            "dependencies" => format!("/api/v2/dependencies?endTs={}", now_us() / 1000),
            other => other.to_owned(),
        };
        let start = Instant::now();
        let answer = connection.ask(&Request::get(target.as_str()))?;
        samples.push(start.elapsed().as_micros() as u64);
        ensure!(answer.status == 200, "{target}: {}", answer.status);
        bytes += answer.body.len() as u64;
    }
    let cpu = process::cpu_ns(server.pid())? - before;
    let times = samples.len() as u64;
    let samples = Samples::new(samples);
    Ok(vec![
        name.to_owned(),
        times.to_string(),
        samples.median().to_string(),
        samples.percentile(99).to_string(),
        samples.max().to_string(),
        per(cpu, times * 1000).to_string(),
        per(bytes, times).to_string(),
    ])
}

/// The traces that were asked for have all their spans.
fn check_counts(server: &Server, known: &[Known], times: usize) -> Result<()> {
    for known in spread(known, times) {
        let answer = server.get(&format!("/api/v2/trace/{:032x}", known.trace_id))?;
        let spans: Value = serde_json::from_slice(&answer.body).context("no JSON")?;
        let got = spans.as_array().map_or(0, Vec::len);
        ensure!(got == known.spans, "{known:?}: {got} spans came back");
    }
    Ok(())
}

fn restart(server: &mut Server, after: &str) -> Result<Vec<String>> {
    let start = Instant::now();
    server.restart()?;
    let took = start.elapsed().as_millis();
    let memory = process::memory(server.pid())?;
    Ok(vec![
        after.to_owned(),
        took.to_string(),
        per(memory.resident_bytes, MIB).to_string(),
    ])
}
