//! Which new traces are kept. The rules are Brave's, so that the same setting keeps as many here as
//! in a Java service beside it. Asked once a trace, at its root, unless the caller decided.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::clock::Clock;

/// Why a sampler can't be made.
#[derive(Clone, Copy, PartialEq, Debug, thiserror::Error)]
pub enum SamplerError {
    /// Neither 0 nor from 0.0001 to 1.
    #[error("a sampling probability is 0 or from 0.0001 to 1: was {0}")]
    Probability(f32),
}

/// How new traces are chosen.
#[derive(Debug)]
pub struct Sampler(Rule);

#[derive(Debug)]
enum Rule {
    Always,
    Never,
    /// Of 10,000 ids those up to the boundary, shuffled by a salt.
    Boundary {
        boundary: i64,
        salt: i64,
    },
    Rate(Rate),
}

impl Sampler {
    /// Keeps all.
    pub fn always() -> Self {
        Self(Rule::Always)
    }

    /// Keeps none.
    pub fn never() -> Self {
        Self(Rule::Never)
    }

    /// Keeps this part of all traces, by their ids, in steps of 0.0001: Brave's boundary sampler.
    pub fn probability(probability: f32) -> Result<Self, SamplerError> {
        Self::salted(probability, fastrand::i64(..))
    }

    /// Does so with a salt of the caller's, for processes that must choose the same.
    pub fn salted(probability: f32, salt: i64) -> Result<Self, SamplerError> {
        let boundary = (probability * 10_000.0) as i64;
        match probability {
            0.0 => Ok(Self::never()),
            1.0 => Ok(Self::always()),
            0.0001..1.0 => Ok(Self(Rule::Boundary { boundary, salt })),
            _ => Err(SamplerError::Probability(probability)),
        }
    }

    /// Keeps so many traces a second; from 10 on they are spread over its tenths. Brave's
    /// rate-limiting sampler, which is Sleuth's default with 10.
    pub fn rate(traces_per_second: u32, clock: Arc<dyn Clock>) -> Self {
        if traces_per_second == 0 {
            return Self::never();
        }
        Self(Rule::Rate(Rate::new(traces_per_second, clock)))
    }

    /// Returns whether the trace is kept; the lower half of its id is given.
    pub fn is_sampled(&self, trace_id_low: u64) -> bool {
        match &self.0 {
            Rule::Always => true,
            Rule::Never => false,
            Rule::Boundary { boundary, salt } => {
                // Brave's arithmetic, including the value that has no absolute one.
                let id = (trace_id_low.cast_signed() ^ salt).wrapping_abs();
                id % 10_000 <= *boundary
            }
            Rule::Rate(rate) => rate.admit(),
        }
    }
}

#[derive(Debug)]
struct Rate {
    per_second: u32,
    clock: Arc<dyn Clock>,
    second: Mutex<Second>,
}

/// The second that is going on.
#[derive(Debug)]
struct Second {
    ends: Duration,
    kept: u32,
}

const SECOND: Duration = Duration::from_secs(1);

impl Rate {
    fn new(per_second: u32, clock: Arc<dyn Clock>) -> Self {
        let second = Second {
            ends: clock.elapsed() + SECOND,
            kept: 0,
        };
        Self {
            per_second,
            clock,
            second: Mutex::new(second),
        }
    }

    fn admit(&self) -> bool {
        let now = self.clock.elapsed();
        let mut second = self.second.lock();
        if now >= second.ends {
            *second = Second {
                ends: now + SECOND,
                kept: 0,
            };
        }
        let left = second.ends.saturating_sub(now);
        let admitted = second.kept < self.watermark(left);
        second.kept += u32::from(admitted);
        admitted
    }

    /// Returns how many may have been kept when so much of the second is left. What does not divide
    /// by ten belongs to the first tenth.
    fn watermark(&self, left: Duration) -> u32 {
        if self.per_second < 10 {
            return self.per_second;
        }
        let (tenth, rest) = (self.per_second / 10, self.per_second % 10);
        let tenths_left = (left.as_millis() / 100).min(9) as u32;
        rest + tenth * (10 - tenths_left)
    }
}

/// A sampler that can be exchanged while traces begin.
#[derive(Clone, Debug)]
pub struct LiveSampler(Arc<ArcSwap<Sampler>>);

impl LiveSampler {
    /// Begins with this one.
    pub fn new(sampler: Sampler) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(sampler)))
    }

    /// Uses this one from now on. Traces that began keep what was decided.
    pub fn set(&self, sampler: Sampler) {
        self.0.store(Arc::new(sampler));
    }

    /// Returns whether the trace is kept.
    pub fn is_sampled(&self, trace_id_low: u64) -> bool {
        self.0.load().is_sampled(trace_id_low)
    }
}

#[cfg(test)]
mod tests;
