//! Groups 6 and 7: a call is one trace, a failure is seen on both sides, a circuit opens; and calls
//! between services in Java and in Rust.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use speargun_e2e::eureka::wait_until;
use speargun_e2e::server::{free_port, root};
use speargun_e2e::spring::train::Source;
use speargun_e2e::{Connection, Request, spans};

use crate::stack::Stack;

/// A call through Feign is one trace, with the names and tags of the train.
pub(crate) fn are_one_trace(stack: &mut Stack) -> Result<String> {
    stack.front()?.java.text("/hello/traced")?;
    let trace = trace_of(stack, "/hello/traced", 3)?;
    let [entry, client, server] = three(&trace)?;
    let names = [entry, client, server].map(|it| it["name"].as_str().unwrap_or_default());
    ensure!(names == stack.train.span_names, "{names:?} in {trace:#?}");
    let ids = |it: &Value| {
        (
            it["traceId"].clone(),
            it["id"].clone(),
            it["parentId"].clone(),
        )
    };
    let digits = if stack.train.shares_spans { 16 } else { 32 };
    let trace_id = entry["traceId"].as_str().context("no trace id")?;
    ensure!(trace_id.len() == digits, "{trace_id}");
    ensure!(entry.get("parentId").is_none(), "{entry}");
    if stack.train.shares_spans {
        ensure!(ids(client) == ids(server), "{trace:#?}");
        ensure!(
            server["shared"] == true && client.get("shared").is_none(),
            "{server}"
        );
        ensure!(entry["tags"]["mvc.controller.method"] == "hello", "{entry}");
        ensure!(entry["tags"]["http.method"] == "GET", "{entry}");
    } else {
        ensure!(
            server["parentId"] == client["id"] && server["id"] != client["id"],
            "{trace:#?}"
        );
        ensure!(entry["tags"]["uri"] == "/hello/{n}", "{entry}");
        ensure!(entry["tags"]["outcome"] == "SUCCESS", "{entry}");
        ensure!(client["tags"].get("clientName").is_some(), "{client}");
    }
    wait_until("the link is there", || {
        let now = spans::now_us() / 1000;
        let links = stack
            .server
            .get(&format!("/api/v2/dependencies?endTs={now}"))?;
        let links: Value = serde_json::from_slice(&links.body)?;
        let mut links = links.as_array().into_iter().flatten();
        Ok(links.any(|it| it["parent"] == "front" && it["child"] == "back"))
    })?;
    Ok(format!(
        "{} spans: {}; front to back in the dependencies",
        trace.len(),
        names.map(|name| format!("`{name}`")).join(", ")
    ))
}

/// Returns the server of the entry, the client, and the server behind.
fn three(trace: &[Value]) -> Result<[&Value; 3]> {
    let find = |kind: &str, service: &str| {
        let found = trace
            .iter()
            .find(|span| span["kind"] == kind && span["localEndpoint"]["serviceName"] == service);
        found.with_context(|| format!("no {kind} of {service} in {trace:#?}"))
    };
    Ok([
        find("SERVER", "front")?,
        find("CLIENT", "front")?,
        find("SERVER", "back")?,
    ])
}

/// Waits for the newest trace whose entry is this path, with at least so many spans of a kind.
fn trace_of(stack: &Stack, path: &str, kinds: usize) -> Result<Vec<Value>> {
    let key = if stack.train.shares_spans {
        "http.path"
    } else {
        "http.url"
    };
    let target = format!(
        "/api/v2/traces?serviceName=front&limit=1&annotationQuery={key}%3D{}",
        path.replace('/', "%2F")
    );
    let mut found = Vec::new();
    let done = wait_until(&format!("the trace of {path}"), || {
        let answer = stack.server.get(&target)?;
        ensure!(answer.status == 200, "{}", answer.text());
        let traces: Vec<Vec<Value>> = serde_json::from_slice(&answer.body)?;
        found = traces.into_iter().next().unwrap_or_default();
        let with_kind = found.iter().filter(|it| it.get("kind").is_some());
        Ok(with_kind.count() >= kinds)
    });
    done.with_context(|| format!("{found:#?}"))?;
    Ok(found)
}

