//! A trace put together from what was reported: fragments of one span merged, and the tree of
//! calls. Clock skew is not corrected here; Zipkin leaves that to its page, and so do we.
//!
//! Everything works on any [`Fragment`]: owned [`Span`]s, and the small
//! [`LinkSpan`](crate::link::LinkSpan)s of the dependency linker. Nothing recurses, and nothing is
//! quadratic, since the shape of a trace is up to strangers.

use std::cmp::Ordering;

use crate::id::TraceId;
use crate::span::{Kind, Span};

mod fragment;
mod summary;
mod tree;

pub(crate) use fragment::{agree, compare_texts, none_last};
pub use summary::{ServiceShare, TraceSummary};
pub use tree::Tree;

/// A report about a span, possibly one of several.
pub trait Fragment {
    /// Returns the span id.
    fn id(&self) -> u64;

    /// Returns the parent; 0 is absent.
    fn parent_id(&self) -> u64;

    /// Returns the role.
    fn kind(&self) -> Option<Kind>;

    /// Returns whether the id was made by the client.
    fn shared(&self) -> bool;

    /// Returns the start; 0 is absent.
    fn timestamp_us(&self) -> u64;

    /// Compares local endpoints as fragments are sorted: none first, then service, IPv4 and IPv6,
    /// an absent one last.
    fn compare_local(&self, other: &Self) -> Ordering;

    /// Compares local endpoints in full, in any order that tells all apart.
    fn identify_local(&self, other: &Self) -> Ordering;

    /// Returns whether no part of the local endpoints contradicts.
    fn local_agrees(&self, other: &Self) -> bool;

    /// Takes from a later fragment what is missing here.
    fn absorb(&mut self, later: Self);

    /// Brings what was absorbed into order; called once, after the last one.
    fn finish(&mut self);

    /// Marks a server half that did not say so.
    fn set_shared(&mut self);

    /// Sets the parent.
    fn set_parent_id(&mut self, parent_id: u64);
}

/// Returns the spans of a trace with fragments merged, sorted by id and clients before servers.
/// All have the trace id of the first 128-bit one found, else of the last.
pub fn merge(mut spans: Vec<Span>) -> Vec<Span> {
    if spans.len() <= 1 {
        return spans;
    }
    sort_fragments(&mut spans);
    if let Some(trace_id) = common_trace_id(&spans) {
        for span in &mut spans {
            span.trace_id = trace_id;
        }
    }
    merge_sorted(spans)
}

fn common_trace_id(spans: &[Span]) -> Option<TraceId> {
    let mut ids = spans.iter().map(|span| span.trace_id);
    ids.clone().find(|id| id.high != 0).or(ids.next_back())
}

/// Merges fragments, see [`merge`].
pub(crate) fn merge_fragments<F: Fragment>(mut fragments: Vec<F>) -> Vec<F> {
    if fragments.len() > 1 {
        sort_fragments(&mut fragments);
        fragments = merge_sorted(fragments);
    }
    fragments
}

fn sort_fragments<F: Fragment>(fragments: &mut [F]) {
    // Stable: of two fragments that say different things the first received is believed.
    fragments.sort_by(|a, b| {
        a.id()
            .cmp(&b.id())
            .then_with(|| place_in_call(a).cmp(&place_in_call(b)))
            .then_with(|| a.compare_local(b))
    });
}

/// Clients come before unmarked spans of the same id, and those before shared ones.
fn place_in_call<F: Fragment>(fragment: &F) -> u8 {
    match (fragment.shared(), fragment.kind()) {
        (true, _) => 2,
        (false, Some(Kind::Client)) => 0,
        (false, _) => 1,
    }
}

fn merge_sorted<F: Fragment>(fragments: Vec<F>) -> Vec<F> {
    let mut merged: Vec<F> = Vec::with_capacity(fragments.len());
    let mut first = First::default();
    for fragment in fragments {
        if let Some(last) = merged.last_mut() {
            if is_same_span(last, &fragment) {
                last.absorb(fragment);
                continue;
            }
            complete(&mut merged, first);
        }
        first = First {
            kind: fragment.kind(),
            parent_id: fragment.parent_id(),
        };
        merged.push(fragment);
    }
    complete(&mut merged, first);
    merged
}

/// What the first fragment of a span said. Zipkin judges by it alone where a span stands in its
/// call, whatever the fragments behind it add.
#[derive(Clone, Copy, Default)]
struct First {
    kind: Option<Kind>,
    parent_id: u64,
}

fn is_same_span<F: Fragment>(kept: &F, next: &F) -> bool {
    kept.id() == next.id() && kept.shared() == next.shared() && kept.local_agrees(next)
}

/// Mends the last span once all its fragments are in.
fn complete<F: Fragment>(merged: &mut [F], first: First) {
    let Some((last, before)) = merged.split_last_mut() else {
        return;
    };
    last.finish();
    let Some(previous) = before.last().filter(|p| p.id() == last.id()) else {
        return;
    };
    // Zipkin used one id for both halves of a call, and not every server said so.
    if previous.kind() == Some(Kind::Client) && first.kind == Some(Kind::Server) {
        last.set_shared();
    }
    if last.shared() && first.parent_id == 0 && previous.parent_id() != 0 {
        last.set_parent_id(previous.parent_id());
    }
}

#[cfg(test)]
mod tests;
