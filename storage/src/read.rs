//! Everything the query API asks of an engine. Calls block: they run on query threads.

use std::time::Instant;

use speargun_model::{DependencyLink, Span, TraceId};

use crate::error::ReadError;
use crate::observed::{self, NamesRequest, ObservedNames};
use crate::request::{TraceRequest, Window};
use crate::summary::{self, FoundTraces, SummaryRequest};

/// How trace ids are compared (`STRICT_TRACE_ID`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum IdMode {
    /// All 128 bits count.
    #[default]
    Strict,
    /// Only the lower 64 bits count: both forms of an id are one trace.
    Lenient,
}

impl IdMode {
    /// Returns what traces are told apart by: the whole id, or its lower half.
    pub fn key(self, id: TraceId) -> TraceId {
        match self {
            Self::Strict => id,
            Self::Lenient => TraceId { high: 0, ..id },
        }
    }
}

/// What a query carries along.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadContext {
    /// When to give up with [`ReadError::DeadlineExceeded`]; `None` is never.
    pub deadline: Option<Instant>,
}

impl ReadContext {
    /// Returns the error once the deadline has passed. Engines ask between blocks of work of at
    /// most some milliseconds.
    pub fn check(&self) -> Result<(), ReadError> {
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(ReadError::DeadlineExceeded),
            _ => Ok(()),
        }
    }
}

/// What an engine holds, as far as it knows without looking for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Extent {
    /// Spans.
    pub spans: Option<u64>,
    /// Bytes on disk, without what lies in the journal alone.
    pub bytes: Option<u64>,
    /// The least and the greatest timestamp of a span, in microseconds.
    pub times_us: Option<(u64, u64)>,
}

/// The read half of an engine. Traces come raw: spans unmerged, exact duplicates once.
///
/// Order inside a trace, as Zipkin's memory store has it: spans grouped by the millisecond of
/// their timestamp (0 when absent), groups and the spans in them in the order of arrival:
/// [`group_by_millisecond`](crate::order::group_by_millisecond).
pub trait SpanReader: Send + Sync + std::fmt::Debug {
    /// Returns the name and arguments that `/health` shows.
    fn describe(&self) -> String;

    /// Returns an error while the engine can't serve.
    fn check(&self) -> Result<(), ReadError>;

    /// Returns the spans of the trace; none when it is unknown.
    fn trace(&self, id: TraceId, context: &ReadContext) -> Result<Vec<Span>, ReadError>;

    /// Returns the traces that pass [`TraceRequest::test`], newest first by the millisecond of the
    /// newest span inside the window (those of one millisecond in any order), at most the limit.
    /// In lenient mode spans of all forms of an id are one trace, in strict mode each full id is
    /// one, tested alone.
    fn search(
        &self,
        request: &TraceRequest,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError>;

    /// Returns the local service names, sorted in Java's order, once each.
    fn service_names(&self, context: &ReadContext) -> Result<Vec<String>, ReadError>;

    /// Returns the span names recorded by a (lower-case) service, sorted.
    fn span_names(&self, service: &str, context: &ReadContext) -> Result<Vec<String>, ReadError>;

    /// Returns the services that spans of a (lower-case) service name as remote, sorted.
    fn remote_service_names(
        &self,
        service: &str,
        context: &ReadContext,
    ) -> Result<Vec<String>, ReadError>;

    /// Returns the values seen of a tag key that was configured for autocompletion, sorted.
    fn tag_values(&self, key: &str, context: &ReadContext) -> Result<Vec<String>, ReadError>;

    /// Returns the links of every trace (by the lower 64 bits of its id, whatever the mode) that
    /// has a span whose millisecond lies in the window; a span without timestamp counts as 0.
    /// Such a trace is linked in full.
    fn dependencies(
        &self,
        window: Window,
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError>;

    /// Returns summaries of the traces that pass both tests of the request, in the order of
    /// [`Place`](crate::summary::Place). A deadline that passes cuts the answer short instead of
    /// failing it.
    fn summaries(
        &self,
        request: &SummaryRequest,
        context: &ReadContext,
    ) -> Result<FoundTraces, ReadError> {
        summary::by_searching(self, request, context)
    }

    /// Returns the names seen and how often, in the window and perhaps beyond it: names of
    /// others may be listed with no spans. A deadline that passes cuts the counts short.
    fn observed_names(
        &self,
        request: &NamesRequest,
        context: &ReadContext,
    ) -> Result<ObservedNames, ReadError> {
        observed::by_searching(self, request, context)
    }

    /// Returns how much is held.
    fn extent(&self, _context: &ReadContext) -> Result<Extent, ReadError> {
        Ok(Extent::default())
    }
}
