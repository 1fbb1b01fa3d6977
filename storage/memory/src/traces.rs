//! Spans by trace, and traces by time. It knows no names and no locks.
//!
//! ```text
//! traces   low half of the id ─▶ spans in order of arrival, equal ones once
//! times    (millisecond, low, high) of every span: the first is evicted first, the last is
//!          answered first; high is 0 when ids are lenient
//! ```

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use speargun_model::{Span, TraceId};
use speargun_storage::order::millisecond;
use speargun_storage::{IdMode, Window};

/// Traces with fewer spans than this find duplicates by looking at each.
const FEW: usize = 16;

/// A trace under one of its times.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct TraceTime {
    ms: u64,
    low: u64,
    high: u64,
}

/// All spans held.
#[derive(Debug)]
pub(crate) struct Traces {
    id_mode: IdMode,
    by_low: HashMap<u64, Trace>,
    times: BTreeSet<TraceTime>,
    spans_count: usize,
}

#[derive(Debug, Default)]
struct Trace {
    spans: Vec<Arc<Span>>,
    /// The same spans, once there are [`FEW`].
    known: HashSet<Arc<Span>>,
}

impl Trace {
    /// Adds a span unless an equal one is there.
    fn push(&mut self, span: Arc<Span>) -> bool {
        if self.spans.len() < FEW {
            if self.spans.contains(&span) {
                return false;
            }
        } else {
            if self.known.is_empty() {
                self.known.extend(self.spans.iter().cloned());
            }
            if !self.known.insert(span.clone()) {
                return false;
            }
        }
        self.spans.push(span);
        true
    }
}

impl Traces {
    pub(crate) fn new(id_mode: IdMode) -> Self {
        Self {
            id_mode,
            by_low: HashMap::new(),
            times: BTreeSet::new(),
            spans_count: 0,
        }
    }

    pub(crate) fn spans_count(&self) -> usize {
        self.spans_count
    }

    /// Returns the least and the greatest time of a span that has one, to the millisecond.
    pub(crate) fn times_us(&self) -> Option<(u64, u64)> {
        let first = TraceTime {
            ms: 1,
            low: 0,
            high: 0,
        };
        let mut times = self.times.range(first..).map(|time| time.ms * 1000);
        let least = times.next()?;
        Some((least, times.next_back().unwrap_or(least)))
    }

    /// Adds a span; returns whether it was new.
    pub(crate) fn push(&mut self, span: Arc<Span>) -> bool {
        let time = self.time_of(&span);
        let added = self.by_low.entry(time.low).or_default().push(span);
        if added {
            self.times.insert(time);
            self.spans_count += 1;
        }
        added
    }

    /// Removes the trace that owns the oldest span, with all forms of its id; returns its spans.
    pub(crate) fn evict_oldest(&mut self) -> Option<(u64, Vec<Arc<Span>>)> {
        let low = self.times.first()?.low;
        let Entry::Occupied(trace) = self.by_low.entry(low) else {
            debug_assert!(false, "every time has its trace");
            return None;
        };
        let spans = trace.remove().spans;
        for span in &spans {
            let time = self.time_of(span);
            self.times.remove(&time);
        }
        self.spans_count -= spans.len();
        Some((low, spans))
    }

    /// Returns the spans of a trace in order of arrival.
    pub(crate) fn spans(&self, id: TraceId) -> Vec<Arc<Span>> {
        let all = self.by_low.get(&id.low).map(|trace| trace.spans.iter());
        let wanted = |span: &&Arc<Span>| self.is_lenient() || span.trace_id.high == id.high;
        all.into_iter().flatten().filter(wanted).cloned().collect()
    }

    /// Returns the spans of all forms of an id, in order of arrival.
    pub(crate) fn spans_of_low(&self, low: u64) -> Vec<Arc<Span>> {
        let trace = self.by_low.get(&low);
        trace.map(|trace| trace.spans.clone()).unwrap_or_default()
    }

    /// Returns the ids of traces with a span in the window, newest first: by that span's
    /// millisecond, then the greater id. An id may come again.
    pub(crate) fn newest_first(&self, window: Window) -> impl Iterator<Item = TraceId> + '_ {
        let time = |ms, end| TraceTime {
            ms,
            low: end,
            high: end,
        };
        let range = time(window.start_ms(), 0)..=time(window.end_ms, u64::MAX);
        let newest = self.times.range(range).rev();
        newest.map(|time| TraceId {
            high: time.high,
            low: time.low,
        })
    }

    fn time_of(&self, span: &Span) -> TraceTime {
        TraceTime {
            ms: millisecond(span),
            low: span.trace_id.low,
            high: if self.is_lenient() {
                0
            } else {
                span.trace_id.high
            },
        }
    }

    fn is_lenient(&self) -> bool {
        self.id_mode == IdMode::Lenient
    }
}
