//! What is counted while bodies are sent: a tally a sender, taken away each second so that nobody
//! waits for anybody. It decides nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use hdrhistogram::Histogram;

use crate::line::Outcome;

/// Latencies beyond are recorded as this.
const LATENCY_US_MAX: u64 = 3_600_000_000;
/// So many different failures are told apart.
const FAILURES_MAX: usize = 16;

/// Latencies in microseconds, exact to three digits.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Latencies {
    /// Returns no latencies.
    pub fn new() -> Result<Self> {
        Ok(Self(Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?))
    }

    /// Adds one.
    pub fn add(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.saturating_record(us.clamp(1, LATENCY_US_MAX));
    }

    /// Adds so many alike.
    pub fn add_many(&mut self, latency: Duration, count: u64) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0
            .saturating_record_n(us.clamp(1, LATENCY_US_MAX), count);
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.0.add(&other.0)?;
        Ok(())
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.reset();
    }

    /// Returns the latency that `per_cent` of all are not above; 0 when there is none.
    pub fn at_us(&self, per_cent: f64) -> u64 {
        if self.0.is_empty() {
            return 0;
        }
        self.0.value_at_percentile(per_cent)
    }

    /// Returns the longest.
    pub fn max_us(&self) -> u64 {
        if self.0.is_empty() { 0 } else { self.0.max() }
    }
}

/// What became of bodies.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Of all bodies that were due, whatever became of them.
    pub latencies: Latencies,
    /// Bodies that were accepted.
    pub accepted: u64,
    /// Spans that were accepted.
    pub accepted_spans: u64,
    /// Bytes of accepted bodies as they were sent.
    pub accepted_bytes: u64,
    /// Bodies that the server refused because it was busy or limited.
    pub refused: u64,
    /// Refusals that said when to come again, and the sender waited.
    pub waited: u64,
    /// Bodies that failed in another way.
    pub failed: u64,
    /// Spans of failed bodies that got no answer: whether they were taken is not known.
    pub unknown_spans: u64,
    /// Bodies that were due and given up unsent, because the target was too slow.
    pub unsent: u64,
    /// From the start to the last answer.
    pub ended: Duration,
    /// How often bodies failed or were refused in which way.
    pub reasons: BTreeMap<String, u64>,
}

impl Tally {
    /// Returns a tally of nothing.
    pub fn new() -> Result<Self> {
        Ok(Self {
            latencies: Latencies::new()?,
            accepted: 0,
            accepted_spans: 0,
            accepted_bytes: 0,
            refused: 0,
            waited: 0,
            failed: 0,
            unknown_spans: 0,
            unsent: 0,
            ended: Duration::ZERO,
            reasons: BTreeMap::new(),
        })
    }

    /// Counts what a server made of a body.
    pub fn count(&mut self, outcome: &Outcome, (spans, bytes): (u32, usize)) {
        match outcome {
            Outcome::Accepted => {
                self.accepted += 1;
                self.accepted_spans += u64::from(spans);
                self.accepted_bytes += bytes as u64;
            }
            Outcome::Refused { status, .. } => {
                self.refused += 1;
                self.reason(format!("refused with {status}"), 1);
            }
            Outcome::Failed { status, text } => self.fail(format!("status {status}: {text}")),
        }
    }

    /// Counts a body with so many spans that got no answer.
    pub fn fail_unanswered(&mut self, reason: String, spans: u32) {
        self.unknown_spans += u64::from(spans);
        self.fail(reason);
    }

    /// Counts a body that failed for this reason.
    pub fn fail(&mut self, reason: String) {
        self.failed += 1;
        self.reason(reason, 1);
    }

    /// Adds another.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.latencies.merge(&other.latencies)?;
        self.accepted += other.accepted;
        self.accepted_spans += other.accepted_spans;
        self.accepted_bytes += other.accepted_bytes;
        self.refused += other.refused;
        self.waited += other.waited;
        self.failed += other.failed;
        self.unknown_spans += other.unknown_spans;
        self.unsent += other.unsent;
        self.ended = self.ended.max(other.ended);
        for (reason, count) in &other.reasons {
            self.reason(reason.clone(), *count);
        }
        Ok(())
    }

    /// Begins again.
    pub fn clear(&mut self) {
        self.latencies.clear();
        self.reasons.clear();
        self.ended = Duration::ZERO;
        for count in [
            &mut self.accepted,
            &mut self.accepted_spans,
            &mut self.accepted_bytes,
            &mut self.refused,
            &mut self.waited,
            &mut self.failed,
            &mut self.unknown_spans,
            &mut self.unsent,
        ] {
            *count = 0;
        }
    }

    fn reason(&mut self, reason: String, count: u64) {
        let known = self.reasons.contains_key(&reason) || self.reasons.len() < FAILURES_MAX;
        let reason = if known { reason } else { "other".into() };
        *self.reasons.entry(reason).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_tallies_are_the_sum_of_both() {
        let mut sum = Tally::new().unwrap();
        let mut one = Tally::new().unwrap();
        one.latencies.add(Duration::from_millis(10));
        one.count(&Outcome::Accepted, (100, 4000));
        one.fail("gone".into());
        let refused = Outcome::Refused {
            status: 503,
            retry_after: None,
        };
        one.count(&refused, (100, 4000));
        sum.merge(&one).unwrap();
        sum.merge(&one).unwrap();
        assert_eq!((sum.accepted, sum.accepted_spans, sum.refused), (2, 200, 2));
        assert_eq!(sum.reasons["gone"], 2);
        assert_eq!(sum.reasons["refused with 503"], 2);
        assert_eq!((sum.failed, sum.unsent, sum.latencies.0.len()), (2, 0, 2));
        one.clear();
        assert_eq!((one.refused + one.failed, one.latencies.max_us()), (0, 0));
    }

    #[test]
    fn different_reasons_are_bounded() {
        let mut tally = Tally::new().unwrap();
        for number in 0..100 {
            tally.fail(format!("reason {number}"));
        }
        assert_eq!(tally.reasons.len(), FAILURES_MAX + 1);
        assert_eq!(tally.reasons.values().sum::<u64>(), 100);
    }

    #[test]
    fn latencies_are_exact_to_three_digits() {
        let mut latencies = Latencies::new().unwrap();
        for ms in 1..=1000 {
            latencies.add(Duration::from_millis(ms));
        }
        let p99 = latencies.at_us(99.0);
        assert!((989_000..=991_000).contains(&p99), "{p99}");
        latencies.add(Duration::from_hours(9));
        assert!(latencies.max_us() >= LATENCY_US_MAX);
    }
}
