//! The read half of the store: traces by id here, the rest in its own files. A part of a segment
//! that can't be read is reported and left out; the rest is answered.

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use speargun_model::{DependencyLink, Span, SpanView, TraceId};
use speargun_storage::order::{group_by_millisecond, keep_first_of_equal};
use speargun_storage::{
    Extent, FoundTraces, IdMode, NamesRequest, ObservedNames, ReadContext, ReadError, SpanReader,
    SummaryRequest, TraceRequest, Window,
};

use crate::assemble::{Assembler, locate};
use crate::dependencies;
use crate::error::SegmentError;
use crate::names;
use crate::observed;
use crate::search;
use crate::segment::{Reading, Segment};
use crate::stats;
use crate::store::{SegmentStore, Shared, Snapshot};

/// Traces fetched at once up to which their pages stay in the cache: as many as a person looks at.
const KEPT_TRACES: usize = 32;

/// What the store holds at one moment: stays the same while spans are written, merged and moved
/// away.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) shared: Arc<Shared>,
    pub(crate) snapshot: Snapshot,
}

impl View {
    fn both(&self) -> (&Shared, &Snapshot) {
        (&self.shared, &self.snapshot)
    }
}

impl SegmentStore {
    /// Returns what queries see now.
    pub(crate) fn now(&self) -> View {
        View {
            shared: self.shared.clone(),
            snapshot: self.shared.snapshot(),
        }
    }
}

impl SpanReader for SegmentStore {
    fn describe(&self) -> String {
        format!("SegmentStorage{{dir={}}}", self.shared.config.dir.display())
    }

    fn check(&self) -> Result<(), ReadError> {
        self.shared
            .trouble()
            .map_or(Ok(()), |trouble| Err(ReadError::Unwritable(trouble)))
    }

    fn trace(&self, id: TraceId, context: &ReadContext) -> Result<Vec<Span>, ReadError> {
        self.now().trace(id, context)
    }

    fn search(
        &self,
        request: &TraceRequest,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError> {
        self.now().search(request, context)
    }

    fn service_names(&self, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        self.now().service_names(context)
    }

    fn span_names(&self, service: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        self.now().span_names(service, context)
    }

    fn remote_service_names(
        &self,
        service: &str,
        context: &ReadContext,
    ) -> Result<Vec<String>, ReadError> {
        self.now().remote_service_names(service, context)
    }

    fn tag_values(&self, key: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        self.now().tag_values(key, context)
    }

    fn dependencies(
        &self,
        window: Window,
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        self.now().dependencies(window, context)
    }

    fn summaries(
        &self,
        request: &SummaryRequest,
        context: &ReadContext,
    ) -> Result<FoundTraces, ReadError> {
        self.now().summaries(request, context)
    }

    fn observed_names(
        &self,
        request: &NamesRequest,
        context: &ReadContext,
    ) -> Result<ObservedNames, ReadError> {
        self.now().observed_names(request, context)
    }

    fn extent(&self, context: &ReadContext) -> Result<Extent, ReadError> {
        self.now().extent(context)
    }
}

impl SpanReader for View {
    fn describe(&self) -> String {
        format!("SegmentStorage{{dir={}}}", self.shared.config.dir.display())
    }

    fn check(&self) -> Result<(), ReadError> {
        Ok(())
    }

    fn trace(&self, id: TraceId, context: &ReadContext) -> Result<Vec<Span>, ReadError> {
        let room = self.shared.config.answer_bytes;
        let mut found = fetch(self.both(), &[id.low], room, context)?;
        Ok(found
            .remove(&self.shared.config.id_mode.key(id))
            .unwrap_or_default())
    }

