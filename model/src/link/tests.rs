//! Facts about which calls are seen in a trace.

use super::*;
use crate::endpoint::Endpoint;
use crate::id::{SpanId, TraceId};
use crate::span::{Kind, Span};

mod oracle;

const SPANS_MANY: u64 = 100_000;

fn of(service: &str) -> Option<Endpoint> {
    (!service.is_empty()).then(|| Endpoint {
        service_name: Some(service.into()),
        ..Endpoint::default()
    })
}

/// A span: `parent` 0 is none; empty names are absent.
fn span(parent: u64, id: u64, names: (&str, &str)) -> Span {
    Span {
        trace_id: TraceId { high: 0, low: 1 },
        parent_id: (parent != 0).then_some(SpanId(parent)),
        id: SpanId(id),
        timestamp_us: id,
        local_endpoint: of(names.0),
        remote_endpoint: of(names.1),
        ..Span::default()
    }
}

fn client(parent: u64, id: u64, names: (&str, &str)) -> Span {
    Span {
        kind: Some(Kind::Client),
        ..span(parent, id, names)
    }
}

fn server(parent: u64, id: u64, names: (&str, &str)) -> Span {
    Span {
        kind: Some(Kind::Server),
        ..span(parent, id, names)
    }
}

fn shared(span: Span) -> Span {
    Span {
        shared: true,
        ..span
    }
}

fn failed(mut span: Span) -> Span {
    span.tags.push(("error".into(), String::new()));
    span
}

/// The links of one trace as "parent child calls errors".
fn links(trace: &[Span]) -> Vec<String> {
    let show = |l: &DependencyLink| {
        format!(
            "{} {} {} {}",
            l.parent, l.child, l.call_count, l.error_count
        )
    };
    link_traces([trace]).iter().map(show).collect()
}

#[test]
fn a_client_without_children_links_to_the_name_it_called() {
    assert_eq!(links(&[client(0, 1, ("a", "b"))]), ["a b 1 0"]);
    assert!(links(&[client(0, 1, ("a", ""))]).is_empty());
    assert!(links(&[client(0, 1, ("", "b"))]).is_empty());
}

#[test]
fn a_client_with_a_server_links_to_the_servers_own_name() {
    let trace = [client(0, 1, ("a", "alias")), server(1, 2, ("b", "x"))];
    assert_eq!(links(&trace), ["a b 1 0"]);
}

#[test]
fn both_halves_of_a_shared_span_are_one_call() {
    let trace = [client(0, 1, ("a", "b")), shared(server(0, 1, ("b", "a")))];
    assert_eq!(links(&trace), ["a b 1 0"]);
}

#[test]
fn a_server_that_does_not_say_it_shares_is_recognised() {
    let trace = [server(0, 1, ("b", "")), client(0, 1, ("a", "b"))];
    assert_eq!(links(&trace), ["a b 1 0"]);
}

#[test]
fn two_server_halves_of_one_client_are_two_calls() {
    let trace = [
        client(0, 1, ("a", "b")),
        shared(server(0, 1, ("b", ""))),
        shared(server(0, 1, ("c", ""))),
    ];
    assert_eq!(links(&trace), ["a b 1 0", "a c 1 0"]);
}

#[test]
fn only_the_server_right_behind_its_client_is_recognised() {
    let trace = [
        client(0, 1, ("a", "b")),
        server(0, 1, ("b", "")),
        server(0, 1, ("c", "")),
    ];
    assert_eq!(links(&trace), ["a b 1 0"]);
}

#[test]
fn a_server_whose_first_fragment_has_no_role_is_not_recognised() {
    let fragments = |first: Span, later: Span| [client(0, 1, ("a", "x")), first, later];
    let says_so = fragments(server(0, 1, ("b", "")), span(0, 1, ("b", "")));
    assert_eq!(links(&says_so), ["a b 1 0"]);
    let says_so_later = fragments(span(0, 1, ("b", "")), server(0, 1, ("b", "")));
    assert_eq!(links(&says_so_later), ["a x 1 0"]);
}

#[test]
fn local_work_with_the_id_of_the_root_has_a_place_and_else_none() {
    let trace = |own: Span| {
        links(&[
            span(0, 1, ("a", "")),
            own,
            shared(server(0, 2, ("c", "d"))),
            client(2, 3, ("c", "db")),
        ])
    };
    assert_eq!(
        trace(span(2, 1, ("c", "e"))),
        ["d c 1 0", "c e 1 0", "c db 1 0"]
    );
    assert_eq!(trace(span(7, 1, ("c", "e"))), ["d c 1 0", "c db 1 0"]);
}

