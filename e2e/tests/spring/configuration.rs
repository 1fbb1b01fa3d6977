//! Groups 1 and 10: what applications start with, and how a commit reaches them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use speargun_e2e::eureka::wait_until;
use speargun_e2e::{Answer, Exchange, Request};

use crate::stack::{App, Stack, WORD};

/// How long an application that says it is down is left alone.
const LONG_DOWN: Duration = Duration::from_secs(20);

/// Applications start with what the server has, by its address and by its name.
pub(crate) fn starts(stack: &mut Stack) -> Result<String> {
    stack.start_back()?;
    stack.start_front()?;
    let back = stack.back()?;
    let sources = sources(&back.java.json("/actuator/env")?);
    let files: Vec<&str> = sources
        .iter()
        .filter_map(|it| it.rsplit('/').next())
        .collect();
    let ordered = [
        "back-dev.yml",
        "application-dev.yml",
        "back.yml",
        "application.yml",
    ];
    ensure!(files == ordered, "sources {sources:?}");

    let asked = |line: &str| stack.config_tap.count(line);
    if stack.train.has_bootstrap {
        ensure!(asked("GET /back/dev") >= 1 && asked("GET /back/default") == 0);
    } else {
        ensure!(asked("GET /back/dev") >= 1 && asked("GET /back/default") >= 1);
    }
    let requests = stack.config_tap.seen();
    let second = "application/vnd.spring-cloud.config-server.v2+json";
    ensure!(
        requests
            .iter()
            .all(|it| it.head.contains(second) && it.status == 200),
        "{requests:?}"
    );

    // What has an origin tells file and line; what was encrypted arrives in plain text.
    let greeting = back.java.json("/actuator/env/greeting")?;
    ensure!(greeting["property"]["value"] == "hello", "{greeting}");
    if !stack.train.has_bootstrap {
        let origin = greeting.to_string();
        ensure!(origin.contains("back-dev.yml:2:11"), "{origin}");
    }
    ensure!(back.java.text("/setting/word")? == WORD);
    ensure!(back.java.text("/setting/mode")? == "511", "YAML 1.1");
    let front = stack.front()?;
    ensure!(front.java.text("/setting/title")? == "front");
    ensure!(front.java.text("/setting/word")? == WORD);
    let said = front.java.text("/hello/1")?;
    ensure!(said.starts_with("hello 1 from "), "{said}");
    let ended = stack.launch_unconfigured()?.wait()?;
    ensure!(
        !ended.success(),
        "it started without a configuration server"
    );
    Ok("by address and by name, order, origins, cipher; no start without the server".to_owned())
}

/// Returns the names of the sources that came from the configuration server, in order.
fn sources(environment: &Value) -> Vec<String> {
    let all = environment["propertySources"].as_array();
    let names = all
        .into_iter()
        .flatten()
        .filter_map(|it| it["name"].as_str());
    let ours = names.filter_map(|name| {
        let name = name
            .strip_prefix("configserver:")
            .or_else(|| name.strip_prefix("bootstrapProperties-"))?;
        name.contains(".yml").then(|| name.to_owned())
    });
    ours.collect()
}

/// A commit reaches an application that is asked to refresh, and one that is told by a webhook.
pub(crate) fn refreshes(stack: &mut Stack) -> Result<String> {
    let back = stack.back()?;
    commit(stack, "good day")?;
    let refresh = Request::json("POST", "/actuator/refresh", "");
    let mut changed = Vec::new();
    wait_until("a refresh tells the changed key", || {
        let answer = back.java.ask(&refresh)?;
        ensure!(answer.status == 200, "{}", answer.text());
        changed = keys(&answer)?;
        Ok(changed.iter().any(|key| key == "greeting"))
    })?;
    ensure!(
        changed.iter().any(|key| key == "config.client.version"),
        "{changed:?}"
    );
    ensure!(back.java.text("/greet/1")?.starts_with("good day 1"));
    ensure!(
        keys(&back.java.ask(&refresh)?)?.is_empty(),
        "nothing changed since"
    );
    await_return(stack, back)?;

    commit(stack, "good night")?;
    let push = r#"{"commits":[{"added":[],"removed":[],"modified":["back-dev.yml"]}]}"#;
    let push = Request::json("POST", "/monitor", push).header("X-Github-Event", "push");
    let answer = stack.config.ask(&push)?;
    let named = keys(&answer)?;
    ensure!(
        answer.status == 200 && named == ["back-dev", "back"],
        "{}",
        answer.text()
    );
    wait_until("the webhook reached the application", || {
        let said = back.java.text("/greet/1")?;
        Ok(said.starts_with("good night 1"))
    })?;
    await_return(stack, back)?;
    Ok(format!(
        "refresh said {changed:?}; the webhook named {named:?} and reached it"
    ))
}

/// Waits until an application, which leaves the registry for a refresh, is there again.
///
/// Now and then one of Hoxton comes back and says that it is down, in each heartbeat and for good,
/// also to Spring's own registry: about once in twenty refreshes that follow one another closely.
/// Another refresh helps; who says anything else, or nothing, is not helped.
fn await_return(stack: &Stack, back: &App) -> Result<()> {
    let mut patience = Instant::now() + LONG_DOWN;
    wait_until("it is registered again", || {
        if Instant::now() > patience && stack.train.has_bootstrap && says_down(back) {
            let refresh = Request::json("POST", "/actuator/refresh", "");
            ensure!(back.java.ask(&refresh)?.status == 200);
            patience = Instant::now() + LONG_DOWN;
        }
        Ok(stack.status_of(&back.id)?.as_deref() == Some("UP"))
    })
    .with_context(|| {
        let seen = back.tap.seen();
        let last: Vec<_> = seen.iter().rev().take(40).rev().map(told).collect();
        let listed = stack.registry.listed();
        let (said, log) = (last.join("\n"), back.java.log());
        format!("{listed:?}\nit said:\n{said}\nits log:\n{log}")
    })
}

/// Returns whether an application's last heartbeat says that it is down.
fn says_down(back: &App) -> bool {
    let seen = back.tap.seen();
    let last = seen.iter().rev().find(|it| it.line.starts_with("PUT"));
    last.is_some_and(|it| it.line.contains("status=DOWN"))
}

/// Returns a line that tells what an application said, with what decides about its status.
fn told(it: &Exchange) -> String {
    let body = String::from_utf8_lossy(&it.body);
    let fields = body
        .split(',')
        .filter(|field| field.contains("\"status\"") || field.contains("\"lastDirtyTimestamp\""));
    let fields: Vec<_> = fields.collect();
    format!("{} {} {}", it.status, it.line, fields.join(" "))
}

/// Commits a greeting and waits until it is served.
fn commit(stack: &Stack, greeting: &str) -> Result<()> {
    let text = format!("# of one stage\ngreeting: {greeting}\n");
    stack.config.commit(&[("back-dev.yml", &text)])?;
    wait_until("the commit is served", || {
        Ok(stack.config.get("/back/dev")?.text().contains(greeting))
    })
}

fn keys(answer: &Answer) -> Result<Vec<String>> {
    serde_json::from_slice(&answer.body).with_context(|| answer.text())
}
