//! Reporters of other makers send to the binary, and their traces are read back. They are installed
//! by `cargo xtask tools`.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use speargun_e2e::{Options, Server, server};

#[test]
fn py_zipkin_reports_json_and_proto_over_http() {
    let server = Server::start(Options::default()).unwrap();
    for format in ["json", "proto"] {
        let spans = report(&server, "py_zipkin_http.py", &[format]);
        assert_eq!(spans.len(), 2, "{spans:?}");
        let service = format!("py-front-{format}");
        let root = span(&spans, "SERVER");
        let child = span(&spans, "CLIENT");
        assert_eq!(root["name"], "get /orders");
        assert_eq!(root["localEndpoint"]["serviceName"], service.as_str());
        assert_eq!(root["tags"]["städte"], "Zürich");
        assert_eq!(child["parentId"], root["id"]);
        assert_eq!(child["remoteEndpoint"]["serviceName"], "mysql");
        assert_eq!(child["remoteEndpoint"]["port"], 3306);
        assert_eq!(child["annotations"][0]["value"], "first row");

        let found = server.get(&format!("/api/v2/traces?serviceName={service}"));
        let found: Value = serde_json::from_slice(&found.unwrap().body).unwrap();
        assert_eq!(found[0][0]["traceId"], root["traceId"]);
    }
}

#[test]
fn grpcio_reports_over_http2() {
    let server = Server::start(Options::default()).unwrap();
    let spans = report(&server, "grpc_report.py", &[]);
    assert_eq!(spans.len(), 5, "{spans:?}");
    for span in &spans {
        assert_eq!(span["localEndpoint"]["ipv4"], "10.1.2.3");
        assert_eq!(span["duration"], 2000);
    }
}

#[test]
fn the_zipkin_package_of_node_reports_over_http() {
    let server = Server::start(Options::default()).unwrap();
    let spans = report(&server, "node_zipkin.js", &[]);
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert_eq!(span(&spans, "SERVER")["tags"]["http.path"], "/basket/9");
    let child = span(&spans, "CLIENT");
    assert_eq!(child["name"], "get");
    assert_eq!(child["remoteEndpoint"]["serviceName"], "redis");
    let services = server.get("/api/v2/services").unwrap();
    assert_eq!(services.text(), "[\"node-shop\"]");
}

fn span<'a>(spans: &'a [Value], kind: &str) -> &'a Value {
    spans.iter().find(|span| span["kind"] == kind).unwrap()
}

/// Runs a client, which prints the id of the trace it reported; returns the trace's spans.
fn report(server: &Server, script: &str, arguments: &[&str]) -> Vec<Value> {
    let tools = server::root().join(".tools");
    let (program, modules) = if script.ends_with("py") {
        (tools.join("python/bin/python"), None)
    } else {
        (PathBuf::from("node"), Some(tools.join("node/node_modules")))
    };
    assert!(
        tools.join("python").is_dir() && tools.join("node").is_dir(),
        "clients are missing: run cargo xtask tools"
    );
    let mut client = Command::new(program);
    client
        .arg(server::root().join("e2e/clients").join(script))
        .arg(server.port().to_string())
        .args(arguments);
    if let Some(modules) = modules {
        client.env("NODE_PATH", modules);
    }
    let out = client.output().unwrap();
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{script}: {complaints}");
    let printed = String::from_utf8(out.stdout).unwrap();
    let target = format!("/api/v2/trace/{}", printed.trim());
    let answer = server.get(&target).unwrap();
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    serde_json::from_slice(&answer.body).unwrap()
}
