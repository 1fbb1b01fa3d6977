//! The tree of calls of one trace: who is under whom, parents before children. It is flat:
//! indices into the merged spans, no pointers.
//!
//! ```text
//! spans     merged, sorted by id ── calls: one per id, its spans and the shared ones by endpoint
//! edges     (parent, child) in the order of ids
//! children  of span 0, of span 1, ...  each by timestamp
//! ```

#![expect(
    clippy::indexing_slicing,
    reason = "indices are made here from the length of the spans, never read from input"
)]

use std::cmp::Ordering;

use super::{Fragment, merge_fragments};

/// Marks the root that stands for a missing one.
const SYNTHETIC: usize = usize::MAX;

/// The spans of a trace as a tree. Spans of a parent loop belong to no tree and are not in it; of
/// several unshared spans that have one id but come from contradicting endpoints, the last counts.
#[derive(Clone, Debug)]
pub struct Tree<F> {
    spans: Vec<F>,
    root: usize,
    /// The children of span `i` are `children[first_child[i]..first_child[i + 1]]`; those of a
    /// synthetic root come last.
    first_child: Vec<u32>,
    children: Vec<u32>,
}

/// The spans that share one id.
struct Call {
    id: u64,
    first: usize,
    end: usize,
}

impl<F: Fragment> Tree<F> {
    /// Builds the tree of the spans of one trace, merging fragments.
    pub fn build(fragments: Vec<F>) -> Self {
        let spans = merge_fragments(fragments);
        let root = spans
            .iter()
            .position(|span| span.parent_id() == 0 && !span.shared())
            .unwrap_or(SYNTHETIC);
        let index = Index::new(&spans);
        let edges = index.edges(root);
        let (first_child, children) = adjacency(&spans, root, &edges);
        Self {
            spans,
            root,
            first_child,
            children,
        }
    }

    /// Returns the merged span at `index`.
    pub fn span(&self, index: usize) -> &F {
        &self.spans[index]
    }

    /// Returns the index of the root, unless no span is one.
    pub fn root(&self) -> Option<usize> {
        (self.root != SYNTHETIC).then_some(self.root)
    }

    /// Returns the children of a span, by timestamp.
    pub fn children(&self, index: usize) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.slice(index).iter().map(|child| *child as usize)
    }

    /// Calls `visit` for every span of the tree with its index and its parent's, each level before
    /// the next.
    pub fn breadth_first(&self, mut visit: impl FnMut(usize, Option<usize>)) {
        let mut queue: Vec<(u32, Option<u32>)> = Vec::with_capacity(self.spans.len());
        if let Some(root) = self.root() {
            queue.push((root as u32, None));
        } else {
            let orphans = self.slice(self.spans.len()).iter();
            queue.extend(orphans.map(|child| (*child, None)));
        }
        let mut next = 0;
        while let Some(&(index, parent)) = queue.get(next) {
            next += 1;
            visit(index as usize, parent.map(|p| p as usize));
            let children = self.slice(index as usize).iter();
            queue.extend(children.map(|child| (*child, Some(index))));
        }
    }

    fn slice(&self, index: usize) -> &[u32] {
        &self.children[self.first_child[index] as usize..self.first_child[index + 1] as usize]
    }
}

/// Finds spans by id, and shared ones by id and endpoint.
struct Index<'s, F> {
    spans: &'s [F],
    calls: Vec<Call>,
    /// Indices of the shared spans, in the ranges of their calls sorted by endpoint; in the places
    /// of unshared spans their own index.
    by_endpoint: Vec<u32>,
}

impl<'s, F: Fragment> Index<'s, F> {
    fn new(spans: &'s [F]) -> Self {
        let mut calls: Vec<Call> = Vec::new();
        for (at, span) in spans.iter().enumerate() {
            match calls.last_mut() {
                Some(call) if call.id == span.id() => call.end = at + 1,
                _ => calls.push(Call {
                    id: span.id(),
                    first: at,
                    end: at + 1,
                }),
            }
        }
        let mut by_endpoint: Vec<u32> = (0..spans.len() as u32).collect();
        for call in &calls {
            // Stable: of equal endpoints the last merged is the last of its run.
            by_endpoint[call.first..call.end].sort_by(|a, b| {
                let (a, b) = (&spans[*a as usize], &spans[*b as usize]);
                let by_class = a.shared().cmp(&b.shared());
                by_class.then_with(|| {
                    if a.shared() {
                        a.identify_local(b)
                    } else {
                        Ordering::Equal
                    }
                })
            });
        }
        Self {
            spans,
            calls,
            by_endpoint,
        }
    }

    fn call(&self, id: u64) -> Option<&Call> {
        let at = self.calls.binary_search_by_key(&id, |call| call.id).ok()?;
        self.calls.get(at)
    }

