//! Searches: candidates by SQL, newest first, in slices of time that grow backwards from the end
//! of the window; whole traces by `fetch`; the last word has `TraceRequest::test`.
//!
//! A slice asks for traces that have any span in it and, near it, one for each criterion. What
//! matches is found in the slice of its newest span, or when its spans lie further apart, in an
//! older one. In a small store near is everywhere. Where a service and more is asked for, it is
//! looked first how far back the first slice must reach, in the order of the primary key.

use std::collections::HashSet;

use clickhouse::Row;
use serde::Deserialize;
use speargun_model::{Span, TraceId};
use speargun_storage::order::millisecond;
use speargun_storage::{IdMode, TraceRequest, Window};

use crate::columns::minute;
use crate::criteria::Criteria;
use crate::fault::Fault;
use crate::fetch::{Fetch, key};
use crate::server::query;

/// The first slice: what a busy store is searched in.
const FIRST_SLICE_MS: u64 = 4_000;
/// How much longer each slice is than the one before: a search that finds nothing costs a few
/// queries more, one that finds enough reads at most that much too far.
const GROWTH: u64 = 8;
/// Candidates asked for at once, at least and at most.
const CANDIDATES: std::ops::RangeInclusive<u64> = 100..=10_000;
/// Traces fetched at once, at least and at most.
const FETCHED: std::ops::RangeInclusive<usize> = 16..=512;
/// How far around a slice criteria are met, at least and at most.
const NEAR_MS: std::ops::RangeInclusive<u64> = 60_000..=3_600_000;

const MINUTE_MS: u64 = 60_000;

#[derive(Row, Deserialize, Debug)]
struct Candidate {
    trace_low: u64,
    trace_high: u64,
}

#[derive(Row, Deserialize, Debug)]
struct Minute {
    minute: u32,
}

/// How far back the first slice reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reach {
    /// A little: nothing is known.
    Little,
    /// To this millisecond, from which on there is about enough.
    To(u64),
    /// To the beginning, as little is found.
    All,
}

/// A search that goes on.
pub(crate) struct Search<'a> {
    fetch: Fetch<'a>,
    request: &'a TraceRequest,
    criteria: Criteria,
    /// Whether criteria are met anywhere.
    everywhere: bool,
    seen: HashSet<TraceId>,
    found: Vec<(u64, Vec<Span>)>,
    bytes_left: usize,
    bytes_max: usize,
}

/// Milliseconds, both ends inside.
#[derive(Clone, Copy, Debug)]
struct Slice {
    start_ms: u64,
    end_ms: u64,
    near_ms: u64,
}

// === impl Search ===

impl<'a> Search<'a> {
    /// Returns a search; `everywhere` says that the store is small.
    pub(crate) fn new(
        fetch: Fetch<'a>,
        request: &'a TraceRequest,
        bytes_max: usize,
        everywhere: bool,
    ) -> Self {
        Self {
            fetch,
            request,
            criteria: Criteria::of(request),
            everywhere,
            seen: HashSet::new(),
            found: Vec::new(),
            bytes_left: bytes_max,
            bytes_max,
        }
    }

    /// Returns the traces that match, newest first.
    pub(crate) fn run(mut self) -> Result<Vec<Vec<Span>>, Fault> {
        let Some(reach) = self.reach()? else {
            return Ok(Vec::new());
        };
        for slice in slices(self.request.window, reach) {
            self.search(slice)?;
            if self.is_full() {
                break;
            }
        }
        // Traces that an older slice found may be newer than some of a newer one.
        self.found.sort_by_key(|(ms, _)| std::cmp::Reverse(*ms));
        self.found.truncate(self.request.limit);
        Ok(self.found.into_iter().map(|(_, trace)| trace).collect())
    }

