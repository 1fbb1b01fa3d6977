//! Links between services. Segments that lie wholly inside the window and have a summary of their
//! links ([`crate::links`]) are summed up without reading their rows. Then all sources, sorted by
//! the lower half of trace ids, are walked side by side, so that the parts of a trace come together
//! wherever they lie; a trace of one summed segment is done, one that lies in several sources is
//! mended: linked whole, less what its summaries already counted. Exact, whatever spans segments.
//!
//! Mending reads rows, so what a segment needs of it is remembered ([`memo`]): with the parts of
//! its traces in segments before it, which do not change. Steps of one trace telescope:
//!
//! ```text
//! own(1) + [links(1..2) - links(1) - own(2)] + [links(1..3) - links(1..2) - own(3)] = links(1..3)
//! ```

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering;

use speargun_model::DependencyLink;
use speargun_model::link::{LinkEndpoint, LinkSpan, Linker};
use speargun_model::span::java_order;
use speargun_storage::{ReadContext, ReadError, Window};

use crate::dictionary::text;
use crate::intern::Interner;
use crate::read::served;
use crate::rows::Operation;
use crate::scan::inside;
use crate::store::{Shared, Snapshot};

pub(crate) mod memo;
mod source;
mod sums;

use memo::Pending;
pub(crate) use source::{ERROR, address, has_key};
use source::{HeadSource, SegmentSource, Source};
use sums::Sums;

pub(crate) type Row = LinkSpan<u32>;

/// Returns the links of all traces with a span in the window.
pub(crate) fn links(
    shared: &Shared,
    window: Window,
    context: &ReadContext,
) -> Result<Vec<DependencyLink>, ReadError> {
    let refused = || shared.counters.refused_reads.load(Ordering::Relaxed);
    let refused_before = refused();
    let snapshot = shared.snapshot();
    let mut services = services(shared, &snapshot);
    let sources = sources(shared, &snapshot, &window, &mut services);
    let mut query = Query {
        shared,
        window,
        services,
        pending: Pending::new(&sources),
        sources,
        sums: Sums::default(),
        linker: Linker::default(),
        scratch: Linker::default(),
        rows: vec![],
        ends: vec![],
    };
    query.add_summaries();
    query.walk(context)?;
    // What a read that failed left out may be there the next time: that must not be remembered.
    if refused() == refused_before {
        let live = snapshot.segments.iter().map(|segment| segment.number());
        query
            .pending
            .remember(&shared.link_memo, &query.services, live);
    }
    Ok(query.answer())
}

struct Query<'s> {
    shared: &'s Shared,
    window: Window,
    services: Interner,
    sources: Vec<Source<'s>>,
    /// What summaries, memos and mending add up to.
    sums: Sums,
    /// Traces of which no summary knows.
    linker: Linker<u32>,
    pending: Pending,
    scratch: Linker<u32>,
    /// The rows of a trace, and where those of each of its sources end.
    rows: Vec<Row>,
    ends: Vec<usize>,
}

