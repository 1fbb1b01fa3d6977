//! The read half of the store: traces by id here, the rest in its own files. A part of a segment
//! that can't be read is reported and left out; the rest is answered.

use hashbrown::HashMap;
use speargun_model::{DependencyLink, Span, SpanView, TraceId};
use speargun_storage::order::{group_by_millisecond, keep_first_of_equal};
use speargun_storage::{IdMode, ReadContext, ReadError, SpanReader, TraceRequest, Window};

use crate::assemble;
use crate::dependencies;
use crate::error::SegmentError;
use crate::names;
use crate::search;
use crate::segment::Segment;
use crate::store::{SegmentStore, Shared, Snapshot};

impl SpanReader for SegmentStore {
    fn describe(&self) -> String {
        format!("SegmentStorage{{dir={}}}", self.shared.config.dir.display())
    }

    fn check(&self) -> Result<(), ReadError> {
        self.shared
            .trouble()
            .map_or(Ok(()), |trouble| Err(ReadError::Failed(trouble)))
    }

    fn trace(&self, id: TraceId, context: &ReadContext) -> Result<Vec<Span>, ReadError> {
        let snapshot = self.shared.snapshot();
        let mut found = fetch(&self.shared, &snapshot, &[id.low], context)?;
        Ok(found
            .remove(&key(self.shared.config.id_mode, id))
            .unwrap_or_default())
    }

    fn search(
        &self,
        request: &TraceRequest,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError> {
        search::search(&self.shared, request, context)
    }

    fn service_names(&self, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        names::services(&self.shared, context)
    }

    fn span_names(&self, service: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        names::span_names(&self.shared, service, context)
    }

    fn remote_service_names(
        &self,
        service: &str,
        context: &ReadContext,
    ) -> Result<Vec<String>, ReadError> {
        names::remote_service_names(&self.shared, service, context)
    }

    fn tag_values(&self, key: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        names::tag_values(&self.shared, key, context)
    }

    fn dependencies(
        &self,
        window: Window,
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        dependencies::links(&self.shared, window, context)
    }
}

/// Returns what traces are told apart by: the whole id, or its lower half.
pub(crate) fn key(mode: IdMode, id: TraceId) -> TraceId {
    match mode {
        IdMode::Strict => id,
        IdMode::Lenient => TraceId {
            high: 0,
            low: id.low,
        },
    }
}

/// Returns all traces whose ids have one of these lower halves, each in the order of the contract.
pub(crate) fn fetch(
    shared: &Shared,
    snapshot: &Snapshot,
    lows: &[u64],
    context: &ReadContext,
) -> Result<HashMap<TraceId, Vec<Span>>, ReadError> {
    let mode = shared.config.id_mode;
    let mut lows = lows.to_vec();
    lows.sort_unstable();
    lows.dedup();
    let mut found: HashMap<TraceId, Vec<Span>> = HashMap::default();
    for segment in snapshot.segments.iter() {
        context.check()?;
        for &low in &lows {
            let spans = served(shared, segment, || assemble::spans(segment, low));
            let spans = spans.unwrap_or_default();
            for span in spans {
                found
                    .entry(key(mode, span.trace_id))
                    .or_default()
                    .push(span);
            }
        }
    }
    for head in &snapshot.heads {
        context.check()?;
        head.each_of(&lows, |view: SpanView<'_>| {
            let span = view.to_span();
            found
                .entry(key(mode, span.trace_id))
                .or_default()
                .push(span);
        });
    }
    for spans in found.values_mut() {
        keep_first_of_equal(spans);
        group_by_millisecond(spans);
    }
    Ok(found)
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
