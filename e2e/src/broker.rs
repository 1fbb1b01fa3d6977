//! Brokers of others, as real processes: each on a free port of 127.0.0.1 with a folder of its own,
//! ended by its own process id; and the program that sends to them.
//!
//! # Layout
//!
//! - [`batch`]: what Kafka's broker keeps.
//! - [`check`]: what must be true of every queue.
//! - [`identity`]: a certificate for them.
//! - [`kafka`]: one node of Apache Kafka.
//! - [`librdkafka`]: the sender that most languages have.
//! - [`rabbitmq`]: one node of RabbitMQ.
//! - [`sender`]: Zipkin's own senders.

pub mod batch;
pub mod check;
pub mod identity;
pub mod kafka;
pub mod librdkafka;
pub mod rabbitmq;
pub mod sender;

use std::fs::File;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::server;

pub use batch::Batch;
pub use identity::Identity;
pub use kafka::Kafka;
pub use librdkafka::Librdkafka;
pub use rabbitmq::RabbitMq;
pub use sender::Sender;

/// How long a broker may take to start or end before the test fails.
const PATIENCE: Duration = Duration::from_mins(2);

/// Returns the class path of what Maven fetched for brokers and senders.
fn class_path() -> Result<String> {
    let folder = server::root().join("target/queues");
    let class = folder.join("classes/speargun/Sender.class");
    ensure!(
        class.is_file(),
        "no {}: run cargo xtask tools, which needs Maven and a Java of at least 17",
        class.display()
    );
    let folder = folder.display();
    Ok(format!("{folder}/classes:{folder}/lib/*"))
}

fn java(heap: &str) -> Result<Command> {
    let mut command = Command::new("java");
    command.args([heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
    command.args(["-Djava.net.preferIPv4Stack=true", "-cp", &class_path()?]);
    Ok(command)
}

/// A process that writes into a log of its folder.
#[derive(Debug)]
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(mut command: Command, folder: &Path) -> Result<Self> {
        let log = folder.join("broker.log");
        let out = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("start {command:?}: run cargo xtask tools"))?;
        Ok(Self { child, log })
    }

    /// Waits until somebody listens at the port.
    fn wait_for(&mut self, port: u16) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("the broker ended with {status}\n{}", self.log());
            }
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(());
            }
            server::pause();
        }
        bail!("no broker within {PATIENCE:?}\n{}", self.log())
    }

    fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end and waits for that.
    fn terminate(&mut self) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("no process id")?, Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            server::pause();
        }
        self.kill()
    }

    fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let tail = bytes.len().saturating_sub(8 << 10);
        String::from_utf8_lossy(&bytes[tail..]).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already ended is fine.
        if self.kill().is_err() {
            self.child.try_wait().ok();
        }
    }
}
