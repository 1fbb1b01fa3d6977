//! The image as an operator runs it: read-only, without any capability; it takes a span, shows it,
//! is backed up, restarted and restored. Then the pods of the manifests.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::image::{NAME, Podman};
use super::{manifests, stack};
use crate::shell::{command, output, root, run, say, succeeds};
use crate::tools::deploy::Tools;

/// How long a container may take until it is well.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);
pub(super) const PAUSE: Duration = Duration::from_millis(100);
/// What no container of this image needs.
pub(super) const STRICT: [&str; 6] = [
    // It would be asked by a timer of systemd's, which is not everywhere; it is asked by hand.
    "--no-healthcheck",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--pids-limit=200",
    "--memory=1g",
];
/// What asks the backend within a container.
const HEALTH: [&str; 2] = ["/speargun", "health"];
const HERE: &str = "127.0.0.1";
const TRACE: &str = "5af7183fb1d4cf5f";

pub(super) fn check(tools: &Tools, podman: &Podman) -> Result<()> {
    can_run(podman)?;
    one(podman)?;
    stack::check(tools, podman)?;
    pods(tools, podman)
}

/// A machine that is itself a container may not be allowed to make some.
fn can_run(podman: &Podman) -> Result<()> {
    let mut version = podman.command(&["run", "--rm", "--network=none"]);
    run(version.args(STRICT).args([NAME, "--version"])).context(
        "podman can't run a container on this machine, so the image is not tested: allow nested \
         containers (a privileged one, or a virtual machine), or run the other steps alone",
    )
}

/// One container, its backup, its next life.
fn one(podman: &Podman) -> Result<()> {
    let begin = |name: &str, more: &[&str]| -> Result<u16> {
        let mut start = podman.command(&["run", "--detach", "--name", name]);
        start.args(STRICT);
        start.args(["--publish=127.0.0.1::9411", "--volume=spans:/data"]);
        run(start.args(more).arg(NAME))?;
        well(podman, name, &HEALTH)?;
        port(podman, name)
    };
    let format = [
        "image",
        "inspect",
        "--format",
        "{{.Config.Healthcheck.Test}}",
        NAME,
    ];
    let asked = output(&mut podman.command(&format))?;
    ensure!(
        asked.trim() == "[CMD /speargun health]",
        "its health check is {asked}"
    );
    let first = begin("first", &[])?;
    let span = format!(
        "[{{\"traceId\":\"{TRACE}\",\"id\":\"352bff9a74ca9ad2\",\"name\":\"get /\",\
         \"timestamp\":1700000000000000,\"localEndpoint\":{{\"serviceName\":\"frontend\"}}}}]"
    );
    let answer = exchange((HERE, first), "POST", "/api/v2/spans", &span)?;
    ensure!(answer.starts_with("HTTP/1.1 202"), "the span: {answer}");
    shown(first)?;
    let backup = [
        "exec",
        "first",
        "/speargun",
        "storage",
        "backup",
        "/data/copy",
    ];
    run(&mut podman.command(&backup))?;
    run(&mut podman.command(&["stop", "--time", "20", "first"]))?;
    let code = ["inspect", "--format", "{{.State.ExitCode}}", "first"];
    let code = output(&mut podman.command(&code))?;
    ensure!(code.trim() == "0", "it ended with {code}");
    shown(begin("second", &[])?)?;
    run(&mut podman.command(&["stop", "--time", "20", "second"]))?;
    shown(begin("restored", &["--env=SPEARGUN_DATA=/data/copy"])?)?;
    run(&mut podman.command(&["rm", "--force", "--time", "20", "restored"]))
}

fn shown(port: u16) -> Result<()> {
    let path = format!("/api/v2/trace/{TRACE}");
    let answer = exchange((HERE, port), "GET", &path, "")?;
    let whole = answer.starts_with("HTTP/1.1 200") && answer.matches("frontend").count() == 1;
    ensure!(whole, "the trace: {answer}");
    Ok(())
}

/// The pods of the manifests, under their own security settings.
fn pods(tools: &Tools, podman: &Podman) -> Result<()> {
    let text = manifests(tools, "overlays/stack")?;
    let mut convert = command(&tools.python, &["deploy/tools/pods.py", NAME]);
    let mut converting = convert
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start deploy/tools/pods.py")?;
    let mut input = converting.stdin.take().context("its input")?;
    input.write_all(text.as_bytes())?;
    drop(input);
    let converted = converting.wait_with_output()?;
    ensure!(converted.status.success(), "deploy/tools/pods.py failed");
    let file = root().join("target/pods.yaml");
    std::fs::write(&file, converted.stdout)?;
    run(podman.command(&["play", "kube"]).arg(&file))?;
    let parts: [(&str, &[&str]); 3] = [
        ("speargun-speargun", &[]),
        ("speargun-registry-registry", &["registry"]),
        ("speargun-config-config-server", &["config-server"]),
    ];
    for (container, part) in parts {
        well(podman, container, &[&HEALTH, part].concat())?;
        say(&format!("{container} is well"));
    }
    run(podman.command(&["play", "kube", "--down"]).arg(&file))
}

/// Waits until a container is well by its own account, which these words within it ask for.
pub(super) fn well(podman: &Podman, container: &str, words: &[impl AsRef<OsStr>]) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let mut health = podman.command(&["exec", container]);
        if succeeds(health.args(words)) {
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    // What it said is all that tells why.
    podman.command(&["logs", container]).status().ok();
    bail!("{container} is not well after {PATIENCE:?}")
}

fn port(podman: &Podman, container: &str) -> Result<u16> {
    let text = output(&mut podman.command(&["port", container, "9411/tcp"]))?;
    let port = text
        .trim()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    port.with_context(|| format!("podman port says {text:?}"))
}

/// Asks a server; returns head and body of the answer.
pub(super) fn exchange(place: (&str, u16), method: &str, path: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(place)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.take(1 << 20).read_to_string(&mut answer)?;
    Ok(answer)
}
