//! One process of `speargun registry`: started on a free port, asked, killed, started again.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{Answer, Connection, Request};
use crate::server::{hermetic, pause};

/// How long something may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(3);

/// A registry. Dropping it kills the process and removes its data.
#[derive(Debug)]
pub struct Eureka {
    child: Child,
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Eureka {
    /// Starts a registry with these arguments and waits until it tells its lists.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        Self::start_on(0, arguments)
    }

    /// Like [`Self::start`], on a port that others were told before.
    pub fn start_on(port: u16, arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("speargun-").tempdir()?;
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let (child, port) = spawn(&arguments, port, &folder)?;
        let registry = Self {
            child,
            port,
            arguments,
            folder,
        };
        registry.wait_until_healthy()?;
        Ok(registry)
    }

    /// Returns whether the snapshot in the folder of this name has an instance.
    pub fn has_kept(&self, data: &str, instance: &str) -> bool {
        let file = format!("registry-{}.leases", self.port);
        let text = std::fs::read_to_string(self.folder.path().join(data).join(file));
        text.is_ok_and(|text| text.contains(instance))
    }

    /// Ends the process at once, as `kill -9` does, and starts it again on the same port and data.
    pub fn kill_and_restart(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        let (child, _) = spawn(&self.arguments, self.port, &self.folder)?;
        self.child = child;
        self.wait_until_healthy()
    }

    /// Asks the process to end and returns whether it ended well.
    pub fn end(&mut self) -> Result<bool> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("no process id")?, Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            pause();
        }
        bail!("the registry did not end in {PATIENCE:?}\n{}", self.log())
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the URL that clients and peers are given.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/eureka/", self.port)
    }

    /// Sends one request on a connection of its own.
    pub fn ask(&self, request: &Request) -> Result<Answer> {
        Ok(Connection::open(self.port)?.ask(request)?)
    }

    /// Returns what is registered: application, id and status of each, in order.
    pub fn listed(&self) -> Result<Vec<(String, String, String)>> {
        let request = Request::get("/eureka/apps/").header("Accept", "application/json");
        listed(&self.ask(&request)?.body)
    }

    /// Returns the value of a metric without labels.
    pub fn metric(&self, name: &str) -> Result<f64> {
        let text = self.ask(&Request::get("/prometheus"))?.text();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no metric {name}"))?.parse()?)
    }

    /// Returns what the registry printed.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn wait_until_healthy(&self) -> Result<()> {
        wait_until("the registry is healthy", || {
            let answer = self.ask(&Request::get("/health"));
            Ok(answer.is_ok_and(|answer| answer.status == 200))
        })
        .with_context(|| self.log())
    }
}

impl Drop for Eureka {
    fn drop(&mut self) {
        // Already ended is fine.
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

/// Returns application, id and status of each instance of a list in JSON, in order.
pub fn listed(body: &[u8]) -> Result<Vec<(String, String, String)>> {
    let list: Value = serde_json::from_slice(body)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let apps = all(&list["applications"]["application"]).into_iter();
    let instances = apps.flat_map(|app| all(&app["instance"]));
    let mut found: Vec<_> = instances
        .map(|it| {
            (
                text(&it["app"]),
                text(&it["instanceId"]),
                text(&it["status"]),
            )
        })
        .collect();
    found.sort();
    Ok(found)
}

/// Waits until something is so, or fails after minutes: Java is slow to start on a busy machine.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if is_so()? {
            return Ok(());
        }
        pause();
    }
    bail!("not within {PATIENCE:?}: {what}")
}

fn spawn(arguments: &[String], port: u16, folder: &TempDir) -> Result<(Child, u16)> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.path().join("log"))?;
    let mut child = hermetic()?
        .args([
            "registry",
            "--address",
            "127.0.0.1",
            "--port",
            &port.to_string(),
        ])
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("start the registry")?;
    let out = child.stdout.take().context("no output")?;
    let mut lines = BufReader::new(out).lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        let url = line.strip_prefix("eureka ")?.strip_suffix("/eureka/")?;
        url.rsplit(':').next()?.parse().ok()
    });
    Ok((child, port.context("the registry told no port")?))
}
