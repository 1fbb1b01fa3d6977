//! The bodies of a run, made before it begins. When all were sent they are sent again as other
//! spans: ids, times and values that are to be new are written over in a copy, which costs a
//! fraction of encoding. It sends nothing.
//!
//! ```text
//! number of a request ─▶ round = number / bodies ─▶ a mask over ids, a shift of times
//!                        body  = number % bodies ─▶ bytes, marks of ids and times
//! ```
//!
//! # Layout
//!
//! - `round`: what becomes of the bytes of a body when it is sent again.
//! - `expected`, `traces`: what has to come back of it.
//! - `gzip`: bodies that can't be written over.

mod expected;
mod gzip;
mod round;
mod traces;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use parking_lot::Mutex;

use crate::replay;
use crate::workload::{Format, Knobs, Marks, Span, Window};
pub use expected::Expected;
pub use round::{Round, Values};
pub use traces::{Part, Traces};

/// Times in the bodies before they are shifted: the same seed makes the same bytes.
pub const EPOCH_US: u64 = 1_760_000_000_000_000;

/// Names are taken from so many spans.
const SERVICES_LOOKED_AT: usize = 100_000;

/// What a pool is made of.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// The workload.
    pub knobs: Knobs,
    /// How many spans to make; in later rounds they become others.
    pub spans: usize,
    /// The time in which they start.
    pub window_us: u64,
    /// The most spans a body has.
    pub batch: usize,
    /// How they are written.
    pub format: Format,
    /// Whether bodies are gzip, and if so, how many are made: they can't be written over.
    pub gzip: Option<u64>,
}

/// Bodies to send.
#[derive(Debug)]
pub struct Pool {
    bodies: Vec<Body>,
    format: Format,
    seed: u64,
    values: Values,
    window_us: u64,
    /// How much later than [`EPOCH_US`] each round begins; set when a round is first used.
    shifts: Mutex<Vec<u64>>,
    packed: Option<gzip::Packed>,
    traces: Traces,
    services: Vec<String>,
    spans: u64,
}

#[derive(Debug)]
struct Body {
    bytes: Vec<u8>,
    marks: Marks,
    spans: u32,
}

/// A body as it is sent.
#[derive(Debug, Default)]
pub struct Filled {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// How many spans it holds.
    pub spans: u32,
}

impl Pool {
    /// Makes the bodies of a workload.
    pub fn new(recipe: &Recipe) -> Result<Self> {
        let window = Window {
            start_us: EPOCH_US,
            length_us: recipe.window_us.max(1),
        };
        let spans = recipe.knobs.spans(recipe.spans, window);
        Self::of(spans, recipe)
    }

    /// Makes bodies of spans that lie behind [`EPOCH_US`].
    pub fn of(spans: Vec<Span>, recipe: &Recipe) -> Result<Self> {
        ensure!(!spans.is_empty(), "there are no spans to send");
        let values = Values::of(&recipe.knobs, spans.len());
        let batches = recipe.knobs.batches(spans, recipe.batch);
        let traces = Traces::new(&batches, &|span| spoken(recipe.format, span));
        let services: BTreeSet<&str> = batches
            .iter()
            .flatten()
            .map(|span| &*span.local.service_name)
            .filter(|name| !name.is_empty())
            .take(SERVICES_LOOKED_AT)
            .collect();
        let services = services.into_iter().map(str::to_owned).collect();
        let bodies: Vec<Body> = batches
            .iter()
            .map(|batch| {
                let (bytes, marks) = recipe.format.encode_marked(batch);
                Body {
                    bytes,
                    marks,
                    spans: batch.len() as u32,
                }
            })
            .collect();
        let spans = bodies.iter().map(|body| u64::from(body.spans)).sum();
        let mut pool = Self {
            bodies,
            format: recipe.format,
            seed: recipe.knobs.seed,
            values,
            window_us: recipe.window_us,
            shifts: Mutex::default(),
            packed: None,
            traces,
            services,
            spans,
        };
        if let Some(count) = recipe.gzip {
            pool.packed = Some(gzip::Packed::new(&pool, count)?);
        }
        Ok(pool)
    }

    /// Returns how many bodies a round has.
    pub fn len(&self) -> u64 {
        self.bodies.len() as u64
    }

    /// Returns whether there is nothing to send, which a pool never is.
    pub fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// Returns how many spans a body has on average.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn spans_per_body(&self) -> f64 {
        self.spans as f64 / self.bodies.len() as f64
    }

    /// Returns the traces of a round.
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Returns the names of services that report, as a query may ask for them.
    pub fn services(&self) -> &[String] {
        &self.services
    }

    /// Returns how many requests are all different: beyond, bodies are repeated.
    pub fn distinct(&self) -> Option<u64> {
        self.packed.as_ref().map(gzip::Packed::len)
    }

    /// Writes body `number` of the run.
    pub fn fill(&self, number: u64, into: &mut Filled) {
        match &self.packed {
            Some(packed) => packed.fill(number, into),
            None => self.renew(number, into),
        }
    }

    /// Returns how many spans body `number` has.
    pub fn spans_of(&self, number: u64) -> u32 {
        self.body(number).map_or(0, |body| body.spans)
    }

    /// Returns how a round differs from the pool.
    pub fn round(&self, round: u64) -> Round {
        Round::new((self.seed, round), self.shift_us(round), self.values)
    }

    /// Returns how much later than in the pool the times of a round are. Where the pool is longer
    /// than the time since [`EPOCH_US`] that is less than nothing, and wraps.
    fn shift_us(&self, round: u64) -> u64 {
        let mut shifts = self.shifts.lock();
        while shifts.len() as u64 <= round {
            // Spans end when they are sent, or up to a window before.
            let start_us = now_us().saturating_sub(self.window_us);
            shifts.push(start_us.wrapping_sub(EPOCH_US));
        }
        shifts.get(round as usize).copied().unwrap_or(0)
    }

    fn body(&self, number: u64) -> Option<&Body> {
        self.bodies.get((number % self.len()) as usize)
    }

    fn renew(&self, number: u64, into: &mut Filled) {
        into.bytes.clear();
        let Some(body) = self.body(number) else {
            return;
        };
        into.bytes.extend_from_slice(&body.bytes);
        into.spans = body.spans;
        let round = self.round(number / self.len());
        round.renew(self.format, &mut into.bytes, &body.marks);
    }
}

/// Returns what a span says in a format. Version 1 can't say all, so of it counts what its readers
/// make of it.
fn spoken(format: Format, span: &Span) -> Expected {
    let read = match format {
        Format::Json | Format::Proto => None,
        Format::JsonV1 => replay::read_again(format.encode(std::slice::from_ref(span))),
    };
    Expected::of(read.as_ref().unwrap_or(span))
}

/// Returns now in microseconds since the epoch.
pub fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(EPOCH_US, |now| now.as_micros() as u64)
}

#[cfg(test)]
mod tests;