/// A failure has its tag on both sides; after some the circuit opens, and closes once all is well.
pub(crate) fn open_the_circuit(stack: &mut Stack) -> Result<String> {
    let (front, back) = (stack.front()?, stack.back()?);
    let failures = || -> Result<u32> { Ok(back.java.text("/failures")?.parse()?) };
    let fails_behind = || -> Result<bool> {
        let before = failures()?;
        let said = front.java.text("/fail")?;
        ensure!(said == "fallback", "{said}");
        Ok(failures()? > before)
    };
    // The registry was empty a moment ago, and balancers keep what they last heard for a while.
    wait_until("a call fails behind the front", &fails_behind)?;
    let trace = trace_of(stack, "/fail", 3)?;
    // Micrometer's Feign span has the status, and its circuit the error.
    for service in ["front", "back"] {
        let mut its = trace
            .iter()
            .filter(|it| it["localEndpoint"]["serviceName"] == service);
        let told = its.any(|it| it["tags"].get("error").is_some());
        ensure!(told, "no error of {service} in {trace:#?}");
    }
    let mut calls = 0;
    wait_until("the circuit opens", || {
        calls += 1;
        Ok(!fails_behind()?)
    })?;
    back.java.text("/heal")?;
    let healed_at = failures()?;
    wait_until("the circuit closes", || {
        Ok(front.java.text("/fail")? == "healed")
    })?;
    ensure!(
        failures()? == healed_at + 1,
        "more than one trial in the half-open state"
    );
    ensure!(front.java.text("/fail")? == "healed");
    Ok(format!(
        "error on both sides; open after {calls} more calls, one trial closes it"
    ))
}

/// A service in Rust on our client library. Dropping it kills the process.
struct Rust(Child);

impl Drop for Rust {
    fn drop(&mut self) {
        // Already ended is fine.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Java calls Rust by Feign, Rust calls Java by name, and both are one trace.
pub(crate) fn cross_languages(stack: &mut Stack) -> Result<String> {
    let uri = stack.config.url();
    let java = stack.launch("back", "service-1", Source::Uri(&uri))?;
    let port = free_port()?;
    let folder = tempfile::tempdir()?;
    let log = File::create(folder.path().join("log"))?;
    let example = root().join("target/debug/examples/service_2");
    let rust = Command::new(example)
        .arg(format!("--server.port={port}"))
        .arg("--server.address=127.0.0.1")
        .arg(format!(
            "--eureka.client.service-url.defaultZone={}",
            stack.registry.url()
        ))
        .arg("--eureka.instance.hostname=127.0.0.1")
        .arg("--eureka.client.registry-fetch-interval-seconds=1")
        .arg(format!(
            "--spring.zipkin.base-url=http://127.0.0.1:{}",
            stack.server.port()
        ))
        .arg(format!(
            "--spring.config.import=configserver:{}",
            stack.config.url()
        ))
        .stdout(log.try_clone()?)
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .context("start the service in Rust: run cargo xtask e2e spring")?;
    let _rust = Rust(rust);
    let said = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
    wait_until("Rust calls Java", || {
        let answer = Connection::open(port).and_then(|mut it| it.ask(&Request::get("/hi/first")));
        Ok(answer.is_ok_and(|it| it.text().ends_with(&java.java.port().to_string())))
    })
    .with_context(said)?;
    let front = stack.front()?;
    wait_until("Feign calls Rust", || {
        Ok(front.java.get("/rust/mixed")?.status == 200)
    })
    .with_context(said)?;
    let answer = front.java.text("/rust/whole")?;
    ensure!(
        answer == format!("null whole from {}", java.java.port()),
        "{answer}"
    );
    let trace = trace_of(stack, "/rust/whole", 5)?;
    let mut sides: Vec<String> = trace
        .iter()
        .filter_map(|it| {
            let service = it["localEndpoint"]["serviceName"].as_str()?;
            Some(format!("{service} {}", it["kind"].as_str()?))
        })
        .collect();
    sides.sort();
    let expected = [
        "front CLIENT",
        "front SERVER",
        "service-1 SERVER",
        "service-2 CLIENT",
        "service-2 SERVER",
    ];
    ensure!(sides == expected, "{sides:?} in {trace:#?}");
    is_whole(&trace)?;
    Ok("front (Java) to service-2 (Rust) to service-1 (Java): one trace of one root".to_owned())
}

/// Each span but one has its parent in the trace.
fn is_whole(trace: &[Value]) -> Result<()> {
    let known = |id: &Value| trace.iter().any(|it| it["id"] == *id);
    let roots = trace
        .iter()
        .filter(|it| it.get("parentId").is_none())
        .count();
    ensure!(roots == 1, "{roots} roots in {trace:#?}");
    let orphans = trace
        .iter()
        .filter(|it| it.get("parentId").is_some_and(|id| !known(id)));
    ensure!(
        orphans.count() == 0,
        "spans without their parent in {trace:#?}"
    );
    Ok(())
}
