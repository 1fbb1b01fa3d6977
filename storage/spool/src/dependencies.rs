//! Links over both places: traces of which a part waits here are left out of the database's answer
//! and linked whole. Exact while at most [`LINKED_MAX`] traces wait; beyond that both places are
//! asked for themselves, and a trace that lies in both is linked in two parts.

use speargun_model::link::{link_traces, merge_links};
use speargun_model::{DependencyLink, Span, TraceId};
use speargun_storage::order::millisecond;
use speargun_storage::{IdMode, LocalView, ReadContext, ReadError, Window};

use crate::spool::Spool;
use crate::whole::{by_key, join, key_of};

/// Traces waiting here that are linked whole.
const LINKED_MAX: usize = 16_384;
/// Traces made whole at a time.
const FETCH: usize = 512;

/// Returns the links of the window.
pub(crate) fn links(
    spool: &Spool,
    window: Window,
    context: &ReadContext,
) -> Result<Vec<DependencyLink>, ReadError> {
    let view = spool.local.view();
    let recent = view.recent(None, LINKED_MAX, context)?;
    if recent.traces.is_empty() {
        return spool.database.dependencies(window, context);
    }
    if !recent.all {
        let waiting = view.reader().dependencies(window, context)?;
        let stored = spool.database.dependencies(window, context)?;
        return Ok(merge_links(stored.into_iter().chain(waiting)));
    }
    let mut lows: Vec<u64> = recent.traces.iter().map(|&(_, low)| low).collect();
    lows.sort_unstable();
    let mut links = spool
        .database
        .dependencies_without(window, &lows, context)?;
    for lows in lows.chunks(FETCH) {
        context.check()?;
        let traces = whole_traces(spool, &*view, lows, context)?;
        let inside = |span: &Span| window.contains_ms(millisecond(span));
        let traces = traces.iter().filter(|trace| trace.iter().any(inside));
        links.extend(link_traces(traces));
    }
    Ok(merge_links(links))
}

/// Returns the traces with these lower halves of their ids, whatever the upper ones.
fn whole_traces(
    spool: &Spool,
    view: &dyn LocalView,
    lows: &[u64],
    context: &ReadContext,
) -> Result<Vec<Vec<Span>>, ReadError> {
    let waiting = by_key(IdMode::Lenient, view.traces(lows, context)?);
    let ids: Vec<TraceId> = waiting
        .values()
        .filter_map(|trace| key_of(IdMode::Strict, trace))
        .collect();
    let stored = spool.database.traces(&ids, context)?;
    let mut stored = by_key(IdMode::Lenient, stored);
    let whole = waiting.into_iter().map(|(low, waiting)| {
        let stored = stored.remove(&low).unwrap_or_default();
        join(stored, waiting)
    });
    Ok(whole.collect())
}
