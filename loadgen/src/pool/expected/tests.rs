//! Tests of what is compared.

use serde_json::json;

use super::*;
use crate::pool::{Pool, Recipe};
use crate::workload::{Format, Knobs};

/// A pool with values that are new in every round.
fn pool(format: Format, cardinality: u64) -> Pool {
    let recipe = Recipe {
        knobs: Knobs {
            extra_tags: 2,
            cardinality,
            ..Knobs::default()
        },
        spans: 300,
        window_us: 1_000_000,
        batch: 50,
        format,
        gzip: None,
    };
    Pool::new(&recipe).unwrap()
}

fn sent(pool: &Pool, number: u64) -> Vec<Value> {
    let mut body = crate::pool::Filled::default();
    pool.fill(number, &mut body);
    serde_json::from_slice(&body.bytes).unwrap()
}

#[test]
fn what_is_sent_in_any_round_is_what_is_expected() {
    for cardinality in [0, 10, 1_000_000] {
        let pool = pool(Format::Json, cardinality);
        for round in [0, 3] {
            let read: Vec<Expected> = (0..pool.len())
                .flat_map(|body| sent(&pool, round * pool.len() + body))
                .map(|span| Expected::read(&span, &pool.round(round)).unwrap())
                .collect();
            let parts = (0..pool.traces().len()).flat_map(|at| pool.traces().get(at).unwrap().1);
            let expected: Vec<Expected> = parts.map(|part| part.span).collect();
            assert_eq!(read.len(), expected.len());
            for span in expected {
                assert!(read.contains(&span), "{span:?}");
            }
        }
    }
}

#[test]
fn values_that_are_to_be_new_are_new_in_every_round() {
    let values = |cardinality: u64| {
        let pool = pool(Format::Json, cardinality);
        let all = (0..4 * pool.len()).flat_map(|number| sent(&pool, number));
        let tags = all.map(|span| span["tags"]["load.tag.1"].to_string());
        let distinct: std::collections::HashSet<String> = tags.collect();
        distinct.len()
    };
    assert_eq!(values(0), 1200);
    assert_eq!(values(10), 10);
    let many = values(1_000_000);
    assert!((1190..=1200).contains(&many), "{many}");
}

#[test]
fn ids_of_spans_are_new_in_every_round_and_still_a_tree() {
    let pool = pool(Format::Json, 10);
    let ids = |round: u64| -> Vec<(String, String)> {
        let all = (0..pool.len()).flat_map(|body| sent(&pool, round * pool.len() + body));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        all.map(|span| (text(&span["id"]), text(&span["parentId"])))
            .collect()
    };
    let (first, later) = (ids(0), ids(5));
    assert!(
        first
            .iter()
            .all(|(id, _)| !later.iter().any(|it| it.0 == *id))
    );
    let place = |all: &[(String, String)]| -> Vec<Option<usize>> {
        let of = |parent: &String| all.iter().position(|(id, _)| id == parent);
        all.iter().map(|(_, parent)| of(parent)).collect()
    };
    assert_eq!(place(&first), place(&later));
}

#[test]
fn each_part_of_a_span_counts_and_its_spelling_does_not() {
    let round = pool(Format::Json, 10).round(0);
    let span = json!({"traceId": "1", "id": "a", "parentId": "b", "kind": "CLIENT", "name": "Get",
        "timestamp": 1_760_000_000_000_000_u64, "duration": 5,
        "localEndpoint": {"serviceName": "Front", "ipv4": "10.0.0.1", "port": 80},
        "remoteEndpoint": {"ipv6": "2001:db8::1"},
        "annotations": [{"timestamp": 5, "value": "x"}, {"timestamp": 6, "value": "y"}],
        "tags": {"a": "b", "error": ""}});
    let read = |span: &Value| Expected::read(span, &round).unwrap();
    let mut same = span.clone();
    same["name"] = json!("get");
    same["localEndpoint"]["serviceName"] = json!("front");
    same["remoteEndpoint"]["ipv6"] = json!("2001:db8:0:0::1");
    same["annotations"] = json!([{"timestamp": 6, "value": "y"}, {"timestamp": 5, "value": "x"}]);
    assert_eq!(read(&span), read(&same));
    for (path, value) in [
        ("/parentId", json!("c")),
        ("/kind", json!("SERVER")),
        ("/name", json!("put")),
        ("/timestamp", json!(7)),
        ("/duration", json!(6)),
        ("/localEndpoint/serviceName", json!("back")),
        ("/localEndpoint/port", json!(81)),
        ("/localEndpoint/ipv4", json!("10.0.0.2")),
        ("/remoteEndpoint", json!(null)),
        ("/annotations/0/value", json!("z")),
        ("/annotations/1/timestamp", json!(9)),
        ("/tags/a", json!("c")),
        ("/tags", json!({"b": "a", "error": ""})),
        ("/tags", json!({"a": "b"})),
    ] {
        let mut other = span.clone();
        *other.pointer_mut(path).unwrap() = value;
        assert_ne!(read(&span), read(&other), "{path}");
    }
    assert_eq!(Expected::read(&json!({}), &round), None);
}
