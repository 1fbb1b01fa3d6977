//! Traces that a limit would leave out wrongly: what makes them match lies in an older source, and
//! a span newer than the last match found in a newer one. Where few traces are that new, their ids
//! are looked up in the other sources; where many are, matches are rare, and the sources not yet
//! searched are searched for what those traces lack. Of much that is stored only segments that end
//! shortly before the last match or later are looked into: all would take longer than the search
//! did.

use hashbrown::{HashMap, HashSet};
use speargun_storage::{ReadError, Window};

use super::{PARTIAL_MAX, Search};
use crate::assemble::locate;
use crate::error::SegmentError;
use crate::read::{fetch, served};
use crate::scan::inside;
use crate::segment::Segment;

/// Traces newer than the last match that are considered; with more of them, matches are so rare
/// that this would take longer than the search did.
const NEWER_MAX: usize = 8_192;
/// So many newer traces are looked up one by one.
const LOOKED_UP_MAX: usize = 256;
/// How long before the last match a segment may end and still be looked into.
const LATE_MS: u64 = 60_000;
/// So many rows are looked into whenever their segments end.
const FEW_ROWS: u64 = 200_000;
/// Traces fetched at a time: those that do not match go before the next ones come.
const FETCH: usize = 512;

/// In how many sources a trace lies.
#[derive(Clone, Copy, Debug, Default)]
struct Sources {
    count: u32,
    /// The head that was counted last.
    head: u32,
}

impl Sources {
    /// Counts a head once, by its number; 0 is a segment, which has a trace once.
    fn add(&mut self, head: u32) {
        if head == 0 || head != self.head {
            self.count += 1;
            self.head = head;
        }
    }
}

/// Adds the matches that are newer than the last of as many as were asked for, and that only other
/// sources complete. The first `searched` of the segments, newest first, have been searched.
pub(super) fn complete(
    search: &mut Search<'_>,
    near: &[&Segment],
    searched: usize,
) -> Result<(), ReadError> {
    let limit = search.criteria.request.limit;
    if search.found.len() < limit {
        return Ok(());
    }
    search.cut();
    // Where a search may go on behind the last, those of its time count too.
    let behind_ms = match search.summarising {
        Some(_) => search.oldest_ms().saturating_sub(1),
        None => search.oldest_ms(),
    };
    let segments = ending_late(near, behind_ms);
    if segments.len() + search.snapshot.heads.len() < 2 {
        return Ok(());
    }
    let Some(newer) = newer_traces(search, &segments, behind_ms)? else {
        return Ok(());
    };
    if newer.len() <= LOOKED_UP_MAX {
        return look_up(search, &segments, newer);
    }
    for segment in segments.get(searched..).unwrap_or_default() {
        search.segment(segment)?;
    }
    let ready = std::mem::take(&mut search.ready).into_iter();
    let lows = ready
        .map(|id| id.low)
        .filter(|low| newer.contains_key(low))
        .collect::<Vec<u64>>();
    test(search, &lows)
}

/// Returns the newest of the segments: those that end late enough, and others while there are few
/// rows.
fn ending_late<'s>(near: &[&'s Segment], oldest_ms: u64) -> Vec<&'s Segment> {
    let mut rows = 0;
    let looked_into = near.iter().copied().take_while(|segment| {
        rows += segment.facts.rows;
        segment.facts.time_max_us / 1000 + LATE_MS >= oldest_ms || rows <= FEW_ROWS
    });
    looked_into.collect()
}

/// Fetches and tests those of the traces that lie in several sources.
fn look_up(
    search: &mut Search<'_>,
    segments: &[&Segment],
    mut newer: HashMap<u64, Sources>,
) -> Result<(), ReadError> {
    count_sources(search, segments, &mut newer)?;
    let several = newer.into_iter().filter(|(_, sources)| sources.count > 1);
    let lows: Vec<u64> = several.map(|(low, _)| low).collect();
    test(search, &lows)
}

