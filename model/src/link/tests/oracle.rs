//! The linker against its rules written down with maps and climbing, slow and plain, over random
//! traces whose ids, parents and endpoints collide.

use std::collections::{HashMap, VecDeque};

use super::super::{DependencyLink, LinkSpan, Linker, link_traces};
use crate::endpoint::Endpoint;
use crate::id::{SpanId, TraceId};
use crate::span::{Kind, Span};
use crate::trace::merge;

const SEEDS: u64 = 3000;

#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Plain(u64),
    Shared(u64, Option<Endpoint>),
}

fn key(span: &Span) -> Key {
    if span.shared {
        Key::Shared(span.id.0, span.local_endpoint.clone())
    } else {
        Key::Plain(span.id.0)
    }
}

/// Returns the parent of each span that is in the tree, by index; the root has none.
fn parents(spans: &[Span], root: Option<usize>) -> Vec<(usize, Option<usize>)> {
    let mut nodes: HashMap<Key, usize> = HashMap::new();
    let mut order: Vec<Key> = Vec::new();
    for (at, span) in spans.iter().enumerate() {
        if !order.contains(&key(span)) {
            order.push(key(span));
        }
        if Some(at) != root {
            nodes.insert(key(span), at);
        }
    }
    let root_key = root.map(|root| Key::Plain(spans[root].id.0));
    let parent_key = |child: &Key| {
        let mut parent = None;
        // What comes before the root has lost its place to it.
        let from = root.filter(|_| Some(child) == root_key.as_ref());
        let spans_behind = &spans[from.map_or(0, |root| root + 1)..];
        for span in spans_behind.iter().filter(|span| key(span) == *child) {
            parent = match (span.shared, span.parent_id) {
                (true, _) => Some(Key::Plain(span.id.0)),
                (false, Some(id)) => {
                    let local = Key::Shared(id.0, span.local_endpoint.clone());
                    match (&parent, spans.iter().any(|s| key(s) == local)) {
                        (_, true) => Some(local),
                        (Some(Key::Shared(..)), false) => parent,
                        _ => Some(Key::Plain(id.0)),
                    }
                }
                (false, None) => parent.filter(|p| matches!(p, Key::Shared(..))),
            };
        }
        parent
    };
    order.retain(|one| Some(one) != root_key.as_ref());
    let beside_root = root_key.as_ref().and_then(&parent_key);
    if matches!(beside_root, Some(Key::Shared(..))) {
        order.extend(root_key.clone());
    }
    let place = |child: Key| {
        let parent = parent_key(&child).and_then(|p| nodes.get(&p).copied());
        (nodes[&child], parent.or(root))
    };
    order.into_iter().map(place).collect()
}

fn expected(trace: &[Span]) -> Vec<DependencyLink> {
    let spans = merge(trace.to_vec());
    let root = spans
        .iter()
        .position(|s| s.parent_id.is_none() && !s.shared);
    let mut parents = parents(&spans, root);
    parents.sort_by_key(|(child, _)| spans[*child].timestamp_us);
    let under = |parent: Option<usize>| {
        let children = parents.iter().filter(move |(_, p)| *p == parent);
        children.map(|(child, _)| *child).collect::<Vec<_>>()
    };
    let parent_of: HashMap<usize, Option<usize>> = parents.iter().copied().collect();
    let mut links: Vec<DependencyLink> = Vec::new();
    let mut queue: VecDeque<usize> = root.map_or_else(|| under(None), |r| vec![r]).into();
    while let Some(at) = queue.pop_front() {
        let children = under(Some(at));
        let mut above = parent_of.get(&at).copied().flatten();
        while let Some(ancestor) = above.filter(|a| spans[*a].kind.is_none()) {
            above = parent_of.get(&ancestor).copied().flatten();
        }
        let ancestor = above.map(|a| &spans[a]);
        let calls = calls(
            &spans[at],
            ancestor,
            (Some(at) == root, children.is_empty()),
        );
        for (parent, child, error) in calls {
            links.push(DependencyLink {
                parent,
                child,
                call_count: 1,
                error_count: error.into(),
            });
        }
        queue.extend(children);
    }
    super::super::merge_links(links)
}

type Call = (String, String, bool);

