//! Facts about the page's endpoints, over the memory engine.

use std::sync::Arc;

use serde_json::{Value, json};
use speargun_memory::MemoryStore;
use speargun_model::{Kind, Span};
use speargun_runtime::ManualClock;
use speargun_storage::contract::spans::{NOW_MS, span};
use speargun_storage::contract::{Sketch, batch_of};
use speargun_storage::{Position, SpanWriter};

use super::*;

fn api_with(config: Config, spans: &[Span]) -> UiApi {
    let store = MemoryStore::new(&speargun_memory::Config::default());
    store
        .write(&[Arc::new(batch_of(spans))], Position(1))
        .unwrap();
    let clock = Arc::new(ManualClock::new(NOW_MS + 1000));
    UiApi::new(Arc::new(store), config, clock)
}

fn api(spans: &[Span]) -> UiApi {
    api_with(Config::default(), spans)
}

fn answer(api: &UiApi, target: &str) -> UiAnswer {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let prefixed = format!("/zipkin{PREFIX}{path}");
    assert!(api.answer(&prefixed, Some(query)).is_some(), "{target}");
    api.answer(&format!("{PREFIX}{path}"), Some(query)).unwrap()
}

fn get(api: &UiApi, target: &str) -> Value {
    match answer(api, target) {
        UiAnswer::Whole(answer) => {
            assert_eq!((answer.status, answer.content_type), (200, JSON));
            let mut value: Value = serde_json::from_slice(&answer.body).unwrap();
            // How long it took is another time another one.
            value["meta"]["tookMs"].take();
            value
        }
        UiAnswer::Lines(_) => panic!("{target} has lines"),
    }
}

