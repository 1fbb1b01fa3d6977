//! What a run gave, as it is written to a file and read again for a comparison. How it looks is in
//! the modules below; nothing is measured here.
//!
//! # Layout
//!
//! - `columns`: what tables show of a step and of an endpoint.
//! - [`table`]: for a terminal.
//! - [`page`]: for a browser, with plots.
//! - [`plot`]: plots, inside that page and as files of their own.
//! - [`compare`]: two reports side by side.

mod columns;
pub mod compare;
pub mod page;
pub mod plot;
pub mod table;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::meter::Second;
use crate::queries::Answered;
use crate::record::{Latencies, Tally};
use crate::run::Step;
use crate::truth::{Ledger, ReadBack};

/// The version of the form.
pub const VERSION: u32 = 1;

/// All of a run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// Where the load went.
    pub target: String,
    /// When it began, microseconds since the epoch.
    pub started_at_us: u64,
    /// How it was sent.
    pub setting: Setting,
    /// Each rate that was held, in order; without the warm-up.
    pub steps: Vec<StepReport>,
    /// The highest rate that met the targets, when it was looked for: spans a second.
    pub highest_rate: Option<f64>,
    /// What reading back found.
    pub read_back: ReadBack,
    /// The server's counters, when it has any.
    pub ledger: Option<Ledger>,
    /// What the server used, when its process is known.
    pub cost: Option<Cost>,
    /// Growth of the server's data folder, when that is known.
    #[serde(default)]
    pub disk_bytes: Option<u64>,
    /// Whether it was ended before its time.
    #[serde(default)]
    pub interrupted: bool,
    /// What queries gave.
    pub queries: Vec<Answered>,
    /// Bodies that could only be repeated, since packed ones can't be made new.
    pub repeated_bodies: u64,
    /// What else is to be known of the run.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What was missed; nothing when all targets were met.
    pub missed: Vec<String>,
}

/// How a run was sent.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Setting {
    /// Open or closed loop.
    pub pace: String,
    /// The form of bodies, with gzip when they are packed.
    pub format: String,
    /// Spans in a body at most.
    pub batch: u32,
    /// Spans in a body on average.
    pub spans_per_body: f64,
    /// How many connections.
    pub connections: u16,
    /// The seed of the workload.
    pub seed: u64,
    /// The workload in words.
    pub workload: String,
    /// How long was loaded before it counted.
    pub warmup_ms: u64,
}

/// One rate that was held.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct StepReport {
    /// Spans a second at the end of the step; `None` in a closed loop.
    pub asked: Option<f64>,
    /// From the first request to the last answer, or to the end of the schedule when that is later.
    pub wall_ms: u64,
    /// Bodies accepted.
    pub accepted: u64,
    /// Spans accepted.
    pub accepted_spans: u64,
    /// Bytes accepted, as they were sent.
    pub accepted_bytes: u64,
    /// Bodies refused.
    pub refused: u64,
    /// Refusals that said when to come again and were heeded.
    pub waited: u64,
    /// Bodies that failed.
    pub failed: u64,
    /// Spans of failed bodies that got no answer.
    #[serde(default)]
    pub unknown_spans: u64,
    /// Bodies that were due and given up unsent.
    pub unsent: u64,
    /// How bodies were refused or failed.
    pub reasons: BTreeMap<String, u64>,
    /// Latencies in microseconds: per cent, and what so many are not above.
    pub latency_us: Vec<(f64, u64)>,
    /// The longest.
    pub latency_max_us: u64,
    /// CPU of the server.
    pub server_cpu_us: u64,
    /// CPU of the harness.
    pub harness_cpu_us: u64,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// What this step missed.
    pub missed: Vec<String>,
}

/// What the server used.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Its process.
    pub pid: u32,
    /// CPU while it was loaded, microseconds.
    pub cpu_us: u64,
    /// CPU a span that was accepted in that time, microseconds.
    pub cpu_us_per_span: f64,
    /// Resident memory at the end.
    pub resident_bytes: u64,
    /// The most that ever was resident.
    pub peak_bytes: u64,
    /// Growth of its data folder, when that is known.
    pub disk_bytes: Option<u64>,
}

/// Per cents that are reported.
pub const PERCENTILES: [f64; 12] = [
    1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 99.999, 100.0,
];

impl StepReport {
    /// Makes the report of a step.
    pub fn new(step: Step, asked: Option<f64>) -> Self {
        let Step {
            tally,
            seconds,
            wall,
        } = step;
        let sum = |one: fn(&Second) -> u64| seconds.iter().map(one).sum();
        Self {
            asked,
            wall_ms: wall.as_millis() as u64,
            latency_us: spectrum(&tally.latencies),
            latency_max_us: tally.latencies.max_us(),
            server_cpu_us: sum(|second| second.server_cpu_us),
            harness_cpu_us: sum(|second| second.harness_cpu_us),
            seconds,
            ..Self::counts(tally)
        }
    }

    fn counts(tally: Tally) -> Self {
        Self {
            accepted: tally.accepted,
            accepted_spans: tally.accepted_spans,
            accepted_bytes: tally.accepted_bytes,
            refused: tally.refused,
            waited: tally.waited,
            failed: tally.failed,
            unknown_spans: tally.unknown_spans,
            unsent: tally.unsent,
            reasons: tally.reasons,
            ..Self::default()
        }
    }

    /// Returns the latency that `per_cent` of all are not above, microseconds.
    pub fn latency_at(&self, per_cent: f64) -> u64 {
        let at = self.latency_us.iter().find(|(at, _)| *at >= per_cent);
        at.map_or(self.latency_max_us, |(_, us)| *us)
    }

    /// Returns how many bodies were due.
    pub fn bodies(&self) -> u64 {
        self.accepted + self.not_accepted()
    }

    /// Returns how many bodies were not accepted.
    pub fn not_accepted(&self) -> u64 {
        self.refused + self.failed + self.unsent
    }

    /// Returns how many spans were accepted a second.
    pub fn rate(&self) -> f64 {
        ratio(self.accepted_spans * 1000, self.wall_ms)
    }
}

fn spectrum(latencies: &Latencies) -> Vec<(f64, u64)> {
    PERCENTILES
        .into_iter()
        .map(|at| (at, latencies.at_us(at)))
        .collect()
}

/// Returns `a / b`; 0 when there is nothing to divide by.
#[expect(clippy::cast_precision_loss, reason = "for showing")]
pub fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}
