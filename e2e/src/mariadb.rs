//! A real MariaDB in a folder of its own, on a free port, that ends with this process whatever
//! becomes of it. It knows nothing of what is stored in it.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::server::{free_port, pause};

/// How long a server may take to answer after it was started.
const START_MAX: Duration = Duration::from_secs(90);

/// A machine has few contexts for asynchronous input and output, and several servers take them all.
const NO_AIO: &str = "--innodb-use-native-aio=0";

/// Runs the server until standard input ends, which it does when this process is gone: a test that
/// is killed leaves nothing running.
const GUARD: &str = r#"
trap '' INT TERM
"$@" >> "$LOG" 2>&1 &
server=$!
echo "$server"
cat > /dev/null
kill -9 "$server" 2> /dev/null
wait "$server" 2> /dev/null
[ -z "$REMOVE" ] || rm -rf "$REMOVE"
"#;

/// A server. Its user `root` has no password, and may only come from this machine.
#[derive(Debug)]
pub struct MariaDb {
    folder: tempfile::TempDir,
    port: u16,
    options: Vec<String>,
    guard: Child,
    pid: u32,
    shared: bool,
}

impl MariaDb {
    /// Returns the one of this process, started when it is first asked for.
    pub fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<MariaDb>> = OnceLock::new();
        match SHARED.get_or_init(|| Self::made(&[], true)) {
            Ok(server) => Ok(server),
            Err(error) => bail!("no MariaDB: {error:#}"),
        }
    }

    /// Starts a server with options beside the usual ones.
    pub fn start(options: &[&str]) -> Result<Self> {
        Self::made(options, false)
    }

    fn made(options: &[&str], shared: bool) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mariadb-").tempdir()?;
        let user = user()?;
        // A server removes temporary tables that it finds where it starts, and they may be those of
        // another that is just being made: each has a folder of its own.
        let temporary = folder.path().join("tmp");
        std::fs::create_dir(&temporary)?;
        let temporary = format!("--tmpdir={}", temporary.display());
        let output = Command::new(program("mariadb-install-db"))
            .args(["--no-defaults", "--skip-test-db", NO_AIO])
            .arg("--auth-root-authentication-method=normal")
            .args([&format!("--user={user}"), &temporary])
            .arg(format!(
                "--datadir={}",
                folder.path().join("data").display()
            ))
            .output()
            .context(
                "these tests start a MariaDB: install mariadb-server, or let `cargo xtask tools` \
                 do it",
            )?;
        ensure!(
            output.status.success(),
            "mariadb-install-db failed:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let port = free_port()?;
        let mut all: Vec<String> = vec![
            format!("--user={user}"),
            temporary,
            format!("--port={port}"),
            format!("--datadir={}", folder.path().join("data").display()),
            format!("--socket={}", folder.path().join("socket").display()),
            format!("--pid-file={}", folder.path().join("pid").display()),
        ];
        all.extend(options.iter().map(|option| (*option).to_owned()));
        let (guard, pid) = run(&folder, &all, shared)?;
        let server = Self {
            folder,
            port,
            options: all,
            guard,
            pid,
            shared,
        };
        server.await_start()?;
        Ok(server)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The folder of its databases.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Makes an empty database with a name of its own, and returns the name.
    pub fn database(&self) -> Result<String> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("CREATE DATABASE {name}"))?;
        Ok(name)
    }

    /// Runs statements as `root`, and returns what they print: fields between tabs, a row a line.
    pub fn sql(&self, statements: &str) -> Result<String> {
        let mut client = Command::new(program("mariadb"))
            .args([
                "--no-defaults",
                "--user=root",
                "--batch",
                "--skip-column-names",
            ])
            .arg(format!(
                "--socket={}",
                self.folder.path().join("socket").display()
            ))
            .arg("--default-character-set=utf8mb4")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("these tests need MariaDB's own client: install mariadb-client")?;
        let mut input = client.stdin.take().context("no pipe to the client")?;
        input.write_all(statements.as_bytes())?;
        drop(input);
        let output = client.wait_with_output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{statements}: {errors}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Ends the server as a power failure would, and waits until it is gone.
    pub fn kill(&mut self) -> Result<()> {
        // The guard kills the server once its standard input ends.
        drop(self.guard.stdin.take());
        self.guard.wait()?;
        Ok(())
    }

    /// Starts the server again on the same folder and port, with more options.
    pub fn restart(&mut self, options: &[&str]) -> Result<()> {
        self.kill()?;
        let more = options.iter().map(|option| (*option).to_owned());
        let all: Vec<String> = self.options.iter().cloned().chain(more).collect();
        (self.guard, self.pid) = run(&self.folder, &all, self.shared)?;
        self.await_start()
    }

    fn await_start(&self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        loop {
            match self.sql("SELECT 1") {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    let log = std::fs::read_to_string(self.folder.path().join("log"));
                    return Err(error.context(log.unwrap_or_default()));
                }
                Err(_) => pause(),
            }
        }
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // It only waits for a process that was killed; an error leaves nothing to do.
        drop(self.guard.wait());
    }
}

fn run(folder: &tempfile::TempDir, options: &[String], shared: bool) -> Result<(Child, u32)> {
    let mut guard = Command::new("sh")
        .args(["-c", GUARD, "guard"])
        .arg(program("mariadbd"))
        .args(["--no-defaults", "--bind-address=127.0.0.1", NO_AIO])
        .args(options)
        .env("LOG", folder.path().join("log"))
        // What belongs to the process as a whole is never dropped: the guard tidies up.
        .env(
            "REMOVE",
            if shared {
                folder.path().as_os_str()
            } else {
                "".as_ref()
            },
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("no sh")?;
    let mut line = String::new();
    let output = guard.stdout.take().context("no pipe from the guard")?;
    BufReader::new(output).read_line(&mut line)?;
    let pid = line.trim().parse().context("the guard named no process")?;
    Ok((guard, pid))
}

/// Servers lie where only root looks for programs.
fn program(name: &str) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/libexec"];
    let mut paths = places.iter().map(|place| PathBuf::from(place).join(name));
    paths
        .find(|path| path.exists())
        .unwrap_or_else(|| name.into())
}

/// A server asks root to say who it shall be.
fn user() -> Result<String> {
    let output = Command::new("id").arg("-un").output().context("no id")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
