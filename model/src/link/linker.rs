//! Finds the calls between services in traces, by Zipkin's rules: the callee's view wins, local
//! work in between is skipped, brokers stand between producers and consumers. It does not decide
//! which traces to look at.

use std::collections::HashMap;
use std::hash::Hash;

use super::simple::SimpleTree;
use super::{DependencyLink, LinkSpan, Name};
use crate::span::{Kind, Span};
use crate::trace::Tree;

/// So many links are compared one by one: a trace has few, and hashing takes longer.
const FEW: usize = 8;

/// Counts calls over any number of traces.
#[derive(Clone, Debug)]
pub struct Linker<N> {
    /// Where those behind the first [`FEW`] are counted.
    places: HashMap<(N, N), usize>,
    /// In the order first seen.
    counts: Vec<LinkCount<N>>,
    /// The tree of the last simple trace, for its memory.
    simple: Option<Box<SimpleTree>>,
}

/// Calls between two services.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkCount<N> {
    /// The calling service.
    pub parent: N,
    /// The called service.
    pub child: N,
    /// Calls seen.
    pub call_count: u64,
    /// Calls that failed.
    pub error_count: u64,
}

/// The nearest span above that took part in a call.
#[derive(Clone, Copy)]
struct Ancestor<N> {
    id: u64,
    is_client: bool,
    error: bool,
    service: Option<N>,
}

/// Where a span stands in its trace.
#[derive(Clone, Copy)]
struct Place {
    is_root: bool,
    has_children: bool,
}

impl<N> Default for Linker<N> {
    fn default() -> Self {
        Self {
            places: HashMap::new(),
            counts: Vec::new(),
            simple: None,
        }
    }
}

impl<N: Copy + Ord + Hash> Linker<N> {
    /// Adds the calls of one trace, whose spans come in the order of arrival.
    pub fn put_trace(&mut self, spans: impl IntoIterator<Item = LinkSpan<N>>) {
        let spans: Vec<LinkSpan<N>> = spans.into_iter().collect();
        let mut above: Vec<Option<Ancestor<N>>> = vec![None; spans.len()];
        let tree = Tree::build(spans);
        tree.breadth_first(|index, parent| {
            let ancestor = parent.and_then(|parent| {
                let over = above.get(parent).copied().flatten();
                ancestor_of(tree.span(parent)).or(over)
            });
            if let Some(place) = above.get_mut(index) {
                *place = ancestor;
            }
            let place = Place {
                is_root: tree.root() == Some(index),
                has_children: tree.children(index).len() > 0,
            };
            self.put_placed(tree.span(index), ancestor, place);
        });
    }

    /// Adds the calls of one trace as [`Self::put_trace`] does, whatever the order of its spans,
    /// if it is so simple that the order does not matter; returns whether it is. Only the order in
    /// which its calls are seen may be another.
    pub fn put_simple(&mut self, spans: &[LinkSpan<N>]) -> bool {
        let mut tree = self.simple.take().unwrap_or_default();
        let is_simple = tree.set(spans);
        if is_simple {
            self.put_tree(spans, &tree);
        }
        self.simple = Some(tree);
        is_simple
    }

    fn put_tree(&mut self, spans: &[LinkSpan<N>], tree: &SimpleTree) {
        for (at, span) in spans.iter().enumerate() {
            let mut above = tree.parent(at);
            let mut ancestor = None;
            while let Some(parent) = above
                && ancestor.is_none()
            {
                ancestor = spans.get(parent).and_then(ancestor_of);
                above = tree.parent(parent);
            }
            let place = Place {
                is_root: tree.is_root(at),
                has_children: tree.has_children(at),
            };
            self.put_placed(span, ancestor, place);
        }
    }

    /// Forgets all calls, keeping the memory for others.
    pub fn clear(&mut self) {
        self.places.clear();
        self.counts.clear();
    }

    /// Returns the counts in the order first seen.
    pub fn counts(&self) -> &[LinkCount<N>] {
        &self.counts
    }

    #[inline]
    fn put_placed(&mut self, span: &LinkSpan<N>, ancestor: Option<Ancestor<N>>, place: Place) {
        // The callee knows its own name better.
        let called = span.kind == Some(Kind::Client) && place.has_children;
        let from_nowhere = place.is_root && is_unknown_caller(span);
        if !called && !from_nowhere {
            self.put_span(span, ancestor);
        }
    }

