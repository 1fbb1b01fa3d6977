//! The running oracle and its frames. How it is made is in [`crate::build`].

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use anyhow::{Context, Result, bail, ensure};

use crate::build;

/// No answer of a test is larger.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A format that spans arrive in, by the oracle's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Format {
    /// A JSON list of v2 spans.
    JsonV2 = 1,
    /// `zipkin.proto3.ListOfSpans`.
    Proto3 = 2,
    /// A JSON list of v1 spans.
    JsonV1 = 3,
    /// A list of v1 spans in thrift's binary protocol.
    Thrift = 4,
}

/// What the oracle makes of a question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Answered with these bytes.
    Taken(Vec<u8>),
    /// Refused with this text, which a client would see as a 400.
    Refused(String),
    /// Stumbled over, which a client would see as a 500.
    Stumbled(String),
}

/// The program, which ends with its standard input.
#[derive(Debug)]
pub struct Oracle {
    child: Child,
    questions: ChildStdin,
    answers: ChildStdout,
}

impl Oracle {
    /// Returns the one of this process, started when it is first asked for.
    pub fn shared() -> Result<MutexGuard<'static, Self>> {
        static SHARED: OnceLock<Result<Mutex<Oracle>>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Ok(Mutex::new(Self::start()?)));
        match shared {
            // A test that failed amid a question leaves no answer half read.
            Ok(oracle) => Ok(oracle.lock().unwrap_or_else(PoisonError::into_inner)),
            Err(error) => bail!("no oracle: {error:#}"),
        }
    }

    fn start() -> Result<Self> {
        let mut java = Command::new("java");
        java.args(["-Xmx512m", "-Xss2m", "-XX:+UseSerialGC", "-cp"]);
        let mut child = java
            .args([&build::class_path()?, "Oracle"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the oracle runs on Java: install a JRE 17 or newer")?;
        let (questions, answers) = (child.stdin.take(), child.stdout.take());
        Ok(Self {
            child,
            questions: questions.context("no pipe to the oracle")?,
            answers: answers.context("no pipe from the oracle")?,
        })
    }

    /// Returns the spans of a body as a JSON v2 list.
    pub fn decode(&mut self, format: Format, body: &[u8]) -> Result<Verdict> {
        self.ask(&[&[b'd', format as u8], body])
    }

    /// Returns the links between the services of traces, each a JSON v2 list, as JSON.
    pub fn link(&mut self, traces: &[Vec<u8>]) -> Result<Verdict> {
        self.ask(&[b"l", &lists(traces)])
    }

    /// Forgets all spans and stores these messages, each a JSON v2 list.
    pub fn store(&mut self, strict_ids: bool, messages: &[Vec<u8>]) -> Result<Verdict> {
        self.ask(&[&[b'p', strict_ids.into()], &lists(messages)])
    }

    /// Returns what a search finds, as JSON. The query is that of `/api/v2/traces`, with `endTs`,
    /// `lookback` and `limit`.
    pub fn search(&mut self, query: &str) -> Result<Verdict> {
        self.ask(&[b"s", query.as_bytes()])
    }

    /// Returns the spans of a trace that was stored, as a JSON v2 list.
    pub fn trace(&mut self, id: &str) -> Result<Verdict> {
        self.ask(&[b"t", id.as_bytes()])
    }

    /// Returns the links of what was stored, as JSON. The query is that of
    /// `/api/v2/dependencies`, with `endTs` and `lookback`.
    pub fn stored_links(&mut self, query: &str) -> Result<Verdict> {
        self.ask(&[b"c", query.as_bytes()])
    }

    fn ask(&mut self, parts: &[&[u8]]) -> Result<Verdict> {
        let asked = self.exchange(parts);
        asked.with_context(|| match self.child.try_wait() {
            Ok(Some(status)) => format!("the oracle ended with {status}"),
            _ => "the oracle cannot be asked".to_owned(),
        })
    }

    fn exchange(&mut self, parts: &[&[u8]]) -> Result<Verdict> {
        let question = parts.concat();
        self.questions
            .write_all(&(question.len() as u32).to_be_bytes())?;
        self.questions.write_all(&question)?;
        self.questions.flush()?;
        let mut length = [0; 4];
        self.answers.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        ensure!(
            (1..=ANSWER_BYTES_MAX).contains(&length),
            "an answer of {length} bytes"
        );
        let mut answer = vec![0; length];
        self.answers.read_exact(&mut answer)?;
        let bytes = answer.split_off(1);
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        match answer.first() {
            Some(0) => Ok(Verdict::Taken(bytes)),
            Some(1) => Ok(Verdict::Refused(text())),
            Some(2) => Ok(Verdict::Stumbled(text())),
            other => bail!("a verdict of {other:?}"),
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // Already ended is fine.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn lists(lists: &[Vec<u8>]) -> Vec<u8> {
    let framed = lists
        .iter()
        .map(|list| [&(list.len() as u32).to_be_bytes()[..], list].concat());
    framed.collect::<Vec<_>>().concat()
}