#[test]
fn local_work_of_a_shared_servers_endpoint_is_under_that_server() {
    let trace = [
        client(0, 1, ("a", "b")),
        shared(server(0, 1, ("b", ""))),
        shared(server(0, 1, ("c", ""))),
        span(1, 2, ("c", "")),
        client(2, 3, ("", "db")),
    ];
    assert_eq!(links(&trace), ["a b 1 0", "a c 1 0", "c db 1 0"]);
}

#[test]
fn a_span_without_kind_that_names_both_sides_is_a_client() {
    assert_eq!(links(&[span(0, 1, ("a", "b"))]), ["a b 1 0"]);
    assert!(links(&[span(0, 1, ("a", ""))]).is_empty());
    // Unlike a client it is counted although it has a child.
    let trace = [span(0, 1, ("a", "b")), server(1, 2, ("c", "d"))];
    assert_eq!(links(&trace), ["a b 1 0", "d c 1 0"]);
}

#[test]
fn a_root_server_links_only_when_it_names_its_caller() {
    assert!(links(&[server(0, 1, ("web", ""))]).is_empty());
    assert_eq!(
        links(&[server(0, 1, ("web", "browser"))]),
        ["browser web 1 0"]
    );
}

#[test]
fn a_server_without_a_known_caller_links_nothing() {
    assert!(links(&[server(9, 1, ("web", ""))]).is_empty());
    assert_eq!(links(&[server(9, 1, ("web", "lb"))]), ["lb web 1 0"]);
}

#[test]
fn messages_link_only_to_their_broker() {
    let producer = |names| Span {
        kind: Some(Kind::Producer),
        ..span(0, 1, names)
    };
    let consumer = |names| Span {
        kind: Some(Kind::Consumer),
        ..span(1, 2, names)
    };
    let trace = [producer(("a", "kafka")), consumer(("b", "kafka"))];
    assert_eq!(links(&trace), ["a kafka 1 0", "kafka b 1 0"]);
    assert!(links(&[producer(("a", "")), consumer(("b", ""))]).is_empty());
}

#[test]
fn local_spans_in_between_are_skipped() {
    let trace = [
        server(0, 1, ("web", "")),
        span(1, 2, ("web", "")),
        span(2, 3, ("", "")),
        server(3, 4, ("db", "")),
    ];
    assert_eq!(links(&trace), ["web db 1 0"]);
}

#[test]
fn a_client_of_another_service_than_its_ancestor_adds_the_missing_call() {
    let trace = [server(0, 1, ("a", "")), failed(client(1, 2, ("b", "c")))];
    assert_eq!(links(&trace), ["a b 1 0", "b c 1 1"]);
    let same = [server(0, 1, ("a", "")), client(1, 2, ("a", "c"))];
    assert_eq!(links(&same), ["a c 1 0"]);
}

#[test]
fn a_nameless_client_calls_for_its_ancestor() {
    let trace = [server(0, 1, ("a", "")), client(1, 2, ("", "c"))];
    assert_eq!(links(&trace), ["a c 1 0"]);
}

#[test]
fn an_ancestor_without_name_is_not_looked_past() {
    let trace = [
        server(0, 1, ("a", "")),
        server(1, 2, ("", "")),
        server(2, 3, ("c", "lb")),
    ];
    assert_eq!(links(&trace), ["lb c 1 0"]);
}

#[test]
fn an_error_tag_counts_whatever_its_value_and_an_annotation_does_not() {
    let mut noted = client(0, 1, ("a", "b"));
    noted.annotations = vec![crate::span::Annotation {
        timestamp_us: 1,
        value: "error".into(),
    }];
    assert_eq!(links(&[noted]), ["a b 1 0"]);
    assert_eq!(links(&[failed(client(0, 1, ("a", "b")))]), ["a b 1 1"]);
}

#[test]
fn an_error_of_the_client_counts_for_its_own_child_only() {
    let child = [failed(client(0, 1, ("a", "b"))), server(1, 2, ("b", ""))];
    assert_eq!(links(&child), ["a b 1 1"]);
    let half = [
        failed(client(0, 1, ("a", "b"))),
        shared(server(0, 1, ("b", ""))),
    ];
    assert_eq!(links(&half), ["a b 1 0"]);
    let grandchild = [
        failed(client(0, 1, ("a", "b"))),
        span(1, 2, ("", "")),
        server(2, 3, ("b", "")),
    ];
    assert_eq!(links(&grandchild), ["a b 1 0"]);
    let of_server = [failed(server(0, 1, ("a", ""))), server(1, 2, ("b", ""))];
    assert_eq!(links(&of_server), ["a b 1 0"]);
}

#[test]
fn a_service_may_call_itself() {
    assert_eq!(links(&[client(0, 1, ("a", "a"))]), ["a a 1 0"]);
}

#[test]
fn fragments_of_a_span_are_one_call() {
    let end = Span {
        timestamp_us: 0,
        duration_us: 5,
        ..client(0, 1, ("a", ""))
    };
    let trace = [end, client(0, 1, ("a", "b")), client(0, 1, ("", "b"))];
    assert_eq!(links(&trace), ["a b 1 0"]);
}

