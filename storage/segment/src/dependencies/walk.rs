//! Finds out which traces lie where, in the order of their ids and some at a time. Sources of
//! which every trace may need something are walked side by side; in the others only the traces of
//! those are looked for, and traces that are asked for by their ids.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use speargun_storage::{ReadContext, ReadError};

use super::memo::Idle;
use super::source::{Source, count_less};
use crate::store::Shared;

/// Parts of traces that are found at a time, if each trace lies in every source.
const PARTS_MAX: usize = 1 << 17;
/// Traces that are found at a time, however many sources there are.
const TRACES_MIN: usize = 64;
/// Stands for the ids that are asked for, behind all sources.
const ASKED: usize = usize::MAX;

/// A part of a trace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Found {
    /// The trace among those that were found with it.
    trace: u32,
    /// The source's index.
    pub(super) source: u32,
    /// Where it lies there.
    pub(super) place: usize,
}

pub(super) struct Walk {
    /// The next trace of each source that is walked, with the source's index.
    queue: BinaryHeap<Reverse<(u64, usize)>>,
    /// The sources in which traces are looked for.
    passive: Vec<usize>,
    /// The ids that are asked for, from the greatest.
    asked: Vec<u64>,
    traces_max: usize,
    lows: Vec<u64>,
    found: Vec<Found>,
}

impl Walk {
    /// Begins a walk.
    pub(super) fn new(sources: &mut [Source<'_>], idle: Idle, shared: &Shared) -> Self {
        let Idle { passive, walked } = idle;
        let mut queue = BinaryHeap::new();
        for (index, source) in sources.iter_mut().enumerate() {
            if passive.binary_search(&index).is_err() {
                queue.extend(source.peek(shared).map(|low| Reverse((low, index))));
            }
        }
        let mut asked: Vec<u64> = walked.wide.iter().rev().copied().collect();
        queue.extend(asked.pop().map(|low| Reverse((low, ASKED))));
        Self {
            queue,
            passive,
            asked,
            traces_max: (PARTS_MAX / sources.len().max(1)).max(TRACES_MIN),
            lows: vec![],
            found: vec![],
        }
    }

    /// Finds the next traces; returns whether there are any.
    pub(super) fn next(
        &mut self,
        sources: &mut [Source<'_>],
        shared: &Shared,
        context: &ReadContext,
    ) -> Result<bool, ReadError> {
        self.lows.clear();
        self.found.clear();
        context.check()?;
        self.step_all(sources, shared);
        for &index in &self.passive {
            context.check()?;
            let Some(source) = sources.get_mut(index) else {
                continue;
            };
            let mut trace = 0;
            while let Some(&low) = self.lows.get(trace) {
                let Some(there) = source.seek(low, shared) else {
                    break;
                };
                if there > low {
                    // Neither side looks at what the other has not.
                    let rest = self.lows.get(trace..).unwrap_or_default();
                    trace += count_less(rest, there);
                    continue;
                }
                self.found.push(Found {
                    trace: trace as u32,
                    source: index as u32,
                    place: source.place(),
                });
                trace += 1;
            }
        }
        self.found.sort_unstable();
        Ok(!self.lows.is_empty())
    }

    /// Goes on in all sources that are walked, up to the most traces.
    fn step_all(&mut self, sources: &mut [Source<'_>], shared: &Shared) {
        while let Some(mut top) = self.queue.peek_mut() {
            let Reverse((low, index)) = *top;
            if self.lows.last() != Some(&low) {
                if self.lows.len() == self.traces_max {
                    return;
                }
                self.lows.push(low);
            }
            let next = match sources.get_mut(index) {
                Some(source) => {
                    self.found.push(Found {
                        trace: (self.lows.len() - 1) as u32,
                        source: index as u32,
                        place: source.place(),
                    });
                    source.skip();
                    source.peek(shared)
                }
                None => self.asked.pop(),
            };
            match next {
                Some(next) => *top = Reverse((next, index)),
                None => {
                    PeekMut::pop(top);
                }
            }
        }
    }

    /// Returns the lower half of each id that was found, and the trace's parts by their sources.
    pub(super) fn traces(&self) -> impl Iterator<Item = (u64, &[Found])> {
        let parts = self.found.chunk_by(|a, b| a.trace == b.trace);
        parts.filter_map(|parts| {
            let low = self.lows.get(parts.first()?.trace as usize)?;
            Some((*low, parts))
        })
    }
}