    /// Returns how far back the first slice must reach; none when nothing can match.
    fn reach(&self) -> Result<Option<Reach>, Fault> {
        if self.everywhere {
            return Ok(Some(Reach::All));
        }
        let Some(condition) = self.criteria.rarest() else {
            return Ok(Some(Reach::Little));
        };
        let text = format!(
            "SELECT minute FROM spans WHERE {condition} AND (minute BETWEEN {{near_first:UInt32}} \
             AND {{near_last:UInt32}} OR minute = 0) ORDER BY minute DESC LIMIT 1 BY trace_low \
             LIMIT {{wanted:UInt64}}"
        );
        let wanted = u64::try_from(self.request.limit).unwrap_or(u64::MAX);
        let wanted = wanted.clamp(1, *CANDIDATES.end());
        let window = self.request.window;
        let first_ms = window.start_ms().saturating_sub(*NEAR_MS.end());
        let last_ms = window.end_ms.saturating_add(*NEAR_MS.end());
        let fetch = self.fetch;
        let found = fetch.server.with_client(fetch.deadline, async |client| {
            let query = query(&client, &text, fetch.deadline)?;
            let query = self.criteria.bind(query);
            let query = query
                .param("near_first", near(first_ms))
                .param("near_last", near(last_ms))
                .param("wanted", wanted);
            Ok(query.fetch_all::<Minute>().await?)
        })?;
        let enough = found.len() as u64 == wanted;
        Ok(found.last().map(|oldest| {
            if enough {
                Reach::To(u64::from(oldest.minute).saturating_mul(MINUTE_MS))
            } else {
                Reach::All
            }
        }))
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.request.limit
    }

    fn search(&mut self, slice: Slice) -> Result<(), Fault> {
        let wanted = u64::try_from(self.request.limit).unwrap_or(u64::MAX);
        let mut page = (wanted.saturating_mul(2)).clamp(*CANDIDATES.start(), *CANDIDATES.end());
        let mut passed = 0;
        loop {
            let candidates = self.candidates(slice, (page, passed))?;
            let count = candidates.len() as u64;
            self.test(&candidates)?;
            if count < page || self.is_full() {
                return Ok(());
            }
            // The server sorts all again for each page.
            passed += page;
            page = page.saturating_mul(4);
        }
    }

    fn candidates(&self, slice: Slice, (page, passed): (u64, u64)) -> Result<Vec<TraceId>, Fault> {
        let text = self.text();
        let fetch = self.fetch;
        let rows = fetch.server.with_client(fetch.deadline, async |client| {
            let query = query(&client, &text, fetch.deadline)?;
            let query = self.criteria.bind(query);
            let query = query
                .param("start", slice.start_ms.saturating_mul(1000).max(1))
                .param("end", end_us(slice.end_ms))
                .param("first", near(slice.start_ms))
                .param("last", near(slice.end_ms))
                .param(
                    "near_first",
                    near(slice.start_ms.saturating_sub(slice.near_ms)),
                )
                .param(
                    "near_last",
                    near(slice.end_ms.saturating_add(slice.near_ms)),
                )
                .param("page", page)
                .param("passed", passed);
            Ok(query.fetch_all::<Candidate>().await?)
        })?;
        let ids = rows.into_iter().map(|row| TraceId {
            high: row.trace_high,
            low: row.trace_low,
        });
        Ok(ids.collect())
    }

    /// Returns the statement, which depends on what is asked for but not on any of its values.
    fn text(&self) -> String {
        let high = match self.fetch.mode {
            IdMode::Strict => "trace_high",
            IdMode::Lenient => "toUInt64(0) AS trace_high",
        };
        let near = if self.everywhere {
            ""
        } else {
            " AND (minute BETWEEN {near_first:UInt32} AND {near_last:UInt32} OR minute = 0)"
        };
        format!(
            "SELECT trace_low, {high} FROM spans WHERE minute BETWEEN {{first:UInt32}} AND \
             {{last:UInt32}} AND timestamp_us BETWEEN {{start:UInt64}} AND {{end:UInt64}}{} GROUP \
             BY trace_low, trace_high ORDER BY max(intDiv(timestamp_us, 1000)) DESC, trace_low, \
             trace_high LIMIT {{page:UInt64}} OFFSET {{passed:UInt64}}",
            self.criteria.of_trace(near)
        )
    }

    /// Fetches candidates, newest first, and keeps those that match.
    fn test(&mut self, candidates: &[TraceId]) -> Result<(), Fault> {
        let seen = &mut self.seen;
        let fresh: Vec<TraceId> = candidates
            .iter()
            .copied()
            .filter(|id| seen.insert(*id))
            .collect();
        let mut rest = fresh.as_slice();
        while !rest.is_empty() && !self.is_full() {
            let wanted = self.request.limit.saturating_sub(self.found.len());
            let at_once = wanted.clamp(*FETCHED.start(), *FETCHED.end());
            let (now, later) = rest.split_at(at_once.min(rest.len()));
            rest = later;
            let lows: Vec<u64> = now.iter().map(|id| id.low).collect();
            let (mut traces, _) =
                self.fetch
                    .traces(&lows, self.bytes_left)
                    .map_err(|fault| match fault {
                        Fault::TooMuch(_) => Fault::TooMuch(self.bytes_max),
                        other => other,
                    })?;
            for id in now {
                let trace = traces.remove(&key(self.fetch.mode, *id));
                if let Some(trace) = trace.filter(|trace| self.request.test(trace)) {
                    self.keep(trace);
                }
            }
        }
        Ok(())
    }

