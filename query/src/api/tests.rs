//! Facts about every endpoint, over the memory engine.

use speargun_memory::MemoryStore;
use speargun_model::{DependencyLink, Kind, Span, TraceId};
use speargun_runtime::ManualClock;
use speargun_storage::contract::spans::{NOW_MS, full_span, span};
use speargun_storage::contract::{Sketch, batch_of};
use speargun_storage::{Position, ReadError, SpanWriter, TraceRequest, Window};

use super::*;

fn config() -> Config {
    Config {
        autocomplete_keys: vec!["env".into(), "az".into()],
        ..Config::default()
    }
}

fn api_with(config: Config, spans: &[Span]) -> QueryApi {
    let store = MemoryStore::new(&speargun_memory::Config {
        spans_max: 1000,
        id_mode: config.id_mode,
        autocomplete_keys: config.autocomplete_keys.clone(),
    });
    let batch = Arc::new(batch_of(spans));
    store.write(&[batch], Position(1)).unwrap();
    let clock = Arc::new(ManualClock::new(NOW_MS + 1000));
    QueryApi::new(Arc::new(store), config, clock)
}

fn api(spans: &[Span]) -> QueryApi {
    api_with(config(), spans)
}

/// Splits at the question mark and answers.
fn get(api: &QueryApi, target: &str) -> Answer {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let prefixed = api.answer(&format!("/zipkin/api/v2{path}"), query).unwrap();
    let answer = api.answer(&format!("/api/v2{path}"), query).unwrap();
    assert_eq!(prefixed, answer, "both prefixes answer the same");
    answer
}

fn body(api: &QueryApi, target: &str) -> String {
    let answer = get(api, target);
    let body = String::from_utf8(answer.body).unwrap();
    assert_eq!(
        (answer.status, answer.content_type),
        (200, "application/json"),
        "{body}"
    );
    body
}

fn refusal(api: &QueryApi, target: &str) -> String {
    let answer = get(api, target);
    assert_eq!((answer.status, answer.content_type), (400, "text/*"));
    assert_eq!(answer.cache_control, None);
    String::from_utf8(answer.body).unwrap()
}

#[test]
fn other_paths_are_no_routes() {
    let api = api(&[]);
    for path in [
        "/api/v2/services/",
        "/api/v2/trace/",
        "/api/v2/trace/1/",
        "/api/v2/trace",
        "/api/v2/trace/1;a/b",
        "/api/v2/SERVICES",
        "/api/v1/services",
        "/zipkin/zipkin/api/v2/services",
        "/zipkinapi/v2/services",
        "/services",
        "",
    ] {
        assert_eq!(api.answer(path, None), None, "{path}");
        assert!(!QueryApi::is_route(path));
    }
    assert_eq!(
        QueryApi::route_name("/zipkin/api/v2/trace/1"),
        Some("/api/v2/trace/{traceId}")
    );
}

#[test]
fn a_trace_is_answered_in_full() {
    let api = api(&[full_span(1, 1)]);
    let expected = concat!(
        r#"[{"traceId":"0000000000000001","parentId":"00000000000003e9","id":"0000000000000001","#,
        r#""kind":"SERVER","name":"get /été","timestamp":1700000000000000,"duration":150,"#,
        r#""localEndpoint":{"serviceName":"frontend","ipv4":"10.1.2.3","port":65535},"#,
        r#""remoteEndpoint":{"serviceName":"backend 😀","ipv4":"0.0.0.0","ipv6":"2001:db8::c001","port":1},"#,
        r#""annotations":[{"timestamp":0,"value":"first"},{"timestamp":2000,"value":"foo"},"#,
        r#"{"timestamp":2000,"value":"～"}],"#,
        r#""tags":{"":"","http.path":"/api?a=\"b\"\n","😀":"～"},"debug":true,"shared":true}]"#,
    );
    assert_eq!(body(&api, "/trace/1"), expected);
    assert_eq!(body(&api, "/traces"), format!("[{expected}]"));
}

