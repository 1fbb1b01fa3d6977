//! Links between services. Segments that lie wholly inside the window are summed up by a summary of
//! their links ([`crate::links`]) without reading their rows. What is missing are the traces that
//! lie in several sources: they are found ([`walk`]) and mended, that is linked whole, less what
//! summaries already counted. Exact, whatever spans segments.
//!
//! Mending reads rows, so what a segment needs of it is remembered ([`memo`]): with the parts of
//! its traces in segments before it, which do not change. Steps of one trace telescope:
//!
//! ```text
//! own(1) + [links(1..2) - links(1) - own(2)] + [links(1..3) - links(1..2) - own(3)] = links(1..3)
//! ```
//!
//! Each step links the trace once more, so those of a trace in very many segments are one step
//! from the [`NARROW`]th on, remembered under the trace. What is remembered needs no walk either:
//! the cost of asking again is that of what came since. Memory is bounded, however much is summed:
//! a segment takes part with a chunk of its ids, rows come in batches ([`batch`]).

use std::ops::Range;
use std::sync::atomic::Ordering;

use speargun_model::DependencyLink;
use speargun_model::link::{LinkEndpoint, LinkSpan, Linker};
use speargun_storage::{ReadContext, ReadError, Window};

use crate::dictionary::text;
use crate::intern::Interner;
use crate::read::served;
use crate::rows::Operation;
use crate::scan::inside;
use crate::store::{Shared, Snapshot};

mod batch;
pub(crate) mod memo;
mod page;
mod reader;
mod services;
mod source;
mod sums;
mod trace;
mod walk;

use batch::{Batch, Group, Piece, Plan};
use memo::Pending;
pub(crate) use reader::{ERROR, address, has_key};
use source::{Source, sources};
use sums::Sums;
pub(crate) use trace::put_trace;
use walk::{Found, Walk};

pub(crate) type Row = LinkSpan<u32>;

/// Parts of a trace that are mended step by step.
const NARROW: usize = 8;

/// Returns the links of all traces with a span in the window. What takes longer than there is time
/// is found out in the background, so that who asks again gets an answer in the end, however much
/// is stored.
pub(crate) fn links(
    both: (&Shared, &Snapshot),
    window: Window,
    context: &ReadContext,
) -> Result<Vec<DependencyLink>, ReadError> {
    let answer = find(both, window, context, false);
    if let Err(ReadError::DeadlineExceeded) = answer {
        both.0.owe_links(window);
    }
    answer
}

/// Finds out what the links of a window need and remembers it, unless the store closes meanwhile.
pub(crate) fn remember(shared: &Shared, window: Window) {
    let whenever = ReadContext::default();
    // The answer is for nobody, and who asks meets the error too.
    drop(find((shared, &shared.snapshot()), window, &whenever, true));
}

fn find(
    (shared, snapshot): (&Shared, &Snapshot),
    window: Window,
    context: &ReadContext,
    ends_at_close: bool,
) -> Result<Vec<DependencyLink>, ReadError> {
    let refused = || shared.counters.refused_reads.load(Ordering::Relaxed);
    let refused_before = refused();
    let (sources, services) = sources((shared, snapshot), &window, context)?;
    let mut query = Query {
        shared,
        window,
        context,
        ends_at_close,
        services,
        pending: Pending::default(),
        sources,
        plan: Plan::new(shared.config.link_rows),
        sums: Sums::default(),
        linker: Linker::default(),
        scratch: Linker::default(),
        members: vec![],
        rows: vec![],
        ends: vec![],
    };
    query.add_summaries();
    query.walk()?;
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
    context: &'s ReadContext,
    /// Whether nobody waits for the answer.
    ends_at_close: bool,
    services: Interner,
    sources: Vec<Source<'s>>,
    /// Traces whose rows are to be read.
    plan: Plan,
    /// What summaries, memos and mending add up to.
    sums: Sums,
    /// Traces of which no summary knows.
    linker: Linker<u32>,
    pending: Pending,
    scratch: Linker<u32>,
    /// The sources of the trace that is planned.
    members: Vec<usize>,
    /// The rows of a trace, and where those of each of its sources end.
    rows: Vec<Row>,
    ends: Vec<usize>,
}

