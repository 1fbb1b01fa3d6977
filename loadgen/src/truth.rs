//! Whether what was accepted is there: a random sample of accepted traces is read back span by
//! span, and the server's own counters are compared. It judges no latency.
//!
//! # Layout
//!
//! - `ledger`: the counters of Zipkin and of Speargun.
//! - here: the sample, and reading it until it is whole or the time is up.

mod ledger;

use std::collections::{BTreeSet, HashMap};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::line::Http;
use crate::pool::Expected;
use crate::run::Load;
use crate::workload::Random;
pub use ledger::{Counters, Ledger};

/// Between two looks at what is not there yet.
const PAUSE: Duration = Duration::from_millis(100);
/// After so many questions in a row without an answer no more are asked in a pass.
const SILENT_MAX: u32 = 5;
/// So many losses are named.
const EXAMPLES: usize = 5;

/// How much is read back.
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    /// How many traces.
    pub traces: usize,
    /// How long a server may take until what it accepted is visible.
    pub settle: Duration,
    /// The same seed takes the same sample of the same run.
    pub seed: u64,
}

/// What reading back found.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ReadBack {
    /// Traces that were asked for; each of their bodies was accepted.
    pub traces: u64,
    /// Spans they should have.
    pub spans: u64,
    /// Spans that did not come back.
    pub lost_spans: u64,
    /// Spans that came back with another time, length or number of tags.
    pub changed_spans: u64,
    /// Traces of which something was lost or changed.
    pub broken_traces: u64,
    /// Until the last of it was visible, or the time was up.
    pub took_ms: u64,
    /// Some of what is wrong.
    pub examples: Vec<String>,
}

impl ReadBack {
    /// Returns whether all came back as it was sent.
    pub fn is_whole(&self) -> bool {
        self.lost_spans == 0 && self.changed_spans == 0
    }
}

/// A trace to read.
struct Wanted {
    id: u128,
    spans: BTreeSet<Expected>,
}

/// What is wrong with a trace.
#[derive(Default)]
struct Fault {
    lost: u64,
    changed: u64,
    /// Whether there was no answer at all.
    silent: bool,
    text: String,
}

impl Fault {
    fn silent(wanted: &Wanted, text: impl Into<String>) -> Self {
        Self {
            lost: wanted.spans.len() as u64,
            changed: 0,
            silent: true,
            text: text.into(),
        }
    }
}

/// Reads a sample of accepted traces back.
pub fn read_back(load: &Load, sampling: Sampling) -> Result<ReadBack> {
    let wanted = sample(load, sampling);
    let spans = |all: &[Wanted]| all.iter().map(|trace| trace.spans.len() as u64).sum();
    let mut found = ReadBack {
        traces: wanted.len() as u64,
        spans: spans(&wanted),
        ..ReadBack::default()
    };
    let start = Instant::now();
    let mut http = Http::new(&load.target, load.patience);
    let mut open: Vec<(Wanted, Fault)> = wanted
        .into_iter()
        .map(|wanted| (wanted, Fault::default()))
        .collect();
    loop {
        let mut still = Vec::new();
        let mut silent = 0;
        for (wanted, _) in open {
            let found = if silent < SILENT_MAX {
                look(&mut http, &wanted)
            } else {
                Some(Fault::silent(
                    &wanted,
                    "not asked: the server does not answer",
                ))
            };
            let is_silent = found.as_ref().is_some_and(|fault| fault.silent);
            silent = if is_silent { silent + 1 } else { 0 };
            if let Some(fault) = found {
                still.push((wanted, fault));
            }
        }
        open = still;
        if open.is_empty() || start.elapsed() >= sampling.settle {
            break;
        }
        thread::sleep(PAUSE);
    }
    found.took_ms = start.elapsed().as_millis() as u64;
    found.broken_traces = open.len() as u64;
    for (wanted, fault) in &open {
        found.lost_spans += fault.lost;
        found.changed_spans += fault.changed;
        if found.examples.len() < EXAMPLES {
            found
                .examples
                .push(format!("{:x}: {}", wanted.id, fault.text));
        }
    }
    Ok(found)
}

/// Draws traces of which every body was accepted.
fn sample(load: &Load, sampling: Sampling) -> Vec<Wanted> {
    let pool = &load.pool;
    let sent = load.next.load(std::sync::atomic::Ordering::Relaxed);
    // What is sent again has the ids of the first time.
    let sent = pool.distinct().map_or(sent, |distinct| distinct.min(sent));
    let rounds = sent.div_ceil(pool.len());
    let mut random = Random::new(sampling.seed ^ 0x7247);
    let mut drawn = BTreeSet::new();
    let mut wanted = Vec::new();
    for _ in 0..sampling.traces.saturating_mul(20) {
        if wanted.len() >= sampling.traces {
            break;
        }
        let round = random.below(rounds);
        let index = random.index(pool.traces().len());
        if drawn.insert((round, index)) {
            wanted.extend(accepted(load, round, index, sent));
        }
    }
    wanted
}

