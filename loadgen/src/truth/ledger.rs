//! What the server says it took: Zipkin's counters of `/metrics`, and Speargun's of `/prometheus`,
//! which tell what is stored from what was only received.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::line::Http;

/// Counters of a server, over all transports.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Spans received.
    pub received: u64,
    /// Spans received and not kept.
    pub dropped: u64,
    /// Spans stored, where the server tells.
    pub stored: Option<u64>,
}

impl Counters {
    /// Reads the counters; `None` when the server has none that are known.
    pub fn read(http: &mut Http) -> Option<Self> {
        let zipkin = http.get("/metrics").ok().filter(|it| it.status == 200)?;
        let mut counters = Self::of_zipkin(&serde_json::from_slice(&zipkin.body).ok()?)?;
        let text = http.get("/prometheus").ok().filter(|it| it.status == 200);
        counters.stored = text.and_then(|it| {
            let text = String::from_utf8_lossy(&it.body).into_owned();
            sum(&text, "speargun_spans_stored_total")
        });
        Some(counters)
    }

    fn of_zipkin(all: &Value) -> Option<Self> {
        let sum = |prefix: &str| {
            let named = |(name, value): (&String, &Value)| {
                name.starts_with(prefix).then(|| whole(value.as_f64()?))?
            };
            let mut values = all.as_object()?.iter().filter_map(named);
            let first = values.next()?;
            Some(first + values.sum::<u64>())
        };
        Some(Self {
            received: sum("counter.zipkin_collector.spans.")?,
            dropped: sum("counter.zipkin_collector.spans_dropped.")?,
            stored: None,
        })
    }
}

/// Returns the sum of all samples of a family; `None` when there is none.
fn sum(text: &str, family: &str) -> Option<u64> {
    let samples = text.lines().filter_map(|line| {
        let (sample, value) = line.rsplit_once(' ')?;
        let name = sample.split('{').next()?;
        (name == family).then(|| whole(value.parse().ok()?))?
    });
    let mut samples = samples.peekable();
    samples.peek()?;
    Some(samples.sum())
}

#[expect(
    clippy::cast_sign_loss,
    reason = "the cast saturates, and counters are not negative"
)]
fn whole(value: f64) -> Option<u64> {
    value.is_finite().then_some(value.round() as u64)
}

/// What the server counted during the run, beside what it accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ledger {
    /// Spans in bodies that were accepted.
    pub accepted: u64,
    /// Spans the server says it received.
    pub received: u64,
    /// Spans it says it keeps.
    pub kept: u64,
    /// Whether that is what is stored, or what was received and not dropped.
    pub counts_stored: bool,
}

impl Ledger {
    /// Compares what was accepted with the counters before and after.
    pub fn new(accepted: u64, before: Counters, after: Counters) -> Self {
        let received = after.received.saturating_sub(before.received);
        let dropped = after.dropped.saturating_sub(before.dropped);
        let stored = after
            .stored
            .map(|stored| stored.saturating_sub(before.stored.unwrap_or(0)));
        Self {
            accepted,
            received,
            kept: stored.unwrap_or(received.saturating_sub(dropped)),
            counts_stored: stored.is_some(),
        }
    }

    /// Returns how many accepted spans the server does not say it keeps. Others may load it at the
    /// same time, so more is no fault.
    pub fn missing(&self) -> u64 {
        self.accepted.saturating_sub(self.kept)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counters_are_summed_over_transports() {
        let all = json!({
            "counter.zipkin_collector.spans.http": 10.0,
            "counter.zipkin_collector.spans.grpc": 5.0,
            "counter.zipkin_collector.spans_dropped.http": 1.0,
            "counter.zipkin_collector.messages.http": 99.0,
        });
        let counters = Counters::of_zipkin(&all).unwrap();
        assert_eq!((counters.received, counters.dropped), (15, 1));
        assert_eq!(Counters::of_zipkin(&json!({"a": 1})), None);
        let text = "# HELP x y\nx{transport=\"http\",} 2.0\nx{transport=\"grpc\",} 3\nxy 9\n";
        assert_eq!((sum(text, "x"), sum(text, "z")), (Some(5), None));
    }

    #[test]
    fn stored_spans_count_where_they_are_told() {
        let before = Counters {
            received: 5,
            dropped: 1,
            stored: Some(4),
        };
        let after = Counters {
            received: 105,
            dropped: 11,
            stored: Some(94),
        };
        assert_eq!(Ledger::new(100, before, after).missing(), 10);
        let zipkin = |counters: Counters| Counters {
            stored: None,
            ..counters
        };
        let ledger = Ledger::new(95, zipkin(before), zipkin(after));
        assert_eq!((ledger.kept, ledger.missing()), (90, 5));
        assert!(!ledger.counts_stored);
    }
}
