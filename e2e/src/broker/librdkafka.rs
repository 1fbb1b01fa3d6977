//! A sender to Kafka that is not Java's: librdkafka, in a program of Python that is fed over a
//! pipe. It also tells how a consumer group stands.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::Kafka;
use crate::server;

/// A running sender to one topic. Dropping it ends the process.
#[derive(Debug)]
pub struct Librdkafka {
    child: Child,
    lines: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Librdkafka {
    /// Starts a sender with settings of librdkafka, as `NAME=VALUE`.
    pub fn start(broker: &Kafka, topic: &str, settings: &[String]) -> Result<Self> {
        let python = server::root().join(".tools/python/bin/python");
        let mut child = Command::new(python)
            .arg(server::root().join("e2e/clients/rdkafka_send.py"))
            .args([&broker.address(), topic])
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start python: run cargo xtask tools")?;
        Ok(Self {
            lines: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().context("no pipe")?),
            child,
        })
    }

    /// Has a message of spans sent, ids 1 to `count`, in a format as Zipkin's library names it.
    pub fn spans(
        &mut self,
        partition: i32,
        format: &str,
        (trace, count): (u128, u64),
    ) -> Result<()> {
        self.ask(&format!("spans {partition} {format} {trace} {count}"))?;
        Ok(())
    }

    /// Has a message of so many spaces sent.
    pub fn spaces(&mut self, partition: i32, length: usize) -> Result<()> {
        self.ask(&format!("bytes {partition} {length}"))?;
        Ok(())
    }

    /// Waits until the broker has all: what was sent to one partition since the last time is one
    /// batch, unless it is larger than one may be.
    pub fn flush(&mut self) -> Result<()> {
        self.ask("flush")?;
        Ok(())
    }

    /// Returns the ids of a group's members: another one for whoever left and came again.
    pub fn members(&mut self, group: &str) -> Result<String> {
        self.ask(&format!("member {group}"))
    }

    /// Returns the offset that a group committed, negative when there is none.
    pub fn committed(&mut self, group: &str, partition: i32) -> Result<i64> {
        let answer = self.ask(&format!("offset {group} {partition}"))?;
        answer
            .parse()
            .with_context(|| format!("no offset: {answer}"))
    }

    fn ask(&mut self, line: &str) -> Result<String> {
        let lines = self.lines.as_mut().context("closed")?;
        writeln!(lines, "{line}")?;
        lines.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        match answer.strip_prefix("ok") {
            Some(rest) => Ok(rest.trim().to_owned()),
            None => bail!("{line}: {answer}"),
        }
    }
}

impl Drop for Librdkafka {
    fn drop(&mut self) {
        self.lines = None;
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}
