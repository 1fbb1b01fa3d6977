//! Who is under whom in a small trace in which no two reports are of one span: as
//! [`Tree`](crate::trace::Tree) says it, found without sorting and without memory of its own. Most
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
#[derive(Clone, Copy)]
struct Call {
    id: u64,
    unshared: u8,
    shared: u8,
}

/// The tree of a simple trace.
pub(super) struct SimpleTree {
    root: u8,
    /// The parent of each span; [`NONE`] at the top.
    parents: [u8; SPANS_MAX],
    has_children: [bool; SPANS_MAX],
}

impl SimpleTree {
    /// Returns the tree of the spans of a trace; `None` when that takes more than is done here.
    pub(super) fn of<N: Copy + Ord>(spans: &[LinkSpan<N>]) -> Option<Self> {
        if spans.len() > SPANS_MAX {
            return None;
        }
        let calls = Calls::of(spans)?;
        let mut tree = Self {
            root: root(spans),
            parents: [NONE; SPANS_MAX],
            has_children: [false; SPANS_MAX],
        };
        for (at, span) in spans.iter().enumerate() {
            if at as u8 == tree.root {
                continue;
            }
            let parent = if span.shared {
                calls.parent_of_shared(spans, span, tree.root)?
            } else {
                calls.parent_of_unshared(spans, span, tree.root)
            };
            // What has no place of its own is under the root.
            let parent = if parent == NONE { tree.root } else { parent };
            tree.parents[at] = parent;
            if parent != NONE {
                tree.has_children[parent as usize] = true;
            }
        }
        tree.is_without_loops(spans.len()).then_some(tree)
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
        self.has_children[at]
    }

    /// Returns whether all spans are under the top. In a tree those of a loop are nowhere.
    fn is_without_loops(&self, count: usize) -> bool {
        let mut placed = 0_u64;
        for at in 0..count {
            // The way up to a span whose place is known, then the same way again to remember.
            let (mut above, mut steps) = (at as u8, 0);
            while above != NONE && placed >> above & 1 == 0 {
                if steps > count {
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
struct Calls {
    /// The number of a call plus one, at the first free place behind that of its id's hash.
    slots: [u8; SLOTS],
    calls: [Call; SPANS_MAX],
}

impl Calls {
    /// Returns the spans by id; `None` when two reports may be of one span.
    fn of<N>(spans: &[LinkSpan<N>]) -> Option<Self> {
        let mut all = Self {
            slots: [0; SLOTS],
            calls: [Call {
                id: 0,
                unshared: NONE,
                shared: NONE,
            }; SPANS_MAX],
        };
        let mut next = 0;
        for (at, span) in (0..).zip(spans) {
            let slot = all.slot(span.id);
            if all.slots[slot] == 0 {
                next += 1;
                all.slots[slot] = next;
                all.calls[next as usize - 1].id = span.id;
            }
            let call = &mut all.calls[all.slots[slot] as usize - 1];
            let place = if span.shared {
                &mut call.shared
            } else {
                &mut call.unshared
            };
            if *place != NONE {
                return None;
            }
            *place = at;
        }
        Some(all)
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

    /// Returns the client's half of a call. `None` when the server's half takes from it what it
    /// did not say itself.
    fn parent_of_shared<N>(
        &self,
        spans: &[LinkSpan<N>],
        span: &LinkSpan<N>,
        root: u8,
    ) -> Option<u8> {
        let client = self.call(span.id).map_or(NONE, |call| call.unshared);
        if client == NONE || client == root {
            return Some(NONE);
        }
        let is_said = span.parent_id != 0 || spans[client as usize].parent_id == 0;
        is_said.then_some(client)
    }

    /// Returns the server's half at the span's own endpoint, since local work is under it, else
    /// the plain parent.
    fn parent_of_unshared<N: Copy + Ord>(
        &self,
        spans: &[LinkSpan<N>],
        span: &LinkSpan<N>,
        root: u8,
    ) -> u8 {
        let call = Some(span.parent_id).filter(|&id| id != 0);
        let Some(call) = call.and_then(|id| self.call(id)) else {
            return NONE;
        };
        let is_local = |server: &LinkSpan<N>| server.identify_local(span) == Ordering::Equal;
        if call.shared != NONE && is_local(&spans[call.shared as usize]) {
            return call.shared;
        }
        if call.unshared == root {
            return NONE;
        }
        call.unshared
    }
}