#[test]
fn a_trace_id_is_padded_trimmed_and_cut_at_a_semicolon() {
    let api = api(&[span(0xd061, 1)]);
    let found = body(&api, "/trace/000000000000d061");
    for id in [
        "d061",
        "0d061",
        "%20d061%20",
        "d%306%31",
        "d061;a=b",
        "0000000000000000000000000000d061",
    ] {
        assert_eq!(body(&api, &format!("/trace/{id}")), found, "{id}");
    }
}

#[test]
fn a_bad_trace_id_is_refused() {
    let api = api(&[]);
    let refused = |id: &str| refusal(&api, &format!("/trace/{id}"));
    assert_eq!(refused("A"), "A should be lower-hex encoded with no prefix");
    assert_eq!(
        refused("a%2Fb"),
        "a/b should be lower-hex encoded with no prefix"
    );
    assert_eq!(refused("0"), "traceId is all zeros");
    assert_eq!(refused("%20"), "traceId is empty");
    assert_eq!(refused(&"a".repeat(33)), "traceId.length > 32");
}

#[test]
fn an_unknown_trace_is_not_found() {
    let answer = get(&api(&[]), "/trace/abc123");
    assert_eq!((answer.status, answer.content_type), (404, "text/*"));
    assert_eq!(answer.body, b"0000000000abc123 not found");
}

#[test]
fn strict_ids_are_apart_and_lenient_ids_together() {
    let spans = [span(1 << 64 | 7, 1), span(7, 2)];
    let many = "/traceMany?traceIds=7,00000000000000010000000000000007";
    let strict = api(&spans);
    assert_eq!(body(&strict, "/trace/7").matches("traceId").count(), 1);
    assert_eq!(body(&strict, many).matches("],[").count(), 1);
    let lenient = Config {
        id_mode: IdMode::Lenient,
        ..config()
    };
    let lenient = api_with(lenient, &spans);
    assert_eq!(body(&lenient, "/trace/7").matches("traceId").count(), 2);
    assert_eq!(body(&lenient, many).matches("traceId").count(), 2);
    assert_eq!(body(&lenient, many).matches("],[").count(), 0);
}

#[test]
fn many_traces_are_answered_without_the_unknown() {
    let api = api(&[span(1, 1), span(2, 1)]);
    let one = |id: u128| body(&api, &format!("/trace/{id}"));
    assert_eq!(
        body(&api, "/traceMany?traceIds=2,9,1"),
        format!("[{},{}]", one(2), one(1))
    );
    assert_eq!(body(&api, "/traceMany?traceIds=8,9"), "[]");
}

#[test]
fn lists_of_trace_ids_are_checked() {
    let api = api(&[]);
    let refused = |ids: &str| refusal(&api, &format!("/traceMany{ids}"));
    assert_eq!(
        refused(""),
        "Mandatory parameter/header/attribute is missing: traceIds"
    );
    assert_eq!(refused("?traceIds="), "traceIds parameter is empty");
    assert_eq!(
        refused("?traceIds=a"),
        "Use /api/v2/trace/{traceId} endpoint to retrieve a single trace"
    );
    assert_eq!(refused("?traceIds=a,b,0a"), "redundant traceId: 0a");
    assert_eq!(refused("?traceIds=a,"), "traceId is empty");
    assert_eq!(
        refused("?traceIds=a,+b"),
        " b should be lower-hex encoded with no prefix"
    );
    let many: Vec<String> = (1..=1001).map(|n| format!("{n:x}")).collect();
    assert_eq!(
        refused(&format!("?traceIds={}", many.join(","))),
        "3e8,3e9 should be lower-hex encoded with no prefix"
    );
}

