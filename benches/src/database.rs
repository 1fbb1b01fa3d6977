//! A database of its own for Zipkin's server: a `MariaDB` that is made, started, asked and
//! ended. What is in it Zipkin alone decides.

use std::fs::{File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use speargun_e2e::server::{free_port, pause};
use tempfile::TempDir;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// User, password and database of Zipkin.
pub const NAME: &str = "zipkin";
/// Room for all that is stored, and no waiting for the disk at each row, of which Zipkin commits
/// every one by itself: that is kinder than what an acknowledged span of ours costs.
const SETTINGS: [&str; 3] = [
    "--innodb-buffer-pool-size=1G",
    "--innodb-flush-log-at-trx-commit=2",
    "--max-connections=100",
];

/// A running database. Dropping it ends the process and removes the data.
#[derive(Debug)]
pub struct Database {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Database {
    /// Starts one with Zipkin's tables in it.
    pub fn start(schema: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // The database may run as a user of its own.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let data = folder.path().join("data");
        let log = folder.path().join("install.log");
        let status = Command::new("mariadb-install-db")
            .args(["--no-defaults", "--skip-test-db"])
            .arg("--auth-root-authentication-method=normal")
            .arg(format!("--datadir={}", data.display()))
            .args(user()?)
            // What is root's own folder for such is closed to the database.
            .env_remove("TMPDIR")
            .stdout(File::create(&log)?)
            .stderr(Stdio::null())
            .status()
            .context("MariaDB is not here: install mariadb-server and mariadb-client")?;
        ensure!(
            status.success(),
            "mariadb-install-db ended with {status}: {}",
            std::fs::read_to_string(&log)?
        );
        let port = free_port()?;
        let child = Command::new(server())
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            .args(user()?)
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
            .arg(format!("--port={port}"))
            .arg(format!("--socket={}", data.join("s").display()))
            .arg(format!("--pid-file={}", data.join("pid").display()))
            .args(SETTINGS)
            .env_remove("TMPDIR")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("mariadb.log"))?)
            .spawn()
            .context("mariadbd can't be started")?;
        let mut database = Self {
            child,
            folder,
            port,
        };
        database.wait_until_ready()?;
        database.ask(&format!(
            "CREATE DATABASE {NAME}; CREATE USER {NAME}@'%' IDENTIFIED BY '{NAME}'; \
             GRANT ALL ON {NAME}.* TO {NAME}@'%'; USE {NAME}; {}",
            std::fs::read_to_string(schema)?
        ))?;
        Ok(database)
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns how many rows were written, ever.
    pub fn rows_written(&self) -> Result<u64> {
        let answer = self.ask(
            "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
             WHERE VARIABLE_NAME = 'HANDLER_WRITE'",
        )?;
        answer.trim().parse().context("count the rows")
    }

    /// Returns the folder of Zipkin's tables.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data").join(NAME)
    }

    fn ask(&self, sql: &str) -> Result<String> {
        let asked = Command::new("mariadb")
            .args(["--no-defaults", "--skip-column-names", "--batch"])
            .args(["--user=root", "--execute", sql])
            .arg(format!("--socket={}", self.socket().display()))
            .output()
            .context("mariadb can't be started")?;
        ensure!(
            asked.status.success(),
            "the database answered {}",
            String::from_utf8_lossy(&asked.stderr)
        );
        Ok(String::from_utf8_lossy(&asked.stdout).into_owned())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("data/s")
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                let log = std::fs::read_to_string(self.folder.path().join("mariadb.log"))?;
                bail!("mariadbd ended with {status}: {log}");
            }
            if self.ask("SELECT 1").is_ok() {
                return Ok(());
            }
            pause();
        }
        bail!("the database was not ready in {PATIENCE:?}")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // Already ended is fine; nothing else can be done about a process that won't die.
        if self.child.kill().and_then(|()| self.child.wait()).is_err() {
            self.child.try_wait().ok();
        }
    }
}

/// Root has to name the user to run as.
fn user() -> Result<Option<&'static str>> {
    let is_root = std::fs::metadata("/proc/self")?.uid() == 0;
    Ok(is_root.then_some("--user=mysql"))
}

/// The server often lies where only root looks for programs.
fn server() -> &'static str {
    const ROOTS: &str = "/usr/sbin/mariadbd";
    if Path::new(ROOTS).is_file() {
        ROOTS
    } else {
        "mariadbd"
    }
}
