//! What can be changed about the workload: its form, tags, errors, clocks, ids, and how orderly it
//! is reported. Without any change it is the reference workload, byte for byte.

use super::random::Random;
use super::span::{Span, Text};
use super::traffic::Traffic;
use super::tree::Tree;

/// The keys of added tags begin so.
const ADDED: &str = "load.tag.";
/// Digits of values that become others when spans are sent again.
pub const FRESH_DIGITS: usize = 16;

/// Returns whether a tag is one of those whose values may become others.
pub fn is_fresh(key: &str, value: &str) -> bool {
    key.starts_with(ADDED)
        && value.len() == FRESH_DIGITS
        && value.bytes().all(|it| it.is_ascii_hexdigit())
}

/// Who calls whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Shape {
    /// The shop of the reference workload.
    #[default]
    Shop,
    /// Trees of a given form.
    Tree(Tree),
}

/// How the workload differs from the reference.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Knobs {
    /// The same seed makes the same spans.
    pub seed: u64,
    /// Who calls whom.
    pub shape: Shape,
    /// Tags of every span beside its own.
    pub extra_tags: usize,
    /// How many values each of those has; 0 is a new one each time.
    pub cardinality: u64,
    /// Spans that get an `error` tag, of a thousand; those that have one keep it.
    pub errors_per_mille: u32,
    /// Clocks of instances are wrong by up to so much.
    pub skew_us: u64,
    /// Batches that are reported late, of a thousand.
    pub late_per_mille: u32,
    /// How late they are.
    pub late_us: u64,
    /// Batches that are reported twice, of a thousand.
    pub duplicates_per_mille: u32,
    /// Trace ids have 64 bits.
    pub narrow_ids: bool,
}

/// The time in which the traces of a workload start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Its start, microseconds since the epoch.
    pub start_us: u64,
    /// Its length.
    pub length_us: u64,
}

impl Knobs {
    /// Returns `count` spans whose traces start in the window. Traces are whole but for the last.
    pub fn spans(&self, count: usize, window: Window) -> Vec<Span> {
        let mut spans = match self.shape {
            Shape::Shop => Traffic::new(self.seed).spans(count, window.start_us, window.length_us),
            Shape::Tree(tree) => {
                let mut random = Random::new(self.seed);
                let mut spans = Vec::with_capacity(count);
                while spans.len() < count {
                    let at = window.start_us + random.below(window.length_us);
                    tree.trace(&mut random, at, &mut spans);
                }
                // A large trace that was begun is kept: cut, it would not be a large trace.
                if tree.spans_of_trace() < count {
                    spans.truncate(count);
                }
                spans
            }
        };
        self.dress(&mut spans);
        spans
    }

    /// Returns whether there are to be more values than so many spans can have, so that later
    /// rounds have others.
    pub fn counts_on(&self, spans: usize) -> bool {
        self.cardinality > spans as u64
    }

    /// Returns the spans in batches of at most `size`, in the order in which they are reported.
    pub fn batches(&self, spans: Vec<Span>, size: usize) -> Vec<Vec<Span>> {
        let mut random = Random::new(self.seed ^ 0xba7c);
        let instances = spans.iter().map(|span| span.instance).max().unwrap_or(0);
        let mut reports = Vec::new();
        for batch in super::batches(spans, size) {
            let end_us = batch.last().map_or(0, Span::end_us);
            let late = random.chance(self.late_per_mille);
            let twice = random.chance(self.duplicates_per_mille);
            let at_us = end_us + if late { self.late_us } else { 0 };
            if twice {
                reports.push((at_us + 1, batch.clone()));
            }
            reports.push((at_us, batch));
        }
        reports.sort_by_key(|(at_us, _)| *at_us);
        let mut batches: Vec<Vec<Span>> = reports.into_iter().map(|(_, batch)| batch).collect();
        self.skew(&mut batches, instances);
        batches
    }

    /// Puts the clocks of instances wrong. Spans are reported when they really end, so that comes
    /// after their order.
    fn skew(&self, batches: &mut [Vec<Span>], instances: u16) {
        if self.skew_us == 0 {
            return;
        }
        let mut random = Random::new(self.seed ^ 0xd4e5);
        let skews: Vec<u64> = (0..=instances)
            .map(|_| random.below(2 * self.skew_us + 1))
            .collect();
        let shift = |at: u64, by: u64| (at + by).saturating_sub(self.skew_us);
        for span in batches.iter_mut().flatten() {
            if span.timestamp_us <= self.skew_us {
                continue;
            }
            let by = skews[usize::from(span.instance)];
            span.timestamp_us = shift(span.timestamp_us, by);
            for (at, _) in &mut span.annotations {
                *at = shift(*at, by);
            }
        }
    }