#[test]
fn traces_are_searched_with_defaults() {
    let spans: Vec<Span> = (1..=12)
        .map(|id| span(id, 1).at(id as i64 * 1000))
        .collect();
    let api = api(&spans);
    let found = body(&api, "/traces");
    assert_eq!(found.matches("traceId").count(), 10);
    assert!(
        found.starts_with(r#"[[{"traceId":"000000000000000c""#),
        "{found}"
    );
    assert_eq!(
        body(&api, "/traces?limit=12").matches("traceId").count(),
        12
    );
    assert_eq!(body(&api, &format!("/traces?endTs={}", NOW_MS - 1)), "[]");
    assert_eq!(body(&api, "/traces?lookback=500"), "[]");
    assert_eq!(refusal(&api, "/traces?limit=0"), "limit <= 0");
}

#[test]
fn names_are_answered_for_any_case() {
    let api = api(&[
        span(1, 1).by("a").named("get").to("r"),
        span(1, 2).by("\u{1F600}"),
    ]);
    assert_eq!(body(&api, "/services"), r#"["a","\uD83D\uDE00"]"#);
    assert_eq!(body(&api, "/spans?serviceName=A"), r#"["get"]"#);
    assert_eq!(body(&api, "/remoteServices?serviceName=A"), r#"["r"]"#);
    for path in ["/spans", "/remoteServices"] {
        assert_eq!(body(&api, &format!("{path}?serviceName")), "[]");
        assert_eq!(body(&api, &format!("{path}?serviceName=r")), "[]");
        assert_eq!(
            refusal(&api, path),
            "Mandatory parameter/header/attribute is missing: serviceName"
        );
    }
}

#[test]
fn names_are_cached_once_there_are_many_services() {
    let spans: Vec<Span> = (1..=4)
        .map(|id| span(1, id).by(&format!("s{id}")).named("n"))
        .collect();
    let cached = Some("max-age=300, must-revalidate".to_owned());
    let many = api(&spans);
    assert_eq!(get(&many, "/spans?serviceName=s1").cache_control, None);
    assert_eq!(get(&many, "/services").cache_control, cached);
    assert_eq!(get(&many, "/spans?serviceName=s1").cache_control, cached);
    assert_eq!(
        get(&many, "/remoteServices?serviceName=").cache_control,
        cached
    );
    assert_eq!(get(&many, "/traces").cache_control, None);
    let few = api_with(
        Config {
            names_max_age_s: 5,
            ..config()
        },
        &spans[1..],
    );
    assert_eq!(get(&few, "/services").cache_control, None);
    let keys = get(&few, "/autocompleteKeys").cache_control;
    assert_eq!(keys.as_deref(), Some("max-age=5, must-revalidate"));
}

#[test]
fn tags_are_completed() {
    let mut spans: Vec<Span> = ["c", "a", "", "b"]
        .iter()
        .zip(1..)
        .map(|(value, id)| span(1, id).tag("az", value).tag("other", value))
        .collect();
    spans.push(span(1, 9).tag("env", "x"));
    let api = api(&spans);
    assert_eq!(body(&api, "/autocompleteKeys"), r#"["az","env"]"#);
    let values = get(&api, "/autocompleteValues?key=az");
    assert_eq!(values.body, br#"["","a","b","c"]"#);
    assert!(values.cache_control.is_some(), "more than three values");
    let values = get(&api, "/autocompleteValues?key=env");
    assert_eq!(
        (values.body, values.cache_control),
        (br#"["x"]"#.to_vec(), None)
    );
    assert_eq!(body(&api, "/autocompleteValues?key=other"), "[]");
    assert_eq!(refusal(&api, "/autocompleteValues?key="), "key was empty");
    assert_eq!(
        refusal(&api, "/autocompleteValues"),
        "Mandatory parameter/header/attribute is missing: key"
    );
}

#[test]
fn links_are_answered_newest_trace_first() {
    let call = |trace: u128, to: &str| span(trace, 1).kind(Kind::Client).by("a").to(to);
    let api = api(&[call(1, "old").at(-9000), call(2, "new\"").tag("error", "")]);
    let window = format!("/dependencies?endTs={}", NOW_MS + 1);
    assert_eq!(
        body(&api, &window),
        concat!(
            r#"[{"parent":"a","child":"new\"","callCount":1,"errorCount":1},"#,
            r#"{"parent":"a","child":"old","callCount":1}]"#
        )
    );
    assert_eq!(
        body(&api, &format!("{window}&lookback=1"))
            .matches("parent")
            .count(),
        1
    );
    assert_eq!(refusal(&api, "/dependencies?endTs=-1"), "endTs <= 0");
}

#[test]
fn without_search_only_ids_keys_and_links_are_answered() {
    let off = Config {
        search_enabled: false,
        ..config()
    };
    let api = api_with(off, &[span(1, 1).by("a").to("b").named("n").tag("az", "x")]);
    for path in [
        "/traces",
        "/services",
        "/spans?serviceName=a",
        "/remoteServices?serviceName=a",
        "/autocompleteValues?key=az",
    ] {
        assert_eq!(body(&api, path), "[]", "{path}");
    }
    assert_eq!(refusal(&api, "/traces?limit=0"), "limit <= 0");
    assert_eq!(body(&api, "/autocompleteKeys"), r#"["az","env"]"#);
    assert!(body(&api, "/trace/1").contains("traceId"));
    let links = body(&api, &format!("/dependencies?endTs={}", NOW_MS + 1));
    assert!(links.contains("callCount"));
}

#[test]
fn a_query_that_takes_too_long_fails_as_zipkins_does() {
    let hasty = Config {
        timeout: Some(Duration::ZERO),
        ..config()
    };
    let api = api_with(hasty, &[span(1, 1)]);
    let answer = get(&api, "/traces");
    assert_eq!((answer.status, answer.content_type), (500, "text/*"));
    assert_eq!(answer.body, b"RequestTimeoutException");
    let patient = Config {
        timeout: Some(Duration::MAX),
        ..config()
    };
    assert_eq!(get(&api_with(patient, &[]), "/traces").status, 200);
}

/// An engine whose disk can't be read.
#[derive(Debug)]
struct Broken;

fn broken<T>() -> Result<T, ReadError> {
    Err(ReadError::Failed("bad block".into()))
}

impl SpanReader for Broken {
    fn describe(&self) -> String {
        "Broken{}".into()
    }

    fn check(&self) -> Result<(), ReadError> {
        broken()
    }

    fn trace(&self, _: TraceId, _: &ReadContext) -> Result<Vec<Span>, ReadError> {
        broken()
    }

    fn search(&self, _: &TraceRequest, _: &ReadContext) -> Result<Vec<Vec<Span>>, ReadError> {
        broken()
    }

    fn service_names(&self, _: &ReadContext) -> Result<Vec<String>, ReadError> {
        broken()
    }

    fn span_names(&self, _: &str, _: &ReadContext) -> Result<Vec<String>, ReadError> {
        broken()
    }

    fn remote_service_names(&self, _: &str, _: &ReadContext) -> Result<Vec<String>, ReadError> {
        broken()
    }

    fn tag_values(&self, _: &str, _: &ReadContext) -> Result<Vec<String>, ReadError> {
        broken()
    }

    fn dependencies(&self, _: Window, _: &ReadContext) -> Result<Vec<DependencyLink>, ReadError> {
        broken()
    }
}

#[test]
fn storage_that_cannot_be_read_is_a_500() {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let api = QueryApi::new(Arc::new(Broken), config(), clock);
    for path in [
        "/trace/1",
        "/traceMany?traceIds=1,2",
        "/traces",
        "/services",
        "/spans?serviceName=a",
        "/remoteServices?serviceName=a",
        "/autocompleteValues?key=az",
        "/dependencies?endTs=1",
    ] {
        let answer = get(&api, path);
        assert_eq!((answer.status, answer.content_type), (500, "text/*"));
        assert_eq!(answer.body, b"storage could not be read: bad block");
    }
}
