//! Finding traces: sources from new to old, each says which traces meet which criteria in it; a
//! trace whose criteria are all met between its sources is fetched whole and tested. Exact but for
//! the bounds [`SPREAD_MS`], [`FAR_ROWS_MAX`] and [`PARTIAL_MAX`], and for which matches a limit
//! leaves out: sources are searched until there are enough, and then [`late`] looks for traces that
//! only older sources complete.

use hashbrown::HashMap;
use speargun_model::{Span, TraceId};
use speargun_storage::{ReadContext, ReadError, TraceRequest, Window};

use crate::criteria::{Bits, Criteria};
use crate::head::Head;
use crate::read::{fetch, key, served};
use crate::scan::{Match, Scan, inside};
use crate::segment::Segment;
use crate::store::{Shared, Snapshot};

/// How far beyond the window a segment's spans may lie and still add to a trace inside it.
pub(crate) const SPREAD_MS: u64 = 3_600_000;
/// Rows of segments farther away that are searched too when there are not enough matches. Spans of
/// a trace in others are not searched, only answered.
const FAR_ROWS_MAX: u64 = 2_000_000;
/// Traces that meet some criteria but not yet all, beyond which further ones are not kept: a bound
/// on memory of about 50 MB.
const PARTIAL_MAX: usize = 500_000;
/// Traces without a row inside the window in the sources that match, which are tested all the same.
const OUTSIDE_MAX: usize = 1_000;
/// Traces fetched at once while none of as many before matched, though fewer are asked for.
const FETCH_MORE: usize = 512;

mod late;

#[derive(Clone, Copy, Debug, Default)]
struct Candidate {
    bits: Bits,
    newest_us: u64,
    tested: bool,
}

struct Search<'a> {
    shared: &'a Shared,
    snapshot: &'a Snapshot,
    criteria: Criteria<'a>,
    context: &'a ReadContext,
    candidates: HashMap<TraceId, Candidate>,
    /// Those that meet all criteria and were not tested, newest unknown.
    ready: Vec<TraceId>,
    /// The newest time inside the window, and the trace.
    found: Vec<(u64, Vec<Span>)>,
}

/// Returns the traces that match, newest first.
pub(crate) fn search(
    (shared, snapshot): (&Shared, &Snapshot),
    request: &TraceRequest,
    context: &ReadContext,
) -> Result<Vec<Vec<Span>>, ReadError> {
    let mut search = Search {
        shared,
        snapshot,
        criteria: Criteria::new(request),
        context,
        candidates: HashMap::default(),
        ready: vec![],
        found: vec![],
    };
    for head in snapshot.heads.iter().rev() {
        context.check()?;
        search.head(head);
    }
    search.test(false)?;
    let (near, far) = by_time(&snapshot.segments, &request.window);
    let mut searched = 0;
    for &segment in &near {
        if search.is_done(segment.facts.time_max_us / 1000) {
            break;
        }
        search.segment(segment)?;
        search.test(false)?;
        searched += 1;
    }
    for segment in far {
        if search.found.len() >= request.limit {
            break;
        }
        search.segment(segment)?;
        search.test(false)?;
    }
    if search.found.len() < request.limit {
        search.test(true)?;
    }
    late::complete(&mut search, &near, searched)?;
    search
        .found
        .sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
    Ok(search
        .found
        .into_iter()
        .take(request.limit)
        .map(|(_, spans)| spans)
        .collect())
}

/// Returns the segments that may hold spans of traces in the window, newest times first, and those
/// that may complete such traces from farther away, the nearest first.
fn by_time<'s>(
    segments: &'s [std::sync::Arc<Segment>],
    window: &Window,
) -> (Vec<&'s Segment>, Vec<&'s Segment>) {
    // Where no span has a time, nothing says that it is another one.
    let untimed = |segment: &Segment| segment.facts.rows == segment.facts.untimed;
    let distance_ms = |segment: &Segment| {
        let (least, greatest) = (segment.facts.time_min_us, segment.facts.time_max_us);
        let before = window.start_ms().saturating_sub(greatest / 1000);
        before.max((least / 1000).saturating_sub(window.end_ms))
    };
    let all = segments.iter().map(|segment| &**segment);
    let (mut near, mut far): (Vec<&Segment>, Vec<&Segment>) =
        all.partition(|segment| untimed(segment) || distance_ms(segment) <= SPREAD_MS);
    near.sort_by_key(|segment| std::cmp::Reverse(segment.facts.time_max_us));
    far.sort_by_key(|segment| distance_ms(segment));
    let mut rows = 0;
    far.retain(|segment| {
        rows += segment.facts.rows;
        rows <= FAR_ROWS_MAX
    });
    (near, far)
}

