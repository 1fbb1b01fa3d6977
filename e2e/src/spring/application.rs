//! One process of Java with an application of Spring in it: started, asked, ended, killed.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::train::Train;
use crate::http::{Answer, Connection, Request};
use crate::server::{free_port, pause, root};

/// How long a start or an end may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// An application. Dropping it kills the process.
#[derive(Debug)]
pub struct Application {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl Application {
    /// Starts the application of a module (`front`, `back`, `registry`, `config`) and waits until
    /// it is ready.
    pub fn start(train: &Train, module: &str, arguments: &[String]) -> Result<Self> {
        let mut application = Self::spawn(train, module, free_port()?, arguments)?;
        application.wait_until_ready()?;
        Ok(application)
    }

    /// Starts a process and waits for nothing.
    pub fn spawn(train: &Train, module: &str, port: u16, arguments: &[String]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("speargun-").tempdir()?;
        let log = File::create(folder.path().join("log"))?;
        let built = root().join("target/spring").join(train.name).join(module);
        let libraries = std::fs::read_to_string(built.join("classpath"));
        let libraries = libraries.with_context(|| {
            format!("nothing in {}: run cargo xtask e2e spring", built.display())
        })?;
        let class = module.split_at(1);
        let class = format!("speargun.{}{}", class.0.to_uppercase(), class.1);
        let child = Command::new("java")
            .args(["-Xmx192m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .args(train.java)
            .args(["-cp"])
            .arg(format!("{}:{libraries}", built.join("classes").display()))
            .arg(class)
            .args(ALWAYS)
            .arg(format!("--server.port={port}"))
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start java: run cargo xtask tools")?;
        Ok(Self {
            child,
            port,
            folder,
        })
    }

    /// Waits until it says that it is up.
    pub fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(ended) = self.child.try_wait()? {
                bail!("it ended with {ended}\n{}", self.log());
            }
            let health = self.get("/actuator/health");
            if health.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            pause();
        }
        bail!("not ready in {PATIENCE:?}\n{}", self.log())
    }

    /// Waits until the process ended by itself.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(ended) = self.child.try_wait()? {
                return Ok(ended);
            }
            pause();
        }
        bail!("still there after {PATIENCE:?}\n{}", self.log())
    }

    /// Asks the process to end, and waits for it.
    pub fn end(&mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("no process id")?, Signal::TERM)?;
        self.wait().map(drop)
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Returns whether the process is there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends one request on a connection of its own.
    pub fn ask(&self, request: &Request) -> Result<Answer> {
        let mut connection = Connection::open(self.port).context("connect")?;
        let answer = connection.ask(request);
        answer.with_context(|| format!("{} {}", request.method, request.target))
    }

    /// Returns the answer to a GET.
    pub fn get(&self, target: &str) -> Result<Answer> {
        self.ask(&Request::get(target))
    }

    /// Returns the text of a GET that is answered with 200.
    pub fn text(&self, target: &str) -> Result<String> {
        let answer = self.get(target)?;
        let text = answer.text();
        ensure!(answer.status == 200, "{target}: {} {text}", answer.status);
        Ok(text)
    }

    /// Returns the JSON of a GET that is answered with 200.
    pub fn json(&self, target: &str) -> Result<Value> {
        let text = self.text(target)?;
        serde_json::from_str(&text).with_context(|| format!("{target}: {text}"))
    }

    /// Returns the end of what it printed.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.log_file()).unwrap_or_default();
        let tail = bytes.len().saturating_sub(16 << 10);
        String::from_utf8_lossy(&bytes[tail..]).into_owned()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // Already ended is fine.
        if self.kill().is_err() {
            self.child.try_wait().ok();
        }
    }
}

/// What every application is told, whatever it is.
const ALWAYS: [&str; 6] = [
    "--server.address=127.0.0.1",
    "--spring.main.banner-mode=off",
    "--spring.jmx.enabled=false",
    "--management.endpoints.web.exposure.include=*",
    "--management.endpoint.health.show-details=always",
    "--management.endpoint.env.show-values=always",
];
