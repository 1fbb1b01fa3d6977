//! Searches that keep a summary of each trace that matches instead of its spans, go on behind an
//! earlier one, and know what a plain search does not: the length of a trace, and the calls in it.

use std::cmp::Reverse;

use speargun_model::link::link_traces;
use speargun_model::trace::TraceSummary;
use speargun_model::{Span, TraceId};

use crate::error::ReadError;
use crate::order::millisecond;
use crate::read::{ReadContext, SpanReader};
use crate::request::{TagTerm, TraceRequest, Window};

/// Traces that a search over [`SpanReader::search`] asks for beyond those it wants, at first: it
/// can't say which of them lie before the place where it goes on.
const MORE: usize = 256;

/// Where a trace stands in the order of a search: newest first, those of one millisecond by id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The millisecond of the trace's newest span inside the window.
    pub newest_ms: u64,
    /// The id, of which the upper half is 0 when it does not count.
    pub id: TraceId,
}

impl Place {
    /// Returns the place of a trace whose spans lie in this window. Spans whose ids have different
    /// upper halves are one trace only where those do not count.
    pub fn of(spans: &[Span], window: &Window) -> Self {
        let inside = |ms: &u64| window.contains_ms(*ms);
        let newest_ms = spans.iter().map(millisecond).filter(inside).max();
        let first = spans.first().map(|span| span.trace_id).unwrap_or_default();
        let is_one = spans.iter().all(|span| span.trace_id == first);
        let high = if is_one { first.high } else { 0 };
        Self {
            newest_ms: newest_ms.unwrap_or(0),
            id: TraceId { high, ..first },
        }
    }

    /// Returns what places are sorted by. Lower halves of ids come first: where the upper ones do
    /// not count, they are all there is.
    pub fn order(&self) -> (Reverse<u64>, u64, u64) {
        (Reverse(self.newest_ms), self.id.low, self.id.high)
    }

    /// Returns whether this comes after another place.
    pub fn is_behind(&self, other: &Self) -> bool {
        self.order() > other.order()
    }
}

/// A call from one service to another, as the dependency linker finds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The calling service.
    pub parent: String,
    /// The called service.
    pub child: String,
    /// Whether only calls that failed count.
    pub failed: bool,
}

/// What a trace begins with, by the root that its summary shows; an empty text is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Root {
    /// The service, unless any will do.
    pub service: Option<String>,
    /// The name of the span, unless any will do.
    pub name: Option<String>,
}

impl Root {
    fn is_of(&self, summary: &TraceSummary) -> bool {
        let (service, name) = (&summary.root_service, &summary.root_name);
        self.service.as_ref().is_none_or(|wanted| wanted == service)
            && self.name.as_ref().is_none_or(|wanted| wanted == name)
    }
}

/// What a trace that matches has to meet besides, as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TraceFilter {
    /// It lasts at least so many microseconds.
    pub min_duration_us: Option<u64>,
    /// It lasts at most so many.
    pub max_duration_us: Option<u64>,
    /// It has such a call.
    pub edge: Option<Edge>,
    /// It begins with this.
    pub root: Root,
    /// No span of it meets any of these.
    pub without: Vec<TagTerm>,
}

impl TraceFilter {
    /// Returns the summary of a trace, in the order of the contract, if it is wanted.
    pub fn summarise(&self, spans: Vec<Span>) -> Option<TraceSummary> {
        let has = |term: &TagTerm| spans.iter().any(|span| term.matches(span));
        if self.without.iter().any(has) {
            return None;
        }
        if self.edge.as_ref().is_some_and(|edge| !edge.is_in(&spans)) {
            return None;
        }
        let summary = TraceSummary::of(spans);
        let lasts = summary.duration_us;
        let fits = self.min_duration_us.is_none_or(|min| lasts >= min)
            && self.max_duration_us.is_none_or(|max| lasts <= max)
            && self.root.is_of(&summary);
        fits.then_some(summary)
    }
}

impl Edge {
    fn is_in(&self, spans: &[Span]) -> bool {
        link_traces([spans]).iter().any(|link| {
            link.parent == self.parent
                && link.child == self.child
                && (!self.failed || link.error_count > 0)
        })
    }
}

/// A search for summaries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SummaryRequest {
    /// What matches, and how many at most.
    pub request: TraceRequest,
    /// What they have to meet besides.
    pub filter: TraceFilter,
    /// Only traces behind this place.
    pub after: Option<Place>,
}

/// A trace that was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundTrace {
    /// Where it stands.
    pub place: Place,
    /// What is shown of it.
    pub summary: TraceSummary,
}

/// What such a search found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FoundTraces {
    /// In order, as many as were asked for at most.
    pub traces: Vec<FoundTrace>,
    /// Whether the search came to its end. Else the deadline cut it short: what it found matches,
    /// and others between them may be missing.
    pub is_complete: bool,
    /// Traces that were read for it.
    pub traces_read: u64,
    /// Their spans.
    pub spans_read: u64,
}