    fn put_span(&mut self, span: &LinkSpan<N>, ancestor: Option<Ancestor<N>>) {
        let (local, remote) = (span.local.service, span.remote_service);
        match span.kind {
            Some(Kind::Producer) => self.put_known(local, remote, span.error),
            Some(Kind::Consumer) => self.put_known(remote, local, span.error),
            Some(Kind::Server) => self.put_server(span, ancestor),
            Some(Kind::Client) => self.put_client(span, ancestor),
            // Someone who names both sides is a client that forgot to say so.
            None if local.is_some() && remote.is_some() => self.put_client(span, ancestor),
            None => {}
        }
    }

    fn put_server(&mut self, span: &LinkSpan<N>, ancestor: Option<Ancestor<N>>) {
        let named = ancestor.filter(|a| a.service.is_some());
        let parent = named.map_or(span.remote_service, |a| a.service);
        let error = span.error || named.is_some_and(|a| a.failed_calling(span));
        self.put_known(parent, span.local.service, error);
    }

    fn put_client(&mut self, span: &LinkSpan<N>, ancestor: Option<Ancestor<N>>) {
        let mut parent = span.local.service;
        let mut error = span.error;
        if let Some((ancestor, above)) = ancestor.and_then(|a| Some((a, a.service?))) {
            // A client under a span of another service: nobody reported the call in between, and
            // whether it failed is not known.
            if parent.is_some_and(|own| own != above) {
                self.put_known(Some(above), parent, false);
            }
            parent = parent.or(Some(above));
            error |= ancestor.failed_calling(span);
        }
        self.put_known(parent, span.remote_service, error);
    }

    fn put_known(&mut self, parent: Option<N>, child: Option<N>, error: bool) {
        let (Some(parent), Some(child)) = (parent, child) else {
            return;
        };
        let place = self.place(parent, child);
        if let Some(count) = self.counts.get_mut(place) {
            count.call_count += 1;
            count.error_count += u64::from(error);
        }
    }

    /// Returns where the calls between these two are counted.
    fn place(&mut self, parent: N, child: N) -> usize {
        let is_it = |count: &LinkCount<N>| count.parent == parent && count.child == child;
        let near = self.counts.iter().take(FEW).position(is_it);
        if let Some(place) = near {
            return place;
        }
        let next = self.counts.len();
        if next >= FEW {
            let place = *self.places.entry((parent, child)).or_insert(next);
            if place != next {
                return place;
            }
        }
        self.counts.push(LinkCount {
            parent,
            child,
            call_count: 0,
            error_count: 0,
        });
        next
    }
}

impl<N> Ancestor<N> {
    /// Returns whether this is the client right above `span`, and failed.
    fn failed_calling(&self, span: &LinkSpan<N>) -> bool {
        self.is_client && self.error && span.parent_id != 0 && span.parent_id == self.id
    }
}

fn ancestor_of<N: Copy>(span: &LinkSpan<N>) -> Option<Ancestor<N>> {
    let kind = span.kind?;
    Some(Ancestor {
        id: span.id,
        is_client: kind == Kind::Client,
        error: span.error,
        service: span.local.service,
    })
}

/// Returns whether a root was called by someone it does not name.
fn is_unknown_caller<N>(span: &LinkSpan<N>) -> bool {
    matches!(span.kind, Some(Kind::Server | Kind::Consumer)) && span.remote_service.is_none()
}

impl Linker<Name<'_>> {
    /// Returns the links in the order first seen.
    pub fn links(&self) -> Vec<DependencyLink> {
        let owned = |count: &LinkCount<Name<'_>>| DependencyLink {
            parent: count.parent.0.to_owned(),
            child: count.child.0.to_owned(),
            call_count: count.call_count,
            error_count: count.error_count,
        };
        self.counts.iter().map(owned).collect()
    }
}

/// Returns the links of traces, in the order first seen.
pub fn link_traces<'a, T>(traces: impl IntoIterator<Item = T>) -> Vec<DependencyLink>
where
    T: IntoIterator<Item = &'a Span>,
{
    let mut linker = Linker::default();
    for trace in traces {
        linker.put_trace(trace.into_iter().map(LinkSpan::from));
    }
    linker.links()
}
