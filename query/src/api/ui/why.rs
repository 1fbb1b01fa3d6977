//! Advice when a search finds nothing: which of its conditions is in the way, and where in time
//! the nearest trace lies that meets them all. It changes no search by itself.

use serde::Serialize;
use speargun_model::trace::TraceSummary;
use speargun_storage::{ReadContext, SummaryRequest, TraceFilter, TraceRequest, Window};

use super::store::Store;
use super::{Answered, Asked, Meta, PATIENCE, UiApi, whole};
use crate::error::QueryError;

/// How far back a wider search looks.
const WIDER_MS: u64 = 7 * 86_400_000;
/// Conditions that are left out in turn.
const CLAUSES_MAX: usize = 16;

#[derive(Serialize)]
struct Why {
    clauses: Vec<Clause>,
    wider: Option<Wider>,
    store: Store,
    complete: bool,
    meta: Meta,
}

/// A condition, whether there are traces without it, and whether there are with it alone.
#[derive(Serialize)]
struct Clause {
    drop: String,
    found: bool,
    alone: bool,
}

/// A trace that meets all conditions at another time.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wider {
    start_ms: u64,
    end_ms: u64,
    trace_id: String,
}

impl UiApi {
    pub(super) fn why(&self, asked: &Asked) -> Answered {
        let mut request = self.request(asked)?;
        request.request.limit = 1;
        let context = self.within(asked, PATIENCE);
        let store = self.reader.extent(&context)?.into();
        let mut complete = true;
        let wider = self.wider(&request, &context, &mut complete)?;
        let mut clauses = Vec::new();
        for part in parts(&request).into_iter().take(CLAUSES_MAX) {
            let found = self
                .first(&part.without, &context, &mut complete)?
                .is_some();
            let alone = self.first(&part.alone, &context, &mut complete)?.is_some();
            // Of one that was cut short nothing is known.
            if !complete {
                break;
            }
            let drop = part.name;
            clauses.push(Clause { drop, found, alone });
        }
        Ok(whole(&Why {
            clauses,
            wider,
            store,
            complete,
            meta: asked.took_nothing(),
        }))
    }

    /// Returns the newest match before the window, else the newest behind it.
    fn wider(
        &self,
        request: &SummaryRequest,
        context: &ReadContext,
        complete: &mut bool,
    ) -> Result<Option<Wider>, QueryError> {
        let window = request.request.window;
        let before = Window {
            end_ms: window.start_ms().saturating_sub(1).max(1),
            lookback_ms: WIDER_MS,
        };
        let behind = Window {
            end_ms: window.end_ms.saturating_add(WIDER_MS),
            lookback_ms: WIDER_MS.saturating_sub(1),
        };
        for window in [before, behind] {
            let elsewhere = SummaryRequest {
                request: TraceRequest {
                    window,
                    ..request.request.clone()
                },
                ..request.clone()
            };
            if let Some(summary) = self.first(&elsewhere, context, complete)? {
                return Ok(Some(Wider::of(&summary)));
            }
        }
        Ok(None)
    }

    fn first(
        &self,
        request: &SummaryRequest,
        context: &ReadContext,
        complete: &mut bool,
    ) -> Result<Option<TraceSummary>, QueryError> {
        let mut found = self.find(request, context)?;
        let first = found.traces.pop().map(|trace| trace.summary);
        *complete &= found.is_complete || first.is_some();
        Ok(first)
    }
}

impl Wider {
    fn of(summary: &TraceSummary) -> Self {
        let end_us = summary.start_us.saturating_add(summary.duration_us);
        Self {
            start_ms: summary.start_us / 1000,
            end_ms: end_us.div_ceil(1000),
            trace_id: summary.id.to_string(),
        }
    }
}

/// A search's one condition, with the search that lacks it and the one that has no other.
struct Part {
    name: String,
    without: SummaryRequest,
    alone: SummaryRequest,
}

/// Sets one condition of a search to what it is in another.
type Copy = fn(&mut SummaryRequest, &SummaryRequest);

/// The conditions there may be beside terms.
const CONDITIONS: &[(&str, Copy)] = &[
    ("serviceName", |to, from| {
        to.request
            .service_name
            .clone_from(&from.request.service_name);
    }),
    ("remoteServiceName", |to, from| {
        let name = &from.request.remote_service_name;
        to.request.remote_service_name.clone_from(name);
    }),
    ("spanName", |to, from| {
        to.request.span_name.clone_from(&from.request.span_name);
    }),
    ("duration", |to, from| {
        to.request.min_duration_us = from.request.min_duration_us;
        to.request.max_duration_us = from.request.max_duration_us;
    }),
    ("traceDuration", |to, from| {
        to.filter.min_duration_us = from.filter.min_duration_us;
        to.filter.max_duration_us = from.filter.max_duration_us;
    }),
    ("without", |to, from| {
        to.filter.without.clone_from(&from.filter.without);
    }),
    ("edge", |to, from| {
        to.filter.edge.clone_from(&from.filter.edge);
    }),
    ("root", |to, from| {
        to.filter.root.clone_from(&from.filter.root);
    }),
];

/// Returns the conditions of a search.
fn parts(all: &SummaryRequest) -> Vec<Part> {
    let bare = SummaryRequest {
        request: TraceRequest::everything(all.request.window, all.request.limit),
        filter: TraceFilter::default(),
        after: None,
    };
    let mut parts = Vec::new();
    for (name, copy) in CONDITIONS {
        let (mut without, mut alone) = (all.clone(), bare.clone());
        copy(&mut without, &bare);
        copy(&mut alone, all);
        if without != *all {
            let name = (*name).to_owned();
            parts.push(Part {
                name,
                without,
                alone,
            });
        }
    }
    for term in &all.request.terms {
        let (mut without, mut alone) = (all.clone(), bare.clone());
        without.request.terms.retain(|other| other.key != term.key);
        alone.request.terms.push(term.clone());
        let name = format!("tag:{}", term.key);
        parts.push(Part {
            name,
            without,
            alone,
        });
    }
    parts
}