    fn search(
        &self,
        request: &TraceRequest,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError> {
        search::search(self.both(), request, context)
    }

    fn service_names(&self, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        names::services(self.both(), context)
    }

    fn span_names(&self, service: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        names::span_names(self.both(), service, context)
    }

    fn remote_service_names(
        &self,
        service: &str,
        context: &ReadContext,
    ) -> Result<Vec<String>, ReadError> {
        names::remote_service_names(self.both(), service, context)
    }

    fn tag_values(&self, key: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        names::tag_values(self.both(), key, context)
    }

    fn dependencies(
        &self,
        window: Window,
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        dependencies::links(self.both(), window, context)
    }

    fn summaries(
        &self,
        request: &SummaryRequest,
        context: &ReadContext,
    ) -> Result<FoundTraces, ReadError> {
        search::summaries(self.both(), request, context)
    }

    fn observed_names(
        &self,
        request: &NamesRequest,
        context: &ReadContext,
    ) -> Result<ObservedNames, ReadError> {
        observed::names(self.both(), request, context)
    }

    fn extent(&self, _context: &ReadContext) -> Result<Extent, ReadError> {
        Ok(stats::extent(&self.snapshot))
    }
}

/// Returns all traces whose ids have one of these lower halves, each in the order of the contract;
/// an error when they take more than `bytes_left` of what an answer may take.
pub(crate) fn fetch(
    (shared, snapshot): (&Shared, &Snapshot),
    lows: &[u64],
    bytes_left: usize,
    context: &ReadContext,
) -> Result<HashMap<TraceId, Vec<Span>>, ReadError> {
    let mut traces = fetch_raw(
        (shared, snapshot),
        (lows, shared.config.id_mode),
        bytes_left,
        context,
    )?;
    for spans in traces.values_mut().filter(|spans| spans.len() > 1) {
        keep_first_of_equal(spans);
        group_by_millisecond(spans);
    }
    Ok(traces)
}

/// Returns the spans of such traces, told apart as the mode says, in order of arrival.
pub(crate) fn fetch_raw(
    (shared, snapshot): (&Shared, &Snapshot),
    (lows, mode): (&[u64], IdMode),
    bytes_left: usize,
    context: &ReadContext,
) -> Result<HashMap<TraceId, Vec<Span>>, ReadError> {
    let mut lows = lows.to_vec();
    lows.sort_unstable();
    lows.dedup();
    let mut found = Found {
        mode,
        traces: HashMap::default(),
        bytes_left,
    };
    let too_much = || ReadError::TooMuch(shared.config.answer_bytes);
    for segment in snapshot.segments.iter() {
        context.check()?;
        fetch_of(shared, segment, &lows, &mut found, context)?;
    }
    for head in &snapshot.heads {
        context.check()?;
        let mut fits = true;
        head.each_of(&lows, |view: SpanView<'_>| {
            // The rest is not even made.
            fits = fits && found.add(vec![view.to_span()]);
        });
        if !fits {
            return Err(too_much());
        }
    }
    Ok(found.traces)
}

/// Adds the spans of a segment to those found.
fn fetch_of(
    shared: &Shared,
    segment: &Segment,
    lows: &[u64],
    found: &mut Found,
    context: &ReadContext,
) -> Result<(), ReadError> {
    let mut report = |error| shared.report_damage(&segment.path, &error);
    let wanted = served(shared, segment, || locate(segment, lows, &mut report));
    let wanted = wanted.unwrap_or_default();
    if wanted.is_empty() {
        return Ok(());
    }
    let reading = if lows.len() <= KEPT_TRACES {
        Reading::Keeping
    } else {
        Reading::Passing
    };
    let Some(mut assembler) = served(shared, segment, || Assembler::open(segment, reading)) else {
        return Ok(());
    };
    for of_page in wanted.chunk_by(|one, other| one.page == other.page) {
        context.check()?;
        let traces = served(shared, segment, || assembler.page(of_page, &mut report));
        for spans in traces.into_iter().flatten() {
            if !found.add(spans) {
                return Err(ReadError::TooMuch(shared.config.answer_bytes));
            }
        }
    }
    Ok(())
}

/// Traces by what tells them apart, their spans in order of arrival.
struct Found {
    mode: IdMode,
    traces: HashMap<TraceId, Vec<Span>>,
    bytes_left: usize,
}

impl Found {
    fn push(&mut self, span: Span) {
        let key = self.mode.key(span.trace_id);
        self.traces.entry(key).or_default().push(span);
    }

    /// Adds spans whose ids have the same lower half: nearly always one trace, which then stays in
    /// the vector it came in. Returns whether there was room for them.
    fn add(&mut self, spans: Vec<Span>) -> bool {
        let bytes = spans.iter().map(Span::memory_bytes).sum();
        let Some(bytes_left) = self.bytes_left.checked_sub(bytes) else {
            return false;
        };
        self.bytes_left = bytes_left;
        let mut keys = spans.iter().map(|span| self.mode.key(span.trace_id));
        let Some(first) = keys.next() else {
            return true;
        };
        let is_one = keys.all(|other| other == first);
        if is_one && let Entry::Vacant(place) = self.traces.entry(first) {
            place.insert(spans);
        } else {
            spans.into_iter().for_each(|span| self.push(span));
        }
        true
    }
}

/// Returns what `read` read of the segment; `None`, reported, where it is damaged.
pub(crate) fn served<T>(
    shared: &Shared,
    segment: &Segment,
    read: impl FnOnce() -> Result<T, SegmentError>,
) -> Option<T> {
    read()
        .inspect_err(|error| shared.report_damage(&segment.path, error))
        .ok()
}
