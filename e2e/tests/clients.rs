//! Reporters of other makers send to the binary, and their traces are read back in full. They are
//! installed by `cargo xtask tools`. Those of Java are in `kit.rs`.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use speargun_e2e::{Options, Server, server};

#[test]
fn zipkin_go_reports_json_and_proto_over_http() {
    let server = Server::start(Options::default()).unwrap();
    for (format, digits) in [("json", 32), ("proto", 32), ("json64", 16), ("proto64", 16)] {
        let report = Report::make(&server, &mut tool("go/zipkin_go"), &[format]);
        assert_eq!(report.ids[0].len(), digits, "{format}");
        let browser = json!({"serviceName": "browser", "ipv6": "2001:db8::c001", "port": 40123});
        let mut expected = report.expected("go-shop");
        expected[0]["remoteEndpoint"] = browser;
        assert_eq!(report.spans, expected, "{format}");
    }
    let services = server.get("/api/v2/services").unwrap();
    assert_eq!(services.text(), "[\"go-shop\"]");
}

#[test]
fn py_zipkin_reports_json_and_proto_over_http() {
    let server = Server::start(Options::default()).unwrap();
    py_zipkin_is_read_back(&server, "json");
    py_zipkin_is_read_back(&server, "proto");
    let found = server.get("/api/v2/traces?serviceName=python-shop");
    let found: Value = serde_json::from_slice(&found.unwrap().body).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 2);
}

#[test]
fn the_zipkin_package_of_node_reports_over_http() {
    let server = Server::start(Options::default()).unwrap();
    node_is_read_back(&server, "json");
    let services = server.get("/api/v2/services").unwrap();
    assert_eq!(services.text(), "[\"node-shop\"]");
}

#[test]
fn python_and_node_report_in_the_form_of_version_1() {
    let server = Server::start(Options::default()).unwrap();
    py_zipkin_is_read_back(&server, "v1");
    node_is_read_back(&server, "v1");
}

#[test]
fn grpcio_reports_over_http2() {
    let server = Server::start(Options::default()).unwrap();
    let report = Report::make(&server, &mut python("grpc_report.py"), &[]);
    let expected: Vec<Value> = (1..=5_u64)
        .map(|number| {
            let mut span = json!({
                "traceId": report.ids[0],
                "id": format!("{number:016x}"),
                "kind": "CLIENT",
                "name": format!("call {number}"),
                "timestamp": report.start + number * 125_000,
                "duration": 250_000,
                "localEndpoint":
                    {"serviceName": "grpc-reporter", "ipv4": "10.1.2.3", "port": 4711},
                "tags": {"number": number.to_string()},
            });
            if number > 1 {
                span["parentId"] = "0000000000000001".into();
            }
            span
        })
        .collect();
    assert_eq!(report.spans, expected);
}

#[test]
fn opentelemetry_of_python_reports_over_http_and_grpc() {
    let server = Server::start(Options::default()).unwrap();
    for way in ["http", "http-gzip", "grpc", "grpc-gzip"] {
        let report = Report::make(&server, &mut python("otlp_report.py"), &[way]);
        assert_eq!(report.spans, of_opentelemetry(&report), "{way}");
    }
    let services = server.get("/api/v2/services").unwrap();
    assert_eq!(services.text(), "[\"otel-shop\"]");
}

#[test]
fn opentelemetry_of_node_reports_over_http_and_grpc() {
    let server = Server::start(Options::default()).unwrap();
    for way in ["json", "proto", "grpc"] {
        let report = Report::make(&server, &mut node("node_otlp.js"), &[way]);
        assert_eq!(report.spans, of_opentelemetry(&report), "{way}");
    }
}

/// Returns the trace that OpenTelemetry reports.
fn of_opentelemetry(report: &Report) -> Vec<Value> {
    let root = json!({
        "traceId": report.ids[0],
        "id": report.ids[1],
        "kind": "SERVER",
        "name": "get /orders",
        "timestamp": report.start,
        "duration": 1_000_000,
        "localEndpoint": {"serviceName": "otel-shop", "ipv4": "192.168.1.7", "port": 8080},
        "tags": {
            "cached": "false",
            "count": "3",
            "deployment.environment": "test",
            "http.path": "/orders/7",
            "list": "[\"a\",\"b\"]",
            "network.local.address": "192.168.1.7",
            "network.local.port": "8080",
            "otel.scope.name": "shop",
            "otel.scope.version": "1.2",
            "otel.status_code": "OK",
            "share": "0.5",
            "städte": "Zürich",
        },
    });
    let slow = r#""slow":{"rows":7,"text":"say \"no\""}"#;
    let child = json!({
        "traceId": report.ids[0],
        "parentId": report.ids[1],
        "id": report.ids[2],
        "kind": "CLIENT",
        "name": "query",
        "timestamp": report.start + 125_000,
        "duration": 250_000,
        "localEndpoint": {"serviceName": "otel-shop"},
        "remoteEndpoint": {"serviceName": "mysql", "ipv4": "127.0.0.1", "port": 3306},
        "annotations": [
            {"timestamp": report.start + 250_000, "value": "first row"},
            {"timestamp": report.start + 260_000, "value": slow},
        ],
        "tags": {
            "deployment.environment": "test",
            "error": "too slow",
            "network.peer.address": "127.0.0.1",
            "network.peer.port": "3306",
            "otel.scope.name": "shop",
            "otel.scope.version": "1.2",
            "otel.status_code": "ERROR",
            "otlp.link.0": "000000000000000000000000000000a1|00000000000000b2||{\"why\":\"retry\"}|0",
            "peer.service": "MySQL",
        },
    });
    vec![root, child]
}

