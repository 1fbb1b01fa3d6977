//! Searches. Traces are looked at newest first, a page of span rows at a time; statements drop those
//! that can't match, and [`TraceRequest::test`] decides over the spans of the rest. What a
//! statement drops must be certain: a row holds what several spans said, so only conditions that
//! hold for whatever was written are asked.

use std::collections::HashSet;

use mysql_async::{Row, Value};
use speargun_model::{Span, TraceId};
use speargun_storage::order::millisecond;
use speargun_storage::{IdMode, TraceRequest, Window};

use crate::error::Fault;
use crate::fetch::{self, Budget, OfTraces};
use crate::link::{Session, int};
use crate::row::kind;

/// Span rows of the first page; each further one has four times as many.
const FIRST_PAGE: usize = 500;

/// Span rows of a page at most.
const PAGE_MAX: usize = 20_000;

/// Traces that are read in full at a time.
const READ_AT_A_TIME: usize = 50;

/// What it takes to remember that a trace was looked at.
const SEEN_BYTES: usize = 48;

/// Traces of one condition: few different numbers, so that statements are prepared once.
const TRACES_OF_CONDITION: [usize; 3] = [10, 100, 1000];

/// How a search is answered.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) mode: IdMode,
    pub(crate) answer_bytes: usize,
}

/// Returns the traces that match, newest first.
pub(crate) async fn search(
    session: &mut Session,
    request: &TraceRequest,
    manner: Manner,
) -> Result<Vec<Vec<Span>>, Fault> {
    let mut budget = Budget::of(manner.answer_bytes);
    let mut pages = Pages::new(request.window);
    let mut seen = HashSet::new();
    let mut found: Vec<Vec<Span>> = Vec::new();
    while found.len() < request.limit {
        let Some(page) = pages.next(session).await? else {
            break;
        };
        let fresh: Vec<TraceId> = page
            .into_iter()
            .filter(|id| seen.insert(group_of(*id, manner.mode)))
            .collect();
        budget.take(fresh.len() * SEEN_BYTES)?;
        let mut candidates = Candidates { ids: fresh };
        candidates.narrow(session, request, manner.mode).await?;
        read(
            session,
            (request, manner),
            candidates.ids,
            (&mut budget, &mut found),
        )
        .await?;
    }
    // A row's start is one of several that spans of it had.
    found.sort_by_cached_key(|spans| std::cmp::Reverse(newest_ms(spans, request.window)));
    Ok(found)
}

/// Reads candidates in full and keeps those that match, until there are enough.
async fn read(
    session: &mut Session,
    (request, manner): (&TraceRequest, Manner),
    candidates: Vec<TraceId>,
    (budget, found): (&mut Budget, &mut Vec<Vec<Span>>),
) -> Result<(), Fault> {
    for ids in candidates.chunks(READ_AT_A_TIME) {
        if found.len() >= request.limit {
            break;
        }
        let before = budget.left;
        let mut kept_bytes = 0;
        for spans in whole(session, ids, manner.mode, budget).await? {
            if found.len() < request.limit && request.test(&spans) {
                kept_bytes += spans.iter().map(Span::memory_bytes).sum::<usize>();
                found.push(spans);
            }
        }
        // What does not match is gone again.
        budget.left = before;
        budget.take(kept_bytes)?;
    }
    Ok(())
}

/// Returns each trace's spans as an answer has them, in the order of `ids`; in lenient mode with
/// the spans of all forms of its id.
pub(crate) async fn whole(
    session: &mut Session,
    ids: &[TraceId],
    mode: IdMode,
    budget: &mut Budget,
) -> Result<Vec<Vec<Span>>, Fault> {
    let mut all = ids.to_vec();
    if mode == IdMode::Lenient && session.schema.has_high {
        let lows = fetch::distinct(ids.iter().map(|id| id.low));
        all.extend(fetch::ids_of_lows(session, &lows, "zipkin_annotations").await?);
        all = fetch::distinct(all.into_iter());
    }
    let traces = fetch::traces(session, &all, budget).await?;
    Ok(grouped(ids, traces, mode))
}

