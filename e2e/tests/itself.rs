//! What the server tells of itself: its own traces, and its registration.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::time::{Duration, Instant};

use serde_json::Value;
use speargun_e2e::registry::{Asked, Registry};
use speargun_e2e::server::pause;
use speargun_e2e::{Options, Request, Server, metrics};

fn start(variables: &[(&str, &str)]) -> Server {
    Server::start(Options::of(variables)).unwrap()
}

fn status(server: &Server, target: &str) -> u16 {
    server.get(target).unwrap().status
}

fn stored_traces(server: &Server) -> Vec<Value> {
    let target = "/api/v2/traces?serviceName=zipkin-server&limit=1000";
    let answer = server.get(target).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}

/// Waits for the stored traces of the server itself that pass the test.
fn own_traces(server: &Server, test: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let traces = stored_traces(server);
        if test(&traces) {
            return traces;
        }
        assert!(Instant::now() < deadline, "{traces:?}");
        pause();
    }
}

fn named(traces: &[Value], name: &str) -> Option<Value> {
    let spans = traces.iter().filter_map(Value::as_array);
    let with_name = |trace: &&Vec<Value>| trace.iter().any(|span| span["name"] == name);
    spans.clone().find(with_name).cloned().map(Value::from)
}

#[test]
fn self_tracing_traces_the_api_and_not_itself() {
    let server = start(&[
        ("SELF_TRACING_ENABLED", "TRUE"),
        ("SELF_TRACING_TRACES_PER_SECOND", "0"),
        ("COLLECTOR_SAMPLE_RATE", "0"),
    ]);
    assert_eq!(
        server
            .ask(&Request::spans(
                r#"[{"traceId":"1","id":"1","debug":true}]"#
            ))
            .unwrap()
            .status,
        202
    );
    assert_eq!(status(&server, "/api/v2/trace/1"), 200);
    let joined = Request::get("/zipkin/api/v2/services")
        .header("b3", "00000000000000a2-0000000000000b02-1-0000000000000c02");
    assert_eq!(server.ask(&joined).unwrap().status, 200);
    let traces = own_traces(&server, |traces| {
        let has = |name| named(traces, name).is_some();
        has("accept-spans") && has("get-trace") && has("get /zipkin/api/v2/services")
    });
    let post = named(&traces, "accept-spans").unwrap();
    let (child, parent) = (&post[0], &post[1]);
    assert_eq!(parent["name"], "post /api/v2/spans");
    assert_eq!(parent["kind"], "SERVER");
    assert_eq!(parent["id"], parent["traceId"]);
    assert_eq!(parent["remoteEndpoint"]["ipv4"], "127.0.0.1");
    assert_eq!(child["parentId"], parent["id"]);
    assert_eq!(child["localEndpoint"], parent["localEndpoint"]);

    let joined = named(&traces, "get /zipkin/api/v2/services").unwrap();
    let span = joined
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["kind"] == "SERVER")
        .unwrap();
    assert_eq!(span["traceId"], "00000000000000a2");
    assert_eq!(span["id"], "0000000000000b02");
    assert_eq!(span["parentId"], "0000000000000c02");
    assert_eq!(span["shared"], true);

    // Only the one request that came by HTTP became a trace that stores spans.
    let stores_spans = |trace: &&Value| named(&[(*trace).clone()], "accept-spans").is_some();
    assert_eq!(traces.iter().filter(stores_spans).count(), 1);
    let own_spans = metrics::zipkin(&server, "counter.zipkin_collector.spans.local").unwrap();
    assert!(own_spans >= 6.0, "{own_spans}");
    let dropped = metrics::zipkin(&server, "counter.zipkin_collector.spans_dropped.local");
    assert!(dropped.unwrap().abs() < f64::EPSILON);
    assert!(
        server
            .get("/health")
            .unwrap()
            .text()
            .contains("\"Traced{SegmentStorage{")
    );
}

#[test]
fn self_tracing_is_off_unless_asked_for_and_obeys_its_rate() {
    let off = start(&[]);
    assert_eq!(status(&off, "/api/v2/services"), 200);
    assert!(metrics::zipkin(&off, "counter.zipkin_collector.spans.local").is_err());
    let mut server = start(&[
        ("SELF_TRACING_ENABLED", "true"),
        ("SELF_TRACING_SAMPLE_RATE", "0"),
        ("SELF_TRACING_FLUSH_INTERVAL", "3600"),
    ]);
    assert_eq!(status(&server, "/api/v2/services"), 200);
    let chosen = Request::get("/api/v2/services").header("b3", "1");
    assert_eq!(server.ask(&chosen).unwrap().status, 200);
    // What waits is stored at the end.
    server.terminate().unwrap();
    assert!(server.wait().unwrap().success(), "{}", server.log());
    server.restart().unwrap();
    let traces = stored_traces(&server);
    assert_eq!(traces.len(), 1, "{traces:?}");
}

