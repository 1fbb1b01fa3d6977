//! Whether what was accepted is there: a random sample of accepted traces is read back span by
//! span, and the server's own counters are compared. It judges no latency.
//!
//! # Layout
//!
//! - `ledger`: the counters of Zipkin and of Speargun.
//! - `sample`: what is to be read.
//! - `matching`: what of it came back, and as what.
//! - here: reading until all is whole or the time is up.

mod ledger;
mod matching;
mod sample;

use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::line::Http;
use crate::pool::Expected;
use crate::run::Load;
pub use ledger::{Counters, Ledger, Sent};
use matching::{Fault, compare};
use sample::{Wanted, sample};

/// Between two looks at what is not there yet.
const PAUSE: Duration = Duration::from_millis(100);
/// After so many questions in a row without an answer no more are asked in a pass.
const SILENT_MAX: u32 = 5;
/// Asking for each trace once may take so long beside the time to settle.
const PASS_MAX: Duration = Duration::from_mins(2);
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
    /// Traces that were asked for; of each at least one body was accepted.
    pub traces: u64,
    /// Accepted spans they should have.
    pub spans: u64,
    /// Spans that did not come back.
    pub lost_spans: u64,
    /// Spans of which anything came back as something else.
    pub changed_spans: u64,
    /// Spans that came back more often than they were sent.
    #[serde(default)]
    pub repeated_spans: u64,
    /// Traces of which something was lost, changed or repeated.
    pub broken_traces: u64,
    /// Traces of the sample for which there was no time.
    #[serde(default)]
    pub unread_traces: u64,
    /// Until the last of it was visible, or the time was up.
    pub took_ms: u64,
    /// Some of what is wrong.
    pub examples: Vec<String>,
}

impl ReadBack {
    /// Returns whether all came back as it was sent.
    pub fn is_whole(&self) -> bool {
        self.lost_spans == 0 && self.changed_spans == 0 && self.repeated_spans == 0
    }
}

/// A trace under way, and what was wrong with it when it was last read.
struct Open {
    wanted: Wanted,
    fault: Option<Fault>,
}

/// Reads a sample of accepted traces back.
pub fn read_back(load: &Load, sampling: Sampling) -> ReadBack {
    let start = Instant::now();
    let mut http = Http::new(&load.target, load.patience);
    let all = sample(load, sampling);
    let mut found = ReadBack::default();
    let mut open = Vec::new();
    let mut silent = 0;
    // All are asked for once, if that can be done.
    for wanted in all {
        if start.elapsed() >= sampling.settle + PASS_MAX {
            found.unread_traces += 1;
            continue;
        }
        found.traces += 1;
        found.spans += wanted.count();
        let fault = ask(&mut http, &wanted, &mut silent);
        if fault.is_some() {
            open.push(Open { wanted, fault });
        }
    }
    while !open.is_empty() && start.elapsed() < sampling.settle {
        thread::sleep(PAUSE);
        silent = 0;
        open.retain_mut(|open| {
            if start.elapsed() < sampling.settle {
                open.fault = ask(&mut http, &open.wanted, &mut silent);
            }
            open.fault.is_some()
        });
    }
    found.took_ms = start.elapsed().as_millis() as u64;
    found.broken_traces = open.len() as u64;
    for open in &open {
        let Some(fault) = &open.fault else { continue };
        found.lost_spans += fault.lost;
        found.changed_spans += fault.changed;
        found.repeated_spans += fault.repeated;
        if found.examples.len() < EXAMPLES {
            let example = format!("{:x}: {}", open.wanted.id, fault.text);
            found.examples.push(example);
        }
    }
    found
}

/// Looks at a trace, unless the server has been silent for too long.
fn ask(http: &mut Http, wanted: &Wanted, silent: &mut u32) -> Option<Fault> {
    let fault = if *silent < SILENT_MAX {
        look(http, wanted)
    } else {
        let why = "not asked: the server does not answer";
        Some(Fault::silent(wanted, why))
    };
    let is_silent = fault.as_ref().is_some_and(|fault| fault.silent);
    *silent = if is_silent { *silent + 1 } else { 0 };
    fault
}

/// Returns what is wrong with a trace, if anything is.
fn look(http: &mut Http, wanted: &Wanted) -> Option<Fault> {
    let digits = if wanted.id >> 64 == 0 { 16 } else { 32 };
    let path = format!("/api/v2/trace/{:0digits$x}", wanted.id);
    let lost = |text: String| Some(Fault::lost(wanted, text));
    match http.get(&path) {
        Err(error) => Some(Fault::silent(wanted, format!("could not be read: {error}"))),
        Ok(reply) if reply.status == 404 => lost(format!("all {} spans lost", wanted.count())),
        Ok(reply) if reply.status != 200 => lost(format!("status {}", reply.status)),
        Ok(reply) => match serde_json::from_slice(&reply.body) {
            Err(_) => lost("the answer is no JSON".into()),
            Ok(Value::Array(spans)) => {
                // What is no span is not there.
                let read = |span: &Value| Expected::read(span, &wanted.round);
                compare(&wanted.spans, spans.iter().filter_map(read).collect())
            }
            Ok(_) => lost("the answer is no list".into()),
        },
    }
}
