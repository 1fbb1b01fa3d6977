//! Where traces lie: segments and heads as cursors over the lower halves of trace ids. What is in
//! the traces is read elsewhere ([`super::reader`]).

use std::sync::Arc;

use speargun_model::SpanView;
use speargun_model::link::LinkEndpoint;
use speargun_storage::{ReadContext, ReadError, Window};

use super::Row;
use super::page::summary;
use super::reader::ERROR;
use super::services::Seen;
use crate::error::SegmentError;
use crate::format::{CHUNK_IDS, Facts};
use crate::head::Head;
use crate::intern::Interner;
use crate::links::LinkSets;
use crate::read::served;
use crate::segment::Segment;
use crate::store::{Shared, Snapshot};

/// A source of traces in ascending order of the lower half of their ids.
pub(super) enum Source<'s> {
    Segment(SegmentSource<'s>),
    Head(HeadSource),
}

/// Returns the segments and heads of a snapshot in order of arrival, and all their services.
pub(super) fn sources<'s>(
    (shared, snapshot): (&Shared, &'s Snapshot),
    window: &Window,
    context: &ReadContext,
) -> Result<(Vec<Source<'s>>, Interner), ReadError> {
    let mut sources = Vec::new();
    let mut seen = Seen::new();
    for segment in snapshot.segments.iter() {
        context.check()?;
        if let Some(meta) = served(shared, segment, || segment.meta()) {
            meta.services.iter().for_each(|name| {
                seen.see(name);
            });
        }
        sources.push(Source::Segment(SegmentSource::new(segment, window, shared)));
    }
    let mut heads = Vec::new();
    for head in &snapshot.heads {
        context.check()?;
        heads.push(HeadSource::new(head, &mut seen));
    }
    let (services, numbers) = seen.in_order();
    heads.iter_mut().for_each(|head| head.renumber(&numbers));
    sources.extend(heads.into_iter().map(Source::Head));
    Ok((sources, services))
}

impl Source<'_> {
    /// Returns whether spans of the source may lie in the window. A source of which none do only
    /// completes traces of others; its rows are read for those alone.
    pub(super) fn is_touched(&self) -> bool {
        match self {
            Self::Segment(source) => source.touched,
            Self::Head(_) => true,
        }
    }

    /// Returns whether the links of the source's traces, as it alone sees them, are summed.
    pub(super) fn is_summed(&self) -> bool {
        self.summed_number().is_some()
    }

    /// Returns the number of the segment if it is summed.
    pub(super) fn summed_number(&self) -> Option<u64> {
        match self {
            Self::Segment(source) if source.is_summed => Some(source.segment.number()),
            _ => None,
        }
    }

    /// Returns the number of the segment, if it is one.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Segment(source) => Some(source.segment.number()),
            Self::Head(_) => None,
        }
    }

    /// Returns about how many rows the trace at `place` has.
    pub(super) fn rows_of(&self, place: usize) -> usize {
        match self {
            Self::Segment(source) => {
                let facts = &source.segment.facts;
                facts.rows.div_ceil(facts.traces.max(1)) as usize
            }
            Self::Head(source) => source.trace(place).len(),
        }
    }

    /// Returns the lower half of the next trace's id.
    pub(super) fn peek(&mut self, shared: &Shared) -> Option<u64> {
        match self {
            Self::Segment(source) => source.peek_undamaged(shared),
            Self::Head(source) => source.order.get(source.next).map(|&(low, _)| low),
        }
    }

    /// Returns where the next trace lies in the source.
    pub(super) fn place(&self) -> usize {
        match self {
            Self::Segment(source) => source.next,
            Self::Head(source) => source.next,
        }
    }

    /// Goes on behind the next trace.
    pub(super) fn skip(&mut self) {
        match self {
            Self::Segment(source) => source.next += 1,
            Self::Head(source) => source.next += source.trace(source.next).len(),
        }
    }

    /// Moves to the trace with this lower half of its id, or beyond where it would be, and returns
    /// the lower half from which on others may follow. A source is asked for this in ascending
    /// order, and for its next trace no more.
    pub(super) fn seek(&mut self, low: u64, shared: &Shared) -> Option<u64> {
        let Self::Segment(source) = self else {
            return None;
        };
        let segment = source.segment;
        let sought = served(shared, segment, || source.seek(low));
        // Behind a chunk that can't be read there may be others.
        sought.unwrap_or_else(|| source.until.filter(|&until| until > low))
    }
}

