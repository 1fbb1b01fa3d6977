//! Facts about merging fragments and about the tree.

use super::*;
use crate::endpoint::Endpoint;
use crate::id::SpanId;
use crate::span::Annotation;

fn span(id: u64) -> Span {
    Span {
        trace_id: TraceId { high: 0, low: 7 },
        id: SpanId(id),
        ..Span::default()
    }
}

fn child(parent: u64, id: u64) -> Span {
    Span {
        parent_id: Some(SpanId(parent)),
        ..span(id)
    }
}

fn by(service: &str, port: u16, span: Span) -> Span {
    Span {
        local_endpoint: Some(Endpoint {
            service_name: Some(service.into()),
            port,
            ..Endpoint::default()
        }),
        ..span
    }
}

fn kind(kind: Kind, span: Span) -> Span {
    Span {
        kind: Some(kind),
        ..span
    }
}

fn note(timestamp_us: i64, value: &str) -> Annotation {
    Annotation {
        timestamp_us,
        value: value.into(),
    }
}

#[test]
fn the_first_report_of_a_field_wins_and_later_tags_do() {
    let mut first = span(1);
    first.name = Some("get".into());
    first.tags = vec![("a".into(), "1".into()), ("c".into(), "1".into())];
    first.annotations = vec![note(2, "b"), note(3, "c")];
    let mut later = child(9, 1);
    later.name = Some("post".into());
    later.timestamp_us = 5;
    later.duration_us = 6;
    later.kind = Some(Kind::Server);
    later.tags = vec![("b".into(), "2".into()), ("c".into(), "2".into())];
    later.annotations = vec![note(1, "a"), note(2, "b")];
    later.debug = true;
    let merged = merge(vec![first, later]);
    assert_eq!(merged.len(), 1);
    let merged = &merged[0];
    assert_eq!(merged.name.as_deref(), Some("get"));
    assert_eq!((merged.timestamp_us, merged.duration_us), (5, 6));
    assert_eq!(
        (merged.kind, merged.parent_id),
        (Some(Kind::Server), Some(SpanId(9)))
    );
    assert_eq!(
        merged.annotations,
        [note(1, "a"), note(2, "b"), note(3, "c")]
    );
    let tags: Vec<String> = merged.tags.iter().map(|(k, v)| format!("{k}{v}")).collect();
    assert_eq!(tags, ["a1", "b2", "c2"]);
    assert!(merged.debug && !merged.shared);
}

#[test]
fn endpoints_are_put_together_unless_they_contradict() {
    let mut address = span(1);
    address.local_endpoint = Some(Endpoint {
        ipv4: Some([1, 2, 3, 4].into()),
        ..Endpoint::default()
    });
    let merged = merge(vec![
        address,
        by("a", 0, span(1)),
        by("a", 80, span(1)),
        span(1),
    ]);
    assert_eq!(merged.len(), 1);
    let local = merged[0].local_endpoint.as_ref().unwrap();
    assert_eq!(local.service_name.as_deref(), Some("a"));
    assert_eq!((local.ipv4.is_some(), local.port), (true, 80));
    assert_eq!(
        merge(vec![by("a", 80, span(1)), by("a", 81, span(1))]).len(),
        2
    );
    assert_eq!(
        merge(vec![by("a", 0, span(1)), by("b", 0, span(1))]).len(),
        2
    );
}

#[test]
fn halves_of_a_shared_span_stay_apart() {
    let server = Span {
        shared: true,
        ..kind(Kind::Server, by("b", 0, span(1)))
    };
    let client = kind(Kind::Client, by("a", 0, child(9, 1)));
    let merged = merge(vec![server, client.clone()]);
    assert_eq!(merged.len(), 2);
    assert_eq!(merged[0], client, "clients come first");
    assert_eq!(
        merged[1].parent_id,
        Some(SpanId(9)),
        "taken from the client"
    );
}

#[test]
fn a_server_that_follows_its_client_is_shared() {
    let server = kind(Kind::Server, by("b", 0, span(1)));
    let client = kind(Kind::Client, by("a", 0, span(1)));
    let merged = merge(vec![server.clone(), client]);
    assert_eq!((merged[0].shared, merged[1].shared), (false, true));
    assert!(!merge(vec![server.clone(), server])[0].shared);
}

#[test]
fn the_first_long_trace_id_is_everyones() {
    let long = |high, id| Span {
        trace_id: TraceId { high, low: 7 },
        ..span(id)
    };
    let ids = |merged: Vec<Span>| merged.iter().map(|s| s.trace_id.high).collect::<Vec<_>>();
    assert_eq!(ids(merge(vec![long(5, 3), span(1), long(4, 2)])), [4, 4, 4]);
    assert_eq!(ids(merge(vec![span(1), span(2)])), [0, 0]);
}

#[test]
fn spans_are_sorted_by_id() {
    let ids: Vec<u64> = merge(vec![span(3), span(u64::MAX), span(1)])
        .iter()
        .map(|s| s.id.0)
        .collect();
    assert_eq!(ids, [1, 3, u64::MAX]);
}

/// Shows a tree as "parent>child", the root without parent, in the order of a visit.
fn shape(spans: Vec<Span>) -> Vec<String> {
    let tree = Tree::build(spans);
    let name = |at: usize| {
        let span = tree.span(at);
        let mark = if span.shared { "s" } else { "" };
        format!("{:x}{mark}", span.id.0)
    };
    let mut shape = Vec::new();
    tree.breadth_first(|at, parent| {
        let parent = parent.map(|p| format!("{}>", name(p))).unwrap_or_default();
        shape.push(format!("{parent}{}", name(at)));
    });
    shape
}

#[test]
fn children_are_under_their_parents_by_timestamp() {
    let at = |timestamp_us, span| Span {
        timestamp_us,
        ..span
    };
    let spans = vec![at(9, child(1, 2)), at(5, child(1, 4)), child(2, 3), span(1)];
    assert_eq!(shape(spans), ["1", "1>4", "1>2", "2>3"]);
}

#[test]
fn spans_without_a_known_parent_are_under_the_root() {
    assert_eq!(
        shape(vec![span(5), span(6), child(9, 2)]),
        ["5", "5>2", "5>6"]
    );
}

#[test]
fn without_a_root_all_orphans_are_on_top() {
    assert_eq!(
        shape(vec![child(9, 2), child(8, 3), child(2, 4)]),
        ["2", "3", "2>4"]
    );
    assert!(shape(vec![]).is_empty());
}

#[test]
fn a_shared_half_is_under_the_client_and_its_own_work_under_it() {
    let spans = vec![
        kind(Kind::Client, by("a", 0, span(1))),
        Span {
            shared: true,
            ..kind(Kind::Server, by("b", 0, span(1)))
        },
        by("b", 0, child(1, 2)),
        by("c", 0, child(1, 3)),
    ];
    assert_eq!(shape(spans), ["1", "1>1s", "1>3", "1s>2"]);
}

#[test]
fn a_lone_shared_half_is_no_root() {
    let half = Span {
        shared: true,
        ..by("b", 0, span(1))
    };
    let tree = Tree::build(vec![half.clone()]);
    assert_eq!(tree.root(), None);
    assert_eq!(
        shape(vec![half.clone(), by("b", 0, child(1, 2))]),
        ["1s", "1s>2"]
    );
}

#[test]
fn loops_are_in_no_tree() {
    assert_eq!(
        shape(vec![span(1), child(3, 2), child(2, 3), child(3, 4)]),
        ["1"]
    );
    assert!(shape(vec![child(2, 1), child(1, 2)]).is_empty());
}
