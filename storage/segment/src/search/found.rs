//! What a search has found, and where those that are asked for begin. It reads nothing.

use speargun_model::Span;
use speargun_model::trace::TraceSummary;
use speargun_storage::{FoundTrace, Place, TraceFilter};

/// A trace that matches, by its newest time inside the window.
pub(super) struct Found {
    pub(super) place: Place,
    kept: Kept,
}

/// What is kept of a trace.
enum Kept {
    Spans(Vec<Span>),
    Summary(TraceSummary),
}

/// What is asked for besides, when only summaries are kept.
#[derive(Clone, Copy)]
pub(super) struct Summarising<'a> {
    pub(super) filter: &'a TraceFilter,
    /// Only traces behind this place.
    pub(super) after: Option<Place>,
}

impl Summarising<'_> {
    /// Returns whether a trace with a span of this time inside the window comes too early.
    pub(super) fn is_passed(&self, newest_us: u64) -> bool {
        self.after
            .is_some_and(|after| newest_us / 1000 > after.newest_ms)
    }
}

impl Found {
    /// Returns what is kept of a trace that matches; `None` when it is not wanted.
    pub(super) fn of(
        place: Place,
        spans: Vec<Span>,
        summarising: Option<&Summarising<'_>>,
    ) -> Option<Self> {
        let kept = match summarising {
            None => Kept::Spans(spans),
            Some(Summarising { after, .. }) if after.is_some_and(|a| !place.is_behind(&a)) => {
                return None;
            }
            Some(Summarising { filter, .. }) => Kept::Summary(filter.summarise(spans)?),
        };
        Some(Self { place, kept })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        match &self.kept {
            Kept::Spans(spans) => spans.iter().map(Span::memory_bytes).sum(),
            Kept::Summary(summary) => summary.memory_bytes(),
        }
    }

    pub(super) fn into_spans(self) -> Option<Vec<Span>> {
        match self.kept {
            Kept::Spans(spans) => Some(spans),
            Kept::Summary(_) => None,
        }
    }

    pub(super) fn into_summary(self) -> Option<FoundTrace> {
        let place = self.place;
        match self.kept {
            Kept::Summary(summary) => Some(FoundTrace { place, summary }),
            Kept::Spans(_) => None,
        }
    }
}