/// The rows of a head.
pub(super) struct HeadSource {
    /// In order of arrival.
    rows: Vec<Row>,
    /// The lower half of each row's trace id and the row's place, in ascending order.
    order: Vec<(u64, u32)>,
    next: usize,
}

impl HeadSource {
    /// Reads a head. Its rows get the numbers under which services were seen.
    fn new(head: &Head, seen: &mut Seen) -> Self {
        let mut rows = Vec::with_capacity(head.rows);
        let mut order = Vec::with_capacity(head.rows);
        let mut last = (&b""[..], None);
        for view in head.views() {
            order.push((view.record().trace_id.low, rows.len() as u32));
            // Most spans of a body are of one service.
            let local = view.local_service_name();
            if last.0 != local {
                last = (local, seen.see(local));
            }
            let remote = seen.see(view.remote_service_name());
            rows.push(row_of(&view, last.1, remote));
        }
        order.sort_unstable();
        Self {
            rows,
            order,
            next: 0,
        }
    }

    fn renumber(&mut self, numbers: &[u32]) {
        let number = |service: Option<u32>| numbers.get(service? as usize).copied();
        for row in &mut self.rows {
            row.local.service = number(row.local.service);
            row.remote_service = number(row.remote_service);
        }
    }

    /// Returns the places of the rows of the trace that lies at `place`.
    fn trace(&self, place: usize) -> &[(u64, u32)] {
        let rest = self.order.get(place..).unwrap_or_default();
        rest.chunk_by(|a, b| a.0 == b.0).next().unwrap_or_default()
    }

    /// Returns the rows of the trace that lies at `place`, in order of arrival.
    pub(super) fn rows(&self, place: usize) -> impl Iterator<Item = Row> {
        let places = self.trace(place).iter();
        places.filter_map(|&(_, row)| self.rows.get(row as usize).copied())
    }
}

fn row_of(view: &SpanView<'_>, local: Option<u32>, remote: Option<u32>) -> Row {
    let record = view.record();
    Row {
        id: record.id,
        parent_id: record.parent_id,
        timestamp_us: record.timestamp_us,
        kind: record.kind,
        shared: record.shared,
        error: view.tags().any(|(key, _)| key == ERROR),
        local: LinkEndpoint {
            service: local,
            ipv4: record.local.has_ipv4.then_some(record.local.ipv4),
            ipv6: view.ipv6(&record.local).map(u128::from_be_bytes),
            port: record.local.port,
        },
        remote_service: remote,
    }
}

/// The traces of a segment, ids chunk by chunk.
pub(super) struct SegmentSource<'s> {
    pub(super) segment: &'s Segment,
    /// Whether spans of the segment may lie in the window.
    touched: bool,
    /// Whether all its spans lie in the window and its summary is there.
    pub(super) is_summed: bool,
    /// The next trace, or one before that which is looked for next, and the ids of its chunk.
    next: usize,
    chunk: Option<usize>,
    lows: Vec<u64>,
    /// The first id of the chunk behind it.
    until: Option<u64>,
    /// The summary, if it was made and is not in the file.
    made: Option<Arc<LinkSets>>,
}

impl<'s> SegmentSource<'s> {
    fn new(segment: &'s Segment, window: &Window, shared: &Shared) -> Self {
        let (touched, whole) = lies_in(&segment.facts, window);
        // Without a summary the rows are read as far as they can be.
        let found = whole.then(|| served(shared, segment, || summary(segment)));
        let found = found.flatten();
        let is_summed = found.is_some();
        // The cache may let go of it, and making it takes reading all rows.
        let made = found.filter(|_| !segment.has_links());
        Self {
            segment,
            touched,
            is_summed,
            next: 0,
            chunk: None,
            lows: vec![],
            until: None,
            made,
        }
    }