fn accepted(load: &Load, round: u64, index: usize, sent: u64) -> Option<Wanted> {
    let pool = &load.pool;
    let (id, parts) = pool.traces().get(index)?;
    let first = round * pool.len();
    let whole = parts.iter().all(|part| {
        let number = first + u64::from(part.body);
        number < sent && load.accepted.contains(number)
    });
    if !whole {
        return None;
    }
    let shift_us = pool.shift_us(round);
    let spans = parts.iter().map(|part| Expected {
        timestamp_us: shifted(part.span.timestamp_us, shift_us),
        ..part.span
    });
    Some(Wanted {
        id: pool.id_in_round(id, round),
        spans: spans.collect(),
    })
}

/// A span without a time stays without one.
fn shifted(timestamp_us: u64, shift_us: u64) -> u64 {
    if timestamp_us == 0 {
        0
    } else {
        timestamp_us + shift_us
    }
}

/// Returns what is wrong with a trace, if anything is.
fn look(http: &mut Http, wanted: &Wanted) -> Option<Fault> {
    let digits = if wanted.id >> 64 == 0 { 16 } else { 32 };
    let path = format!("/api/v2/trace/{:0digits$x}", wanted.id);
    let all = wanted.spans.len() as u64;
    let lost = |text: String| {
        Some(Fault {
            lost: all,
            text,
            ..Fault::default()
        })
    };
    match http.get(&path) {
        Err(error) => Some(Fault::silent(wanted, format!("could not be read: {error}"))),
        Ok(reply) if reply.status == 404 => lost(format!("all {all} spans lost")),
        Ok(reply) if reply.status != 200 => lost(format!("status {}", reply.status)),
        Ok(reply) => match serde_json::from_slice(&reply.body) {
            Err(_) => lost("the answer is no JSON".into()),
            Ok(Value::Array(spans)) => compare(&wanted.spans, &spans),
            Ok(_) => lost("the answer is no list".into()),
        },
    }
}

fn compare(wanted: &BTreeSet<Expected>, spans: &[Value]) -> Option<Fault> {
    // What is no span is not there.
    let readable = spans.iter().filter_map(read);
    let there: HashMap<(u64, bool), Expected> = readable
        .map(|span| ((span.id, span.shared), span))
        .collect();
    let mut fault = Fault::default();
    for span in wanted {
        match there.get(&(span.id, span.shared)) {
            None => fault.lost += 1,
            Some(found) if found != span => fault.changed += 1,
            Some(_) => {}
        }
    }
    if fault.lost + fault.changed == 0 {
        return None;
    }
    fault.text = format!(
        "{} of {} spans lost, {} changed",
        fault.lost,
        wanted.len(),
        fault.changed
    );
    Some(fault)
}

fn read(span: &Value) -> Option<Expected> {
    Some(Expected {
        id: u64::from_str_radix(span["id"].as_str()?, 16).ok()?,
        shared: span["shared"].as_bool().unwrap_or(false),
        timestamp_us: span["timestamp"].as_u64().unwrap_or(0),
        duration_us: span["duration"].as_u64().unwrap_or(0),
        tags: span["tags"].as_object().map_or(0, serde_json::Map::len),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expected(id: u64, shared: bool) -> Expected {
        Expected {
            id,
            shared,
            timestamp_us: 1_760_000_000_000_000,
            duration_us: 5,
            tags: 1,
        }
    }

    #[test]
    fn halves_of_a_shared_span_are_two() {
        let wanted = BTreeSet::from([expected(0xa, false), expected(0xa, true)]);
        let half = |shared: bool| {
            json!({"id": "000000000000000a", "timestamp": 1_760_000_000_000_000_u64,
                "duration": 5, "tags": {"k": "v"}, "shared": shared})
        };
        assert!(compare(&wanted, &[half(false), half(true)]).is_none());
        let fault = compare(&wanted, &[half(false)]).unwrap();
        assert_eq!((fault.lost, fault.changed), (1, 0));
        assert_eq!(compare(&wanted, &[json!({})]).unwrap().lost, 2);
        let mut other = half(true);
        other["tags"] = json!({});
        let fault = compare(&wanted, &[half(false), other]).unwrap();
        assert_eq!((fault.lost, fault.changed), (0, 1));
    }
}
