//! Charts over the traces that a search finds: how many when and how long, as cells of a heat map,
//! of which a histogram is the sums; and the same traces by what they begin with. It lists none.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use speargun_model::trace::TraceSummary;
use speargun_storage::{FoundTrace, FoundTraces, Window};

use super::find::TRACES_MAX;
use super::{Answered, Asked, Meta, PATIENCE, Reason, UiApi, whole};
use crate::error::QueryError;

/// Columns and rows of the heat map, when the page does not say, and at most.
const COLS: (i32, i32) = (120, 400);
const ROWS: (i32, i32) = (40, 80);
/// Groups shown.
const GROUPS_MAX: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Overview<'a> {
    start_ms: u64,
    step_ms: u64,
    cols: usize,
    edges_us: Vec<u64>,
    cells: Vec<(usize, usize, u64, u64)>,
    exemplars: Vec<(usize, usize, String)>,
    groups: Vec<Group<'a>>,
    more_groups: usize,
    from_ms: u64,
    traces: usize,
    errors: usize,
    spans: u64,
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    meta: Meta,
}

/// Traces that begin with the same operation of the same service.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Group<'a> {
    svc: &'a str,
    name: &'a str,
    count: usize,
    errors: usize,
    #[serde(rename = "p50Us")]
    p50_us: u64,
    #[serde(rename = "p95Us")]
    p95_us: u64,
    #[serde(rename = "p99Us")]
    p99_us: u64,
    max_us: u64,
    slowest: String,
    latest_error: Option<String>,
    latest_ms: u64,
}

/// The axes of the heat map.
struct Grid {
    start_ms: u64,
    step_ms: u64,
    cols: usize,
    /// One more than rows, rising.
    edges_us: Vec<u64>,
}

#[derive(Default)]
struct Cell<'a> {
    count: u64,
    errors: u64,
    exemplar: Option<&'a TraceSummary>,
}

impl UiApi {
    pub(super) fn overview(&self, asked: &Asked) -> Answered {
        let mut request = self.request(asked)?;
        let cols = size(asked, "cols", COLS)?;
        let rows = size(asked, "rows", ROWS)?;
        request.request.limit = TRACES_MAX;
        let found = self.find(&request, &self.within(asked, PATIENCE))?;
        let window = self.shown_window(request.request.window);
        let grid = Grid::over(&found.traces, &window, (cols, rows));
        let cells = grid.cells(&found.traces);
        let reason = Reason::of(&found);
        let (groups, more_groups) = groups(&found.traces);
        let places = cells.iter();
        let exemplars = places.filter_map(|((col, row), cell)| {
            let summary = cell.exemplar?;
            Some((*col, *row, summary.id.to_string()))
        });
        Ok(whole(&Overview {
            exemplars: exemplars.collect(),
            cells: cells
                .iter()
                .map(|((col, row), cell)| (*col, *row, cell.count, cell.errors))
                .collect(),
            start_ms: grid.start_ms,
            step_ms: grid.step_ms,
            cols,
            edges_us: grid.edges_us,
            groups,
            more_groups,
            from_ms: from_ms(&found, reason, &window),
            traces: found.traces.len(),
            errors: failed(&found.traces).count(),
            spans: found.traces.iter().map(|found| found.summary.spans).sum(),
            complete: reason.is_none(),
            reason,
            meta: asked.took(&found),
        }))
    }

    /// Returns the part of a window that a chart is over: not from the beginning of time where
    /// there is nothing to see.
    fn shown_window(&self, window: Window) -> Window {
        let known = self
            .reader
            .extent(&speargun_storage::ReadContext::default());
        let oldest_ms = known.ok().and_then(|extent| extent.times_us);
        let oldest_ms = oldest_ms.map_or(0, |(oldest_us, _)| oldest_us / 1000);
        let start_ms = window.start_ms().max(oldest_ms.min(window.end_ms));
        Window {
            lookback_ms: window.end_ms.saturating_sub(start_ms).max(1),
            ..window
        }
    }
}

fn size(asked: &Asked, name: &str, (default, max): (i32, i32)) -> Result<usize, QueryError> {
    let given = asked.params.int_or(name, default)?;
    if (1..=max).contains(&given) {
        return Ok(usize::try_from(given).unwrap_or(1));
    }
    let text = format!("{name} is {given}, but must be 1 to {max}");
    Err(QueryError::Refused(text))
}

fn from_ms(found: &FoundTraces, reason: Option<Reason>, window: &Window) -> u64 {
    let oldest = found.traces.last().filter(|_| reason.is_some());
    oldest.map_or(window.start_ms(), |trace| trace.place.newest_ms)
}

