//! One node of RabbitMQ, as Debian packages it, with a name service of Erlang of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::Process;
use crate::server::free_port;

/// A running broker. Dropping it ends it and removes its data.
#[derive(Debug)]
pub struct RabbitMq {
    process: Option<Process>,
    port: u16,
    distribution: u16,
    names: u16,
    folder: TempDir,
}

/// The script in `/usr/sbin` would change to another user.
const SCRIPT: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

impl RabbitMq {
    /// Starts a broker without queues; `configuration` is in its own form.
    pub fn start(configuration: &str) -> Result<Self> {
        ensure!(
            Path::new(SCRIPT).is_file(),
            "no {SCRIPT}: run cargo xtask tools, or install rabbitmq-server"
        );
        let folder = tempfile::Builder::new().prefix("rabbitmq-").tempdir()?;
        // Erlang takes the secret of its nodes from there, and no other mode.
        let cookie = folder.path().join(".erlang.cookie");
        fs::write(&cookie, "speargun")?;
        fs::set_permissions(&cookie, fs::Permissions::from_mode(0o400))?;
        let port = free_port()?;
        let text = format!("listeners.tcp.1 = 127.0.0.1:{port}\n{configuration}\n");
        fs::write(folder.path().join("rabbitmq.conf"), text)?;
        let mut broker = Self {
            process: None,
            port,
            distribution: free_port()?,
            names: free_port()?,
            folder,
        };
        broker.restart()?;
        Ok(broker)
    }

    /// Starts it again on the same port and data.
    pub fn restart(&mut self) -> Result<()> {
        let mut process = Process::start(self.command(SCRIPT), self.folder.path())?;
        process.wait_for(self.port)?;
        self.process = Some(process);
        Ok(())
    }

    /// Asks it to end and waits for that.
    pub fn terminate(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |mut p| p.terminate())
    }

    /// Returns its address.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn command(&self, script: &str) -> Command {
        let folder = self.folder.path();
        let place = |name: &str| -> PathBuf { folder.join(name) };
        let mut command = Command::new(script);
        command
            .env("HOME", folder)
            .env(
                "RABBITMQ_NODENAME",
                format!("speargun-{}@localhost", self.port),
            )
            .env("RABBITMQ_CONFIG_FILE", place("rabbitmq"))
            .env("RABBITMQ_MNESIA_BASE", place("data"))
            .env("RABBITMQ_LOG_BASE", place("log"))
            .env("RABBITMQ_PID_FILE", place("pid"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", place("plugins"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", place("generated"))
            .env("RABBITMQ_CONF_ENV_FILE", place("none"))
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("ERL_EPMD_PORT", self.names.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env(
                "RABBITMQ_SERVER_START_ARGS",
                "-kernel inet_dist_use_interface {127,0,0,1}",
            );
        command
    }

    /// Returns the process of the name service, which outlives the node that started it.
    fn name_service(&self) -> Option<Pid> {
        let wanted = format!("ERL_EPMD_PORT={}", self.names);
        fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            let environment = fs::read(entry.path().join("environ")).ok()?;
            let mut variables = environment.split(|byte| *byte == 0);
            let ours = variables.any(|variable| variable == wanted.as_bytes());
            (name.trim() == "epmd" && ours).then(|| Pid::from_raw(pid))?
        })
    }
}

impl Drop for RabbitMq {
    fn drop(&mut self) {
        // In order, since the node is a child of the script's shell or the script itself.
        self.terminate().ok();
        if let Some(pid) = self.name_service() {
            kill_process(pid, Signal::TERM).ok();
        }
    }
}