    /// Returns the spans of a call, unshared ones first, shared ones by endpoint.
    fn spans_of(&self, call: &Call) -> &[u32] {
        &self.by_endpoint[call.first..call.end]
    }

    /// Returns where the shared spans of a call begin.
    fn shared_from(&self, call: &Call) -> usize {
        self.spans_of(call)
            .partition_point(|at| !self.spans[*at as usize].shared())
    }

    /// Returns the last unshared span with this id, other than the root. A child that names the
    /// root finds nothing, and so ends up under it.
    fn unshared(&self, id: u64, root: usize) -> Option<usize> {
        let call = self.call(id)?;
        let unshared = &self.spans_of(call)[..self.shared_from(call)];
        let mut last = unshared.iter().rev().map(|at| *at as usize);
        last.find(|at| *at != root)
    }

    /// Returns the shared span with this id and the local endpoint of `like`.
    fn shared(&self, id: u64, like: &F) -> Option<usize> {
        let call = self.call(id)?;
        let shared = &self.spans_of(call)[self.shared_from(call)..];
        let behind = shared.partition_point(|at| {
            self.spans[*at as usize].identify_local(like) != Ordering::Greater
        });
        let last = *shared.get(behind.checked_sub(1)?)? as usize;
        (self.spans[last].identify_local(like) == Ordering::Equal).then_some(last)
    }

    /// Returns (parent, child) of every span that has a place; `None` is the root.
    fn edges(&self, root: usize) -> Vec<(Option<usize>, usize)> {
        let mut edges = Vec::with_capacity(self.spans.len());
        let mut beside_root = None;
        for call in &self.calls {
            let (unshared, shared) = self.spans_of(call).split_at(self.shared_from(call));
            let child = self.unshared(call.id, root);
            let root_at = unshared.iter().position(|at| *at as usize == root);
            match (child, root_at) {
                (Some(child), None) => edges.push((self.parent_of_unshared(unshared, root), child)),
                // What has the root's id is nowhere, unless one behind it is local work.
                (Some(child), Some(at)) => {
                    let local = self.local_parent(&unshared[at + 1..]);
                    beside_root = local.map(|parent| (Some(parent), child));
                }
                (None, _) => {}
            }
            self.push_shared(shared, child, &mut edges);
        }
        edges.extend(beside_root);
        edges
    }

    /// Adds the shared spans of a call: of those with one endpoint the last, in the place of the
    /// first.
    fn push_shared(
        &self,
        shared: &[u32],
        parent: Option<usize>,
        edges: &mut Vec<(Option<usize>, usize)>,
    ) {
        let same = |a: &u32, b: &u32| {
            let (a, b) = (&self.spans[*a as usize], &self.spans[*b as usize]);
            a.identify_local(b) == Ordering::Equal
        };
        let runs = shared.chunk_by(same);
        let mut places: Vec<(u32, u32)> = runs.map(|run| (run[0], run[run.len() - 1])).collect();
        places.sort_unstable();
        edges.extend(places.iter().map(|(_, last)| (parent, *last as usize)));
    }

    /// Returns the parent of the unshared spans of one id: the shared span of their own endpoint
    /// if there is one, since local work is under the server's half, else the plain one.
    fn parent_of_unshared(&self, unshared: &[u32], root: usize) -> Option<usize> {
        let last = self.spans[*unshared.last()? as usize].parent_id();
        let plain = || (last != 0).then(|| self.unshared(last, root))?;
        self.local_parent(unshared).or_else(plain)
    }

    /// Returns the shared parent that the last one of these has at its own endpoint.
    fn local_parent(&self, unshared: &[u32]) -> Option<usize> {
        unshared.iter().rev().find_map(|at| {
            let span = &self.spans[*at as usize];
            // An id of zero is a span, a parent of zero is none.
            (span.parent_id() != 0).then(|| self.shared(span.parent_id(), span))?
        })
    }
}

/// Returns offsets and children, see [`Tree`]. Spans without a known parent are under the root.
fn adjacency<F: Fragment>(
    spans: &[F],
    root: usize,
    edges: &[(Option<usize>, usize)],
) -> (Vec<u32>, Vec<u32>) {
    let top = root.min(spans.len());
    let mut first_child = vec![0_u32; spans.len() + 2];
    for (parent, _) in edges {
        first_child[parent.unwrap_or(top) + 1] += 1;
    }
    for at in 1..first_child.len() {
        first_child[at] += first_child[at - 1];
    }
    let mut next = first_child.clone();
    let mut children = vec![0_u32; edges.len()];
    for (parent, child) in edges {
        let place = &mut next[parent.unwrap_or(top)];
        children[*place as usize] = *child as u32;
        *place += 1;
    }
    for range in first_child.windows(2) {
        let siblings = &mut children[range[0] as usize..range[1] as usize];
        siblings.sort_by_key(|child| spans[*child as usize].timestamp_us());
    }
    (first_child, children)
}