/// Answers [`SpanReader::summaries`] by plain searches: each for more traces than the one before,
/// until enough lie behind the place.
pub(crate) fn by_searching<R: SpanReader + ?Sized>(
    reader: &R,
    asked: &SummaryRequest,
    context: &ReadContext,
) -> Result<FoundTraces, ReadError> {
    let limit = asked.request.limit;
    // Without a place to go on behind, all but those of the last millisecond are wanted.
    let is_plain = asked.after.is_none() && asked.filter == TraceFilter::default();
    let mut count = limit.saturating_add(if is_plain { 1 } else { MORE });
    let mut found = FoundTraces::default();
    let mut fits = true;
    loop {
        let request = TraceRequest {
            limit: count,
            ..asked.request.clone()
        };
        let traces = match reader.search(&request, context) {
            Err(ReadError::DeadlineExceeded) => return Ok(found),
            // Fewer fit, and that they are a part is told.
            Err(ReadError::TooMuch(_)) if !found.traces.is_empty() => {
                found.is_complete = false;
                return Ok(found);
            }
            Err(ReadError::TooMuch(_)) if count > 1 => {
                fits = false;
                count /= 2;
                continue;
            }
            searched => searched?,
        };
        let is_all = traces.len() < count;
        // Of its last millisecond the search may have left out any.
        let last_ms = traces
            .last()
            .map(|t| Place::of(t, &request.window).newest_ms);
        found = summarise(asked, traces);
        let is_sure = |trace: &FoundTrace| Some(trace.place.newest_ms) > last_ms;
        let sure = found.traces.partition_point(is_sure);
        found.traces.truncate(limit);
        if !fits {
            return Ok(found);
        }
        if is_all || sure >= limit || count == usize::MAX {
            found.is_complete = true;
            return Ok(found);
        }
        count = count.saturating_mul(2);
    }
}

/// Returns the summaries of those that are wanted, in order.
fn summarise(asked: &SummaryRequest, traces: Vec<Vec<Span>>) -> FoundTraces {
    let mut found = FoundTraces::default();
    for spans in traces {
        found.traces_read += 1;
        found.spans_read += spans.len() as u64;
        let place = Place::of(&spans, &asked.request.window);
        if asked.after.is_some_and(|after| !place.is_behind(&after)) {
            continue;
        }
        let summary = asked.filter.summarise(spans);
        let wanted = summary.map(|summary| FoundTrace { place, summary });
        found.traces.extend(wanted);
    }
    found.traces.sort_by_key(|trace| trace.place.order());
    found
}

#[cfg(test)]
mod tests {
    use speargun_model::{DependencyLink, SpanId};

    use super::*;

    /// Holds traces of one span, and answers only so many at once.
    #[derive(Debug)]
    struct Narrow {
        traces: u64,
        at_once: usize,
    }

    impl SpanReader for Narrow {
        fn describe(&self) -> String {
            String::new()
        }

        fn check(&self) -> Result<(), ReadError> {
            Ok(())
        }

        fn trace(&self, _: TraceId, _: &ReadContext) -> Result<Vec<Span>, ReadError> {
            Ok(vec![])
        }

        fn search(
            &self,
            request: &TraceRequest,
            _: &ReadContext,
        ) -> Result<Vec<Vec<Span>>, ReadError> {
            let count = request.limit.min(self.traces as usize);
            if count > self.at_once {
                return Err(ReadError::TooMuch(1));
            }
            let newest_first = (1..=self.traces).rev().map(|n| {
                vec![Span {
                    trace_id: TraceId { high: 0, low: n },
                    id: SpanId(n),
                    timestamp_us: n * 1000,
                    ..Span::default()
                }]
            });
            Ok(newest_first.take(count).collect())
        }

        fn service_names(&self, _: &ReadContext) -> Result<Vec<String>, ReadError> {
            Err(ReadError::DeadlineExceeded)
        }

        fn span_names(&self, _: &str, _: &ReadContext) -> Result<Vec<String>, ReadError> {
            Ok(vec![])
        }

        fn remote_service_names(&self, _: &str, _: &ReadContext) -> Result<Vec<String>, ReadError> {
            Ok(vec![])
        }

        fn tag_values(&self, _: &str, _: &ReadContext) -> Result<Vec<String>, ReadError> {
            Ok(vec![])
        }

        fn dependencies(
            &self,
            _: Window,
            _: &ReadContext,
        ) -> Result<Vec<DependencyLink>, ReadError> {
            Ok(vec![])
        }
    }

    fn found(reader: &Narrow, after_ms: Option<u64>) -> (usize, bool) {
        let window = Window {
            end_ms: 100_000,
            lookback_ms: 100_000,
        };
        let asked = SummaryRequest {
            request: TraceRequest::everything(window, 10),
            filter: TraceFilter::default(),
            after: after_ms.map(|newest_ms| Place {
                newest_ms,
                id: TraceId {
                    high: 0,
                    low: newest_ms,
                },
            }),
        };
        let found = reader.summaries(&asked, &ReadContext::default()).unwrap();
        (found.traces.len(), found.is_complete)
    }

    #[test]
    fn the_first_rows_take_no_more_than_they_need() {
        let reader = Narrow {
            traces: 5000,
            at_once: 11,
        };
        assert_eq!(found(&reader, None), (10, true));
    }

    #[test]
    fn what_does_not_fit_is_answered_in_part() {
        let few = Narrow {
            traces: 5000,
            at_once: 6,
        };
        assert_eq!(found(&few, None), (5, false));
        let behind = Narrow {
            traces: 5000,
            at_once: 300,
        };
        assert_eq!(found(&behind, Some(4000)), (0, false));
    }

    #[test]
    fn names_whose_list_comes_too_late_are_a_part() {
        let reader = Narrow {
            traces: 1,
            at_once: 1,
        };
        let asked = crate::NamesRequest {
            of: crate::Listed::Services,
            service_name: None,
            window: Window {
                end_ms: 9,
                lookback_ms: 9,
            },
            spans_max: 9,
        };
        let names = reader.observed_names(&asked, &ReadContext::default());
        assert!(!names.unwrap().is_complete);
    }
}
