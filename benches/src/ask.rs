//! Asks a server one question after the other on one connection, and says what each took the
//! client and cost the server.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use speargun_e2e::{Connection, Request, Server};

use crate::cold::read_from_disk;
use crate::measure::{Samples, per};
use crate::process;

/// What a question took.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// From the first byte sent to the last received, microseconds.
    pub wall_us: Samples,
    /// CPU of all the server's threads, all answers together.
    pub cpu_ns: u64,
    /// Bytes of all answers.
    pub answer_bytes: u64,
    /// Bytes that came from the disk itself for all answers.
    pub disk_bytes: u64,
    /// The last answer.
    pub last: Vec<u8>,
}

impl Asked {
    /// Returns how often was asked.
    pub fn times(&self) -> u64 {
        self.wall_us.len() as u64
    }

    /// Returns the server's CPU of one answer, microseconds.
    pub fn cpu_us(&self) -> u64 {
        per(self.cpu_ns, self.times() * 1000)
    }

    /// Adds another run of the same question.
    pub fn add(&mut self, other: Self) {
        self.wall_us.add(other.wall_us);
        self.cpu_ns += other.cpu_ns;
        self.answer_bytes += other.answer_bytes;
        self.disk_bytes += other.disk_bytes;
        self.last = other.last;
    }
}

/// Asks for each of the targets; stops when all together took this long, but not before the fifth.
pub fn ask(
    server: &Server,
    targets: impl IntoIterator<Item = String>,
    takes_max: Duration,
) -> Result<Asked> {
    ask_after(server, targets, takes_max, &mut || Ok(()))
}

/// Asks, and does something before each question that does not count.
pub fn ask_after(
    server: &Server,
    targets: impl IntoIterator<Item = String>,
    takes_max: Duration,
    before: &mut dyn FnMut() -> Result<()>,
) -> Result<Asked> {
    let mut connection = Connection::open(server.port())?;
    let mut asked = Asked::default();
    let mut samples = Vec::new();
    let cpu_before = process::cpu_ns(server.pid())?;
    let disk_before = read_from_disk(server.pid())?;
    let begin = Instant::now();
    for target in targets {
        if samples.len() >= 5 && begin.elapsed() > takes_max {
            break;
        }
        before()?;
        let start = Instant::now();
        let answer = connection.ask(&Request::get(target.as_str()))?;
        samples.push(start.elapsed().as_micros() as u64);
        ensure!(answer.status == 200, "{target}: {}", answer.status);
        asked.answer_bytes += answer.body.len() as u64;
        asked.last = answer.body;
    }
    asked.cpu_ns = process::cpu_ns(server.pid())? - cpu_before;
    asked.disk_bytes = read_from_disk(server.pid())? - disk_before;
    asked.wall_us = Samples::new(samples);
    Ok(asked)
}