/// Returns the spans of each trace of `ids`, ordered; those without any are left out.
pub(crate) fn grouped(
    ids: &[TraceId],
    traces: impl IntoIterator<Item = (TraceId, Vec<Span>)>,
    mode: IdMode,
) -> Vec<Vec<Span>> {
    let mut groups = std::collections::HashMap::<TraceId, Vec<Span>>::new();
    for (id, spans) in traces {
        groups.entry(group_of(id, mode)).or_default().extend(spans);
    }
    let ordered = |id: &TraceId| {
        let mut spans = groups.remove(&group_of(*id, mode))?;
        spans.sort_by_key(|span| span.id.0);
        Some(fetch::answer(spans))
    };
    ids.iter().filter_map(ordered).collect()
}

/// Returns what tells traces apart.
fn group_of(id: TraceId, mode: IdMode) -> TraceId {
    match mode {
        IdMode::Strict => id,
        IdMode::Lenient => TraceId {
            high: 0,
            low: id.low,
        },
    }
}

fn newest_ms(spans: &[Span], window: Window) -> Option<u64> {
    let inside = |ms: &u64| (window.start_ms()..=window.end_ms).contains(ms);
    spans.iter().map(millisecond).filter(inside).max()
}

/// Returns the first and the last microsecond of the milliseconds of a window.
pub(crate) fn window_us(window: Window) -> (i64, i64) {
    let us = |ms: u64, more: u64| {
        let us = ms.saturating_mul(1000).saturating_add(more);
        i64::try_from(us).unwrap_or(i64::MAX)
    };
    (us(window.start_ms(), 0), us(window.end_ms, 999))
}

/// The traces of span rows in a window, newest row first.
struct Pages {
    start_us: i64,
    end_us: i64,
    /// Rows of exactly `end_us` that were already seen.
    skip: usize,
    size: usize,
    done: bool,
}

impl Pages {
    fn new(window: Window) -> Self {
        let (start_us, end_us) = window_us(window);
        Self {
            start_us,
            end_us,
            skip: 0,
            size: FIRST_PAGE,
            done: false,
        }
    }

    async fn next(&mut self, session: &mut Session) -> Result<Option<Vec<TraceId>>, Fault> {
        if self.done {
            return Ok(None);
        }
        let high = if session.schema.has_high {
            "trace_id_high"
        } else {
            "0"
        };
        // The index on the time holds the key too: no row is read.
        let sql = format!(
            "SELECT {high}, trace_id, start_ts FROM zipkin_spans \
             WHERE start_ts BETWEEN ? AND ? ORDER BY start_ts DESC LIMIT ? OFFSET ?"
        );
        let values = vec![
            Value::Int(self.start_us),
            Value::Int(self.end_us),
            Value::UInt(self.size as u64),
            Value::UInt(self.skip as u64),
        ];
        let mut ids = Vec::new();
        let mut rows = 0;
        let (mut end_us, mut skip) = (self.end_us, self.skip);
        let take = |row: &Row| {
            rows += 1;
            let start_us = int(row, 2).unwrap_or_default();
            if start_us < end_us {
                (end_us, skip) = (start_us, 0);
            }
            skip += 1;
            let id = TraceId {
                high: int(row, 0).unwrap_or_default().cast_unsigned(),
                low: int(row, 1).unwrap_or_default().cast_unsigned(),
            };
            if ids.last() != Some(&id) {
                ids.push(id);
            }
            Ok(())
        };
        session.each(&sql, values, take).await?;
        self.done = rows < self.size;
        (self.end_us, self.skip) = (end_us, skip);
        self.size = (self.size * 4).min(PAGE_MAX);
        Ok(Some(ids))
    }
}

/// Traces that may match.
struct Candidates {
    ids: Vec<TraceId>,
}

