//! The bodies of a run, made before it begins. When all were sent they are sent again as other
//! spans: trace ids and times are written over in a copy, which costs a fraction of encoding. It
//! sends nothing.
//!
//! ```text
//! number of a request ─▶ round = number / bodies ─▶ a mask over trace ids, a shift of times
//!                        body  = number % bodies ─▶ bytes, marks of ids and times
//! ```

mod gzip;
mod traces;

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use parking_lot::Mutex;

use crate::workload::{Format, Knobs, Marks, Random, Span, Window};
pub use traces::{Expected, Part, Traces};

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
        let batches = recipe.knobs.batches(spans, recipe.batch);
        let traces = Traces::new(&batches);
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

    /// Returns a trace id of the pool as it is in a round.
    pub fn id_in_round(&self, trace_id: u128, round: u64) -> u128 {
        let (high, low) = self.masks(round);
        let high = if trace_id >> 64 == 0 { 0 } else { high };
        trace_id ^ (u128::from(high) << 64 | u128::from(low))
    }

    /// Returns how much later than in the pool the times of a round are.
    pub fn shift_us(&self, round: u64) -> u64 {
        let mut shifts = self.shifts.lock();
        while shifts.len() as u64 <= round {
            // Spans end when they are sent, or up to a window before.
            let start_us = now_us().saturating_sub(self.window_us);
            shifts.push(start_us.saturating_sub(EPOCH_US));
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
        let round = number / self.len();
        let (high, low) = self.masks(round);
        let shift_us = self.shift_us(round);
        let bytes = &mut into.bytes;
        match self.format {
            Format::Proto => {
                change(bytes, &body.marks.low_ids, |id| mask_bytes(id, low));
                change(bytes, &body.marks.high_ids, |id| mask_bytes(id, high));
                change(bytes, &body.marks.times, |time: &mut [u8; 8]| {
                    *time = (u64::from_le_bytes(*time) + shift_us).to_le_bytes();
                });
            }
            Format::Json | Format::JsonV1 => {
                change(bytes, &body.marks.low_ids, |id| mask_digits(id, low));
                change(bytes, &body.marks.high_ids, |id| mask_digits(id, high));
                change(bytes, &body.marks.times, |time| add_digits(time, shift_us));
            }
        }
    }

    /// The first round keeps the ids of the workload.
    fn masks(&self, round: u64) -> (u64, u64) {
        if round == 0 {
            return (0, 0);
        }
        let mut random = Random::new(self.seed ^ round.wrapping_mul(0x2545_f491_4f6c_dd1d));
        (random.bits(), random.bits())
    }
}

/// Changes the `N` bytes at each place.
fn change<const N: usize>(bytes: &mut [u8], places: &[u32], one: impl Fn(&mut [u8; N])) {
    for at in places {
        let rest = bytes.get_mut(*at as usize..);
        if let Some(part) = rest.and_then(|rest| rest.first_chunk_mut::<N>()) {
            one(part);
        }
    }
}

fn mask_bytes(id: &mut [u8; 8], mask: u64) {
    *id = (u64::from_be_bytes(*id) ^ mask).to_be_bytes();
}

/// Digits are masked one by one, which is the same as masking the number.
fn mask_digits(digits: &mut [u8; 16], mask: u64) {
    for (place, digit) in digits.iter_mut().enumerate() {
        let value = (*digit & 0xf) + (*digit >> 6) * 9;
        let masked = value ^ (mask >> (60 - 4 * place)) as u8 & 0xf;
        *digit = masked + if masked < 10 { b'0' } else { b'a' - 10 };
    }
}

/// The sum has 16 digits too until the year 2286.
fn add_digits(digits: &mut [u8; 16], mut more: u64) {
    for digit in digits.iter_mut().rev() {
        let sum = u64::from(*digit - b'0') + more;
        *digit = b'0' + (sum % 10) as u8;
        more = sum / 10;
        if more == 0 {
            break;
        }
    }
}

/// Returns now in microseconds since the epoch.
pub fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(EPOCH_US, |now| now.as_micros() as u64)
}

#[cfg(test)]
mod tests;
