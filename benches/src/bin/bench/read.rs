//! What reading costs once much is stored: traces by id, searches, names, dependencies, and how
//! long a start takes. The load is only the way there.

use std::time::{Duration, Instant};

use anyhow::Result;
use speargun_benches::ask::ask;
use speargun_benches::fill::{Filling, Known, check_counts, fill, spread};
use speargun_benches::measure::{Words, per};
use speargun_benches::process;
use speargun_benches::report::Report;
use speargun_e2e::spans::now_us;
use speargun_e2e::{Options, Server};

const MIB: u64 = 1 << 20;
/// A slow query is asked less often, so that a row takes about this long.
const ROW_TAKES: Duration = Duration::from_secs(10);
/// Spans that only the journal has when the server is killed.
const UNSEALED: usize = 50_000;
/// All spans lie in this window before now.
const WINDOW_US: u64 = 6 * 3_600_000_000;

pub(crate) fn run(words: Words) -> Result<()> {
    let count = words.count(4000, 1_000_000);
    let about = format!(
        "Queries over {count} spans of the reference workload that span six hours, one at a time \
         on one connection. Latency in microseconds as a client sees it; CPU of the server a query."
    );
    let mut report = Report::new("read", &about);
    let mut server = Server::start(Options::default())?;
    let known = load(&server, (1, count))?;
    let idle = process::wait_until_idle(server.pid(), words.patience())?;

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
    report.row(&row(&server, "trace by id", by_id)?);
    for (name, target) in queries() {
        let targets = (0..times as u64).map(|number| match target {
            // No two are the same, as when somebody looks at the page again.
            "dependencies" => {
                let end_ms = now_us() / 1000 + number;
                format!("/api/v2/dependencies?endTs={end_ms}")
            }
            other => other.to_owned(),
        });
        report.row(&row(&server, name, targets.collect())?);
    }
    check_counts(&server, spread(&known, times))?;
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
    let unsealed = load(&server, (2, replayed))?;
    server.kill()?;
    let after = format!("kill -9, {replayed} spans to replay");
    report.row(&restart(&mut server, &after)?);
    check_counts(&server, spread(&known, times))?;
    check_counts(&server, spread(&unsealed, times))?;
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

/// Puts spans into the window; returns some of the traces.
fn load(server: &Server, (seed, spans): (u64, usize)) -> Result<Vec<Known>> {
    let filling = Filling {
        seed,
        spans,
        begin_us: now_us() - WINDOW_US,
        length_us: WINDOW_US,
    };
    Ok(fill(server.port(), filling, &mut |_| ())?.known)
}

fn row(server: &Server, name: &str, targets: Vec<String>) -> Result<Vec<String>> {
    let asked = ask(server, targets, ROW_TAKES)?;
    let times = asked.times();
    Ok(vec![
        name.to_owned(),
        times.to_string(),
        asked.wall_us.median().to_string(),
        asked.wall_us.percentile(99).to_string(),
        asked.wall_us.max().to_string(),
        asked.cpu_us().to_string(),
        per(asked.answer_bytes, times).to_string(),
    ])
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
