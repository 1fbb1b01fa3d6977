//! Zipkin's own server from Maven Central, for comparisons: fetched, started, ended. It stores in
//! memory or in a database.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use speargun_e2e::server::{free_port, pause, root};
use speargun_e2e::{Connection, Request};

use crate::database::{Database, NAME};

const VERSION: &str = "3.6.1";
/// How long a start may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// Collections of garbage are not to be the limit, and nothing is to be forgotten.
const HEAP: &str = "-Xmx6g";
const SPANS_MAX: &str = "8000000";

/// A running server. Dropping it ends the process.
#[derive(Debug)]
pub struct Zipkin {
    child: Child,
    port: u16,
}

impl Zipkin {
    /// Starts one and waits until it is healthy. It stores in the database, if one is given, else
    /// in memory.
    pub fn start(database: Option<&Database>) -> Result<Self> {
        let jar = fetch()?;
        let port = free_port()?;
        let log = File::create(folder().join("zipkin.log"))?;
        let mut command = Command::new("java");
        command
            .args([HEAP, "-jar"])
            .arg(jar)
            .env("QUERY_PORT", port.to_string());
        match database {
            None => command.env("MEM_MAX_SPANS", SPANS_MAX),
            Some(database) => command
                .env("STORAGE_TYPE", "mysql")
                .env("MYSQL_HOST", "127.0.0.1")
                .env("MYSQL_TCP_PORT", database.port().to_string())
                .envs(["MYSQL_USER", "MYSQL_PASS", "MYSQL_DB"].map(|name| (name, NAME))),
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("java can't be started")?;
        let mut server = Self { child, port };
        server.wait_until_healthy()?;
        Ok(server)
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
                bail!("zipkin ended with {status}: see target/peers/zipkin.log");
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
    }
}

fn folder() -> PathBuf {
    root().join("target/peers")
}

/// Returns the tables that Zipkin wants, out of the server's jar.
pub fn schema() -> Result<PathBuf> {
    let jar = fetch()?;
    let inner = format!("BOOT-INF/lib/zipkin-storage-mysql-v1-{VERSION}.jar");
    unpack(&jar, &inner)?;
    unpack(&folder().join(inner), "mysql.sql")?;
    Ok(folder().join("mysql.sql"))
}

fn unpack(jar: &Path, name: &str) -> Result<()> {
    let status = Command::new("jar")
        .args(["--extract", "--file"])
        .arg(jar)
        .arg(name)
        .current_dir(folder())
        .status()
        .context("jar, which comes with a Java compiler, can't be started")?;
    let there = status.success() && folder().join(name).is_file();
    ensure!(there, "{name} is not in {}", jar.display());
    Ok(())
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