fn lines(api: &UiApi, target: &str) -> Vec<Value> {
    let UiAnswer::Lines(lines) = answer(api, target) else {
        panic!("{target} has no lines");
    };
    let mut text = Vec::new();
    let is_whole = lines.write_to(&mut |some| {
        text.extend(some);
        true
    });
    let text = String::from_utf8(text).unwrap();
    assert!(text.ends_with('\n'));
    assert_eq!(is_whole, !text.contains("{\"error\""));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Returns the ids and the end.
fn rows(api: &UiApi, target: &str) -> (Vec<String>, Value) {
    let mut lines = lines(api, target);
    let end = lines.pop().unwrap();
    let ids = lines
        .iter()
        .map(|line| {
            line["t"]["id"]
                .as_str()
                .unwrap()
                .trim_start_matches('0')
                .to_owned()
        })
        .collect();
    (ids, end["end"].clone())
}

fn refusal(api: &UiApi, target: &str) -> String {
    let UiAnswer::Whole(answer) = answer(api, target) else {
        panic!("{target} is not refused");
    };
    assert_eq!((answer.status, answer.content_type), (400, JSON));
    let value: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(value["error"]["code"], "refused");
    value["error"]["message"].as_str().unwrap().to_owned()
}

/// So many traces, the first one the newest, each of one span that lasts its number.
fn many(count: u64) -> Vec<Span> {
    let one = |n: u64| {
        span(u128::from(n), 1)
            .by("s")
            .named("op")
            .lasting(n)
            .at(-1000 * n.cast_signed())
    };
    (1..=count).map(one).collect()
}

#[test]
fn a_row_says_what_a_trace_is() {
    let api = api(&[
        span(10, 1)
            .by("a")
            .named("get /")
            .kind(Kind::Server)
            .lasting(900),
        span(10, 2)
            .by("b")
            .under(1)
            .at(100)
            .lasting(50)
            .tag("error", "\"x\""),
        span(10, 3).under(1),
    ]);
    let lines = lines(&api, "traces");
    let expected = json!({"t": {
        "id": "000000000000000a", "startUs": NOW_MS * 1000, "durUs": 900,
        "root": {"svc": "a", "name": "get /"}, "missingRoot": false, "spans": 3, "errors": 1,
        "services": [["a", 1, 0, 900], ["b", 1, 1, 50]], "moreServices": 0,
    }});
    assert_eq!(lines[0], expected);
    let end = &lines[1]["end"];
    assert_eq!((&end["count"], &end["complete"]), (&json!(1), &json!(true)));
    assert_eq!(
        (&end["cursor"], &end["meta"]["spans"]),
        (&Value::Null, &json!(3))
    );
    assert_eq!(lines.len(), 2);
}

#[test]
fn lists_go_on_behind_a_cursor() {
    let api = api(&many(130));
    let (all, end) = rows(&api, "traces?limit=1000");
    assert_eq!((all.len(), &end["cursor"]), (130, &Value::Null));
    let (mut paged, mut target) = (Vec::new(), "traces?".to_owned());
    let mut count = 0;
    loop {
        let (ids, end) = rows(&api, &target);
        count += 1;
        paged.extend(ids);
        match end["cursor"].as_str() {
            Some(cursor) => target = format!("traces?cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!((count, paged), (3, all));
    for bad in ["x", "1", "1-", "1-xyz", "-1-1", "1-0"] {
        let text = refusal(&api, &format!("traces?cursor={bad}"));
        assert_eq!(text, "cursor is none of an earlier answer", "{bad}");
    }
}

#[test]
fn lines_end_when_nobody_reads_them() {
    let api = api(&many(100));
    let UiAnswer::Lines(lines) = answer(&api, "traces?limit=100") else {
        panic!("no lines");
    };
    let mut sent = 0;
    let is_whole = lines.write_to(&mut |some| {
        sent += some.iter().filter(|byte| **byte == b'\n').count();
        false
    });
    // The first ones were sent while the others were not yet looked for.
    assert_eq!((sent, is_whole), (10, false));
}

#[test]
fn the_greatest_come_first_when_asked_for() {
    let api = api(&many(30));
    let (ids, end) = rows(&api, "traces?sort=duration&limit=2");
    assert_eq!(ids, ["1e", "1d"]);
    assert_eq!(
        (&end["cursor"], &end["complete"]),
        (&Value::Null, &json!(true))
    );
    assert_eq!(
        refusal(&api, "traces?sort=duration&cursor=1-1"),
        "cursor is only valid with sort=start"
    );
    let text = refusal(&api, "traces?sort=up");
    assert_eq!(
        text,
        "sort is up, but must be start, duration, spans or errors"
    );
}

#[test]
fn conditions_of_zipkin_and_ours_are_met_together() {
    let api = api(&[
        span(1, 1).by("a").lasting(100).tag("k", "v and w"),
        span(2, 1).by("a").lasting(200).tag("k", "v").at(-1000),
        span(3, 1).by("b").lasting(300).tag("k", "v").at(-2000),
    ]);
    let found = |target: &str| rows(&api, &format!("traces?{target}")).0;
    assert_eq!(found("serviceName=A"), ["1", "2"]);
    assert_eq!(found("tag=k%3Dv+and+w"), ["1"]);
    assert_eq!(found("tag=k&tag=&minTraceDuration=200"), ["2", "3"]);
    assert_eq!(found("maxTraceDuration=200&annotationQuery=k%3Dv"), ["2"]);
    assert_eq!(found("limit=2"), ["1", "2"]);
    assert_eq!(found("without=k%3Dv"), ["1"]);
    assert_eq!(found("without=k%3Dv+and+w&without=x&without="), ["2", "3"]);
    assert!(found("serviceName=a&without=k").is_empty());
    assert_eq!(found("rootServiceName=A&rootSpanName="), ["1", "2"]);
    assert_eq!(found("rootServiceName=b&serviceName=b"), ["3"]);
    assert!(found("rootSpanName=get").is_empty());
    for (target, text) in [
        ("limit=0", "limit <= 0"),
        ("minTraceDuration=0", "minTraceDuration <= 0"),
        ("minTraceDuration=x", "For input string: \"x\""),
        (
            "minTraceDuration=2&maxTraceDuration=1",
            "maxTraceDuration < minTraceDuration",
        ),
        (
            "maxDuration=1",
            "maxDuration is only valid with minDuration",
        ),
        ("parent=a", "parent and child come together"),
        (&"&without=k".repeat(101), "more than 100 tags"),
    ] {
        assert_eq!(refusal(&api, &format!("traces?{target}")), text);
        assert_eq!(refusal(&api, &format!("overview?{target}")), text);
        assert_eq!(refusal(&api, &format!("why?{target}")), text);
    }
}

#[test]
fn traces_of_a_call_are_found_whoever_reported_it() {
    let api = api(&[
        span(1, 1).by("a").kind(Kind::Client).to("b"),
        span(2, 1).by("b").kind(Kind::Server).to("a").at(-1000),
        span(3, 1)
            .by("a")
            .kind(Kind::Client)
            .to("b")
            .tag("error", "")
            .at(-2000),
        span(4, 1).by("b").kind(Kind::Client).to("a").at(-3000),
    ]);
    let found = |target: &str| rows(&api, &format!("traces?{target}")).0;
    assert_eq!(found("parent=A&child=b"), ["1", "2", "3"]);
    assert_eq!(found("parent=a&child=b&limit=2"), ["1", "2"]);
    assert_eq!(found("parent=a&child=b&edgeErrors=true"), ["3"]);
    assert_eq!(found("parent=b&child=a"), ["4"]);
    assert_eq!(found("parent=a&child=b&serviceName=b"), ["2"]);
}

#[test]
fn an_overview_counts_every_trace_once() {
    let mut spans = many(50);
    spans.push(
        span(60, 1)
            .by("t")
            .named("other")
            .lasting(7)
            .tag("error", ""),
    );
    let api = api(&spans);
    let overview = get(&api, "overview?cols=5&rows=4&lookback=60000");
    let cells = overview["cells"].as_array().unwrap();
    let sum = |at: usize| {
        cells
            .iter()
            .map(|cell| cell[at].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!((sum(2), sum(3)), (51, 1));
    let edges = overview["edgesUs"].as_array().unwrap();
    let edges: Vec<u64> = edges.iter().map(|edge| edge.as_u64().unwrap()).collect();
    assert_eq!((edges.len(), edges[0], edges[4]), (5, 1, 51));
    assert!(edges.is_sorted());
    for cell in cells {
        assert!(cell[0].as_u64().unwrap() < 5 && cell[1].as_u64().unwrap() < 4);
    }
    let exemplars = overview["exemplars"].as_array().unwrap();
    assert_eq!(exemplars.len(), cells.len());
    assert!(
        exemplars
            .iter()
            .any(|exemplar| exemplar[2] == "000000000000003c")
    );
    let expected = json!([
        {"svc": "s", "name": "op", "count": 50, "errors": 0, "p50Us": 25, "p95Us": 48,
         "p99Us": 50, "maxUs": 50, "slowest": "0000000000000032", "latestError": null,
         "latestMs": NOW_MS - 1},
        {"svc": "t", "name": "other", "count": 1, "errors": 1, "p50Us": 7, "p95Us": 7, "p99Us": 7,
         "maxUs": 7, "slowest": "000000000000003c", "latestError": "000000000000003c",
         "latestMs": NOW_MS},
    ]);
    assert_eq!(overview["groups"], expected);
    assert_eq!(
        (&overview["traces"], &overview["errors"]),
        (&json!(51), &json!(1))
    );
    assert_eq!(
        (&overview["complete"], &overview["reason"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(
        refusal(&api, "overview?cols=0"),
        "cols is 0, but must be 1 to 400"
    );
    let nothing = get(&api, "overview?serviceName=none");
    assert_eq!(
        (&nothing["cells"], &nothing["traces"]),
        (&json!([]), &json!(0))
    );
    assert_eq!(nothing["edgesUs"].as_array().unwrap().len(), 41);
}

#[test]
fn names_that_begin_with_a_text_come_before_those_that_hold_it() {
    let api = api(&[
        span(1, 1).by("cart").named("n").tag("k", "v"),
        span(1, 2).by("shopping-cart").tag("k", "w"),
        span(1, 3).by("shopping-cart"),
        span(1, 4).by("other"),
    ]);
    let names = |target: &str| get(&api, &format!("names?{target}"));
    let services = names("of=services&contains=CART");
    assert_eq!(
        services["names"],
        json!([["cart", 1], ["shopping-cart", 2]])
    );
    assert_eq!(
        (&services["complete"], &services["meta"]["spans"]),
        (&json!(true), &json!(4))
    );
    let most = names("of=services&limit=1");
    assert_eq!(
        (&most["names"], &most["more"]),
        (&json!([["shopping-cart", 2]]), &json!(2))
    );
    assert_eq!(
        names("of=values&key=k")["names"],
        json!([["v", 1], ["w", 1]])
    );
    assert_eq!(names("of=keys&service=CART")["names"], json!([["k", 1]]));
    assert_eq!(names("of=operations&service=other")["names"], json!([]));
    assert_eq!(refusal(&api, "names?of=values&key="), "key was empty");
    assert_eq!(
        refusal(&api, "names?of=x"),
        "of is x, but must be services, operations, remotes, keys or values"
    );
    assert_eq!(
        refusal(&api, "names"),
        "Mandatory parameter/header/attribute is missing: of"
    );
}

#[test]
fn why_names_what_is_in_the_way_and_where_else_to_look() {
    let hour_us = 3_600_000_000;
    let api = api(&[
        span(1, 1).by("a").named("get"),
        span(2, 1)
            .by("a")
            .named("put")
            .lasting(500)
            .at(-2 * hour_us),
    ]);
    let why = get(&api, "why?serviceName=a&spanName=put&lookback=60000");
    let clause = |drop: &str, found, alone| json!({"drop": drop, "found": found, "alone": alone});
    let expected = [
        clause("serviceName", false, true),
        clause("spanName", true, false),
    ];
    assert_eq!(why["clauses"], json!(expected));
    let start_ms = NOW_MS - 7_200_000;
    let wider = json!({"startMs": start_ms, "endMs": start_ms + 1, "traceId": "0000000000000002"});
    assert_eq!(why["wider"], wider);
    let store = json!({"spans": 2, "bytes": null, "oldestMs": start_ms, "newestMs": NOW_MS});
    assert_eq!(why["store"], store);
    let why = get(
        &api,
        "why?tag=k%3Dv&minDuration=9&minTraceDuration=9&lookback=60000",
    );
    let expected = [
        clause("duration", false, false),
        clause("traceDuration", false, false),
        clause("tag:k", false, false),
    ];
    assert_eq!(
        (&why["clauses"], &why["wider"]),
        (&json!(expected), &Value::Null)
    );
    let end = NOW_MS - 7_200_000 - 60_000;
    let later = get(&api, &format!("why?endTs={end}&lookback=1000"));
    assert_eq!(later["wider"]["traceId"], "0000000000000001");
}

#[test]
fn why_names_what_is_left_out() {
    let api = api(&[span(1, 1).by("a").tag("k", "v")]);
    let why = get(&api, "why?serviceName=a&without=k%3Dv&without=l");
    let expected = json!([
        {"drop": "serviceName", "found": false, "alone": true},
        {"drop": "without", "found": true, "alone": false},
    ]);
    assert_eq!(why["clauses"], expected);
}

#[test]
fn why_names_what_a_trace_begins_with() {
    let api = api(&[span(1, 1).by("a")]);
    let why = get(&api, "why?rootServiceName=b&serviceName=a");
    let expected = json!([
        {"drop": "serviceName", "found": false, "alone": true},
        {"drop": "root", "found": true, "alone": false},
    ]);
    assert_eq!(why["clauses"], expected);
}

#[test]
fn without_search_nothing_is_found() {
    let config = Config {
        search_enabled: false,
        ..Config::default()
    };
    let api = api_with(config, &many(3));
    let (ids, end) = rows(&api, "traces");
    assert_eq!((ids.len(), &end["complete"]), (0, &json!(true)));
    assert_eq!(get(&api, "overview")["traces"], 0);
    assert_eq!(get(&api, "names?of=services")["names"], json!([]));
    assert_eq!(get(&api, "store")["spans"], 3);
}

#[test]
fn what_is_late_is_cut_short_and_says_so() {
    let config = Config {
        timeout: Some(Duration::ZERO),
        ..Config::default()
    };
    let api = api_with(config, &many(3));
    let (ids, end) = rows(&api, "traces");
    assert!(ids.is_empty());
    assert_eq!(
        (&end["complete"], &end["reason"]),
        (&json!(false), &json!("time"))
    );
    assert_eq!(end["cursor"], Value::Null);
    let overview = get(&api, "overview");
    assert_eq!(
        (&overview["complete"], &overview["reason"]),
        (&json!(false), &json!("time"))
    );
    assert_eq!(get(&api, "names?of=services")["complete"], false);
    assert_eq!(get(&api, "why?spanName=x")["complete"], false);
}

#[test]
fn other_paths_are_none_of_the_pages() {
    let api = api(&[]);
    for path in [
        "/api/ui/v1/",
        "/api/ui/v1/nope",
        "/api/ui/traces",
        "/api/v2/traces",
        "/",
    ] {
        assert!(api.answer(path, None).is_none(), "{path}");
        assert_eq!(UiApi::route_name(path), None);
    }
    let name = UiApi::route_name("/zipkin/api/ui/v1/traces;a=b");
    assert_eq!(name, Some("/api/ui/v1/traces"));
}
