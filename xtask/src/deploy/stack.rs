//! The stack as compose.yaml has it, in containers of their own on a network of their own: it comes
//! up, its parts find each other, and each is restarted under load without losing a span that was
//! acknowledged.

use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use super::image::{NAME, Podman};
use super::podman::{PATIENCE, PAUSE, STRICT, exchange, well};
use crate::json::Json;
use crate::shell::{command, output, root, run, say};

pub(super) const NETWORK: &str = "speargun-test";
/// A part of a private range that nobody is likely to use; addresses are given, so that no service
/// for names is needed.
const SUBNET: &str = "10.87.61.0/24";
const REGISTRIES: &str = "http://registry-1:8761/eureka/,http://registry-2:8761/eureka/";

/// A container of the stack.
struct Part {
    name: &'static str,
    address: &'static str,
    /// Whose health it is.
    kind: &'static str,
}

const fn part(name: &'static str, address: &'static str, kind: &'static str) -> Part {
    Part {
        name,
        address,
        kind,
    }
}

/// In the order in which they start, and are restarted.
const PARTS: [Part; 5] = [
    part("registry-1", "10.87.61.11", "registry"),
    part("registry-2", "10.87.61.12", "registry"),
    part("config-1", "10.87.61.21", "config-server"),
    part("config-2", "10.87.61.22", "config-server"),
    part("zipkin", "10.87.61.31", "server"),
];

pub(super) fn check(podman: &Podman) -> Result<()> {
    run(&mut podman.command(&["network", "create", "--subnet", SUBNET, NETWORK]))?;
    for part in &PARTS {
        begin(podman, part)?;
        is_well(podman, part)?;
    }
    registered()?;
    restarts(podman)?;
    for part in &PARTS {
        run(&mut podman.command(&["rm", "--force", "--time", "20", part.name]))?;
    }
    run(&mut podman.command(&["network", "rm", NETWORK]))
}

fn begin(podman: &Podman, part: &Part) -> Result<()> {
    let mut start = podman.command(&["run", "--detach", "--network", NETWORK, "--name", part.name]);
    start.args(STRICT).args(["--ip", part.address]);
    for other in &PARTS {
        start.arg(format!("--add-host={}:{}", other.name, other.address));
    }
    match part.kind {
        "registry" => start.args([NAME, "registry", "--peers", REGISTRIES]),
        "config-server" => start
            .arg(format!(
                "--env=EUREKA_CLIENT_SERVICEURL_DEFAULTZONE={REGISTRIES}"
            ))
            .arg(format!(
                "--volume={}:/etc/speargun:ro",
                root().join("deploy/compose/config").display()
            ))
            .args([
                NAME,
                "config-server",
                "--native",
                "/etc/speargun",
                "--data",
                "/data",
            ]),
        _ => start
            .arg(format!("--env=EUREKA_SERVICE_URL={REGISTRIES}"))
            .arg("--env=SPEARGUN_CONFIGURATION_URI=http://config-1:8888,http://config-2:8888")
            .args(["--volume=stack:/data", NAME]),
    };
    run(&mut start)
}

fn is_well(podman: &Podman, part: &Part) -> Result<()> {
    well(podman, part.name, &[part.kind])
}

/// Both registries know the backend and the configuration servers.
fn registered() -> Result<()> {
    let began = Instant::now();
    let mut said = String::new();
    while began.elapsed() < PATIENCE {
        let asked = PARTS
            .iter()
            .filter(|part| part.kind == "registry")
            .map(|part| {
                let answer = exchange((part.address, 8761), "GET", "/eureka/apps", "")?;
                let known = ["ZIPKIN", "CONFIGSERVER"]
                    .iter()
                    .all(|name| answer.contains(name));
                Ok((known, answer))
            });
        let asked = asked.collect::<Result<Vec<_>>>()?;
        if asked.iter().all(|(known, _)| *known) {
            say("both registries know the backend and the configuration servers");
            return Ok(());
        }
        said = asked.into_iter().map(|(_, answer)| answer).collect();
        std::thread::sleep(PAUSE);
    }
    bail!("the parts are not registered: {said}")
}

/// Stops and starts each part while spans come in. Senders see the backend away for a moment, so
/// that the load does not end well; but what it was told is stored, is there.
fn restarts(podman: &Podman) -> Result<()> {
    let report = root().join("target/rolling.json");
    let target = "http://10.87.61.31:9411";
    let load = [
        "load",
        "--target",
        target,
        "--rate",
        "2000",
        "--duration",
        "15s",
        "--read-back",
        "5000",
        "--json",
    ];
    let mut load = command(root().join("target/release/speargun"), &load);
    let load = load
        .arg(&report)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut load = load.spawn().context("start the load")?;
    for part in &PARTS {
        run(&mut podman.command(&["stop", "--time", "20", part.name]))?;
        let code = ["inspect", "--format", "{{.State.ExitCode}}", part.name];
        let code = output(&mut podman.command(&code))?;
        ensure!(code.trim() == "0", "{} ended with {code}", part.name);
        run(&mut podman.command(&["start", part.name]))?;
        is_well(podman, part)?;
    }
    ensure!(
        load.try_wait()?.is_none(),
        "the load ended before all parts were restarted"
    );
    load.wait()?;
    nothing_lost(&report)
}

fn nothing_lost(report: &Path) -> Result<()> {
    let text = std::fs::read_to_string(report).context("the load wrote no report")?;
    let report = Json::read(&text)?;
    let back = report.field("read_back");
    let number = |name: &str| match back.field(name) {
        Json::Number(text) => text.clone(),
        other => format!("{other:?}"),
    };
    for name in [
        "lost_spans",
        "changed_spans",
        "repeated_spans",
        "unread_traces",
    ] {
        let count = number(name);
        ensure!(count == "0", "after restarts of every part: {name} {count}");
    }
    let spans = number("spans");
    ensure!(spans != "0", "nothing was read back");
    say(&format!(
        "restarts of every part under load: {spans} spans read back, none lost"
    ));
    Ok(())
}