impl Candidates {
    /// Drops those that can't match.
    async fn narrow(
        &mut self,
        session: &mut Session,
        request: &TraceRequest,
        mode: IdMode,
    ) -> Result<(), Fault> {
        for condition in conditions(request) {
            if self.ids.is_empty() {
                return Ok(());
            }
            self.keep_met(session, &condition).await?;
        }
        // Rows of spans are found by full ids alone.
        if mode == IdMode::Strict {
            if let Some(name) = &request.span_name {
                let name = Value::Bytes(name.clone().into_bytes());
                self.keep_spans(session, "name = ?", name).await?;
            }
            if let Some(min) = request.min_duration_us {
                let min = Value::Int(i64::try_from(min).unwrap_or(i64::MAX));
                // A shared half's duration is in its annotations only.
                let condition = "(duration >= ? OR duration IS NULL)";
                self.keep_spans(session, condition, min).await?;
            }
        }
        Ok(())
    }

    /// Keeps traces that have a row of `zipkin_annotations` that meets the condition.
    async fn keep_met(&mut self, session: &mut Session, condition: &Met) -> Result<(), Fault> {
        let mut met = HashSet::new();
        let max = TRACES_OF_CONDITION.last().copied().unwrap_or(1);
        for ids in self.ids.chunks(max) {
            let count = TRACES_OF_CONDITION
                .into_iter()
                .find(|count| *count >= ids.len());
            let Some(last) = ids.last() else { continue };
            let padded = ids.iter().chain(std::iter::repeat(last));
            let mut values: Vec<Value> = padded
                .take(count.unwrap_or(ids.len()))
                .map(|id| Value::Int(id.low.cast_signed()))
                .collect();
            let places = vec!["?"; values.len()].join(",");
            let sql = format!(
                "SELECT DISTINCT trace_id FROM zipkin_annotations \
                 WHERE trace_id IN ({places}) AND {}",
                condition.sql
            );
            values.extend(condition.values.iter().cloned());
            let take = |row: &Row| {
                met.extend(int(row, 0).map(i64::cast_unsigned));
                Ok(())
            };
            session.each(&sql, values, take).await?;
        }
        self.ids.retain(|id| met.contains(&id.low));
        Ok(())
    }

    /// Keeps traces that have a row of `zipkin_spans` that meets the condition.
    async fn keep_spans(
        &mut self,
        session: &mut Session,
        condition: &str,
        value: Value,
    ) -> Result<(), Fault> {
        let mut met = HashSet::new();
        for ids in self.ids.chunks(fetch::TRACES_MAX) {
            let of = OfTraces::new(&session.schema, ids);
            let sql = format!(
                "SELECT DISTINCT trace_id FROM zipkin_spans WHERE {} AND {condition}",
                of.sql
            );
            let mut values = of.values;
            values.push(value.clone());
            let take = |row: &Row| {
                met.extend(int(row, 0).map(i64::cast_unsigned));
                Ok(())
            };
            session.each(&sql, values, take).await?;
        }
        self.ids.retain(|id| met.contains(&id.low));
        Ok(())
    }
}

/// A condition on one row of `zipkin_annotations`.
struct Met {
    sql: String,
    values: Vec<Value>,
}

/// Returns conditions each of which some row of a trace that matches meets: a tag, an annotation
/// and an address are rows with the service that recorded them, or that they lead to.
fn conditions(request: &TraceRequest) -> Vec<Met> {
    let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
    let service = request.service_name.as_deref();
    let mut all = Vec::new();
    for term in &request.terms {
        let mut met = Met {
            sql: "a_key = ?".into(),
            values: vec![text(&term.key)],
        };
        if let Some(value) = &term.value {
            met.sql += " AND a_type = ? AND a_value = ?";
            met.values.push(Value::Int(kind::TAG));
            met.values.push(text(value));
        }
        if let Some(service) = service {
            met.sql += " AND endpoint_service_name = ?";
            met.values.push(text(service));
        }
        all.push(met);
    }
    if let (Some(service), true) = (service, request.terms.is_empty()) {
        all.push(Met {
            sql: "endpoint_service_name = ?".into(),
            values: vec![text(service)],
        });
    }
    if let Some(remote) = &request.remote_service_name {
        all.push(Met {
            sql: format!("a_type = {} AND endpoint_service_name = ?", kind::ADDRESS),
            values: vec![text(remote)],
        });
    }
    all
}
