//! Searches. Traces are looked at newest first, a page of span rows at a time; statements drop
//! those that can't match, and [`TraceRequest::test`] decides over the spans of the rest. What a
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

mod condition;
mod pages;

use condition::{Condition, conditions};
use pages::Pages;

/// Span rows that are looked at before it is asked whether an index leads to the rest faster.
const ROWS_BEFORE_ASKING: usize = 10_000;

/// How many rows of annotations cost as much as a span row that is looked at: each stands for the
/// ten or so of its span.
const ROWS_OF_SPAN: u64 = 5;

/// Traces that are read in full at a time.
const READ_AT_A_TIME: usize = 50;

/// So many traces are looked up one by one rather than met page by page.
const FEW_TRACES: usize = 5000;

/// What it takes to remember that a trace was looked at.
const SEEN_BYTES: usize = 48;

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
    let mut narrow = Narrow::new(request, manner.mode);
    while found.len() < request.limit {
        if pages.rows >= ROWS_BEFORE_ASKING && narrow.may_look_ahead() {
            let rows_left = pages.rows_left(session).await?;
            narrow.look_ahead(session, rows_left, &mut budget).await?;
            if let Some(few) = narrow.few() {
                let mut fresh = pages.of(session, &few).await?;
                fresh.retain(|id| seen.insert(group_of(*id, manner.mode)));
                narrow.apply(session, &mut fresh).await?;
                read(session, (request, manner), fresh, (&mut budget, &mut found)).await?;
                break;
            }
        }
        let Some(page) = pages.next(session).await? else {
            break;
        };
        let mut fresh: Vec<TraceId> = page
            .into_iter()
            .filter(|id| seen.insert(group_of(*id, manner.mode)))
            .collect();
        budget.take(fresh.len() * SEEN_BYTES)?;
        narrow.apply(session, &mut fresh).await?;
        read(session, (request, manner), fresh, (&mut budget, &mut found)).await?;
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
    let mut rest = candidates.as_slice();
    while found.len() < request.limit && !rest.is_empty() {
        // Most of what was not dropped matches.
        let wanted = (request.limit - found.len())
            .min(READ_AT_A_TIME)
            .min(rest.len());
        let (ids, later) = rest.split_at(wanted);
        rest = later;
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

/// Drops traces that can't match.
struct Narrow<'r> {
    request: &'r TraceRequest,
    conditions: Vec<Condition>,
    /// All traces that meet one of the conditions, which is no longer among them.
    ahead: Option<HashSet<TraceId>>,
    asked: bool,
    mode: IdMode,
}

impl<'r> Narrow<'r> {
    fn new(request: &'r TraceRequest, mode: IdMode) -> Self {
        Self {
            request,
            conditions: conditions(request),
            ahead: None,
            asked: false,
            mode,
        }
    }

    fn may_look_ahead(&self) -> bool {
        !self.asked && !self.conditions.is_empty()
    }

    /// Returns the traces that are left when they are so few that no page need be looked at. In
    /// lenient mode other forms of an id may have the row in the window.
    fn few(&self) -> Option<Vec<TraceId>> {
        let ahead = self.ahead.as_ref()?;
        let few = ahead.len() <= FEW_TRACES && self.mode == IdMode::Strict;
        few.then(|| ahead.iter().copied().collect())
    }

    /// Finds all traces that meet a condition through its index, where that is less work than to
    /// ask of every trace in the window.
    async fn look_ahead(
        &mut self,
        session: &mut Session,
        rows_left: u64,
        budget: &mut Budget,
    ) -> Result<(), Fault> {
        self.asked = true;
        let mut best = None;
        for (place, condition) in self.conditions.iter().enumerate() {
            let cost = condition.cost(session).await?;
            if best.is_none_or(|(_, least)| cost < least) {
                best = Some((place, cost));
            }
        }
        if let Some((place, cost)) = best
            && cost < rows_left.saturating_mul(ROWS_OF_SPAN)
        {
            let condition = self.conditions.swap_remove(place);
            self.ahead = Some(condition.all(session, budget).await?);
        }
        Ok(())
    }

    async fn apply(&self, session: &mut Session, ids: &mut Vec<TraceId>) -> Result<(), Fault> {
        match &self.ahead {
            Some(ahead) if self.mode == IdMode::Strict => ids.retain(|id| ahead.contains(id)),
            Some(ahead) => {
                let lows: HashSet<u64> = ahead.iter().map(|id| id.low).collect();
                ids.retain(|id| lows.contains(&id.low));
            }
            None => {}
        }
        for condition in &self.conditions {
            let met = condition.met(session, ids).await?;
            ids.retain(|id| met.contains(&id.low));
        }
        // Rows of spans are found by full ids alone.
        if self.mode == IdMode::Lenient {
            return Ok(());
        }
        if let Some(name) = &self.request.span_name {
            let name = Value::Bytes(name.clone().into_bytes());
            keep_spans(session, ids, ("name = ?", name)).await?;
        }
        if let Some(min) = self.request.min_duration_us {
            let min = Value::Int(i64::try_from(min).unwrap_or(i64::MAX));
            // A shared half's duration is in its annotations only.
            let condition = "(duration >= ? OR duration IS NULL)";
            keep_spans(session, ids, (condition, min)).await?;
        }
        Ok(())
    }
}

/// Keeps traces that have a row of `zipkin_spans` that meets the condition.
async fn keep_spans(
    session: &mut Session,
    ids: &mut Vec<TraceId>,
    (condition, value): (&str, Value),
) -> Result<(), Fault> {
    let mut met = HashSet::new();
    for ids in ids.chunks(fetch::TRACES_MAX) {
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
    ids.retain(|id| met.contains(&id.low));
    Ok(())
}