fn failed(traces: &[FoundTrace]) -> impl Iterator<Item = &FoundTrace> {
    traces.iter().filter(|found| found.summary.errors > 0)
}

impl Grid {
    /// Returns axes on which all traces have a place.
    fn over(traces: &[FoundTrace], window: &Window, (cols, rows): (usize, usize)) -> Self {
        let start_ms = window.start_ms();
        let span_ms = window.end_ms.saturating_sub(start_ms).saturating_add(1);
        let durations = || traces.iter().map(|found| found.summary.duration_us.max(1));
        let least = durations().min().unwrap_or(1);
        // At least an octave, so that rows are no hair's breadth.
        let greatest = durations().max().unwrap_or(1).max(least.saturating_mul(2));
        Self {
            start_ms,
            step_ms: span_ms.div_ceil(cols as u64).max(1),
            cols,
            edges_us: edges((least, greatest), rows),
        }
    }

    fn cells<'a>(&self, traces: &'a [FoundTrace]) -> BTreeMap<(usize, usize), Cell<'a>> {
        let mut cells: BTreeMap<(usize, usize), Cell<'a>> = BTreeMap::new();
        for FoundTrace { summary, .. } in traces {
            let cell = cells.entry(self.place(summary)).or_default();
            let failed = summary.errors > 0;
            if cell.exemplar.is_none() || failed && cell.errors == 0 {
                cell.exemplar = Some(summary);
            }
            cell.count += 1;
            cell.errors += u64::from(failed);
        }
        cells
    }

    /// Returns the column and the row of a trace.
    fn place(&self, summary: &TraceSummary) -> (usize, usize) {
        let since_ms = (summary.start_us / 1000).saturating_sub(self.start_ms);
        let col = usize::try_from(since_ms / self.step_ms).unwrap_or(usize::MAX);
        let behind = self
            .edges_us
            .partition_point(|edge| *edge <= summary.duration_us);
        let rows = self.edges_us.len().saturating_sub(1);
        let row = behind.saturating_sub(1).min(rows.saturating_sub(1));
        (col.min(self.cols.saturating_sub(1)), row)
    }
}

/// Returns the edges of so many rows whose heights have one ratio.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "where a row ends may be a little off; no duration is negative"
)]
fn edges((least, greatest): (u64, u64), rows: usize) -> Vec<u64> {
    let (first, ratio) = (least as f64, greatest as f64 / least as f64);
    let edge = |row: usize| first * ratio.powf(row as f64 / rows as f64);
    let mut edges: Vec<u64> = (0..rows).map(|row| edge(row).round() as u64).collect();
    edges.push(greatest.saturating_add(1));
    edges
}

/// Returns the groups with the most traces, and how many others there are.
fn groups(traces: &[FoundTrace]) -> (Vec<Group<'_>>, usize) {
    let mut by_root: HashMap<(&str, &str), Vec<&FoundTrace>> = HashMap::new();
    for found in traces {
        let root = &found.summary;
        let key = (root.root_service.as_str(), root.root_name.as_str());
        by_root.entry(key).or_default().push(found);
    }
    let mut all: Vec<_> = by_root.into_iter().collect();
    all.sort_by(|(a, of_a), (b, of_b)| of_b.len().cmp(&of_a.len()).then_with(|| a.cmp(b)));
    let more = all.len().saturating_sub(GROUPS_MAX);
    all.truncate(GROUPS_MAX);
    let shown = all
        .into_iter()
        .filter_map(|(root, traces)| group(root, &traces));
    (shown.collect(), more)
}

/// Returns a group of traces, of which there is at least one, the newest first.
fn group<'a>((svc, name): (&'a str, &'a str), traces: &[&FoundTrace]) -> Option<Group<'a>> {
    let mut by_length: Vec<&TraceSummary> = traces.iter().map(|found| &found.summary).collect();
    by_length.sort_by_key(|summary| summary.duration_us);
    let slowest = by_length.last()?;
    let at = |percent: usize| {
        // The least length that so many percent do not exceed.
        let rank = (by_length.len() * percent).div_ceil(100);
        let summary = by_length.get(rank.saturating_sub(1));
        summary.map_or(0, |summary| summary.duration_us)
    };
    let mut failed = traces.iter().filter(|found| found.summary.errors > 0);
    let latest_ms = traces.iter().map(|found| found.summary.start_us / 1000);
    Some(Group {
        svc,
        name,
        count: traces.len(),
        errors: failed.clone().count(),
        p50_us: at(50),
        p95_us: at(95),
        p99_us: at(99),
        max_us: slowest.duration_us,
        slowest: slowest.id.to_string(),
        latest_error: failed.next().map(|found| found.summary.id.to_string()),
        latest_ms: latest_ms.max()?,
    })
}