/// Fetches the traces and keeps those that match, unless they were tested.
fn test(search: &mut Search<'_>, lows: &[u64]) -> Result<(), ReadError> {
    let of = (search.shared, search.snapshot);
    for lows in lows.chunks(FETCH) {
        for (id, spans) in fetch(of, lows, search.room(), search.context)? {
            let candidate = search.candidates.get(&id);
            let tested = candidate.is_some_and(|candidate| candidate.tested);
            if !tested {
                search.keep(id, spans);
            }
        }
        // No more is kept than was asked for.
        search.cut();
    }
    Ok(())
}

/// Traces with a span in the window that is newer than a time.
struct Newer {
    window: Window,
    behind_ms: u64,
    /// Newer than this is before all that is asked for.
    until_ms: u64,
    max: usize,
    traces: HashMap<u64, Sources>,
    passed: HashSet<u64>,
}

impl Newer {
    fn see(&mut self, low: u64, time_us: u64) {
        let ms = time_us / 1000;
        if ms <= self.behind_ms || !inside(&self.window, time_us) {
            return;
        }
        if ms > self.until_ms {
            self.passed.insert(low);
        } else {
            self.traces.insert(low, Sources::default());
        }
    }

    fn is_too_many(&self) -> bool {
        self.traces.len() > self.max || self.passed.len() > PARTIAL_MAX
    }
}

/// Returns the lower halves of the ids of traces with a span in the window that is newer, but none
/// before those that are asked for; `None` when they are too many.
fn newer_traces(
    search: &Search<'_>,
    segments: &[&Segment],
    behind_ms: u64,
) -> Result<Option<HashMap<u64, Sources>>, ReadError> {
    let request = search.criteria.request;
    let mut newer = Newer {
        window: request.window,
        behind_ms,
        until_ms: search.after().map_or(u64::MAX, |after| after.newest_ms),
        max: NEWER_MAX.max(request.limit.saturating_mul(2)),
        traces: HashMap::default(),
        passed: HashSet::default(),
    };
    for view in search.snapshot.heads.iter().flat_map(|head| head.views()) {
        let record = view.record();
        newer.see(record.trace_id.low, record.timestamp_us);
        if newer.is_too_many() {
            return Ok(None);
        }
    }
    for segment in segments {
        if segment.facts.time_max_us / 1000 <= behind_ms {
            continue;
        }
        search.context.check()?;
        served(search.shared, segment, || newer_of(segment, &mut newer));
        if newer.is_too_many() {
            return Ok(None);
        }
    }
    let passed = newer.passed;
    newer.traces.retain(|low, _| !passed.contains(low));
    Ok(Some(newer.traces))
}

fn newer_of(segment: &Segment, newer: &mut Newer) -> Result<(), SegmentError> {
    let directory = segment.directory()?;
    for (index, entry) in directory.pages.iter().enumerate() {
        let page = segment.page(index)?;
        let starts = page.trace_starts()?;
        let times = page.times(segment.facts.time_min_us, &starts)?;
        if !times.iter().any(|time| time / 1000 > newer.behind_ms) {
            continue;
        }
        let lows = segment.trace_lows(entry.first_trace, starts.len() - 1)?;
        for (bounds, low) in starts.windows(2).zip(lows) {
            let &[start, end] = bounds else { continue };
            for time in times.get(start..end).unwrap_or_default() {
                newer.see(low, *time);
            }
        }
        if newer.is_too_many() {
            break;
        }
    }
    Ok(())
}

/// Counts in how many sources each of the traces lies.
fn count_sources(
    search: &Search<'_>,
    segments: &[&Segment],
    newer: &mut HashMap<u64, Sources>,
) -> Result<(), ReadError> {
    let mut lows: Vec<u64> = newer.keys().copied().collect();
    lows.sort_unstable();
    if lows.is_empty() {
        return Ok(());
    }
    for (number, head) in (1..).zip(&search.snapshot.heads) {
        for view in head.views() {
            if let Some(sources) = newer.get_mut(&view.record().trace_id.low) {
                sources.add(number);
            }
        }
    }
    for segment in segments {
        search.context.check()?;
        let mut report = |error| search.shared.report_damage(&segment.path, &error);
        let located = served(search.shared, segment, || {
            locate(segment, &lows, &mut report)
        });
        for found in located.into_iter().flatten() {
            if let Some(sources) = newer.get_mut(&found.low) {
                // A segment has a trace once.
                sources.add(0);
            }
        }
    }
    Ok(())
}
