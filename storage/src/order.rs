//! The order in which the spans of a trace are answered, and equal spans once: what every engine
//! does with the raw spans of a trace before it hands them out. Not a sort by time.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};

use speargun_model::Span;

/// Below so many spans comparing each with each is faster than hashing.
const FEW: usize = 8;

/// Returns the millisecond that a span is filed under: 0 without a timestamp.
pub fn millisecond(span: &Span) -> u64 {
    span.timestamp_us / 1000
}

/// Orders spans that come in order of arrival by groups of equal [`millisecond`]: the groups by
/// their first arrival, and so the spans of a group.
pub fn group_by_millisecond<S: Borrow<Span>>(spans: &mut [S]) {
    let Some(first) = spans.first().map(|s| millisecond(s.borrow())) else {
        return;
    };
    if spans.iter().all(|s| millisecond(s.borrow()) == first) {
        return;
    }
    let mut ranks = HashMap::new();
    for span in spans.iter() {
        let next = ranks.len();
        ranks.entry(millisecond(span.borrow())).or_insert(next);
    }
    // Stable, and each rank is looked up once.
    spans.sort_by_cached_key(|span| ranks.get(&millisecond(span.borrow())).copied());
}

/// Removes spans that equal an earlier one in every field.
pub fn keep_first_of_equal<S: Borrow<Span>>(spans: &mut Vec<S>) {
    let first: Vec<bool> = if spans.len() <= FEW {
        let all = spans.iter().enumerate();
        all.map(|(at, span)| !spans.iter().take(at).any(|s| s.borrow() == span.borrow()))
            .collect()
    } else {
        // Seeded, as what is hashed comes from outside; the standard library's hash takes longer
        // than reading the spans did.
        let state = foldhash::quality::RandomState::default();
        let mut seen: HashSet<&Span, _> = HashSet::with_capacity_and_hasher(spans.len(), state);
        spans
            .iter()
            .map(|span| seen.insert(span.borrow()))
            .collect()
    };
    let mut keep = first.into_iter();
    spans.retain(|_| keep.next().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(id: u64, timestamp_us: u64) -> Span {
        Span {
            id: speargun_model::SpanId(id),
            timestamp_us,
            ..Span::default()
        }
    }

    #[test]
    fn spans_are_grouped_by_millisecond_in_order_of_arrival() {
        let mut spans: Vec<Span> = [5000, 1000, 9000, 0, 1001, 999, 5999]
            .iter()
            .map(|us| at(1, *us))
            .collect();
        group_by_millisecond(&mut spans);
        let times: Vec<u64> = spans.iter().map(|s| s.timestamp_us).collect();
        assert_eq!(times, [5000, 5999, 1000, 1001, 9000, 0, 999]);
    }

    #[test]
    fn the_first_of_equal_spans_is_kept() {
        for others in [0, 1000] {
            let mut spans = vec![at(1, 5), at(2, 5), at(1, 5), at(1, 6)];
            spans.extend((0..others).map(|n| at(100 + n, 7)));
            spans.push(at(2, 5));
            keep_first_of_equal(&mut spans);
            assert_eq!(spans.len() as u64, 3 + others);
            assert_eq!(spans[..3], [at(1, 5), at(2, 5), at(1, 6)]);
        }
    }
}