impl Query<'_> {
    fn add_summaries(&mut self) {
        for source in &mut self.sources {
            if let Source::Segment(source) = source
                && source.is_summed
            {
                let added = served(self.shared, source.segment, || {
                    let names = reader::names(&*source.segment.meta()?, &self.services);
                    self.sums.add_links(&source.summary()?.totals, &names);
                    Ok(())
                });
                source.is_summed = added.is_some();
            }
        }
        self.pending = Pending::new(&self.sources);
        self.pending
            .recall(&self.shared.link_memo, &self.services, &mut self.sums);
    }

    /// Walks the sources side by side and adds what is missing of their traces.
    fn walk(&mut self) -> Result<(), ReadError> {
        let idle = self.pending.begin_walk(&self.sources);
        let mut walk = Walk::new(&mut self.sources, idle, self.shared);
        while walk.next(&mut self.sources, self.shared, self.context)? {
            self.check()?;
            for (low, parts) in walk.traces() {
                self.plan(low, parts);
                if self.plan.is_full() {
                    self.run()?;
                }
            }
        }
        self.run()
    }

    fn check(&self) -> Result<(), ReadError> {
        if self.ends_at_close && self.shared.is_closing() {
            return Err(ReadError::DeadlineExceeded);
        }
        self.context.check()
    }

    /// Plans to read a trace that has these parts, in order of arrival, if it is needed.
    fn plan(&mut self, low: u64, parts: &[Found]) {
        let members = &mut std::mem::take(&mut self.members);
        members.clear();
        members.extend(parts.iter().map(|part| part.source as usize));
        self.plan_members(low, members, parts);
        self.members = std::mem::take(members);
    }

    fn plan_members(&mut self, low: u64, members: &[usize], parts: &[Found]) {
        let segment = |&&index: &&usize| {
            self.sources
                .get(index)
                .is_some_and(|it| it.number().is_some())
        };
        if members.len() > NARROW && members.iter().filter(segment).count() > NARROW {
            self.pending.see_wide(low);
        }
        let summed = |&index: &usize| self.sources.get(index).is_some_and(Source::is_summed);
        let touched = |&index: &usize| self.sources.get(index).is_some_and(Source::is_touched);
        // Its first sources, as far as all are summed.
        let prefix = members.iter().take_while(|&index| summed(index)).count();
        let any_summed = members.iter().any(summed);
        if !any_summed && !members.iter().any(touched) {
            return;
        }
        for (place, &index) in members.iter().enumerate().skip(1) {
            // Farther behind a memo holds nothing of the trace, as long as it is so far behind.
            let before = members.get(place.saturating_sub(NARROW)..place);
            let before = before.unwrap_or_default();
            if !before.iter().all(summed) || place >= prefix && place < NARROW {
                self.pending.forbid(index);
            } else if place >= NARROW {
                self.pending.depend(index, before);
            }
        }
        let steps = members.iter().take(prefix.min(NARROW)).skip(1);
        let open = steps.filter(|index| self.pending.is_open(**index)).count();
        let is_wide_known = self.recall_wide(low, members, prefix);
        if open > 0 || !is_wide_known || prefix < members.len() {
            let group = Group {
                low,
                prefix,
                any_summed,
                is_wide_known,
            };
            self.plan.push(group, parts, &self.sources);
        }
    }

    /// Adds what is remembered of a trace beyond its narrow sources; returns whether that is all.
    fn recall_wide(&mut self, low: u64, members: &[usize], prefix: usize) -> bool {
        if prefix <= NARROW {
            return true;
        }
        let summed = members.get(..prefix).unwrap_or_default();
        let memos = &self.shared.link_memo;
        let known = self.pending.recall_wide(memos, &self.services, low, summed);
        if let Some(links) = &known {
            self.sums.add(links, 1);
        }
        known.is_some()
    }

    /// Reads the planned traces and adds what is missing of them.
    fn run(&mut self) -> Result<(), ReadError> {
        let mut plan = std::mem::take(&mut self.plan);
        let mut batch = Batch::default();
        let mut first = 0;
        while first < plan.groups.len() {
            let from = batch::From {
                shared: self.shared,
                sources: &self.sources,
                services: &self.services,
                context: self.context,
            };
            first = batch.read(&mut plan, first, &from)?;
            for pieces in batch.pieces.chunk_by(|a, b| a.group == b.group) {
                let number = pieces.first().map_or(0, |piece| piece.group as usize);
                if let Some(group) = plan.groups.get(number) {
                    self.add(group, pieces, &batch)?;
                }
            }
        }
        plan.clear();
        self.plan = plan;
        Ok(())
    }

    fn add(&mut self, group: &Group, pieces: &[Piece], batch: &Batch) -> Result<(), ReadError> {
        self.rows.clear();
        self.ends.clear();
        for piece in pieces {
            self.rows.extend_from_slice(batch.rows(piece));
            self.ends.push(self.rows.len());
        }
        if group.any_summed {
            return self.mend(group, pieces, batch);
        }
        let mut times = self.rows.iter().map(|row| row.timestamp_us);
        if times.any(|time| inside(&self.window, time)) {
            put_trace(&mut self.linker, &self.rows);
        }
        Ok(())
    }

    /// Adds the steps of a trace of which some source is summed; so it has a span in the window.
    fn mend(&mut self, group: &Group, pieces: &[Piece], batch: &Batch) -> Result<(), ReadError> {
        let members: Vec<usize> = pieces.iter().map(|piece| piece.source).collect();
        let narrow = group.prefix.min(NARROW);
        for place in 1..narrow {
            let (Some(&index), Some(before)) = (members.get(place), members.get(..place)) else {
                continue;
            };
            if self.pending.is_open(index) {
                let step = self.step(place..place + 1, pieces, batch)?;
                self.pending.add(index, before, &step);
            }
        }
        if group.prefix > narrow && !group.is_wide_known {
            let step = self.step(narrow..group.prefix, pieces, batch)?;
            let summed = members.get(..group.prefix).unwrap_or_default();
            self.pending.add_wide(group.low, summed, step);
        }
        if group.prefix < pieces.len() {
            self.step(group.prefix..pieces.len(), pieces, batch)?;
        }
        Ok(())
    }

    /// Adds and returns what it takes to go on from the links of the first sources of a trace to
    /// those of some more, whose summaries are counted already.
    fn step(
        &mut self,
        more: Range<usize>,
        pieces: &[Piece],
        batch: &Batch,
    ) -> Result<Sums, ReadError> {
        // A trace of very many spans takes long.
        self.check()?;
        let mut step = Sums::default();
        self.add_links_of(more.end, &mut step, 1);
        self.add_links_of(more.start, &mut step, -1);
        for piece in pieces.get(more).unwrap_or_default() {
            for &(pair, calls, errors) in batch.own(piece) {
                step.put(pair, calls.wrapping_neg(), errors.wrapping_neg());
            }
        }
        self.sums.add(&step, 1);
        Ok(step)
    }

    /// Adds the links of the trace's rows in its first `sources` sources.
    fn add_links_of(&mut self, sources: usize, sums: &mut Sums, sign: i64) {
        let end = sources
            .checked_sub(1)
            .and_then(|last| self.ends.get(last))
            .copied();
        let rows = self.rows.get(..end.unwrap_or_default()).unwrap_or_default();
        self.scratch.clear();
        put_trace(&mut self.scratch, rows);
        sums.add_counts(self.scratch.counts(), sign);
    }

    fn answer(mut self) -> Vec<DependencyLink> {
        self.sums.add_counts(self.linker.counts(), 1);
        let mut links: Vec<DependencyLink> = self
            .sums
            .positive()
            // Services of a segment that could not be read the first time.
            .filter(|&(parent, child, ..)| parent.max(child) != u32::MAX)
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