    fn keep(&mut self, trace: Vec<Span>) {
        let bytes: usize = trace.iter().map(Span::memory_bytes).sum();
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
        let window = self.request.window;
        let inside = |ms: &u64| (window.start_ms()..=window.end_ms).contains(ms);
        let newest = trace.iter().map(millisecond).filter(inside).max();
        self.found.push((newest.unwrap_or(0), trace));
    }
}

/// Returns the minute of a millisecond.
fn near(ms: u64) -> u64 {
    u64::from(minute(ms.saturating_mul(1000)))
}

/// Returns the last microsecond of a millisecond, at most that of the last time there is.
fn end_us(ms: u64) -> u64 {
    ms.saturating_mul(1000)
        .saturating_add(999)
        .min(i64::MAX as u64)
}

/// Returns the slices of a window, the newest first.
fn slices(window: Window, reach: Reach) -> impl Iterator<Item = Slice> {
    // There is no time beyond, and slices of nothing would take for ever.
    let last_ms = i64::MAX as u64 / 1000;
    let start_ms = window.start_ms();
    let mut next = (start_ms <= last_ms).then(|| window.end_ms.min(last_ms));
    let mut length = match reach {
        Reach::Little => FIRST_SLICE_MS,
        Reach::To(from_ms) => (window.end_ms.min(last_ms))
            .saturating_sub(from_ms)
            .saturating_add(1)
            .max(FIRST_SLICE_MS),
        Reach::All => u64::MAX,
    };
    std::iter::from_fn(move || {
        let end_ms = next?;
        let from = end_ms.saturating_sub(length - 1).max(start_ms);
        let slice = Slice {
            start_ms: from,
            end_ms,
            near_ms: if from == start_ms {
                *NEAR_MS.end()
            } else {
                length.clamp(*NEAR_MS.start(), *NEAR_MS.end())
            },
        };
        length = length.saturating_mul(GROWTH);
        next = (from > start_ms).then(|| from - 1);
        Some(slice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(end_ms: u64, lookback_ms: u64) -> Vec<Slice> {
        let window = Window {
            end_ms,
            lookback_ms,
        };
        slices(window, Reach::Little).collect()
    }

    #[test]
    fn the_first_slice_reaches_as_far_as_it_must() {
        let window = Window {
            end_ms: 1_700_000_000_000,
            lookback_ms: 86_400_000,
        };
        let first = |reach| slices(window, reach).next().unwrap();
        let slice = first(Reach::To(1_699_999_000_000));
        assert_eq!(slice.start_ms, 1_699_999_000_000);
        assert_eq!(slice.near_ms, 1_000_001);
        assert_eq!(first(Reach::All).start_ms, window.start_ms());
        // What is near the window, not in it.
        for outside_ms in [0, 1_700_000_100_000] {
            let slice = first(Reach::To(outside_ms));
            assert!((window.start_ms()..=window.end_ms - 3999).contains(&slice.start_ms));
        }
    }

    #[test]
    fn slices_cover_the_window_once_from_its_end() {
        for lookback_ms in [0, 1, 3999, 4000, 4001, 86_400_000, u64::MAX] {
            let slices = of(1_700_000_000_000, lookback_ms);
            assert!(slices.len() < 16, "{lookback_ms}");
            assert_eq!(slices[0].end_ms, 1_700_000_000_000);
            for pair in slices.windows(2) {
                assert_eq!(pair[0].start_ms, pair[1].end_ms + 1);
            }
            let last = slices[slices.len() - 1];
            assert_eq!(
                last.start_ms,
                1_700_000_000_000_u64.saturating_sub(lookback_ms)
            );
            assert_eq!(last.near_ms, 3_600_000);
        }
    }

    #[test]
    fn windows_beyond_time_have_few_slices() {
        assert!(of(u64::MAX, u64::MAX).len() < 24);
        assert_eq!(of(u64::MAX, 1000).len(), 0);
    }
}