impl Search<'_> {
    fn head(&mut self, head: &Head) {
        for view in head.views() {
            let bits = self.criteria.of_view(&view);
            if self.criteria.matter(bits) {
                self.see(Match {
                    id: view.record().trace_id,
                    bits,
                    newest_us: 0,
                });
            }
        }
        self.date(head);
    }

    /// Dates the candidates by all their rows of a head, those too that meet nothing.
    fn date(&mut self, head: &Head) {
        if self.candidates.is_empty() {
            return;
        }
        let window = self.criteria.request.window;
        for view in head.views() {
            let record = view.record();
            let time = record.timestamp_us;
            if time == 0 || !inside(&window, time) {
                continue;
            }
            let id = key(self.shared.config.id_mode, record.trace_id);
            if let Some(candidate) = self.candidates.get_mut(&id) {
                candidate.newest_us = candidate.newest_us.max(time);
            }
        }
    }

    fn segment(&mut self, segment: &Segment) -> Result<(), ReadError> {
        let shared = self.shared;
        let Some(meta) = served(shared, segment, || segment.meta()) else {
            return Ok(());
        };
        let Some(directory) = served(shared, segment, || segment.directory()) else {
            return Ok(());
        };
        let scan = served(shared, segment, || Scan::new(segment, &meta, self.criteria));
        let Some(Some(scan)) = scan else {
            return Ok(());
        };
        for index in 0..directory.pages.len() {
            self.context.check()?;
            let mut matches = Vec::new();
            let mut collect = |found| matches.push(found);
            served(shared, segment, || {
                scan.page(index, &directory, &mut collect)
            });
            matches.into_iter().for_each(|found| self.see(found));
        }
        Ok(())
    }

    fn see(&mut self, found: Match) {
        let id = key(self.shared.config.id_mode, found.id);
        if self.candidates.len() >= PARTIAL_MAX && !self.candidates.contains_key(&id) {
            return;
        }
        let candidate = self.candidates.entry(id).or_default();
        let was_ready = candidate.bits & self.criteria.all == self.criteria.all;
        candidate.bits |= found.bits;
        candidate.newest_us = candidate.newest_us.max(found.newest_us);
        if !was_ready && candidate.bits & self.criteria.all == self.criteria.all {
            self.ready.push(id);
        }
    }

    /// Fetches and tests what is ready, newest first, until as many as asked for match. Traces
    /// that no row so far has put inside the window are kept for the end (`outside`).
    fn test(&mut self, outside: bool) -> Result<(), ReadError> {
        let mut ready: Vec<(u64, TraceId)> = Vec::with_capacity(self.ready.len());
        let mut later = Vec::new();
        for id in self.ready.drain(..) {
            let newest = self
                .candidates
                .get(&id)
                .map_or(0, |candidate| candidate.newest_us);
            if (newest == 0) == outside {
                ready.push((newest, id));
            } else {
                later.push(id);
            }
        }
        ready.sort_unstable_by_key(|&(newest, id)| (std::cmp::Reverse(newest), id));
        if outside {
            ready.truncate(OUTSIDE_MAX);
        }
        let mut rest = ready.as_slice();
        let mut tested = 0;
        while let Some(&(newest, _)) = rest.first() {
            // Older than as many matches: they wait, in case later sources show newer spans.
            if self.is_done(newest / 1000) {
                break;
            }
            self.context.check()?;
            let some = self.wanted(rest, tested);
            self.test_some(rest.get(..some).unwrap_or(rest))?;
            tested += some;
            rest = rest.get(some..).unwrap_or_default();
        }
        later.extend(rest.iter().map(|&(_, id)| id));
        self.ready = later;
        Ok(())
    }

    /// Returns how many of these, newest first, are fetched next: all that are missing at once, so
    /// that a page is read once for them; where none are missing, those newer than what is found.
    fn wanted(&self, ready: &[(u64, TraceId)], tested: usize) -> usize {
        let limit = self.criteria.request.limit;
        let missing = limit.saturating_sub(self.found.len());
        if missing > 0 {
            return missing.max(tested.min(FETCH_MORE)).min(ready.len());
        }
        let oldest_ms = self.found.last().map_or(0, |(newest, _)| *newest);
        let newer = ready.partition_point(|(newest, _)| newest / 1000 > oldest_ms);
        newer.min(limit).max(1)
    }

    fn test_some(&mut self, some: &[(u64, TraceId)]) -> Result<(), ReadError> {
        let lows: Vec<u64> = some.iter().map(|(_, id)| id.low).collect();
        let of = (self.shared, self.snapshot);
        let mut fetched = fetch(of, &lows, self.room(), self.context)?;
        for (_, id) in some {
            let tested = self
                .candidates
                .get_mut(id)
                .map(|c| std::mem::replace(&mut c.tested, true));
            let Some(spans) = fetched.remove(id) else {
                continue;
            };
            if tested == Some(true) || !self.criteria.request.test(&spans) {
                continue;
            }
            self.keep(spans);
        }
        Ok(())
    }

    /// Returns how many bytes of spans the answer may still take.
    fn room(&self) -> usize {
        let traces = self.found.iter().flat_map(|(_, spans)| spans);
        let held: usize = traces.map(Span::memory_bytes).sum();
        self.shared.config.answer_bytes.saturating_sub(held)
    }

    fn keep(&mut self, spans: Vec<Span>) {
        let window = self.criteria.request.window;
        let times = spans.iter().map(|span| span.timestamp_us);
        let newest = times
            .filter(|&time| time != 0 && inside(&window, time))
            .max();
        self.found.push((newest.unwrap_or_default() / 1000, spans));
    }

    /// Returns whether nothing whose newest time is this can add anything; lets go of what is older
    /// than as many as are asked for.
    fn is_done(&mut self, newest_ms: u64) -> bool {
        let limit = self.criteria.request.limit;
        if self.found.len() < limit {
            return false;
        }
        self.found
            .sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
        self.found.truncate(limit);
        self.found
            .last()
            .is_some_and(|(newest, _)| *newest >= newest_ms)
    }
}
