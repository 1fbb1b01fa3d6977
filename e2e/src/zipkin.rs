//! Zipkin's own server from Maven Central, for comparisons: fetched, started, ended.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::server::{free_port, pause, root};
use crate::{Answer, Connection, Request};

/// The version of the server.
pub const VERSION: &str = "3.6.1";
/// How long a start may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// A running server. Dropping it ends the process.
#[derive(Debug)]
pub struct Zipkin {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Zipkin {
    /// Starts one with options of Java and variables, and waits until it is healthy.
    pub fn start(java: &[&str], variables: &[(&str, &str)]) -> Result<Self> {
        let jar = fetch()?;
        let port = free_port()?;
        let log = folder().join(format!("zipkin-{port}.log"));
        let file = File::create(&log)?;
        let child = Command::new("java")
            .args(java)
            .arg("-jar")
            .arg(jar)
            .env("QUERY_PORT", port.to_string())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .context("Zipkin's server runs on Java: install a JRE 17 or newer")?;
        let mut server = Self { child, port, log };
        server.wait_until_healthy()?;
        Ok(server)
    }

    /// Returns the answer to one request on a connection of its own.
    pub fn ask(&self, request: &Request) -> Result<Answer> {
        let mut connection = Connection::open(self.port).context("connect")?;
        connection
            .ask(request)
            .with_context(|| format!("{} {}", request.method, request.target))
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_healthy(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("zipkin ended with {status}: see {}", self.log.display());
            }
            let health = Connection::open(self.port)
                .and_then(|mut connection| connection.ask(&Request::get("/health")));
            if health.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            pause();
        }
        bail!("zipkin was not ready in {PATIENCE:?}")
    }
}

impl Drop for Zipkin {
    fn drop(&mut self) {
        // Already ended is fine; nothing else can be done about a process that won't die.
        if self.child.kill().and_then(|()| self.child.wait()).is_err() {
            self.child.try_wait().ok();
        }
        // It told what was worth telling when something failed.
        std::fs::remove_file(&self.log).ok();
    }
}

/// Returns the folder that the jar lies in.
pub fn folder() -> PathBuf {
    root().join("target/peers")
}

/// Returns the server's jar, from Maven Central when it was not fetched before.
pub fn fetch() -> Result<PathBuf> {
    let jar = folder().join(format!("zipkin-server-{VERSION}-exec.jar"));
    if jar.is_file() {
        return Ok(jar);
    }
    std::fs::create_dir_all(folder())?;
    let status = Command::new("mvn")
        .args([
            "--batch-mode",
            "--quiet",
            "-Dstyle.color=never",
            "dependency:copy",
        ])
        .arg(format!(
            "-Dartifact=io.zipkin:zipkin-server:{VERSION}:jar:exec"
        ))
        .arg(format!("-DoutputDirectory={}", folder().display()))
        .status()
        .context("maven can't be started")?;
    ensure!(
        status.success() && jar.is_file(),
        "zipkin-server {VERSION} could not be had from Maven Central"
    );
    Ok(jar)
}