    /// Adds to spans what the knobs say.
    pub fn dress(&self, spans: &mut [Span]) {
        let mut random = Random::new(self.seed ^ 0xd4e5);
        let counts = self.counts_on(spans.len());
        for span in spans {
            if self.narrow_ids {
                span.trace_id = (span.trace_id & u128::from(u64::MAX)).max(1);
            }
            for number in 0..self.extra_tags {
                let value = match self.cardinality {
                    0 => format!("{:016x}", random.bits()),
                    values if counts => format!("{:016}", random.below(values)),
                    values => format!("value-{}", random.below(values)),
                };
                let key = Text::Owned(format!("{ADDED}{number}"));
                span.tags.push((key, Text::Owned(value)));
            }
            let failed = random.chance(self.errors_per_mille);
            if failed && !span.tags.iter().any(|(key, _)| key == "error") {
                span.tag([("error", Text::Borrowed("true"))]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::Format;
    use super::*;

    const WINDOW: Window = Window {
        start_us: 1_760_000_000_000_000,
        length_us: 1_000_000,
    };

    fn tags_per_span(spans: &[Span]) -> usize {
        spans.iter().map(|span| span.tags.len()).sum::<usize>() * 10 / spans.len()
    }

    #[test]
    fn without_a_change_it_is_the_reference() {
        let plain = Knobs {
            seed: 9,
            ..Knobs::default()
        };
        let reference = Traffic::new(9).spans(700, WINDOW.start_us, WINDOW.length_us);
        assert_eq!(plain.spans(700, WINDOW), reference);
        let batches = super::super::batches(reference.clone(), 50);
        assert_eq!(plain.batches(reference, 50), batches);
    }

    #[test]
    fn knobs_change_what_they_say() {
        let plain = Knobs::default();
        let before = plain.spans(3000, WINDOW);
        let after = Knobs {
            extra_tags: 4,
            cardinality: 3,
            errors_per_mille: 500,
            narrow_ids: true,
            ..Knobs::default()
        }
        .spans(3000, WINDOW);
        let more = tags_per_span(&after) - tags_per_span(&before);
        // Four more tags and an error on half of the spans.
        assert!((43..=46).contains(&more), "{more}");
        let values: HashSet<&Text> = after
            .iter()
            .flat_map(|span| &span.tags)
            .filter(|(key, _)| key == "load.tag.2")
            .map(|(_, value)| value)
            .collect();
        assert_eq!(values.len(), 3);
        assert!(after.iter().all(|span| span.trace_id >> 64 == 0));
        let text = String::from_utf8(Format::Json.encode(&after[..1])).unwrap();
        let id = format!("\"traceId\":\"{:016x}\"", after[0].trace_id);
        assert!(text.contains(&id), "{text}");
    }

    #[test]
    fn clocks_are_wrong_by_instance_and_bounded_and_change_no_order() {
        let plain = Knobs::default();
        let knobs = Knobs {
            skew_us: 3_600_000_000,
            ..plain.clone()
        };
        let before = plain.batches(plain.spans(3000, WINDOW), 50);
        let after = knobs.batches(knobs.spans(3000, WINDOW), 50);
        let mut offsets = std::collections::BTreeMap::new();
        for (old, new) in before.iter().flatten().zip(after.iter().flatten()) {
            assert_eq!((old.trace_id, old.id), (new.trace_id, new.id));
            let by = i128::from(new.timestamp_us) - i128::from(old.timestamp_us);
            assert!(by.abs() <= 3_600_000_000, "{by}");
            assert_eq!(*offsets.entry(old.instance).or_insert(by), by);
        }
        assert!(offsets.values().any(|by| *by != 0));
    }

    #[test]
    fn late_and_duplicate_batches_are_as_many_as_asked() {
        let knobs = Knobs {
            late_per_mille: 200,
            late_us: 300_000,
            duplicates_per_mille: 100,
            ..Knobs::default()
        };
        let spans = knobs.spans(20_000, WINDOW);
        let plain = super::super::batches(spans.clone(), 20);
        let reported = knobs.batches(spans, 20);
        let again = reported.len() - plain.len();
        let share = again * 1000 / plain.len();
        assert!((60..140).contains(&share), "{share} of a thousand twice");
        let ends: Vec<u64> = reported
            .iter()
            .map(|batch| batch[batch.len() - 1].end_us())
            .collect();
        let late = ends
            .windows(2)
            .filter(|pair| pair[1] + 100_000 < pair[0])
            .count();
        assert!(late > plain.len() / 20, "{late} late");
    }

    #[test]
    fn a_trace_larger_than_asked_for_stays_whole() {
        let tree = Tree {
            services: 10,
            depth: 3,
            fan_out: 3,
            trace_spans: Some(5000),
        };
        let knobs = Knobs {
            shape: Shape::Tree(tree),
            ..Knobs::default()
        };
        assert_eq!(knobs.spans(1000, WINDOW).len(), 5000);
    }
}
