//! Zipkin's own senders to queues, in a program of Java that is fed over a pipe.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result, ensure};

use super::java;

/// A running sender to one topic or queue. Dropping it ends the process.
#[derive(Debug)]
pub struct Sender {
    child: Child,
    lines: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Sender {
    /// Starts the sender to a `kafka` or `rabbitmq` at an address.
    pub fn start(kind: &str, address: &str, queue: &str) -> Result<Self> {
        let mut child = java("-Xmx128m")?
            .args(["speargun.Sender", kind, address, queue])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start java: run cargo xtask tools")?;
        Ok(Self {
            lines: child.stdin.take(),
            answers: BufReader::new(child.stdout.take().context("no pipe")?),
            child,
        })
    }

    /// Sends spans in a format of Zipkin's library, as one message; `list` is JSON v2.
    pub fn spans(&mut self, format: &str, list: &[u8]) -> Result<()> {
        self.send(format, list)
    }

    /// Sends the bytes as they are.
    pub fn raw(&mut self, message: &[u8]) -> Result<()> {
        self.send("RAW", message)
    }

    fn send(&mut self, format: &str, bytes: &[u8]) -> Result<()> {
        let lines = self.lines.as_mut().context("closed")?;
        writeln!(lines, "{format} {}", base64(bytes))?;
        lines.flush()?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        ensure!(answer.trim() == "ok", "not sent: {answer}");
        Ok(())
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.lines = None;
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let part = |index: usize| u32::from(chunk.get(index).copied().unwrap_or_default());
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for digit in 0..4 {
            let index = (bits >> (18 - 6 * digit)) as usize & 63;
            let digit = if digit > chunk.len() {
                b'='
            } else {
                DIGITS[index]
            };
            out.push(char::from(digit));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        let texts = ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes()));
        assert_eq!(texts, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }
}
