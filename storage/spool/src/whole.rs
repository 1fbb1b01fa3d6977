//! A trace out of both places.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use speargun_model::{Span, TraceId};
use speargun_storage::IdMode;
use speargun_storage::order::{group_by_millisecond, keep_first_of_equal};

/// Returns the key of a trace; `None` when it has no spans.
pub(crate) fn key_of(mode: IdMode, spans: &[Span]) -> Option<TraceId> {
    spans.first().map(|span| mode.key(span.trace_id))
}

/// Returns the raw spans of traces, told apart as the mode says, in the order they come in.
pub(crate) fn by_key(mode: IdMode, traces: Vec<Vec<Span>>) -> HashMap<TraceId, Vec<Span>> {
    let mut all: HashMap<TraceId, Vec<Span>> = HashMap::new();
    for trace in traces {
        let first = key_of(mode, &trace);
        let is_one = |first| trace.iter().all(|span| mode.key(span.trace_id) == first);
        match first {
            // Nearly always.
            Some(first) if is_one(first) => match all.entry(first) {
                Entry::Vacant(place) => {
                    place.insert(trace);
                }
                Entry::Occupied(mut place) => place.get_mut().extend(trace),
            },
            _ => {
                for span in trace {
                    all.entry(mode.key(span.trace_id)).or_default().push(span);
                }
            }
        }
    }
    all
}

/// Returns the spans of a trace in order, equal ones once. What was stored came before what still
/// waits, and what is being moved is in both places.
pub(crate) fn join(mut stored: Vec<Span>, waiting: Vec<Span>) -> Vec<Span> {
    stored.extend(waiting);
    keep_first_of_equal(&mut stored);
    group_by_millisecond(&mut stored);
    stored
}

/// Returns the bytes of memory that the spans take.
pub(crate) fn bytes(spans: &[Span]) -> usize {
    spans.iter().map(Span::memory_bytes).sum()
}
