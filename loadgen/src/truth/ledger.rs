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
    /// When the server's process began, milliseconds since the epoch, where it tells.
    pub began_ms: Option<u64>,
}

impl Counters {
    /// Reads the counters; `None` when the server has none that are known.
    pub fn read(http: &mut Http) -> Option<Self> {
        let zipkin = http.get("/metrics").ok().filter(|it| it.status == 200)?;
        let mut counters = Self::of_zipkin(&serde_json::from_slice(&zipkin.body).ok()?)?;
        let answer = http.get("/prometheus").ok().filter(|it| it.status == 200);
        if let Some(answer) = answer {
            let text = String::from_utf8_lossy(&answer.body);
            counters.stored = sum(&text, "speargun_spans_stored_total", 1.0);
            counters.began_ms = sum(&text, "process_start_time_seconds", 1000.0);
        }
        Some(counters)
    }

    /// Returns whether these can't be of the process that counted the others before.
    fn began_after(&self, before: &Self) -> bool {
        let other_start = matches!((before.began_ms, self.began_ms), (Some(a), Some(b)) if a != b);
        other_start
            || self.received < before.received
            || self.dropped < before.dropped
            || self.stored < before.stored
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
            began_ms: None,
        })
    }
}

/// Returns the sum of all samples of a family, so many times; `None` when there is none.
fn sum(text: &str, family: &str, times: f64) -> Option<u64> {
    let samples = text.lines().filter_map(|line| {
        let (sample, value) = line.rsplit_once(' ')?;
        let name = sample.split('{').next()?;
        (name == family).then(|| whole(value.parse::<f64>().ok()? * times))?
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

/// What was sent, of which a ledger is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// Spans in bodies that were accepted.
    pub accepted: u64,
    /// Spans in bodies without an answer.
    pub unknown: u64,
}

/// What the server counted during the run, beside what it accepted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ledger {
    /// Spans in bodies that were accepted.
    pub accepted: u64,
    /// Spans in bodies that got no answer, which the server may have taken or not.
    #[serde(default)]
    pub unknown: u64,
    /// Spans the server says it received.
    pub received: u64,
    /// Spans it says it keeps.
    pub kept: u64,
    /// Whether that is what is stored, or what was received and not dropped.
    pub counts_stored: bool,
    /// Why the counters say nothing of this run, if they don't.
    #[serde(default)]
    pub not_comparable: Option<String>,
}

impl Ledger {
    /// Compares what was sent with the counters before and after.
    pub fn new(sent: Sent, before: Counters, after: Counters) -> Self {
        let received = after.received.saturating_sub(before.received);
        let dropped = after.dropped.saturating_sub(before.dropped);
        let stored = after
            .stored
            .map(|stored| stored.saturating_sub(before.stored.unwrap_or(0)));
        let again = "the server's counters began again in the run: it was restarted";
        Self {
            accepted: sent.accepted,
            unknown: sent.unknown,
            received,
            kept: stored.unwrap_or(received.saturating_sub(dropped)),
            counts_stored: stored.is_some(),
            not_comparable: after.began_after(&before).then(|| again.to_owned()),
        }
    }

    /// Returns how many accepted spans the server does not say it keeps.
    pub fn missing(&self) -> u64 {
        match self.not_comparable {
            Some(_) => 0,
            None => self.accepted.saturating_sub(self.kept),
        }
    }

    /// Returns how many spans the server says it keeps beyond all that it may have taken of this
    /// run. Others may report to it at the same time, so that is no fault by itself.
    pub fn surplus(&self) -> u64 {
        match self.not_comparable {
            Some(_) => 0,
            None => self.kept.saturating_sub(self.accepted + self.unknown),
        }
    }

    /// Returns what is odd about the counters beside losses, in words.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::from_iter(self.not_comparable.clone());
        if self.surplus() > 0 {
            doubts.push(format!(
                "the server counts {} spans more than were sent: others report to it too, or it \
                 keeps spans more than once",
                self.surplus()
            ));
        }
        if self.unknown > 0 && self.not_comparable.is_none() {
            doubts.push(format!(
                "{} spans were in bodies without an answer: as many losses could hide behind them",
                self.unknown
            ));
        }
        doubts
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
        assert_eq!((sum(text, "x", 1.0), sum(text, "z", 1.0)), (Some(5), None));
    }

    fn sent(accepted: u64) -> Sent {
        Sent {
            accepted,
            unknown: 0,
        }
    }

    #[test]
    fn stored_spans_count_where_they_are_told() {
        let before = Counters {
            received: 5,
            dropped: 1,
            stored: Some(4),
            began_ms: Some(7000),
        };
        let after = Counters {
            received: 105,
            dropped: 11,
            stored: Some(94),
            began_ms: Some(7000),
        };
        assert_eq!(Ledger::new(sent(100), before, after).missing(), 10);
        let zipkin = |counters: Counters| Counters {
            stored: None,
            ..counters
        };
        let ledger = Ledger::new(sent(95), zipkin(before), zipkin(after));
        assert_eq!((ledger.kept, ledger.missing()), (90, 5));
        assert!(!ledger.counts_stored);
    }

    #[test]
    fn counters_that_began_again_accuse_nobody() {
        let before = Counters {
            received: 500,
            ..Counters::default()
        };
        let back = Counters {
            received: 90,
            ..before
        };
        let other = Counters {
            received: 600,
            began_ms: Some(2),
            ..before
        };
        let first = Counters {
            began_ms: Some(1),
            ..before
        };
        for (before, after) in [(before, back), (first, other)] {
            let ledger = Ledger::new(sent(700), before, after);
            assert_eq!((ledger.missing(), ledger.doubts().len()), (0, 1));
        }
    }

    #[test]
    fn what_is_too_much_and_what_is_not_known_is_said() {
        let after = Counters {
            received: 150,
            ..Counters::default()
        };
        let sent = Sent {
            accepted: 100,
            unknown: 20,
        };
        let ledger = Ledger::new(sent, Counters::default(), after);
        assert_eq!((ledger.missing(), ledger.surplus()), (0, 30));
        assert_eq!(ledger.doubts().len(), 2);
    }
}
