//! The list of traces, a line each, newest first as they are found; or the greatest of many by
//! another measure. A list goes on where an earlier one ended, by a cursor.

use std::cmp::Reverse;

use serde::Serialize;
use speargun_model::TraceId;
use speargun_model::trace::TraceSummary;
use speargun_storage::{FoundTrace, FoundTraces, Place, SummaryRequest};

use super::find::TRACES_MAX;
use super::{Answered, Asked, Lines, Meta, PATIENCE, Reason, UiAnswer, UiApi, failure_body, json};
use crate::error::QueryError;

/// Rows of the first search, for which somebody waits, and how the next ones grow.
const FIRST: usize = 10;
const GROWTH: usize = 4;
const CHUNK_MAX: usize = 200;
/// Services shown of a trace.
const SERVICES_MAX: usize = 40;

/// What rows are sorted by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sort {
    Start,
    Duration,
    Spans,
    Errors,
}

#[derive(Serialize)]
struct Row<'a> {
    t: Trace<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace<'a> {
    id: String,
    start_us: u64,
    dur_us: u64,
    root: Root<'a>,
    missing_root: bool,
    spans: u64,
    errors: u64,
    services: Vec<(&'a str, u64, u64, u64)>,
    more_services: usize,
}

#[derive(Serialize)]
struct Root<'a> {
    svc: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct Last {
    end: End,
}

#[derive(Serialize)]
struct End {
    count: usize,
    cursor: Option<String>,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    meta: Meta,
}

/// How a list ends: where it goes on, and why it is of a part.
struct Ending {
    count: usize,
    after: Option<Place>,
    reason: Option<Reason>,
}

type Send<'s> = &'s mut dyn FnMut(Vec<u8>) -> bool;

impl UiApi {
    /// Answers with what makes the lines: what is wrong with the request is said before.
    pub(super) fn rows(&self, asked: Asked) -> Answered {
        let sort = Sort::read(asked.params.text("sort"))?;
        let mut request = self.request(&asked)?;
        request.after = match asked.params.text("cursor") {
            None | Some("") => None,
            Some(_) if sort != Sort::Start => {
                return Err(QueryError::refused("cursor is only valid with sort=start"));
            }
            Some(text) => Some(parse_cursor(text)?),
        };
        let api = self.clone();
        Ok(UiAnswer::Lines(Lines::new(move |send| {
            let mut read = FoundTraces::default();
            let made = match sort {
                Sort::Start => api.newest(&asked, request, &mut read, send),
                sort => api.greatest((&asked, sort), request, &mut read, send),
            };
            let (mut line, is_whole) = match made {
                Ok(Some(ending)) => {
                    let end = ending.shown(asked.took(&read));
                    (json(&Last { end }), true)
                }
                // Nobody listens any more.
                Ok(None) => return false,
                Err(error) => (failure_body(&error), false),
            };
            line.push(b'\n');
            send(line) && is_whole
        })))
    }

    /// Sends the newest traces in several searches, so that the first rows come soon; returns
    /// `None` when nobody listens.
    fn newest(
        &self,
        asked: &Asked,
        mut request: SummaryRequest,
        read: &mut FoundTraces,
        send: Send<'_>,
    ) -> Result<Option<Ending>, QueryError> {
        let context = self.within(asked, std::time::Duration::MAX);
        let (mut left, mut chunk, mut count) = (request.request.limit, FIRST, 0);
        loop {
            request.request.limit = chunk.min(left);
            let found = self.find(&request, &context)?;
            read.traces_read += found.traces_read;
            read.spans_read += found.spans_read;
            count += found.traces.len();
            left = left.saturating_sub(found.traces.len());
            request.after = found.traces.last().map(|trace| trace.place);
            if !found.traces.is_empty() && !send(lines(&found.traces)) {
                return Ok(None);
            }
            let is_last = found.traces.len() < request.request.limit || left == 0;
            if is_last || !found.is_complete {
                let goes_on = left == 0 && found.is_complete;
                return Ok(Some(Ending {
                    count,
                    after: request.after.filter(|_| goes_on),
                    reason: (!found.is_complete).then_some(Reason::Time),
                }));
            }
            chunk = (chunk * GROWTH).min(CHUNK_MAX);
        }
    }

