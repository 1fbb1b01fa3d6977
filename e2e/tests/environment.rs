//! What each variable of Zipkin's does to the running binary.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use serde_json::Value;
use speargun_e2e::server::{free_port, run_to_end};
use speargun_e2e::spans::{now_us, trace_body};
use speargun_e2e::{Options, Request, Server};

fn start(variables: &[(&str, &str)]) -> Server {
    Server::start(Options::of(variables)).unwrap()
}

fn status(server: &Server, target: &str) -> u16 {
    server.get(target).unwrap().status
}

fn json(server: &Server, target: &str) -> Value {
    let answer = server.get(target).unwrap();
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

fn send(server: &Server, body: impl Into<Vec<u8>>) -> u16 {
    server.ask(&Request::spans(body)).unwrap().status
}

fn span(trace_id: &str, timestamp_us: u64) -> String {
    format!(
        r#"[{{"traceId":"{trace_id}","id":"1","name":"a","timestamp":{timestamp_us},
        "localEndpoint":{{"serviceName":"front"}},"tags":{{"env":"prod"}}}}]"#
    )
}

#[test]
fn query_port_is_where_it_listens_unless_a_flag_says_otherwise() {
    let port = free_port().unwrap().to_string();
    let (ended, printed) = run_to_end(&["config"], &[("QUERY_PORT", &port)]).unwrap();
    assert!(ended.success(), "{printed}");
    assert!(
        printed.contains(&format!("QUERY_PORT={port}\n")),
        "{printed}"
    );
    let server = start(&[("QUERY_PORT", &port)]);
    assert_ne!(server.port().to_string(), port);
}

#[test]
fn query_enabled_takes_the_page_along() {
    let off = start(&[("QUERY_ENABLED", "false")]);
    assert_eq!(status(&off, "/api/v2/services"), 404);
    assert_eq!(status(&off, "/zipkin/"), 404);
    assert_eq!(send(&off, trace_body(1, 1, "a")), 202);
    let page = start(&[("QUERY_ENABLED", "FALSE"), ("UI_ENABLED", "true")]);
    assert_eq!(status(&page, "/api/v2/services"), 404);
    assert_eq!(status(&page, "/zipkin/config.json"), 200);
}

#[test]
fn ui_enabled_is_the_page_alone() {
    let server = start(&[("UI_ENABLED", "false")]);
    assert_eq!(status(&server, "/zipkin/config.json"), 404);
    assert_eq!(status(&server, "/api/v2/services"), 200);
}

#[test]
fn query_lookback_is_how_far_a_search_looks() {
    let old = now_us() - 3_600_000_000;
    for (lookback, found) in [("60000", 0), ("86400000", 1)] {
        let server = start(&[("QUERY_LOOKBACK", lookback)]);
        assert_eq!(send(&server, span("a", old)), 202);
        let traces = json(&server, "/api/v2/traces?serviceName=front");
        assert_eq!(traces.as_array().unwrap().len(), found, "{lookback}");
    }
}

#[test]
fn search_enabled_leaves_only_traces_by_id() {
    let server = start(&[("SEARCH_ENABLED", "false")]);
    assert_eq!(send(&server, span("a", now_us())), 202);
    for target in ["/api/v2/services", "/api/v2/traces?serviceName=front"] {
        assert_eq!(json(&server, target), serde_json::json!([]), "{target}");
    }
    assert_eq!(status(&server, "/api/v2/trace/a"), 200);
    assert_eq!(json(&server, "/zipkin/config.json")["searchEnabled"], false);
}

#[test]
fn strict_trace_id_tells_ids_of_one_lower_half_apart() {
    let long = "000000000000000100000000000000aa";
    for (strict, spans) in [("true", 1), ("false", 2)] {
        let server = start(&[("STRICT_TRACE_ID", strict)]);
        assert_eq!(send(&server, span(long, now_us())), 202);
        assert_eq!(send(&server, span("aa", now_us() + 1000)), 202);
        let trace = json(&server, "/api/v2/trace/00000000000000aa");
        assert_eq!(
            trace.as_array().unwrap().len(),
            spans,
            "strict {strict}: {trace}"
        );
    }
}