    /// Returns the summary.
    pub(super) fn summary(&self) -> Result<Arc<LinkSets>, SegmentError> {
        match &self.made {
            Some(made) => Ok(Arc::clone(made)),
            None => summary(self.segment),
        }
    }

    /// Returns the lower half of the next trace's id, leaving out damaged chunks of the id table.
    fn peek_undamaged(&mut self, shared: &Shared) -> Option<u64> {
        let segment = self.segment;
        loop {
            if let Some(low) = served(shared, segment, || self.peek()) {
                return low;
            }
            self.next = (self.next / CHUNK_IDS + 1) * CHUNK_IDS;
        }
    }

    fn peek(&mut self) -> Result<Option<u64>, SegmentError> {
        if self.next >= self.segment.facts.traces as usize {
            return Ok(None);
        }
        let chunk = self.next / CHUNK_IDS;
        if self.chunk != Some(chunk) {
            self.lows = self.segment.lows(chunk)?;
            self.chunk = Some(chunk);
        }
        Ok(self.lows.get(self.next % CHUNK_IDS).copied())
    }

    /// Moves to the first id that is not less than `low` and returns it; or the first of a later
    /// chunk, which was not looked into.
    fn seek(&mut self, low: u64) -> Result<Option<u64>, SegmentError> {
        let is_behind = |lows: &[u64]| lows.last().is_none_or(|&last| last < low);
        if is_behind(&self.lows) && self.until.is_none_or(|until| until <= low) {
            self.load_chunk_of(low)?;
        }
        if is_behind(&self.lows) {
            return Ok(self.until);
        }
        let rest = self.lows.get(self.next % CHUNK_IDS..).unwrap_or_default();
        self.next += count_less(rest, low);
        Ok(self.lows.get(self.next % CHUNK_IDS).copied())
    }

    /// Goes on with the chunk that holds an id, if any does.
    fn load_chunk_of(&mut self, low: u64) -> Result<(), SegmentError> {
        let directory = self.segment.directory()?;
        let behind = directory.fences.partition_point(|&first| first <= low);
        let chunk = behind.saturating_sub(1);
        if self.chunk != Some(chunk) {
            // First, so that a damaged chunk is met once.
            self.chunk = Some(chunk);
            self.until = directory.fences.get(chunk + 1).copied();
            self.next = chunk * CHUNK_IDS;
            self.lows.clear();
            self.lows = self.segment.lows(chunk)?;
        }
        Ok(())
    }
}

/// Returns how many of these ascending ids are less than `low`: in steps that double, for it may be
/// near or far.
pub(super) fn count_less(ids: &[u64], low: u64) -> usize {
    let mut end = 1;
    while ids.get(end - 1).is_some_and(|&id| id < low) {
        end *= 2;
    }
    let start = (end / 2).min(ids.len());
    let part = ids.get(start..end.min(ids.len())).unwrap_or_default();
    start + part.partition_point(|&id| id < low)
}

/// Returns whether some of a segment's spans may lie in the window, and whether all do. A span
/// without a timestamp counts as time 0.
fn lies_in(facts: &Facts, window: &Window) -> (bool, bool) {
    let (least, greatest) = (facts.time_min_us / 1000, facts.time_max_us / 1000);
    let (start, end) = (window.start_ms(), window.end_ms);
    let timed = facts.rows > facts.untimed;
    let touched = timed && greatest >= start && least <= end || facts.untimed > 0 && start == 0;
    let whole = (!timed || least >= start && greatest <= end) && (facts.untimed == 0 || start == 0);
    (touched, touched && whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_below_another_are_counted_however_many_there_are() {
        for len in 0..40_u64 {
            let ids: Vec<u64> = (0..len).map(|n| n * 2 + 1).collect();
            for low in 0..82 {
                let plain = ids.iter().filter(|&&id| id < low).count();
                assert_eq!(count_less(&ids, low), plain, "{len} {low}");
            }
        }
    }
}
