//! What a second cost: rates and latencies from the tally, CPU and memory of the server and of the
//! harness from the kernel. It sends nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::process;
use crate::record::Tally;

/// One second of a run.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Second {
    /// Its end, counted from the start of the step.
    pub at_ms: u64,
    /// Its length.
    pub length_ms: u64,
    /// Spans accepted in it.
    pub spans: u64,
    /// Bodies refused in it.
    pub refused: u64,
    /// Bodies that failed or were given up in it.
    pub failed: u64,
    /// The median latency, microseconds.
    pub p50_us: u64,
    /// The latency of one in a hundred.
    pub p99_us: u64,
    /// The longest latency.
    pub max_us: u64,
    /// CPU of the server, microseconds; 0 when its process is not known.
    pub server_cpu_us: u64,
    /// Resident memory of the server; 0 when its process is not known.
    pub server_resident_bytes: u64,
    /// CPU of the harness, microseconds.
    pub harness_cpu_us: u64,
}

/// Reads clocks of processes.
#[derive(Clone, Debug)]
pub struct Meter {
    pid: Option<u32>,
    server_us: u64,
    harness_us: u64,
    at: Duration,
}

impl Meter {
    /// Returns a meter of the server's process, when it is known.
    pub fn new(pid: Option<u32>) -> Self {
        Self {
            pid,
            server_us: 0,
            harness_us: 0,
            at: Duration::ZERO,
        }
    }

    /// Returns the server's process.
    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// Begins a step.
    pub fn begin(&mut self) {
        self.at = Duration::ZERO;
        self.harness_us = process::own_cpu_us();
        self.server_us = self.server_cpu_us();
    }

    /// Returns the CPU the server has used so far.
    pub fn server_cpu_us(&self) -> u64 {
        // A process that has ended has no more to tell; that it has shows in failed requests.
        let used = self.pid.and_then(|pid| process::cpu_total_us(pid).ok());
        used.unwrap_or(self.server_us)
    }

    /// Returns what happened since the last one.
    pub fn second(&mut self, tally: &Tally, at: Duration) -> Second {
        let (server_us, harness_us) = (self.server_cpu_us(), process::own_cpu_us());
        let memory = self.pid.and_then(|pid| process::memory(pid).ok());
        let second = Second {
            at_ms: at.as_millis() as u64,
            length_ms: at.saturating_sub(self.at).as_millis() as u64,
            spans: tally.accepted_spans,
            refused: tally.refused,
            failed: tally.failed + tally.unsent,
            p50_us: tally.latencies.at_us(50.0),
            p99_us: tally.latencies.at_us(99.0),
            max_us: tally.latencies.max_us(),
            server_cpu_us: server_us.saturating_sub(self.server_us),
            server_resident_bytes: memory.map_or(0, |memory| memory.resident_bytes),
            harness_cpu_us: harness_us.saturating_sub(self.harness_us),
        };
        self.server_us = server_us;
        self.harness_us = harness_us;
        self.at = at;
        second
    }
}