/// Dashboards list what there is.
#[test]
fn the_transport_of_own_spans_is_shown_only_when_it_is_in_use() {
    for (enabled, transports) in [("false", 2), ("true", 3)] {
        let server = start(&[("SELF_TRACING_ENABLED", enabled)]);
        let counters: Value =
            serde_json::from_slice(&server.get("/metrics").unwrap().body).unwrap();
        let keys = counters.as_object().unwrap().keys();
        let keys = keys.filter(|key| key.contains(".zipkin_collector."));
        assert_eq!(keys.count(), 7 * transports, "{counters}");
        let text = server.get("/prometheus").unwrap().text();
        let series = text
            .lines()
            .filter(|l| l.starts_with("zipkin_collector_spans_total{"));
        assert_eq!(series.count(), transports, "{text}");
    }
}

#[test]
fn one_trace_a_second_is_the_default_of_self_tracing() {
    let mut server = start(&[("SELF_TRACING_ENABLED", "true")]);
    let begin = Instant::now();
    for _ in 0..200 {
        assert_eq!(status(&server, "/api/v2/services"), 200);
    }
    server.terminate().unwrap();
    assert!(server.wait().unwrap().success(), "{}", server.log());
    let seconds = begin.elapsed().as_secs() as usize;
    server.restart().unwrap();
    let count = stored_traces(&server).len();
    assert!((1..=seconds + 2).contains(&count), "{count} in {seconds} s");
}

#[test]
fn the_server_registers_renews_and_leaves() {
    let registry = Registry::start().unwrap();
    registry.forget_at("PUT");
    let mut server = start(&[
        (
            "EUREKA_SERVICE_URL",
            &format!("http://127.0.0.1:1/eureka, {}", registry.url()),
        ),
        ("EUREKA_APP_NAME", "zipkin"),
        ("EUREKA_HOSTNAME", "host.example"),
        ("SPEARGUN_EUREKA_RENEWAL_INTERVAL", "1s"),
    ]);
    let id = format!("host.example:zipkin:{}", server.port());
    let renewed = |asked: &Asked| asked.line.starts_with("PUT ");
    let asked = registry.await_request(renewed).unwrap();
    let first = &asked[0];
    assert_eq!(first.line, "POST /eureka/apps/ZIPKIN");
    assert!(
        first
            .headers
            .contains("authorization: Basic bWU6c2VjcmV0\n"),
        "{first:?}"
    );
    assert!(
        first.headers.contains("content-type: application/json\n"),
        "{first:?}"
    );
    let instance: Value = serde_json::from_str(&first.body).unwrap();
    let instance = &instance["instance"];
    assert_eq!(instance["instanceId"], id.as_str());
    assert_eq!(instance["app"], "ZIPKIN");
    assert_eq!(instance["vipAddress"], "zipkin");
    assert_eq!(instance["status"], "UP");
    assert_eq!(instance["port"]["$"], server.port());
    let health = format!("http://host.example:{}/health", server.port());
    assert_eq!(instance["healthCheckUrl"], health.as_str());
    let renewal = format!("PUT /eureka/apps/ZIPKIN/{id}?status=UP&lastDirtyTimestamp=");
    assert!(asked[1].line.starts_with(&renewal), "{:?}", asked[1]);
    // It was told 404, so it registers again at once.
    let again = |asked: &Asked| asked.line.starts_with("POST ") && registry.count("POST ") == 2;
    registry.await_request(again).unwrap();
    server.terminate().unwrap();
    assert!(server.wait().unwrap().success(), "{}", server.log());
    let left = format!("DELETE /eureka/apps/ZIPKIN/{id}");
    let asked = registry.await_request(|asked| asked.line == left).unwrap();
    assert_eq!(asked.last().unwrap().line, left);
    assert!(!server.log().contains("secret"), "{}", server.log());
}

#[test]
fn discovery_can_be_off_while_a_registry_is_named() {
    let registry = Registry::start().unwrap();
    let mut server = start(&[
        ("EUREKA_SERVICE_URL", &registry.url()),
        ("DISCOVERY_EUREKA_ENABLED", "false"),
    ]);
    server.terminate().unwrap();
    assert!(server.wait().unwrap().success());
    // Another one says that the registry works, and is the first that it hears.
    let mut other = start(&[
        ("EUREKA_SERVICE_URL", &registry.url()),
        ("EUREKA_INSTANCE_ID", "other"),
    ]);
    let left = "DELETE /eureka/apps/ZIPKIN/other";
    registry
        .await_request(|asked| asked.line.starts_with("POST "))
        .unwrap();
    other.terminate().unwrap();
    assert!(other.wait().unwrap().success());
    let asked = registry.await_request(|asked| asked.line == left).unwrap();
    assert_eq!(asked.len(), 2, "{asked:?}");
}
