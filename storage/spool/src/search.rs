//! Searching both places. The database finds the traces that match with what it holds; a trace of
//! which a part waits here is fetched whole and tested anew. That is exact as long as the traces
//! that wait and may matter to the window are at most [`CANDIDATES_MAX`]: each of them is made
//! whole. Beyond that, the newest of them are, and those that match with what waits alone.

use std::collections::{HashMap, HashSet};

use speargun_model::{Span, TraceId};
use speargun_storage::{IdMode, LocalView, Place, ReadContext, ReadError, TraceRequest};

use crate::spool::Spool;
use crate::whole::{by_key, bytes, join, key_of};

/// Traces waiting here that are made whole for one search.
const CANDIDATES_MAX: usize = 2048;
/// Traces made whole at a time.
const FETCH: usize = 512;
/// How often the database is asked for more matches when some did not match as a whole.
const ROUNDS: usize = 3;
/// Bytes of memory that the spans of one answer may take.
const ANSWER_BYTES: usize = 512 << 20;

struct Search<'s> {
    spool: &'s Spool,
    view: &'s dyn LocalView,
    request: &'s TraceRequest,
    context: &'s ReadContext,
    /// Traces that were tested, and whether they match.
    tested: HashMap<TraceId, bool>,
    /// The newest millisecond inside the window, and the trace.
    found: Vec<(u64, Vec<Span>)>,
    found_bytes: usize,
}

/// Returns the traces that match, newest first.
pub(crate) fn search(
    spool: &Spool,
    request: &TraceRequest,
    context: &ReadContext,
) -> Result<Vec<Vec<Span>>, ReadError> {
    let view = spool.local.view();
    let recent = view.recent(Some(request.window), CANDIDATES_MAX, context)?;
    let mut lows: Vec<u64> = recent.traces.iter().map(|&(_, low)| low).collect();
    if !recent.all {
        let found = view.reader().search(request, context)?;
        let ids = found.iter().filter_map(|trace| trace.first());
        lows.extend(ids.map(|span| span.trace_id.low));
    }
    let mut search = Search {
        spool,
        view: &*view,
        request,
        context,
        tested: HashMap::new(),
        found: Vec::new(),
        found_bytes: 0,
    };
    lows.sort_unstable();
    lows.dedup();
    for lows in lows.chunks(FETCH) {
        search.waiting(lows)?;
    }
    search.stored()?;
    search.trim();
    Ok(search.found.into_iter().map(|(_, trace)| trace).collect())
}

impl Search<'_> {
    /// Makes traces of which a part waits whole, and tests them.
    fn waiting(&mut self, lows: &[u64]) -> Result<(), ReadError> {
        self.context.check()?;
        let mode = self.spool.config.id_mode;
        let waiting = by_key(mode, self.view.traces(lows, self.context)?);
        let ids: Vec<TraceId> = waiting
            .values()
            .filter_map(|t| key_of(IdMode::Strict, t))
            .collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut stored = by_key(mode, self.spool.database.traces(&ids, self.context)?);
        for (key, part) in waiting {
            let whole = join(stored.remove(&key).unwrap_or_default(), part);
            self.test(key, whole)?;
        }
        Ok(())
    }

    /// Adds what the database finds.
    fn stored(&mut self) -> Result<(), ReadError> {
        let mut limit = self.request.limit;
        for _ in 0..ROUNDS {
            self.context.check()?;
            let request = TraceRequest {
                limit,
                ..self.request.clone()
            };
            let traces = self.spool.database.search(&request, self.context)?;
            let count = traces.len();
            let matching = self.stored_of(traces)?;
            if count < limit || matching >= self.request.limit {
                return Ok(());
            }
            limit = limit.saturating_add((count - matching).max(1));
        }
        Ok(())
    }

    /// Adds traces that match as the database holds them; returns how many do as a whole.
    fn stored_of(&mut self, traces: Vec<Vec<Span>>) -> Result<usize, ReadError> {
        let mode = self.spool.config.id_mode;
        let keys: Vec<TraceId> = traces.iter().filter_map(|t| key_of(mode, t)).collect();
        let new = keys.iter().filter(|key| !self.tested.contains_key(key));
        let lows: HashSet<u64> = new.map(|key| key.low).collect();
        let lows: Vec<u64> = lows.into_iter().collect();
        let mut waiting = by_key(mode, self.view.traces(&lows, self.context)?);
        let mut matching = 0;
        for trace in traces {
            let Some(key) = key_of(mode, &trace) else {
                continue;
            };
            if !self.tested.contains_key(&key) {
                let whole = match waiting.remove(&key) {
                    Some(part) => join(trace, part),
                    None => trace,
                };
                self.test(key, whole)?;
            }
            matching += usize::from(self.tested.get(&key) == Some(&true));
        }
        Ok(matching)
    }

    fn test(&mut self, id: TraceId, trace: Vec<Span>) -> Result<(), ReadError> {
        let matches = self.request.test(&trace);
        self.tested.insert(id, matches);
        if !matches {
            return Ok(());
        }
        let newest_ms = Place::of(&trace, &self.request.window).newest_ms;
        self.found_bytes += bytes(&trace);
        self.found.push((newest_ms, trace));
        let is_much = self.found.len() >= self.request.limit.saturating_mul(2).max(FETCH);
        if is_much || self.found_bytes > ANSWER_BYTES {
            self.trim();
        }
        if self.found_bytes > ANSWER_BYTES {
            return Err(ReadError::TooMuch(ANSWER_BYTES));
        }
        Ok(())
    }

    /// Lets go of what is older than as many as are asked for.
    fn trim(&mut self) {
        self.found
            .sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
        self.found.truncate(self.request.limit);
        self.found_bytes = self.found.iter().map(|(_, trace)| bytes(trace)).sum();
    }
}
