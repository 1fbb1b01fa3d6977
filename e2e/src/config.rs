//! A configuration server, one process of the real binary, over a git repository of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::http::{Answer, Connection, Request};
use crate::server::{binary, free_port, pause};

/// How long a start may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running configuration server. Dropping it kills the process and removes the repository.
#[derive(Debug)]
pub struct ConfigServer {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl ConfigServer {
    /// Starts a server over a repository with these files, and waits until it is healthy.
    pub fn start(files: &[(&str, &str)], arguments: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("speargun-").tempdir()?;
        std::fs::create_dir(folder.path().join("repository"))?;
        let port = free_port()?;
        git(folder.path(), &["init", "--quiet", "--initial-branch=main"])?;
        commit(folder.path(), files)?;
        let log = File::create(folder.path().join("server.log"))?;
        let child = Command::new(binary()?)
            .env_clear()
            .args(["config-server", "--port", &port.to_string(), "--git"])
            .arg(repository(folder.path()))
            .arg("--spring.cloud.config.server.git.refresh-rate=1")
            .args(arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start the configuration server")?;
        let mut server = Self {
            child,
            port,
            folder,
        };
        server.wait_until_healthy()?;
        Ok(server)
    }

    fn wait_until_healthy(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(ended) = self.child.try_wait()? {
                bail!("it ended with {ended}\n{}", self.log());
            }
            if self
                .get("/actuator/health")
                .is_ok_and(|answer| answer.status == 200)
            {
                return Ok(());
            }
            pause();
        }
        bail!("not healthy in {PATIENCE:?}\n{}", self.log())
    }

    /// Returns what it printed.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("server.log"));
        text.unwrap_or_default()
    }

    /// Returns its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the folder of the repository.
    pub fn repository(&self) -> PathBuf {
        repository(self.folder.path())
    }

    /// Returns the answer to a GET.
    pub fn get(&self, target: &str) -> Result<Answer> {
        self.ask(&Request::get(target))
    }

    /// Sends one request on a connection of its own.
    pub fn ask(&self, request: &Request) -> Result<Answer> {
        let mut connection = Connection::open(self.port).context("connect")?;
        Ok(connection.ask(request)?)
    }

    /// Commits files.
    pub fn commit(&self, files: &[(&str, &str)]) -> Result<()> {
        commit(self.folder.path(), files)
    }
}

impl Drop for ConfigServer {
    fn drop(&mut self) {
        // Already ended is fine.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn repository(folder: &Path) -> PathBuf {
    folder.join("repository")
}

fn commit(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    for (name, text) in files {
        std::fs::write(repository(folder).join(name), text)?;
    }
    git(folder, &["add", "--all"])?;
    git(folder, &["commit", "--quiet", "--message", "change"])
}

fn git(folder: &Path, words: &[&str]) -> Result<()> {
    let output = Command::new("git")
        .args(["-c", "user.name=Test", "-c", "user.email=test@example.org"])
        .args(words)
        .current_dir(repository(folder))
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        // A hook that runs the tests has these, and they mean its repository.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "git {words:?}: {said}");
    Ok(())
}
