//! A service of Spring Boot reports through Micrometer and OpenTelemetry's exporter, over HTTP and
//! gRPC, and its trace is read back as Zipkin's clients read it.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use speargun_e2e::broker::check::wait_for_trace_of;
use speargun_e2e::{Options, Server, server};

#[test]
fn what_spring_boot_reports_over_http_is_read_back() -> Result<()> {
    check("http", |port| format!("http://127.0.0.1:{port}/v1/traces"))
}

#[test]
fn what_spring_boot_reports_over_grpc_is_read_back() -> Result<()> {
    check("grpc", |port| format!("http://127.0.0.1:{port}"))
}

fn check(transport: &str, endpoint: impl Fn(u16) -> String) -> Result<()> {
    let folder = server::root().join("target/boot");
    let class = folder.join("classes/speargun/Shop.class");
    ensure!(
        class.is_file(),
        "no {}: run cargo xtask tools",
        class.display()
    );
    let server = Server::start(Options::default())?;
    let shown = folder.display();
    let run = Command::new("java")
        .args([
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
        ])
        .arg(format!("{shown}/classes:{shown}/lib/*"))
        .arg("speargun.Shop")
        .arg(format!("--management.otlp.tracing.transport={transport}"))
        .arg(format!(
            "--management.otlp.tracing.endpoint={}",
            endpoint(server.port())
        ))
        .output()
        .context("start java: run cargo xtask tools")?;
    let printed = String::from_utf8_lossy(&run.stdout).into_owned();
    let id = printed
        .lines()
        .find_map(|line| line.strip_prefix("trace "))
        .with_context(|| {
            format!(
                "no trace: {printed}{}",
                String::from_utf8_lossy(&run.stderr)
            )
        })?;

    // The request from outside, the call of itself, and that call as it was received.
    let body = wait_for_trace_of(&server, id, 3)?;
    let spans: Value = serde_json::from_slice(&body)?;
    let spans = spans.as_array().context("no list")?;
    let kinds: Vec<&str> = spans.iter().filter_map(|s| s["kind"].as_str()).collect();
    let count = |kind| kinds.iter().filter(|k| **k == kind).count();
    ensure!((count("SERVER"), count("CLIENT")) == (2, 1), "{spans:?}");
    for span in spans {
        ensure!(span["localEndpoint"]["serviceName"] == "shop", "{span}");
        ensure!(span["tags"]["otel.scope.name"].is_string(), "{span}");
        ensure!(
            span["timestamp"].is_u64() && span["duration"].is_u64(),
            "{span}"
        );
    }
    let parents: Vec<_> = spans.iter().filter(|s| s["parentId"].is_string()).collect();
    ensure!(parents.len() == 2, "{spans:?}");
    let client = spans.iter().find(|span| span["kind"] == "CLIENT");
    let client = client.context("no client")?;
    ensure!(client["tags"]["uri"] == "/stock", "{client}");
    let names = server.get("/api/v2/services")?.text();
    ensure!(names == r#"["shop"]"#, "{names}");
    Ok(())
}