#[test]
fn autocomplete_keys_are_completed() {
    let server = start(&[("AUTOCOMPLETE_KEYS", " env , site")]);
    assert_eq!(send(&server, span("a", now_us())), 202);
    let keys = json(&server, "/api/v2/autocompleteKeys");
    assert_eq!(keys, serde_json::json!(["env", "site"]));
    let values = json(&server, "/api/v2/autocompleteValues?key=env");
    assert_eq!(values, serde_json::json!(["prod"]));
}

#[test]
fn allowed_origins_are_those_named() {
    let server = start(&[("ZIPKIN_QUERY_ALLOWED_ORIGINS", "http://a.example")]);
    for (origin, allowed) in [("http://a.example", true), ("http://b.example", false)] {
        let request = Request::get("/api/v2/services").header("Origin", origin);
        let answer = server.ask(&request).unwrap();
        let granted = answer.header("access-control-allow-origin");
        assert_eq!(granted.as_deref() == Some(origin), allowed, "{granted:?}");
    }
}

#[test]
fn names_max_age_is_how_long_names_are_cached() {
    let server = start(&[("ZIPKIN_QUERY_NAMES_MAX_AGE", "7")]);
    for (number, service) in (1..).zip(["a", "b", "c", "d", "e"]) {
        assert_eq!(send(&server, trace_body(number, 1, service)), 202);
    }
    let answer = server.get("/api/v2/services").unwrap();
    let policy = answer.header("cache-control").unwrap();
    assert!(policy.contains("max-age=7"), "{policy}");
}

#[test]
fn storage_type_and_mem_max_spans() {
    let server = start(&[("STORAGE_TYPE", "mem"), ("MEM_MAX_SPANS", "10")]);
    assert!(
        server
            .get("/health")
            .unwrap()
            .text()
            .contains("InMemoryStorage")
    );
    for trace_id in 1..=20 {
        assert_eq!(send(&server, trace_body(trace_id, 1, "a")), 202);
    }
    assert_eq!(status(&server, "/api/v2/trace/1"), 404);
    assert_eq!(status(&server, "/api/v2/trace/14"), 200);
}

#[test]
fn collector_sample_rate_decides_by_the_trace_id() {
    let server = start(&[("COLLECTOR_SAMPLE_RATE", "0.1")]);
    for (trace_id, kept) in [("0cccccd000000000", true), ("0cccccd000000001", false)] {
        assert_eq!(send(&server, span(trace_id, now_us())), 202);
        let found = status(&server, &format!("/api/v2/trace/{trace_id}"));
        assert_eq!(found == 200, kept, "{trace_id}");
    }
}

#[test]
fn each_way_in_can_be_closed() {
    const REPORT: &str = "/zipkin.proto3.SpanService/Report";
    let mut report = Request::spans(vec![0; 5]);
    REPORT.clone_into(&mut report.target);
    report.headers = vec![("Content-Type".into(), "application/grpc".into())];
    for name in ["COLLECTOR_HTTP_ENABLED", "HTTP_COLLECTOR_ENABLED"] {
        let server = start(&[(name, "false")]);
        assert_eq!(send(&server, trace_body(1, 1, "a")), 404, "{name}");
        assert_eq!(server.ask(&report).unwrap().status, 200, "{name}");
    }
    let server = start(&[("COLLECTOR_GRPC_ENABLED", "false")]);
    assert_eq!(server.ask(&report).unwrap().status, 404);
    assert_eq!(send(&server, trace_body(1, 1, "a")), 202);
}

#[test]
fn the_page_is_told_its_settings() {
    let server = start(&[
        ("ZIPKIN_UI_ENVIRONMENT", "test"),
        ("ZIPKIN_UI_QUERY_LIMIT", "100"),
        ("ZIPKIN_UI_DEFAULT_LOOKBACK", "1000"),
        ("ZIPKIN_UI_LOGS_URL", "http://logs/{traceId}"),
        ("ZIPKIN_UI_SUPPORT_URL", "http://help"),
        ("ZIPKIN_UI_ARCHIVE_POST_URL", "http://archive/post"),
        ("ZIPKIN_UI_ARCHIVE_URL", "http://archive"),
        ("ZIPKIN_UI_DEPENDENCY_ENABLED", "false"),
        ("ZIPKIN_UI_DEPENDENCY_LOW_ERROR_RATE", "0.1"),
        ("ZIPKIN_UI_DEPENDENCY_HIGH_ERROR_RATE", "0.2"),
    ]);
    let config = json(&server, "/zipkin/config.json");
    for (key, value) in [
        ("/environment", Value::from("test")),
        ("/queryLimit", 100.into()),
        ("/defaultLookback", 1000.into()),
        ("/logsUrl", "http://logs/{traceId}".into()),
        ("/supportUrl", "http://help".into()),
        ("/archivePostUrl", "http://archive/post".into()),
        ("/archiveUrl", "http://archive".into()),
        ("/dependency/enabled", false.into()),
        ("/dependency/lowErrorRate", 0.1.into()),
        ("/dependency/highErrorRate", 0.2.into()),
    ] {
        assert_eq!(config.pointer(key), Some(&value), "{key} in {config}");
    }
}

