//! Traces: found by a search, one by its id, several by theirs. Spans are answered raw: merging
//! and mending clocks is the page's business.

use std::collections::HashSet;

use speargun_model::TraceId;
use speargun_storage::IdMode;

use super::{Answer, Answered, Asked, QueryApi};
use crate::error::QueryError;
use crate::{search, view};

/// Ids of one request; the last one keeps the rest, and so is none.
const TRACE_IDS_MAX: usize = 1000;

impl QueryApi {
    pub(super) fn traces(&self, asked: &Asked) -> Answered {
        let lookback_ms = self.config.lookback_default_ms;
        let request = search::trace_request(&asked.params, self.clock.now_ms(), lookback_ms)?;
        let traces = if self.config.search_enabled {
            self.reader.search(&request, &asked.context)?
        } else {
            Vec::new()
        };
        Ok(Answer::json(view::traces(&traces)))
    }

    pub(super) fn trace(&self, id: &str, asked: &Asked) -> Answered {
        let id = TraceId::parse(search::trim(id))?;
        let spans = self.reader.trace(id, &asked.context)?;
        if spans.is_empty() {
            return Err(QueryError::NotFound(id.to_string()));
        }
        Ok(Answer::json(view::spans(&spans)))
    }

    pub(super) fn trace_many(&self, asked: &Asked) -> Answered {
        let ids = trace_ids(asked.params.mandatory_text("traceIds")?)?;
        let mut traces = Vec::new();
        let mut read = HashSet::new();
        for id in ids {
            // Both forms of an id are no refusal, but one trace.
            if !read.insert(self.trace_key(id)) {
                continue;
            }
            let spans = self.reader.trace(id, &asked.context)?;
            if !spans.is_empty() {
                traces.push(spans);
            }
        }
        Ok(Answer::json(view::traces(&traces)))
    }

    fn trace_key(&self, id: TraceId) -> TraceId {
        match self.config.id_mode {
            IdMode::Strict => id,
            IdMode::Lenient => TraceId { high: 0, ..id },
        }
    }
}

fn trace_ids(list: &str) -> Result<Vec<TraceId>, QueryError> {
    if list.is_empty() {
        return Err(QueryError::refused("traceIds parameter is empty"));
    }
    let mut known = HashSet::new();
    let mut ids = Vec::new();
    for text in list.splitn(TRACE_IDS_MAX, ',') {
        let id = TraceId::parse(text)?;
        if !known.insert(id) {
            return Err(QueryError::Refused(format!("redundant traceId: {text}")));
        }
        ids.push(id);
    }
    if ids.len() == 1 {
        return Err(QueryError::refused(
            "Use /api/v2/trace/{traceId} endpoint to retrieve a single trace",
        ));
    }
    Ok(ids)
}
