//! Finding traces: sources from new to old, each says which traces meet which criteria in it; a
//! trace whose criteria are all met between its sources is fetched whole and tested. What is kept
//! of it is its spans, or a summary. Exact but for the bounds of [`sources`], of [`PARTIAL_MAX`],
//! and for which matches a limit leaves out: sources are searched until there are enough, and then
//! [`late`] looks for traces that only older sources complete.

use hashbrown::HashMap;
use speargun_model::{Span, TraceId};
use speargun_storage::{FoundTraces, Place, ReadContext, ReadError, SummaryRequest, TraceRequest};

use crate::criteria::{Bits, Criteria};
use crate::head::Head;
use crate::read::{fetch, served};
use crate::scan::{Match, Scan, inside, pages_that_may_matter};
use crate::segment::Segment;
use crate::store::{Shared, Snapshot};

/// Traces that meet some criteria but not yet all, beyond which further ones are not kept: a bound
/// on memory of about 50 MB.
const PARTIAL_MAX: usize = 500_000;
/// Traces without a row inside the window in the sources that match, which are tested all the same.
const OUTSIDE_MAX: usize = 1_000;
/// Traces fetched at once while none of as many before matched, though fewer are asked for; and of
/// those of which only summaries are kept.
const FETCH_MORE: usize = 512;

mod found;
mod late;
pub(crate) mod sources;

use found::{Found, Summarising};

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
    /// Set when only summaries are kept.
    summarising: Option<Summarising<'a>>,
    candidates: HashMap<TraceId, Candidate>,
    /// Those that meet all criteria and were not tested, newest unknown.
    ready: Vec<TraceId>,
    found: Vec<Found>,
    /// Whether there were more candidates than are held.
    is_overfull: bool,
    traces_read: u64,
    spans_read: u64,
}

/// Returns the traces that match, newest first.
pub(crate) fn search(
    (shared, snapshot): (&Shared, &Snapshot),
    request: &TraceRequest,
    context: &ReadContext,
) -> Result<Vec<Vec<Span>>, ReadError> {
    let mut search = Search::new((shared, snapshot), request, context);
    search.run()?;
    let found = search.found.into_iter();
    Ok(found.filter_map(Found::into_spans).collect())
}

/// Returns summaries of the traces that match and are wanted, in order; those found so far when
/// the deadline passes.
pub(crate) fn summaries(
    (shared, snapshot): (&Shared, &Snapshot),
    asked: &SummaryRequest,
    context: &ReadContext,
) -> Result<FoundTraces, ReadError> {
    let mut search = Search::new((shared, snapshot), &asked.request, context);
    search.summarising = Some(Summarising {
        filter: &asked.filter,
        after: asked.after,
    });
    let is_complete = match search.run() {
        Ok(()) => !search.is_overfull,
        Err(ReadError::DeadlineExceeded) => false,
        Err(other) => return Err(other),
    };
    search.cut();
    let found = search.found.into_iter();
    Ok(FoundTraces {
        traces: found.filter_map(Found::into_summary).collect(),
        is_complete,
        traces_read: search.traces_read,
        spans_read: search.spans_read,
    })
}
impl<'a> Search<'a> {
    fn new(
        (shared, snapshot): (&'a Shared, &'a Snapshot),
        request: &'a TraceRequest,
        context: &'a ReadContext,
    ) -> Self {
        Self {
            shared,
            snapshot,
            criteria: Criteria::new(request),
            context,
            summarising: None,
            candidates: HashMap::default(),
            ready: vec![],
            found: vec![],
            is_overfull: false,
            traces_read: 0,
            spans_read: 0,
        }
    }

    /// Searches all sources; what matches is found, in order and no more than asked for.
    fn run(&mut self) -> Result<(), ReadError> {
        let (snapshot, request) = (self.snapshot, self.criteria.request);
        for head in snapshot.heads.iter().rev() {
            self.context.check()?;
            self.head(head);
        }
        self.test(false)?;
        let (near, far) = sources::by_time(&snapshot.segments, &request.window);
        let mut searched = 0;
        for &segment in &near {
            if self.is_done(segment.facts.time_max_us / 1000) {
                break;
            }
            searched += 1;
            if self.is_before_all(segment) {
                continue;
            }
            self.segment(segment)?;
            self.test(false)?;
        }
        for segment in far {
            if self.found.len() >= request.limit {
                break;
            }
            self.segment(segment)?;
            self.test(false)?;
        }
        if self.found.len() < request.limit {
            self.test(true)?;
        }
        late::complete(self, &near, searched)?;
        self.cut();
        Ok(())
    }

