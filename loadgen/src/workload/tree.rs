//! Traces of a given form: so many services, so deep, so wide, so large. Each call is two spans,
//! the client's and the server's that shares its id. The shop's traffic is in [`super::traffic`].

use std::collections::VecDeque;

use super::random::Random;
use super::span::{Endpoint, Kind, Span, Text};

/// The most spans a trace may have.
pub const TRACE_SPANS_MAX: usize = 100_000;

/// The form of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tree {
    /// How many services there are.
    pub services: usize,
    /// How many calls lie below each other.
    pub depth: usize,
    /// How many calls a server makes.
    pub fan_out: usize,
    /// How many spans a trace has; `None` is what depth and fan-out make.
    pub trace_spans: Option<usize>,
}

/// A server that may still call others.
struct Node {
    service: usize,
    id: u64,
    depth: usize,
    start_us: u64,
    duration_us: u64,
}

/// What both spans of a call know.
struct Call {
    trace_id: u128,
    parent_id: u64,
    caller: usize,
}

impl Tree {
    /// Returns how many spans a trace has.
    pub fn spans_of_trace(&self) -> usize {
        let made = || {
            let mut servers = 0_usize;
            let mut level = 1_usize;
            for _ in 0..=self.depth {
                servers = servers.saturating_add(level);
                level = level.saturating_mul(self.fan_out);
            }
            servers.saturating_mul(2).saturating_sub(1)
        };
        let spans = self.trace_spans.unwrap_or_else(made);
        spans.clamp(1, TRACE_SPANS_MAX)
    }

    /// Appends the spans of one trace that starts at `start_us`. A trace that has to be larger than
    /// depth and fan-out allow gets more calls at its root.
    pub(super) fn trace(&self, random: &mut Random, start_us: u64, out: &mut Vec<Span>) {
        let wanted = out.len() + self.spans_of_trace();
        let trace_id = (u128::from(random.bits() | 1) << 64) | u128::from(random.bits() | 1);
        let root = Node {
            service: random.index(self.services),
            id: trace_id as u64,
            depth: 0,
            start_us,
            duration_us: random.latency_us(50_000).max(1000),
        };
        out.push(Self::server(random, &root, trace_id));
        let mut open = VecDeque::from([root]);
        while out.len() < wanted {
            let Some(node) = open.pop_front() else { break };
            let slot_us = node.duration_us / (self.fan_out as u64 + 1);
            for place in 0..self.fan_out as u64 {
                if out.len() >= wanted {
                    return;
                }
                let child = Node {
                    service: random.index(self.services),
                    id: random.bits() | 1,
                    depth: node.depth + 1,
                    start_us: node.start_us + slot_us * place + slot_us / 4,
                    duration_us: (slot_us * 3 / 4).max(1),
                };
                let call = Call {
                    trace_id,
                    parent_id: node.id,
                    caller: node.service,
                };
                Self::call(random, &call, &child, (out, wanted));
                if child.depth < self.depth {
                    open.push_back(child);
                }
            }
            if node.depth == 0 || open.is_empty() {
                open.push_back(node);
            }
        }
    }

    fn call(
        random: &mut Random,
        call: &Call,
        child: &Node,
        (out, wanted): (&mut Vec<Span>, usize),
    ) {
        let mut server = Self::server(random, child, call.trace_id);
        server.parent_id = call.parent_id;
        server.shared = true;
        let mut client = server.clone();
        client.kind = Some(Kind::Client);
        client.shared = false;
        client.duration_us += 2;
        client.remote = std::mem::replace(&mut client.local, endpoint(call.caller));
        client.instance = call.caller as u16;
        server.remote.ipv4 = client.local.ipv4;
        server.timestamp_us += 1;
        out.push(client);
        if out.len() < wanted {
            out.push(server);
        }
    }

    fn server(random: &mut Random, node: &Node, trace_id: u128) -> Span {
        let operation = random.popular(10);
        let mut span = Span {
            trace_id,
            id: node.id,
            kind: Some(Kind::Server),
            name: Text::Owned(format!("get /operation-{operation}")),
            timestamp_us: node.start_us,
            duration_us: node.duration_us,
            local: endpoint(node.service),
            instance: node.service as u16,
            ..Span::default()
        };
        span.tag([
            ("http.method", Text::Borrowed("GET")),
            ("http.path", Text::Owned(format!("/operation-{operation}"))),
            ("http.status_code", Text::Borrowed("200")),
        ]);
        span
    }
}

fn endpoint(service: usize) -> Endpoint {
    Endpoint {
        service_name: Text::Owned(format!("service-{service:04}")),
        ipv4: [10, 50, (service >> 8) as u8, service as u8],
        port: 8080,
        ..Endpoint::default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    fn spans(tree: Tree, seed: u64) -> Vec<Span> {
        let mut out = Vec::new();
        tree.trace(&mut Random::new(seed), 1_760_000_000_000_000, &mut out);
        out
    }

    #[test]
    fn depth_and_fan_out_make_the_size() {
        let tree = Tree {
            services: 5,
            depth: 3,
            fan_out: 2,
            trace_spans: None,
        };
        // Fifteen servers, and a client for each but the root.
        assert_eq!(tree.spans_of_trace(), 29);
        assert_eq!(spans(tree, 1).len(), 29);
    }

    #[test]
    fn a_trace_can_have_a_hundred_thousand_spans() {
        let tree = Tree {
            services: 50,
            depth: 4,
            fan_out: 3,
            trace_spans: Some(TRACE_SPANS_MAX),
        };
        assert_eq!(spans(tree, 1).len(), TRACE_SPANS_MAX);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn traces_are_trees_of_the_given_form(
            services in 1_usize..40,
            depth in 1_usize..6,
            fan_out in 1_usize..5,
            size in 1_usize..400,
            seed: u64,
        ) {
            let tree = Tree { services, depth, fan_out, trace_spans: Some(size) };
            let spans = spans(tree, seed);
            prop_assert_eq!(spans.len(), size);
            let names: HashSet<&str> =
                spans.iter().map(|span| &*span.local.service_name).collect();
            prop_assert!(names.len() <= services);
            let parents: HashMap<u64, u64> =
                spans.iter().map(|span| (span.id, span.parent_id)).collect();
            for span in &spans {
                let (mut at, mut steps) = (span.id, 0);
                while parents[&at] != 0 {
                    at = parents[&at];
                    steps += 1;
                    prop_assert!(steps <= depth, "deeper than {}", depth);
                }
            }
        }
    }
}