fn calls(span: &Span, ancestor: Option<&Span>, place: (bool, bool)) -> Vec<Call> {
    let (is_root, is_leaf) = place;
    let name = |name: Option<&str>| name.map(str::to_owned);
    let (local, remote) = (
        name(span.local_service_name()),
        name(span.remote_service_name()),
    );
    let mut calls = Vec::new();
    let mut put = |parent: Option<String>, child: Option<String>, error| {
        calls.extend(parent.zip(child).map(|(p, c)| (p, c, error)));
    };
    let mut error = span.tag("error").is_some();
    let kind = match span.kind {
        Some(Kind::Client) if !is_leaf => return calls,
        Some(kind) => kind,
        None if local.is_some() && remote.is_some() => Kind::Client,
        None => return calls,
    };
    let called = matches!(kind, Kind::Server | Kind::Consumer);
    if called && is_root && remote.is_none() {
        return calls;
    }
    let (mut parent, child) = if called {
        (remote, local.clone())
    } else {
        (local.clone(), remote)
    };
    if matches!(kind, Kind::Producer | Kind::Consumer) {
        put(parent, child, error);
        return calls;
    }
    if let Some(ancestor) = ancestor.filter(|a| a.local_service_name().is_some()) {
        let above = name(ancestor.local_service_name());
        if kind == Kind::Client && local.is_some() && local != above {
            put(above.clone(), local, false);
        }
        if kind == Kind::Server || parent.is_none() {
            parent = above;
        }
        let direct = span.parent_id == Some(ancestor.id);
        error |= direct && ancestor.kind == Some(Kind::Client) && ancestor.tag("error").is_some();
    }
    put(parent, child, error);
    calls
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }

    fn endpoint(&mut self) -> Option<Endpoint> {
        Endpoint {
            service_name: ["", "a", "b", "c"]
                .get(self.below(4) as usize)
                .filter(|n| !n.is_empty())
                .map(|n| (*n).into()),
            port: (self.below(3) / 2) as u16 * (1 + self.below(2) as u16),
            ipv4: (self.below(4) == 0).then(|| [1, 2, 3, self.below(2) as u8].into()),
            ipv6: None,
        }
        .into_option()
    }

    fn span(&mut self, ids: u64) -> Span {
        let id = self.below(ids);
        let kind = Kind::from_number(self.below(6));
        let parent = Some(1 + self.below(ids)).filter(|p| *p != id && self.below(4) != 0);
        Span {
            trace_id: TraceId { high: 0, low: 1 },
            parent_id: parent.map(SpanId),
            id: SpanId(id),
            kind,
            timestamp_us: self.below(4),
            local_endpoint: self.endpoint(),
            remote_endpoint: self.endpoint(),
            tags: (0..self.below(4) / 3)
                .map(|_| ("error".into(), String::new()))
                .collect(),
            shared: kind != Some(Kind::Client) && self.below(3) == 0,
            ..Span::default()
        }
    }
}

#[test]
fn random_traces_are_linked_by_the_rules() {
    let mut seen = 0;
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let ids = 2 + random.below(9);
        let trace: Vec<Span> = (0..=random.below(20)).map(|_| random.span(ids)).collect();
        let expected = expected(&trace);
        assert_eq!(link_traces([&trace]), expected, "seed {seed}: {trace:#?}");
        seen += expected.len();
    }
    assert!(seen > 1000, "the traces have calls in them: {seen}");
}

#[test]
fn simple_traces_are_linked_as_all_are_whatever_their_order() {
    let (mut simple, mut seen) = (0, 0);
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let ids = 2 + random.below(90);
        let mut trace: Vec<Span> = (0..=random.below(16)).map(|_| random.span(ids)).collect();
        let mut expected = expected(&trace);
        expected.sort_unstable();
        for _ in 0..trace.len() {
            trace.rotate_left(1);
            let spans: Vec<_> = trace.iter().map(LinkSpan::from).collect();
            let mut linker = Linker::default();
            if linker.put_simple(&spans) {
                let mut links = linker.links();
                links.sort_unstable();
                assert_eq!(links, expected, "seed {seed}: {trace:#?}");
                simple += 1;
                seen += links.len();
            } else {
                assert!(linker.counts().is_empty(), "all or nothing");
            }
        }
    }
    assert!(simple > 1000 && seen > 1000, "{simple} with {seen} links");
}

#[test]
fn a_trace_of_many_spans_is_not_simple() {
    let spans: Vec<Span> = (1..=65)
        .map(|id| super::span(id - 1, id, ("a", "b")))
        .collect();
    let spans: Vec<_> = spans.iter().map(LinkSpan::from).collect();
    let mut linker = Linker::default();
    assert!(linker.put_simple(&spans[..64]));
    assert!(!linker.put_simple(&spans));
}
