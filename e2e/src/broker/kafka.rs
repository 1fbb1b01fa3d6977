//! One node of Apache Kafka that is its own controller.

use std::fs;
use std::process::Stdio;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use super::{Process, java};
use crate::server::free_port;

/// A running broker. Dropping it kills the process and removes its data.
#[derive(Debug)]
pub struct Kafka {
    process: Option<Process>,
    port: u16,
    folder: TempDir,
}

/// Sixteen bytes in base 64.
const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAQ";

impl Kafka {
    /// Starts a broker without topics; `properties` are lines of its configuration.
    pub fn start(properties: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("kafka-").tempdir()?;
        let (port, controller) = (free_port()?, free_port()?);
        let data = folder.path().join("data");
        let configuration = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
             controller.listener.names=CONTROLLER\n\
             log.dirs={}\n\
             offsets.topic.replication.factor=1\n\
             offsets.topic.num.partitions=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             group.initial.rebalance.delay.ms=0\n\
             broker.session.timeout.ms=3000\n\
             num.partitions=2\n\
             message.max.bytes=20000000\n\
             {properties}\n",
            data.display()
        );
        fs::write(folder.path().join("kafka.properties"), configuration)?;
        let mut broker = Self {
            process: None,
            port,
            folder,
        };
        let mut format = java("-Xmx256m")?;
        format.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]);
        let formatted = format
            .arg(broker.configuration())
            .stdin(Stdio::null())
            .output()?;
        ensure!(
            formatted.status.success(),
            "kafka can't make its folder: {}{}",
            String::from_utf8_lossy(&formatted.stdout),
            String::from_utf8_lossy(&formatted.stderr)
        );
        broker.restart()?;
        Ok(broker)
    }

    /// Starts it again on the same port and data.
    pub fn restart(&mut self) -> Result<()> {
        let mut command = java("-Xmx256m")?;
        command.arg("kafka.Kafka").arg(self.configuration());
        let mut process = Process::start(command, self.folder.path())?;
        process.wait_for(self.port)?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |mut p| p.kill())
    }

    /// Returns its address.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn configuration(&self) -> std::path::PathBuf {
        self.folder.path().join("kafka.properties")
    }
}
