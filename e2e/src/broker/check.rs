//! What is the same for every queue: that what was sent is read back whole and once, and that the
//! counters agree.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::server::{self, Server};
use crate::spans::ensure_whole_once;
use crate::{Connection, Request, metrics};

/// How long a queue may take to hand all out: a group that lost a member waits for it.
const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until a trace is there, and checks that it has these spans, once each.
pub fn wait_for_trace(server: &Server, trace_id: u128, spans: u64) -> Result<()> {
    let body = wait_for_trace_of(server, &format!("{trace_id:032x}"), 1)?;
    ensure_whole_once(&body, spans)
}

/// Waits until a trace with at least so many spans is there, and returns it.
pub fn wait_for_trace_of(server: &Server, trace_id: &str, spans: usize) -> Result<Vec<u8>> {
    let deadline = Instant::now() + PATIENCE;
    let request = Request::get(format!("/api/v2/trace/{trace_id}"));
    loop {
        let answer = Connection::open(server.port())?.ask(&request)?;
        let found: Option<Vec<Value>> = serde_json::from_slice(&answer.body).ok();
        if answer.status == 200 && found.is_some_and(|found| found.len() >= spans) {
            return Ok(answer.body);
        }
        if Instant::now() > deadline {
            bail!("no trace {trace_id}\n{}{}", answer.text(), server.log());
        }
        server::pause();
    }
}

/// Waits until a figure of `/prometheus` has this value.
pub fn wait_for(server: &Server, family: &str, label: &str, value: f64) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let is = metrics::sum(server, family, label)?;
        if (is - value).abs() < 0.5 {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{family}{{{label}}} is {is}, not {value}\n{}", server.log());
        }
        server::pause();
    }
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        ensure!(Instant::now() < deadline, "not {what} within {PATIENCE:?}");
        server::pause();
    }
    Ok(())
}

/// Checks that nothing of a transport was refused and nothing is under way.
pub fn ensure_all_stored(server: &Server, transport: &str) -> Result<()> {
    let label = format!("transport=\"{transport}\"");
    let sum = |family| metrics::sum(server, family, &label);
    let received = sum("speargun_spans_received_total")?;
    let stored = sum("speargun_spans_stored_total")?;
    let refused = sum("speargun_spans_refused_total")?;
    let held = sum("speargun_spans_held")?;
    ensure!(
        (received - stored).abs() < 0.5 && refused + held < 0.5,
        "{received} received, {stored} stored, {refused} refused, {held} held"
    );
    Ok(())
}

/// Waits until the health says this.
pub fn wait_for_words(server: &Server, words: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let health = server.get("/health")?.text();
        if health.contains(words) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no {words:?} in {health}");
        server::pause();
    }
}
