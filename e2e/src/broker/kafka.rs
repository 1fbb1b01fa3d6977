//! One node of Apache Kafka that is its own controller.

use std::fs;
use std::process::Stdio;

use anyhow::{Result, ensure};
use tempfile::TempDir;

use super::{Batch, Identity, Process, identity, java};
use crate::server::free_port;

/// A running broker. Dropping it kills the process and removes its data.
#[derive(Debug)]
pub struct Kafka {
    process: Option<Process>,
    port: u16,
    guarded: u16,
    folder: TempDir,
}

/// Whom a guarded broker lets in, by SCRAM-SHA-512 and over TLS.
pub const USER: &str = "me";
/// The password.
pub const PASSWORD: &str = "secret of me";

/// Sixteen bytes in base 64.
const CLUSTER: &str = "AAAAAAAAAAAAAAAAAAAAAQ";

impl Kafka {
    /// Starts a broker without topics; `properties` are lines of its configuration.
    pub fn start(properties: &str) -> Result<Self> {
        Self::open(properties, None)
    }

    /// Starts a broker that also has a listener with TLS and a login.
    pub fn start_guarded(identity: &Identity) -> Result<Self> {
        Self::open("", Some(identity))
    }

    fn open(properties: &str, identity: Option<&Identity>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("kafka-").tempdir()?;
        let (port, controller, guarded) = (free_port()?, free_port()?, free_port()?);
        let guard = identity.map(guard);
        let listener = match guard {
            Some(_) => format!(",SASL_SSL://127.0.0.1:{guarded}"),
            None => String::new(),
        };
        let guard = guard.unwrap_or_default();
        let data = folder.path().join("data");
        let configuration = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listener}\n\
             advertised.listeners=PLAINTEXT://127.0.0.1:{port}{listener}\n\
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
             {properties}\n{guard}",
            data.display()
        );
        fs::write(folder.path().join("kafka.properties"), configuration)?;
        let mut broker = Self {
            process: None,
            port,
            guarded,
            folder,
        };
        let mut format = java("-Xmx256m")?;
        format.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c"]);
        let user = format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]");
        let formatted = format
            .arg(broker.configuration())
            .args(["--add-scram", &user])
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

    /// Asks it to end, as an operator does, and waits for that.
    pub fn stop(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), |mut p| p.terminate())
    }

    /// Returns what it keeps of a partition.
    pub fn batches(&self, topic: &str, partition: i32) -> Result<Vec<Batch>> {
        let folder = format!("data/{topic}-{partition}");
        Batch::all(&self.folder.path().join(folder))
    }

    /// Returns its address.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the address of the listener with TLS and a login.
    pub fn guarded_address(&self) -> String {
        format!("127.0.0.1:{}", self.guarded)
    }

    fn configuration(&self) -> std::path::PathBuf {
        self.folder.path().join("kafka.properties")
    }
}

/// Returns the configuration of a listener with TLS and a login.
fn guard(identity: &Identity) -> String {
    format!(
        "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL\n\
         inter.broker.listener.name=PLAINTEXT\n\
         ssl.keystore.type=PKCS12\n\
         ssl.keystore.location={}\n\
         ssl.keystore.password={}\n\
         sasl.enabled.mechanisms=SCRAM-SHA-512\n\
         listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=\
         org.apache.kafka.common.security.scram.ScramLoginModule required;\n",
        identity.store().display(),
        identity::PASSWORD
    )
}