    /// Sends the greatest of the newest traces.
    fn greatest(
        &self,
        (asked, sort): (&Asked, Sort),
        mut request: SummaryRequest,
        read: &mut FoundTraces,
        send: Send<'_>,
    ) -> Result<Option<Ending>, QueryError> {
        let limit = std::mem::replace(&mut request.request.limit, TRACES_MAX);
        let mut found = self.find(&request, &self.within(asked, PATIENCE))?;
        read.traces_read = found.traces_read;
        read.spans_read = found.spans_read;
        let reason = Reason::of(&found);
        // Stable: of equal ones the newest comes first.
        found
            .traces
            .sort_by_key(|trace| Reverse(sort.measure(&trace.summary)));
        found.traces.truncate(limit);
        let count = found.traces.len();
        let heard = count == 0 || send(lines(&found.traces));
        Ok(heard.then_some(Ending {
            count,
            after: None,
            reason,
        }))
    }
}

impl Sort {
    fn read(text: Option<&str>) -> Result<Self, QueryError> {
        match text.unwrap_or_default() {
            "" | "start" => Ok(Self::Start),
            "duration" => Ok(Self::Duration),
            "spans" => Ok(Self::Spans),
            "errors" => Ok(Self::Errors),
            other => Err(QueryError::Refused(format!(
                "sort is {other}, but must be start, duration, spans or errors"
            ))),
        }
    }

    fn measure(self, summary: &TraceSummary) -> u64 {
        match self {
            Self::Start => summary.start_us,
            Self::Duration => summary.duration_us,
            Self::Spans => summary.spans,
            Self::Errors => summary.errors,
        }
    }
}

impl Reason {
    /// Returns why what was found among as many as are looked at is of a part.
    pub(super) fn of(found: &FoundTraces) -> Option<Self> {
        if !found.is_complete {
            Some(Self::Time)
        } else if found.traces.len() >= TRACES_MAX {
            Some(Self::Traces)
        } else {
            None
        }
    }
}

impl Ending {
    fn shown(self, meta: Meta) -> End {
        End {
            count: self.count,
            cursor: self.after.map(|place| cursor(&place)),
            complete: self.reason.is_none(),
            reason: self.reason,
            meta,
        }
    }
}

/// Returns a line for each trace.
fn lines(traces: &[FoundTrace]) -> Vec<u8> {
    let mut lines = Vec::new();
    for FoundTrace { summary, .. } in traces {
        lines.extend(json(&Row { t: shown(summary) }));
        lines.push(b'\n');
    }
    lines
}

fn shown(summary: &TraceSummary) -> Trace<'_> {
    let shares = summary.services.iter().take(SERVICES_MAX);
    Trace {
        id: summary.id.to_string(),
        start_us: summary.start_us,
        dur_us: summary.duration_us,
        root: Root {
            svc: &summary.root_service,
            name: &summary.root_name,
        },
        missing_root: summary.root_missing,
        spans: summary.spans,
        errors: summary.errors,
        services: shares
            .map(|share| {
                let service = share.service.as_str();
                (service, share.spans, share.errors, share.longest_us)
            })
            .collect(),
        more_services: summary.services.len().saturating_sub(SERVICES_MAX),
    }
}

/// Writes the place behind which a list goes on.
fn cursor(place: &Place) -> String {
    format!("{}-{}", place.newest_ms, place.id)
}

fn parse_cursor(text: &str) -> Result<Place, QueryError> {
    let parsed = text.split_once('-').and_then(|(newest_ms, id)| {
        Some(Place {
            newest_ms: newest_ms.parse().ok()?,
            id: TraceId::parse(id).ok()?,
        })
    });
    parsed.ok_or_else(|| QueryError::refused("cursor is none of an earlier answer"))
}
