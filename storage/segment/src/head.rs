//! Spans that are durable in the journal but not yet in a segment: batches as they came, searched
//! as they lie. A head is full after some rows or bytes; then it is frozen and sealed.

use std::sync::Arc;

use speargun_model::{SpanBatch, SpanView};
use speargun_storage::Position;

/// Rows behind which another group is begun, so that a query copies few pointers.
const GROUP_ROWS: usize = 1024;

/// Some batches, with the lower halves of their trace ids side by side for fast looking up.
#[derive(Debug, Default)]
pub(crate) struct Group {
    batches: Vec<Arc<SpanBatch>>,
    lows: Vec<u64>,
}

/// A head. Clones share the groups.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// Counts heads; the segment made of it bears the number.
    pub(crate) number: u64,
    groups: Vec<Arc<Group>>,
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
    /// The journal position behind the last batch.
    pub(crate) end: Position,
    pub(crate) arrived_min_ms: u64,
    pub(crate) arrived_max_ms: u64,
}

impl Head {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            groups: vec![],
            rows: 0,
            bytes: 0,
            end: Position::default(),
            arrived_min_ms: 0,
            arrived_max_ms: 0,
        }
    }

    pub(crate) fn push(&mut self, batches: &[Arc<SpanBatch>], end: Position, now_ms: u64) {
        if self
            .groups
            .last()
            .is_none_or(|group| group.lows.len() >= GROUP_ROWS)
        {
            self.groups.push(Arc::default());
        }
        // A query may hold the last group: then another is begun instead of waiting.
        if self
            .groups
            .last_mut()
            .is_some_and(|group| Arc::get_mut(group).is_none())
        {
            self.groups.push(Arc::default());
        }
        if let Some(group) = self.groups.last_mut().and_then(Arc::get_mut) {
            for batch in batches {
                group
                    .lows
                    .extend(batch.spans.iter().map(|span| span.trace_id.low));
                group.batches.push(batch.clone());
                self.rows += batch.spans.len();
                self.bytes += batch.memory_bytes();
            }
        }
        self.end = end;
        if self.arrived_min_ms == 0 {
            self.arrived_min_ms = now_ms;
        }
        self.arrived_max_ms = self.arrived_max_ms.max(now_ms);
    }

    /// Returns the batches in order of arrival.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &SpanBatch> {
        self.groups
            .iter()
            .flat_map(|group| group.batches.iter().map(|batch| &**batch))
    }

    /// Returns the spans in order of arrival.
    pub(crate) fn views(&self) -> impl Iterator<Item = SpanView<'_>> {
        self.batches().flat_map(SpanBatch::views)
    }

    /// Calls `visit` with each span whose trace id has one of these (sorted) lower halves.
    pub(crate) fn each_of<'h>(&'h self, lows: &[u64], mut visit: impl FnMut(SpanView<'h>)) {
        for group in &self.groups {
            let mut rest = group.lows.as_slice();
            for batch in &group.batches {
                let (here, behind) = rest.split_at(batch.spans.len().min(rest.len()));
                rest = behind;
                for (index, low) in here.iter().enumerate() {
                    if is_one_of(lows, *low)
                        && let Some(view) = batch.view(index)
                    {
                        visit(view);
                    }
                }
            }
        }
    }
}

#[inline]
fn is_one_of(sorted: &[u64], low: u64) -> bool {
    match sorted {
        [one] => *one == low,
        _ => sorted.binary_search(&low).is_ok(),
    }
}
