//! Links between services, computed from the columns that linking needs: all sources are sorted by
//! the lower half of trace ids, so that walking them side by side brings the rows of a trace
//! together, wherever they lie. Exact for traces that span segments.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use speargun_model::DependencyLink;
use speargun_model::link::{LinkSpan, Linker};
use speargun_model::span::java_order;
use speargun_storage::{ReadContext, ReadError, Window};

use crate::dictionary::text;
use crate::intern::Interner;
use crate::read::served;
use crate::scan::inside;
use crate::store::{Shared, Snapshot};

mod source;

use source::{HeadSource, SegmentSource, Source};

type Row = LinkSpan<u32>;

/// Returns the links of all traces with a span in the window.
pub(crate) fn links(
    shared: &Shared,
    window: Window,
    context: &ReadContext,
) -> Result<Vec<DependencyLink>, ReadError> {
    let snapshot = shared.snapshot();
    let mut services = services(shared, &snapshot);
    let mut sources = sources(shared, &snapshot, &window, &mut services);
    let mut queue = BinaryHeap::new();
    for (index, source) in sources.iter_mut().enumerate() {
        queue.extend(source.peek(shared).map(|low| Reverse((low, index))));
    }
    let mut linker: Linker<u32> = Linker::default();
    let mut rows: Vec<Row> = Vec::new();
    let mut group: Vec<usize> = Vec::new();
    let mut traces = 0_u64;
    while let Some(Reverse((low, index))) = queue.pop() {
        // Sources are in order of arrival, and so are equal ids in the queue.
        group.push(index);
        if queue.peek().is_some_and(|Reverse((next, _))| *next == low) {
            continue;
        }
        let touched = group
            .iter()
            .any(|&index| sources.get(index).is_some_and(Source::is_touched));
        for index in group.drain(..) {
            let Some(source) = sources.get_mut(index) else {
                continue;
            };
            if touched {
                source.take(shared, &mut rows, &mut services);
            } else {
                source.skip();
            }
            queue.extend(source.peek(shared).map(|low| Reverse((low, index))));
        }
        if rows.iter().any(|row| inside(&window, row.timestamp_us)) {
            linker.put_trace(by_millisecond(&rows));
        }
        rows.clear();
        traces += 1;
        if traces.is_multiple_of(1024) {
            context.check()?;
        }
    }
    Ok(owned(&linker, &services))
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
fn by_millisecond(rows: &[Row]) -> impl Iterator<Item = Row> {
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

fn owned(linker: &Linker<u32>, services: &Interner) -> Vec<DependencyLink> {
    let counts = linker.counts().iter();
    let mut links: Vec<DependencyLink> = counts
        .map(|count| DependencyLink {
            parent: text(services.get(count.parent)),
            child: text(services.get(count.child)),
            call_count: count.call_count,
            error_count: count.error_count,
        })
        .collect();
    // Where a link was first seen depends on what was merged; names do not.
    links.sort_unstable();
    links
}

fn sources<'s>(
    shared: &Shared,
    snapshot: &'s Snapshot,
    window: &Window,
    services: &mut Interner,
) -> Vec<Source<'s>> {
    let mut sources = Vec::new();
    for segment in snapshot.segments.iter() {
        let facts = &segment.facts;
        let timed = facts.rows > facts.untimed
            && facts.time_max_us / 1000 >= window.start_ms()
            && facts.time_min_us / 1000 <= window.end_ms;
        let touched = timed || facts.untimed > 0 && window.start_ms() == 0;
        let source = served(shared, segment, || {
            SegmentSource::new(segment, touched, services)
        });
        sources.extend(source.map(Source::Segment));
    }
    sources.extend(
        snapshot
            .heads
            .iter()
            .map(|head| Source::Head(HeadSource::new(head))),
    );
    sources
}