    /// Returns whether all rows of a segment belong to traces before those that are asked for.
    fn is_before_all(&self, segment: &Segment) -> bool {
        let facts = &segment.facts;
        let is_passed = |after: Place| {
            facts.untimed == 0
                && facts.time_min_us / 1000 > after.newest_ms
                && facts.time_max_us / 1000 <= self.criteria.request.window.end_ms
        };
        self.after().is_some_and(is_passed)
    }

    /// Returns the place behind which traces are asked for.
    fn after(&self) -> Option<Place> {
        self.summarising.and_then(|summarising| summarising.after)
    }

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
            let id = self.shared.config.id_mode.key(record.trace_id);
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
        let matter = served(shared, segment, || {
            pages_that_may_matter(segment, &meta, &self.criteria)
        });
        // What can't be read says nothing.
        let matter = matter.flatten();
        let may_matter = |index: usize| {
            let known = matter.as_ref().and_then(|pages| pages.get(index));
            known.copied().unwrap_or(true)
        };
        if !(0..directory.page_count()).any(may_matter) {
            return Ok(());
        }
        let scan = served(shared, segment, || Scan::new(segment, &meta, self.criteria));
        let Some(Some(scan)) = scan else {
            return Ok(());
        };
        for index in (0..directory.page_count()).filter(|&index| may_matter(index)) {
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
        let id = self.shared.config.id_mode.key(found.id);
        let is_known = self.candidates.contains_key(&id);
        let summarising = self.summarising;
        if !is_known && summarising.is_some_and(|s| s.is_passed(found.newest_us)) {
            return;
        }
        if !is_known && self.candidates.len() >= PARTIAL_MAX {
            self.is_overfull = true;
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
        let summarising = self.summarising;
        for id in self.ready.drain(..) {
            let newest = self
                .candidates
                .get(&id)
                .map_or(0, |candidate| candidate.newest_us);
            if summarising.is_some_and(|summarising| summarising.is_passed(newest)) {
                // It stays so: a trace's newest span only becomes newer.
            } else if (newest == 0) == outside {
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
        let at_once = match self.summarising {
            // Of many traces the spans need not be there all at once.
            Some(_) => limit.min(FETCH_MORE),
            None => limit,
        };
        if missing > 0 {
            let some = missing.min(at_once).max(tested.min(FETCH_MORE));
            return some.min(ready.len());
        }
        let oldest_ms = self.oldest_ms();
        // Of summaries those of the last time have all to be seen.
        let also = u64::from(self.summarising.is_some());
        let newer = ready.partition_point(|(newest, _)| newest / 1000 + also > oldest_ms);
        newer.min(at_once).max(1)
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
            if tested != Some(true) {
                self.keep(*id, spans);
            }
        }
        Ok(())
    }

    /// Returns how many bytes of spans the answer may still take.
    fn room(&self) -> usize {
        let held = self.found.iter().map(Found::memory_bytes);
        self.shared.config.answer_bytes.saturating_sub(held.sum())
    }

    /// Keeps a trace, or its summary, if it matches and is wanted.
    fn keep(&mut self, id: TraceId, spans: Vec<Span>) {
        self.traces_read += 1;
        self.spans_read += spans.len() as u64;
        let request = self.criteria.request;
        if !request.test(&spans) {
            return;
        }
        let times = spans.iter().map(|span| span.timestamp_us);
        let newest = times
            .filter(|&time| time != 0 && inside(&request.window, time))
            .max();
        let place = Place {
            newest_ms: newest.unwrap_or_default() / 1000,
            id,
        };
        let found = Found::of(place, spans, self.summarising.as_ref());
        self.found.extend(found);
    }

    /// Returns whether nothing whose newest time is this can add anything; lets go of what is older
    /// than as many as are asked for.
    fn is_done(&mut self, newest_ms: u64) -> bool {
        if self.found.len() < self.criteria.request.limit {
            return false;
        }
        self.cut();
        let oldest_ms = self.oldest_ms();
        // Where a search may go on behind the last, of one time the right ones have to be found.
        oldest_ms > newest_ms || oldest_ms == newest_ms && self.summarising.is_none()
    }

    /// Sorts what was found and lets go of what is too much.
    fn cut(&mut self) {
        self.found.sort_by_key(|found| found.place.order());
        self.found.truncate(self.criteria.request.limit);
    }

    /// Returns the newest time of the oldest trace found.
    fn oldest_ms(&self) -> u64 {
        self.found.last().map_or(0, |found| found.place.newest_ms)
    }
}
