//! Finding summaries for all endpoints that show some: the request's parameters, and the two
//! searches that a call between services takes. It prints nothing.

use speargun_storage::{FoundTraces, ReadContext, SummaryRequest, TraceRequest};

use super::{Asked, UiApi};
use crate::error::QueryError;
use crate::search;

/// Traces that are looked at for what is said of all of them.
pub(super) const TRACES_MAX: usize = 10_000;

impl UiApi {
    /// Reads the search that is asked for, for as many traces as its limit says.
    pub(super) fn request(&self, asked: &Asked) -> Result<SummaryRequest, QueryError> {
        let lookback_ms = self.config.lookback_default_ms;
        search::summary_request(&asked.params, asked.now_ms, lookback_ms)
    }

    /// Returns the traces that are asked for, in order.
    pub(super) fn find(
        &self,
        asked: &SummaryRequest,
        context: &ReadContext,
    ) -> Result<FoundTraces, QueryError> {
        if !self.config.search_enabled {
            return Ok(FoundTraces {
                is_complete: true,
                ..FoundTraces::default()
            });
        }
        let Some(edge) = &asked.filter.edge else {
            return Ok(self.reader.summaries(asked, context)?);
        };
        if asked.request.service_name.is_some() {
            return Ok(self.reader.summaries(asked, context)?);
        }
        // At least one of the two has recorded a span of such a call, not always the caller.
        let of = |service: &str| {
            let asked = SummaryRequest {
                request: TraceRequest {
                    service_name: Some(service.to_owned()),
                    ..asked.request.clone()
                },
                ..asked.clone()
            };
            self.reader.summaries(&asked, context)
        };
        let (mut found, others) = (of(&edge.parent)?, of(&edge.child)?);
        found.is_complete &= others.is_complete;
        found.traces_read += others.traces_read;
        found.spans_read += others.spans_read;
        found.traces.extend(others.traces);
        found.traces.sort_by_key(|trace| trace.place.order());
        // Spans may have come between the two, so that a trace has moved: it is shown once.
        let mut seen = std::collections::HashSet::new();
        found.traces.retain(|trace| seen.insert(trace.place.id));
        found.traces.truncate(asked.request.limit);
        Ok(found)
    }
}