#[test]
fn the_base_path_is_in_the_page() {
    let server = start(&[("ZIPKIN_UI_BASEPATH", "/admin/zipkin")]);
    let page = server.get("/zipkin/").unwrap().text();
    assert!(page.contains("\"/admin/zipkin/\""), "{page}");
}

#[test]
fn a_property_does_what_its_variable_does() {
    let mut options = Options::default().set("ZIPKIN_STORAGE_AUTOCOMPLETEKEYS", "site");
    options.arguments = vec![
        "--zipkin.ui.environment=test".into(),
        "-Dzipkin.query.allowed-origins=http://a".into(),
        "--logging.level.zipkin2=DEBUG".into(),
    ];
    let server = Server::start(options).unwrap();
    assert_eq!(
        json(&server, "/api/v2/autocompleteKeys"),
        serde_json::json!(["site"])
    );
    assert_eq!(json(&server, "/zipkin/config.json")["environment"], "test");
    let request = Request::get("/api/v2/services").header("Origin", "http://a");
    let granted = server.ask(&request).unwrap();
    let granted = granted.header("access-control-allow-origin");
    assert_eq!(granted.as_deref(), Some("http://a"));
}

#[test]
fn a_file_of_properties_is_read_when_it_is_named_and_else_noted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("zipkin-server.properties");
    std::fs::write(&file, "# ours\nzipkin.ui.environment = test\n").unwrap();
    let options = Options {
        arguments: vec!["--config".into(), file.to_str().unwrap().into()],
        ..Options::default()
    };
    let server = Server::start(options).unwrap();
    assert_eq!(json(&server, "/zipkin/config.json")["environment"], "test");

    let mut server = start(&[]);
    server.terminate().unwrap();
    assert!(server.wait().unwrap().success());
    // It runs in the folder in which its data folder lies.
    let beside = server.data().with_file_name("zipkin-server.properties");
    std::fs::copy(&file, beside).unwrap();
    server.restart().unwrap();
    assert_eq!(json(&server, "/zipkin/config.json")["environment"], "");
    let log = server.log();
    assert!(
        log.contains("zipkin-server.properties has no effect"),
        "{log}"
    );
}

#[test]
fn what_cannot_be_honoured_stops_the_start_with_advice() {
    for (name, value, advice) in [
        ("ACTIVEMQ_URL", "tcp://a", "send them by HTTP or gRPC"),
        (
            "PULSAR_SERVICE_URL",
            "pulsar://a",
            "send them by HTTP or gRPC",
        ),
        ("ES_HOSTS", "http://es:9200", "set SPEARGUN_DATA"),
        ("CASSANDRA_CONTACT_POINTS", "cassandra", "set SPEARGUN_DATA"),
        ("STORAGE_TYPE", "elasticsearch", "there is no other store"),
        ("STORAGE_TYPE", "xray", "there is no other store"),
        ("STORAGE_THROTTLE_ENABLED", "true", "SPEARGUN_QUEUE_ITEMS"),
        (
            "MODULE_OPTS",
            "-Dloader.path=sqs",
            "modules can't be loaded",
        ),
    ] {
        let (ended, printed) = run_to_end(&["server", "--port", "0"], &[(name, value)]).unwrap();
        assert!(!ended.success(), "{name}={value} was accepted");
        assert!(
            printed.contains(name) && printed.contains(advice),
            "{printed}"
        );
    }
}

#[test]
fn options_of_java_are_said_to_have_no_effect() {
    let server = start(&[("JAVA_OPTS", "-Xms64m -Xmx64m"), ("KAFKA_PORT", "tcp://a")]);
    let log = server.log();
    assert!(log.contains("JAVA_OPTS has no effect"), "{log}");
    assert!(!log.contains("KAFKA"), "{log}");
}
