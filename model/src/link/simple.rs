//! Who is under whom in a small trace in which no two reports are of one span: as
//! [`Tree`](crate::trace::Tree) says it, found without sorting. Most
//! traces are so simple, and then the order of their spans does not matter.

#![expect(
    clippy::indexing_slicing,
    reason = "indices are made here and below the number of spans, which is bounded"
)]

use std::cmp::Ordering;

use super::LinkSpan;
use crate::trace::Fragment;

/// Spans of a trace beyond which it is not small.
const SPANS_MAX: usize = 64;
/// Places of the table of ids: a power of two, and twice as many as there are ids.
const SLOTS: usize = 2 * SPANS_MAX;
/// No span.
const NONE: u8 = u8::MAX;

/// The spans of one id: of each sort at most one.
#[derive(Clone, Copy, Debug)]
struct Call {
    id: u64,
    unshared: u8,
    shared: u8,
}

/// The tree of a simple trace; its memory is used for one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct SimpleTree {
    calls: Calls,
    root: u8,
    /// The parent of each span; [`NONE`] at the top.
    parents: Vec<u8>,
    /// A bit for each span under which there are others.
    with_children: u64,
}

impl SimpleTree {
    /// Makes it the tree of the spans of a trace, and returns whether it is: `false` when that
    /// takes more than is done here.
    pub(super) fn set<N: Copy + Ord>(&mut self, spans: &[LinkSpan<N>]) -> bool {
        spans.len() <= SPANS_MAX
            && self.calls.set(spans)
            && self.set_parents(spans)
            && self.is_without_loops()
    }

    fn set_parents<N: Copy + Ord>(&mut self, spans: &[LinkSpan<N>]) -> bool {
        self.root = root(spans);
        self.parents.clear();
        self.with_children = 0;
        for (at, span) in (0..).zip(spans) {
            let parent = if at == self.root {
                NONE
            } else {
                match self.calls.parent(spans, span) {
                    // What has no place of its own is under the root.
                    Some(NONE) => self.root,
                    Some(parent) => parent,
                    None => return false,
                }
            };
            self.parents.push(parent);
            if parent != NONE {
                self.with_children |= 1 << parent;
            }
        }
        true
    }

    /// Returns whether this is the root.
    pub(super) fn is_root(&self, at: usize) -> bool {
        at as u8 == self.root
    }

    /// Returns the parent of a span.
    pub(super) fn parent(&self, at: usize) -> Option<usize> {
        let parent = self.parents[at];
        (parent != NONE).then_some(parent as usize)
    }

    /// Returns whether there are spans under a span.
    pub(super) fn has_children(&self, at: usize) -> bool {
        self.with_children >> at & 1 == 1
    }

    /// Returns whether all spans are under the top. In a tree those of a loop are nowhere.
    fn is_without_loops(&self) -> bool {
        let mut placed = 0_u64;
        for at in 0..self.parents.len() {
            // The way up to a span whose place is known, then the same way again to remember.
            let (mut above, mut steps) = (at as u8, 0);
            while above != NONE && placed >> above & 1 == 0 {
                if steps > self.parents.len() {
                    return false;
                }
                steps += 1;
                above = self.parents[above as usize];
            }
            let mut above = at as u8;
            while above != NONE && placed >> above & 1 == 0 {
                placed |= 1 << above;
                above = self.parents[above as usize];
            }
        }
        true
    }
}

/// Returns the root: of the spans that say they have no parent the one with the least id.
fn root<N>(spans: &[LinkSpan<N>]) -> u8 {
    let says_so = |span: &LinkSpan<N>| span.parent_id == 0 && !span.shared;
    let roots = (0..).zip(spans).filter(|(_, span)| says_so(span));
    roots
        .min_by_key(|(_, span)| span.id)
        .map_or(NONE, |(at, _)| at)
}

/// Spans by id.
#[derive(Clone, Debug)]
struct Calls {
    /// The number of a call plus one, at the first free place behind that of its id's hash.
    slots: [u8; SLOTS],
    calls: Vec<Call>,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            slots: [0; SLOTS],
            calls: vec![],
        }
    }
}

impl Calls {
    /// Makes it the spans by id; returns `false` when two reports may be of one span.
    fn set<N>(&mut self, spans: &[LinkSpan<N>]) -> bool {
        self.slots = [0; SLOTS];
        self.calls.clear();
        for (at, span) in (0..).zip(spans) {
            let slot = self.slot(span.id);
            if self.slots[slot] == 0 {
                self.calls.push(Call {
                    id: span.id,
                    unshared: NONE,
                    shared: NONE,
                });
                self.slots[slot] = self.calls.len() as u8;
            }
            let call = &mut self.calls[self.slots[slot] as usize - 1];
            let place = if span.shared {
                &mut call.shared
            } else {
                &mut call.unshared
            };
            if *place != NONE {
                return false;
            }
            *place = at;
        }
        true
    }

    /// Returns the place of an id, or the free one where it would be: half of the places are free.
    #[inline]
    fn slot(&self, id: u64) -> usize {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut slot = (id.wrapping_mul(SPREAD) >> (64 - SLOTS.ilog2())) as usize;
        while let Some(call) = self.slots[slot].checked_sub(1)
            && self.calls[call as usize].id != id
        {
            slot = (slot + 1) % SLOTS;
        }
        slot
    }

    #[inline]
    fn call(&self, id: u64) -> Option<&Call> {
        let call = self.slots[self.slot(id)].checked_sub(1)?;
        Some(&self.calls[call as usize])
    }

    /// Returns the span above a span that is not the root, [`NONE`] if it names none; `None` when
    /// that is not simple.
    fn parent<N: Copy + Ord>(&self, spans: &[LinkSpan<N>], span: &LinkSpan<N>) -> Option<u8> {
        if !span.shared {
            return Some(self.parent_of_unshared(spans, span));
        }
        let client = self.call(span.id).map_or(NONE, |call| call.unshared);
        // The server's half takes from the client's what it did not say itself.
        let is_said = span.parent_id != 0;
        let is_clear = is_said || client == NONE || spans[client as usize].parent_id == 0;
        is_clear.then_some(client)
    }

    /// Returns the server's half at the span's own endpoint, since local work is under it, else
    /// the plain parent.
    fn parent_of_unshared<N: Copy + Ord>(&self, spans: &[LinkSpan<N>], span: &LinkSpan<N>) -> u8 {
        let call = Some(span.parent_id).filter(|&id| id != 0);
        let Some(call) = call.and_then(|id| self.call(id)) else {
            return NONE;
        };
        let is_local = |server: &LinkSpan<N>| server.identify_local(span) == Ordering::Equal;
        if call.shared != NONE && is_local(&spans[call.shared as usize]) {
            return call.shared;
        }
        call.unshared
    }
}