fn py_zipkin_is_read_back(server: &Server, format: &str) {
    let begin = now();
    let mut report = Report::make(server, &mut python("py_zipkin_http.py"), &[format]);
    let mut expected = report.expected("python-shop");
    // It takes the root's time from the clock, whatever it is told; so the root comes last.
    report.spans.reverse();
    let (timestamp, duration) = (&report.spans[0]["timestamp"], &report.spans[0]["duration"]);
    let end = timestamp.as_u64().unwrap() + duration.as_u64().unwrap();
    assert!(
        timestamp.as_u64() >= Some(begin) && end <= now(),
        "{format}"
    );
    expected[0]["timestamp"] = timestamp.clone();
    expected[0]["duration"] = duration.clone();
    assert_eq!(report.spans, expected, "{format}");
}

fn node_is_read_back(server: &Server, format: &str) {
    let report = Report::make(server, &mut node("node_zipkin.js"), &[format]);
    let mut expected = report.expected("node-shop");
    expected[0]["remoteEndpoint"] = json!({"ipv4": "10.1.2.3", "port": 40123});
    assert_eq!(report.spans, expected, "{format}");
}

/// What a client reported and the server returned.
struct Report {
    /// When the client was told that its trace began, in microseconds.
    start: u64,
    /// What it printed: the ids of the trace, the root and the child.
    ids: Vec<String>,
    /// The trace as it was read back, oldest span first.
    spans: Vec<Value>,
}

impl Report {
    /// Runs a client, which sends one trace and prints its ids, and reads the trace.
    fn make(server: &Server, client: &mut Command, words: &[&str]) -> Self {
        // Whole seconds: a client that counts in fractions of one must not lose a microsecond.
        let start = now() / 1_000_000 * 1_000_000 - 20_000_000;
        client.arg(server.port().to_string()).args(words);
        let out = client.arg(start.to_string()).output();
        assert!(out.is_ok(), "{client:?}: run cargo xtask tools: {out:?}");
        let out = out.unwrap();
        let complaints = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{client:?}: {complaints}");
        let printed = String::from_utf8(out.stdout).unwrap();
        let ids: Vec<String> = printed.split_whitespace().map(str::to_owned).collect();

        let answer = server.get(&format!("/api/v2/trace/{}", ids[0])).unwrap();
        assert_eq!(answer.status, 200, "{}\n{complaints}", answer.text());
        let mut spans: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
        spans.sort_by_key(|span| span["timestamp"].as_u64());
        Self { start, ids, spans }
    }

    /// Returns the trace that all clients but grpcio report; only the root's caller differs.
    fn expected(&self, service: &str) -> Vec<Value> {
        let local = json!({"serviceName": service, "ipv4": "192.168.1.7", "port": 8080});
        let root = json!({
            "traceId": self.ids[0],
            "id": self.ids[1],
            "kind": "SERVER",
            "name": "get /orders",
            "timestamp": self.start,
            "duration": 1_000_000,
            "localEndpoint": local,
            "tags": {"http.path": "/orders/7", "städte": "Zürich"},
        });
        let child = json!({
            "traceId": self.ids[0],
            "parentId": self.ids[1],
            "id": self.ids[2],
            "kind": "CLIENT",
            "name": "query",
            "timestamp": self.start + 125_000,
            "duration": 250_000,
            "localEndpoint": local,
            "remoteEndpoint": {"serviceName": "mysql", "ipv4": "127.0.0.1", "port": 3306},
            "annotations": [{"timestamp": self.start + 250_000, "value": "first row"}],
        });
        vec![root, child]
    }
}

fn node(script: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(server::root().join("e2e/clients").join(script));
    node.env("NODE_PATH", server::root().join(".tools/node/node_modules"));
    node
}

fn python(script: &str) -> Command {
    let mut command = tool("python/bin/python");
    command.arg(server::root().join("e2e/clients").join(script));
    command
}

fn tool(path: &str) -> Command {
    Command::new(server::root().join(".tools").join(path))
}

fn now() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(elapsed.as_micros()).unwrap()
}