#[test]
fn a_loop_of_parents_links_nothing_and_the_rest_is_linked() {
    let trace = [
        client(3, 2, ("x", "y")),
        client(2, 3, ("y", "z")),
        client(3, 4, ("z", "x")),
        client(9, 5, ("a", "b")),
    ];
    assert_eq!(links(&trace), ["a b 1 0"]);
    let rooted = [
        server(0, 1, ("w", "v")),
        client(3, 2, ("x", "y")),
        client(2, 3, ("y", "z")),
    ];
    assert_eq!(links(&rooted), ["v w 1 0"]);
}

#[test]
fn links_come_in_the_order_first_seen_breadth_first() {
    let trace = [
        server(0, 1, ("a", "")),
        client(1, 4, ("a", "late")),
        client(2, 3, ("b", "deep")),
        server(1, 2, ("b", "")),
    ];
    assert_eq!(links(&trace), ["a b 1 0", "a late 1 0", "b deep 1 0"]);
}

#[test]
fn siblings_are_taken_by_timestamp() {
    let at = |timestamp_us, span| Span {
        timestamp_us,
        ..span
    };
    let trace = [
        server(0, 1, ("a", "")),
        at(30, client(1, 2, ("a", "third"))),
        at(20, client(1, 3, ("a", "second"))),
        at(0, client(1, 4, ("a", "first"))),
    ];
    assert_eq!(
        links(&trace),
        ["a first 1 0", "a second 1 0", "a third 1 0"]
    );
}

#[test]
fn a_span_with_id_zero_is_no_parent_of_roots() {
    let trace = [client(0, 0, ("a", "b")), client(0, 1, ("c", "d"))];
    // The second root is under the first, which therefore waits for its callee.
    assert_eq!(links(&trace), ["a c 1 0", "c d 1 0"]);
}

#[test]
fn calls_of_several_traces_add_up() {
    let trace = [failed(client(0, 1, ("a", "b")))];
    let other = [client(0, 1, ("a", "b")), client(0, 2, ("a", "c"))];
    let all = link_traces([&trace[..], &other[1..], &trace[..]]);
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].call_count, all[0].error_count), (2, 2));
    assert_eq!((all[1].child.as_str(), all[1].call_count), ("c", 1));
    assert!(link_traces([&trace[..0]]).is_empty());
}

#[test]
fn a_chain_of_many_spans_is_linked() {
    let chain: Vec<Span> = (1..=SPANS_MANY)
        .map(|id| match id % 2 {
            1 => client(id - 1, id, ("a", "")),
            _ => server(id - 1, id, ("b", "")),
        })
        .collect();
    assert_eq!(links(&chain), [format!("a b {} 0", SPANS_MANY / 2)]);
}

#[test]
fn many_local_ancestors_are_not_climbed_again_and_again() {
    let mut trace = vec![server(0, 1, ("a", ""))];
    for id in 1..SPANS_MANY {
        trace.push(span(id, id + 1, ("a", "")));
        trace.push(client(id, SPANS_MANY * 2 + id, ("", "b")));
    }
    assert_eq!(links(&trace), [format!("a b {} 0", SPANS_MANY - 1)]);
}

#[test]
fn many_servers_of_one_client_are_linked() {
    let mut trace = vec![client(0, 1, ("a", ""))];
    for port in 1..=u16::MAX {
        let mut half = shared(server(0, 1, ("b", "")));
        half.local_endpoint.as_mut().unwrap().port = port;
        half.local_endpoint.as_mut().unwrap().ipv4 = Some(u32::from(port).into());
        trace.push(half);
        let mut work = client(1, 1 + u64::from(port), ("b", "c"));
        work.local_endpoint = trace.last().unwrap().local_endpoint.clone();
        trace.push(work);
    }
    assert_eq!(links(&trace), ["a b 65535 0", "b c 65535 0"]);
}

#[test]
fn many_fragments_of_one_span_are_one_call() {
    let fragment = |n: u64| Span {
        tags: vec![(format!("k{n}"), String::new())],
        ..client(0, 1, ("a", "b"))
    };
    let trace: Vec<Span> = (0..SPANS_MANY).map(fragment).collect();
    assert_eq!(links(&trace), ["a b 1 0"]);
}

#[test]
fn merged_links_are_summed_where_first_seen() {
    let link = |parent: &str, calls, errors| DependencyLink {
        parent: parent.into(),
        child: "c".into(),
        call_count: calls,
        error_count: errors,
    };
    let merged = merge_links([link("b", 1, 0), link("a", 2, 1), link("b", 3, 2)]);
    assert_eq!(merged, [link("b", 4, 2), link("a", 2, 1)]);
}
