//! A real `ClickHouse` server with a port and a data folder of its own, from the files that
//! `cargo xtask tools` installs: started, asked, killed, started again.

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::http::{Connection, Request};
use crate::server::{free_port, pause, root};

/// How long a start may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A user who may do everything, with password `right`.
pub const OWNER: &str = "owner";
/// A user who may only read, with password `right`.
pub const READER: &str = "reader";
/// A user whose queries may change nothing, settings included, with password `right`.
pub const FROZEN: &str = "frozen";
/// A user who may run one query at a time, with password `right`.
pub const LONELY: &str = "lonely";

const USERS: &str = "\
<clickhouse>
  <profiles>
    <default/>
    <frozen><readonly>1</readonly></frozen>
    <lonely><max_concurrent_queries_for_user>1</max_concurrent_queries_for_user></lonely>
  </profiles>
  <quotas><default/></quotas>
  <users>
    <default>
      <password></password><profile>default</profile><quota>default</quota>
      <networks><ip>127.0.0.1</ip></networks>
    </default>
    <owner>
      <password>right</password><profile>default</profile><quota>default</quota>
      <networks><ip>127.0.0.1</ip></networks>
    </owner>
    <reader>
      <password>right</password><profile>default</profile><quota>default</quota>
      <networks><ip>127.0.0.1</ip></networks>
      <grants><query>GRANT SELECT ON *.*</query></grants>
    </reader>
    <frozen>
      <password>right</password><profile>frozen</profile><quota>default</quota>
      <networks><ip>127.0.0.1</ip></networks>
    </frozen>
    <lonely>
      <password>right</password><profile>lonely</profile><quota>default</quota>
      <networks><ip>127.0.0.1</ip></networks>
    </lonely>
  </users>
</clickhouse>
";

/// What keeps the program listening until it is killed.
const LISTEN: &str = "SYSTEM START LISTEN QUERIES ALL; SELECT sleepEachRow(3) FROM system.numbers \
SETTINGS max_block_size = 1, max_threads = 1 FORMAT Null";

/// A running server. Dropping it kills the process and removes its data; so does the end of this
/// process.
#[derive(Debug)]
pub struct ClickHouse {
    child: Child,
    port: u16,
    folder: TempDir,
}

impl ClickHouse {
    /// Starts a server without data and waits until it answers.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("clickhouse-").tempdir()?;
        let users = folder.path().join("users.xml");
        std::fs::write(&users, USERS)?;
        let config = format!(
            "<clickhouse><users_config>{}</users_config></clickhouse>",
            users.display()
        );
        std::fs::write(folder.path().join("config.xml"), config)?;
        let port = free_port()?;
        let child = spawn(port, folder.path())?;
        let mut server = Self {
            child,
            port,
            folder,
        };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts the server again on the same data and port, after [`Self::kill`].
    pub fn restart(&mut self) -> Result<()> {
        self.child = spawn(self.port, self.folder.path())?;
        self.wait_until_ready()
    }

    /// Returns the URL of the HTTP interface.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the folder of its data.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the answer to a statement; an error when the server's is one.
    pub fn run(&self, statement: &str) -> Result<String> {
        let mut connection = Connection::open(self.port).context("connect to ClickHouse")?;
        let answer = connection.ask(&Request {
            method: "POST".into(),
            target: "/".into(),
            headers: Vec::new(),
            body: statement.into(),
        })?;
        let text = String::from_utf8_lossy(&answer.body).trim().to_owned();
        if answer.status != 200 {
            bail!("{statement}: {text}");
        }
        Ok(text)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("ClickHouse ended with {status}\n{}", self.log());
            }
            let listens = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            if listens && self.run("SELECT 1").is_ok_and(|text| text == "1") {
                return Ok(());
            }
            pause();
        }
        bail!("ClickHouse was not ready in {PATIENCE:?}\n{}", self.log())
    }

    fn log(&self) -> String {
        let bytes = std::fs::read(log_file(self.folder.path())).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        // Already ended is fine; nothing else can be done about a process that won't die.
        if self.kill().is_err() {
            self.child.try_wait().ok();
        }
    }
}

fn spawn(port: u16, folder: &Path) -> Result<Child> {
    let tools = root().join(".tools/clickhouse");
    let library = tools.join("node_modules/@chdb/lib-linux-x64-gnu/libchdb.so");
    let launcher = tools.join("launch");
    for part in [&library, &launcher] {
        if !part.is_file() {
            bail!(
                "no ClickHouse at {}: run cargo xtask tools, which installs one there",
                part.display()
            );
        }
    }
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_file(folder))?;
    Command::new(launcher)
        .arg(library)
        .arg(folder)
        .arg(format!(
            "--config-file={}",
            folder.join("config.xml").display()
        ))
        .arg(format!("--path={}", folder.join("data").display()))
        .arg("--listen_host=127.0.0.1")
        .arg(format!("--http_port={port}"))
        // Nobody asks there, but the usual one may be another server's.
        .arg(format!("--tcp_port={}", free_port()?))
        .arg("--query")
        .arg(LISTEN)
        .current_dir(folder)
        // Held by this process: the server ends when it does.
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("start ClickHouse")
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("clickhouse.log")
}