impl Query<'_> {
    fn add_summaries(&mut self) {
        for source in &self.sources {
            if let Some((links, names)) = source.summary() {
                self.sums.add_links(&links.totals, names, 1);
            }
        }
        self.pending
            .recall(&self.shared.link_memo, &self.services, &mut self.sums);
    }

    fn walk(&mut self, context: &ReadContext) -> Result<(), ReadError> {
        let mut queue = BinaryHeap::new();
        for (index, source) in self.sources.iter_mut().enumerate() {
            queue.extend(source.peek(self.shared).map(|low| Reverse((low, index))));
        }
        let mut group: Vec<usize> = Vec::new();
        let mut traces = 0_u64;
        while let Some(Reverse((low, index))) = queue.pop() {
            // Sources are in order of arrival, and so are equal ids in the queue.
            group.push(index);
            if queue.peek().is_some_and(|Reverse((next, _))| *next == low) {
                continue;
            }
            self.trace(&group, context)?;
            for index in group.drain(..) {
                if let Some(source) = self.sources.get_mut(index) {
                    source.skip();
                    queue.extend(source.peek(self.shared).map(|low| Reverse((low, index))));
                }
            }
            traces += 1;
            if traces.is_multiple_of(1024) {
                context.check()?;
            }
        }
        Ok(())
    }

    /// Adds what is missing of a trace that lies in these sources, which stand at it.
    fn trace(&mut self, group: &[usize], context: &ReadContext) -> Result<(), ReadError> {
        let summed = |&index: &usize| self.sources.get(index).is_some_and(Source::is_summed);
        let touched = |&index: &usize| self.sources.get(index).is_some_and(Source::is_touched);
        // Its first sources, as far as all are summed.
        let prefix = group.iter().take_while(|&index| summed(index)).count();
        let any_summed = group.iter().any(summed);
        if !any_summed && !group.iter().any(touched) {
            return Ok(());
        }
        for index in group.iter().skip(prefix.max(1)) {
            self.pending.forbid(*index);
        }
        let steps = group.iter().take(prefix).skip(1);
        let open = steps.filter(|index| self.pending.is_open(**index)).count();
        if open == 0 && prefix == group.len() {
            return Ok(());
        }
        self.read(group);
        if any_summed {
            return self.mend(group, prefix, context);
        }
        if self
            .rows
            .iter()
            .any(|row| inside(&self.window, row.timestamp_us))
        {
            self.linker.put_trace(by_millisecond(&self.rows));
        }
        Ok(())
    }

    fn read(&mut self, group: &[usize]) {
        self.rows.clear();
        self.ends.clear();
        for &index in group {
            if let Some(source) = self.sources.get_mut(index) {
                source.append(self.shared, &mut self.rows, &mut self.services);
            }
            self.ends.push(self.rows.len());
        }
    }

    /// Adds the steps of a trace of which some source is summed; so it has a span in the window.
    fn mend(
        &mut self,
        group: &[usize],
        prefix: usize,
        context: &ReadContext,
    ) -> Result<(), ReadError> {
        for place in 1..prefix {
            let (Some(&index), Some(before)) = (group.get(place), group.get(..place)) else {
                continue;
            };
            if self.pending.is_open(index) {
                // A trace of very many spans in very many segments takes long.
                context.check()?;
                let mut step = Sums::default();
                self.add_links_of(place + 1, &mut step, 1);
                self.add_links_of(place, &mut step, -1);
                self.add_own(index, &mut step, -1);
                self.sums.add(&step, 1);
                self.pending.add(index, before, &step);
            }
        }
        if prefix < group.len() {
            let mut step = Sums::default();
            self.add_links_of(group.len(), &mut step, 1);
            self.add_links_of(prefix, &mut step, -1);
            for &index in group.iter().skip(prefix) {
                self.add_own(index, &mut step, -1);
            }
            self.sums.add(&step, 1);
        }
        Ok(())
    }

    /// Adds the links of the trace's rows in its first `sources` sources.
    fn add_links_of(&mut self, sources: usize, sums: &mut Sums, sign: i64) {
        let end = sources
            .checked_sub(1)
            .and_then(|last| self.ends.get(last))
            .copied();
        let rows = self.rows.get(..end.unwrap_or_default()).unwrap_or_default();
        self.scratch.clear();
        self.scratch.put_trace(by_millisecond(rows));
        sums.add_counts(self.scratch.counts(), sign);
    }

    /// Adds what the summary of a source, if it is summed, says of the trace.
    fn add_own(&self, index: usize, sums: &mut Sums, sign: i64) {
        let source = self.sources.get(index);
        if let Some((links, names)) = source.and_then(Source::own_links) {
            sums.add_links(links, names, sign);
        }
    }

    fn answer(mut self) -> Vec<DependencyLink> {
        self.sums.add_counts(self.linker.counts(), 1);
        let mut links: Vec<DependencyLink> = self
            .sums
            .positive()
            .map(|(parent, child, call_count, error_count)| DependencyLink {
                parent: text(self.services.get(parent)),
                child: text(self.services.get(child)),
                call_count,
                error_count,
            })
            .collect();
        // Where a link was first seen depends on what was merged; names do not.
        links.sort_unstable();
        links
    }
}

/// Returns all service names, numbered in Java's order: where reports of one span contradict each
/// other, the linker lets the order of names decide.
fn services(shared: &Shared, snapshot: &Snapshot) -> Interner {
    let mut seen = Interner::new();
    for segment in snapshot.segments.iter() {
        if let Some(meta) = served(shared, segment, || segment.meta()) {
            meta.services.iter().for_each(|name| {
                seen.intern(name);
            });
        }
    }
    let (mut local, mut remote) = (0, 0);
    for view in snapshot.heads.iter().flat_map(|head| head.views()) {
        seen.intern_near(&mut local, view.local_service_name());
        seen.intern_near(&mut remote, view.remote_service_name());
    }
    let mut names: Vec<String> = seen.iter().map(text).collect();
    names.sort_unstable_by(|a, b| java_order(a, b));
    let mut services = Interner::new();
    names.iter().for_each(|name| {
        services.intern(name.as_bytes());
    });
    services
}

/// Returns the rows of a trace in the order of the contract: by groups of equal milliseconds, the
/// groups and what is in them by arrival.
pub(crate) fn by_millisecond(rows: &[Row]) -> impl Iterator<Item = Row> {
    let mut order: Vec<(u64, usize)> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| (row.timestamp_us / 1000, index))
        .collect();
    order.sort_unstable();
    let mut ranked: Vec<(usize, usize)> = Vec::with_capacity(rows.len());
    for group in order.chunk_by(|a, b| a.0 == b.0) {
        let first = group.first().map_or(0, |&(_, index)| index);
        ranked.extend(group.iter().map(|&(_, index)| (first, index)));
    }
    ranked.sort_unstable();
    ranked
        .into_iter()
        .filter_map(|(_, index)| rows.get(index).copied())
}

/// Returns what the spans of an operation are to the linker; `named` gives the number of a service,
/// none for the empty name.
pub(crate) fn row(operation: Operation, mut named: impl FnMut(u32) -> Option<u32>) -> Row {
    Row {
        id: 0,
        parent_id: 0,
        timestamp_us: 0,
        kind: operation.kind(),
        shared: operation.shared(),
        error: false,
        local: LinkEndpoint {
            service: named(operation.service),
            ..LinkEndpoint::default()
        },
        remote_service: named(operation.remote),
    }
}

fn sources<'s>(
    shared: &Shared,
    snapshot: &'s Snapshot,
    window: &Window,
    services: &mut Interner,
) -> Vec<Source<'s>> {
    let mut sources = Vec::new();
    for segment in snapshot.segments.iter() {
        let source = served(shared, segment, || {
            SegmentSource::new(segment, window, services)
        });
        sources.extend(source.map(|source| Source::Segment(Box::new(source))));
    }
    let heads = snapshot.heads.iter().map(HeadSource::new);
    sources.extend(heads.map(Source::Head));
    sources
}
