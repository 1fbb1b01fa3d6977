//! One process of the real server with a port and a data folder of its own: started, asked,
//! killed, started again. It never looks inside.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::http::{Answer, Connection, Request};

/// How long a start or an orderly end may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The whole environment: nothing is inherited.
    pub environment: Vec<(String, String)>,
    /// Arguments behind `--port` and `--data`.
    pub arguments: Vec<String>,
}

impl Options {
    /// Returns the options with the engine of this `STORAGE_TYPE`.
    pub fn storage(name: &str) -> Self {
        Self::default().set("STORAGE_TYPE", name)
    }

    /// Returns the options with these variables.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        let set = |options: Self, (name, value): &(&str, &str)| options.set(name, value);
        variables.iter().fold(Self::default(), set)
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }
}

/// A running server. Dropping it kills the process and removes its data.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    options: Options,
    folder: TempDir,
}

impl Server {
    /// Starts a server on an empty data folder and waits until it is healthy.
    pub fn start(options: Options) -> Result<Self> {
        let mut server = Self::spawn(options)?;
        server.wait_until_healthy()?;
        Ok(server)
    }

    /// Starts a server that can't be healthy, and waits until it answers.
    pub fn start_unhealthy(options: Options) -> Result<Self> {
        let mut server = Self::spawn(options)?;
        server.wait_for_health(503)?;
        Ok(server)
    }

    fn spawn(options: Options) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("speargun-").tempdir()?;
        let port = free_port()?;
        let child = spawn(&options, port, folder.path())?;
        Ok(Self {
            child,
            port,
            options,
            folder,
        })
    }

    /// Starts the server again on the same data, after [`Self::kill`] or [`Self::terminate`].
    pub fn restart(&mut self) -> Result<()> {
        self.port = free_port()?;
        self.child = spawn(&self.options, self.port, self.folder.path())?;
        self.wait_until_healthy()
    }

    /// Sets a variable of the environment for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.options.environment.push((name.into(), value.into()));
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks the process to end, as `kill` does. [`Self::wait`] waits for it.
    pub fn terminate(&self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("no process id")?, Signal::TERM)?;
        Ok(())
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            pause();
        }
        bail!("the server did not end in {PATIENCE:?}\n{}", self.log())
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the folder given as `--data`.
    pub fn data(&self) -> PathBuf {
        data_folder(self.folder.path())
    }

    /// Sends one request on a connection of its own.
    pub fn ask(&self, request: &Request) -> Result<Answer> {
        let mut connection = Connection::open(self.port).context("connect")?;
        connection
            .ask(request)
            .with_context(|| format!("{} {}", request.method, request.target))
    }

    /// Returns the answer to a GET.
    pub fn get(&self, target: &str) -> Result<Answer> {
        self.ask(&Request::get(target))
    }

    /// Returns what the server printed so far, its last 64 KiB.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(log_file(self.folder.path())).unwrap_or_default();
        let tail = bytes.len().saturating_sub(64 << 10);
        String::from_utf8_lossy(&bytes[tail..]).into_owned()
    }

    /// Waits until it is healthy.
    pub fn wait_until_healthy(&mut self) -> Result<()> {
        self.wait_for_health(200)
    }

    /// Waits until its health has this status.
    pub fn wait_for_health(&mut self, status: u16) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(ended) = self.child.try_wait()? {
                bail!(
                    "the server ended with {ended} before it was ready\n{}",
                    self.log()
                );
            }
            if self.get("/health").is_ok_and(|a| a.status == status) {
                return Ok(());
            }
            pause();
        }
        bail!("no health {status} in {PATIENCE:?}\n{}", self.log())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is fine; nothing else can be done about a process that won't die.
        if self.kill().is_err() {
            self.child.try_wait().ok();
        }
    }
}

/// Returns the binary under test: `E2E_BINARY`, or the release build of this checkout.
pub fn binary() -> Result<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests alone")]
    if let Ok(path) = std::env::var("E2E_BINARY") {
        return Ok(path.into());
    }
    let path = root().join("target/release/speargun");
    if !path.is_file() {
        bail!("no server at {}: run cargo build --release", path.display());
    }
    Ok(path)
}

/// Returns the root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
        .to_owned()
}

/// Runs the binary with these arguments until it ends by itself; returns its status and all it
/// printed. It fails when the process is still there after a minute.
pub fn run_to_end(
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Result<(ExitStatus, String)> {
    let folder = tempfile::tempdir()?;
    let log = File::create(log_file(folder.path()))?;
    let mut child = hermetic()?
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            let printed = std::fs::read(log_file(folder.path()))?;
            return Ok((status, String::from_utf8_lossy(&printed).into_owned()));
        }
        pause();
    }
    child.kill()?;
    child.wait()?;
    bail!("speargun {} did not end by itself", arguments.join(" "))
}

/// Returns a port that was free a moment ago, and that this process was not given before: who got
/// it then may be about to listen there.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    const TRIES_MAX: usize = 1000;
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..TRIES_MAX {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        if given.insert(port) {
            return Ok(port);
        }
    }
    bail!("all free ports were given out")
}

/// Returns ports that were free a moment ago, no two of them the same.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    for port in &mut ports {
        *port = free_port()?;
    }
    Ok(ports)
}

/// Lets other processes run between two looks at a condition that has a deadline of its own.
pub fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

fn spawn(options: &Options, port: u16, folder: &Path) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_file(folder))?;
    hermetic()?
        .arg("--port")
        .arg(port.to_string())
        .arg("--data")
        .arg(data_folder(folder))
        .args(&options.arguments)
        // Of many servers at a time only one could have them.
        .env("SPEARGUN_OTLP_HTTP_PORT", "off")
        .env("SPEARGUN_OTLP_GRPC_PORT", "off")
        .envs(options.environment.iter().cloned())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("start the server")
}

/// Settings come from the environment, so none of ours may reach the server by accident.
pub(crate) fn hermetic() -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.env_clear();
    Ok(command)
}

fn data_folder(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn log_file(folder: &Path) -> PathBuf {
    folder.join("server.log")
}
