//! Where senders wait until all of them have a connection, so that connecting is in no latency and
//! a machine that can't have so many says so before the load.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Error, anyhow};
use rustix::io::Errno;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(1);
/// From the moment that all are there to the first request: long enough for all to see it.
const AHEAD: Duration = Duration::from_millis(5);

/// The start of a step.
#[derive(Debug, Default)]
pub(super) struct Gate {
    ready: AtomicUsize,
    start: OnceLock<Instant>,
    is_shut: AtomicBool,
}

impl Gate {
    /// Waits behind the gate; `None` when it never opens.
    pub(super) fn wait(&self) -> Option<Instant> {
        self.ready.fetch_add(1, Ordering::Relaxed);
        loop {
            if let Some(start) = self.start.get() {
                return Some(*start);
            }
            if self.is_shut.load(Ordering::Relaxed) {
                return None;
            }
            thread::sleep(LOOK);
        }
    }

    /// Sends all away.
    pub(super) fn shut(&self) {
        self.is_shut.store(true, Ordering::Relaxed);
    }

    /// Opens the gate once so many wait, or not at all when it was shut; returns when it starts.
    pub(super) fn open(&self, senders: usize) -> Instant {
        while self.ready.load(Ordering::Relaxed) < senders && !self.is_shut.load(Ordering::Relaxed)
        {
            thread::sleep(LOOK);
        }
        let start = Instant::now() + AHEAD;
        if self.is_shut.load(Ordering::Relaxed) {
            return start;
        }
        *self.start.get_or_init(|| start)
    }
}

/// Returns why so many connections can't be had, when that is for want of something on this side.
pub(super) fn shortage(error: &io::Error, connections: usize) -> Option<Error> {
    let what = match Errno::from_io_error(error)? {
        Errno::MFILE => "open files of this process (ulimit -n)",
        Errno::NFILE => "open files of this machine",
        Errno::ADDRNOTAVAIL => "ports of this machine",
        Errno::NOMEM | Errno::NOBUFS => "memory of this machine",
        _ => return None,
    };
    Some(anyhow!(
        "{connections} connections can't be had, for want of {what}: {error}"
    ))
}

/// Lets this process have as many open files as it may.
pub(super) fn raise_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Where it can't be raised, what is missing is said when it is.
    let _raised = setrlimit(Resource::Nofile, raised);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanting_on_this_side_is_named() {
        let words = |code: i32| {
            let error = io::Error::from_raw_os_error(code);
            shortage(&error, 100).map(|error| error.to_string())
        };
        let files = words(Errno::MFILE.raw_os_error()).unwrap();
        assert!(
            files.contains("100 connections") && files.contains("ulimit -n"),
            "{files}"
        );
        assert_eq!(words(Errno::CONNREFUSED.raw_os_error()), None);
        assert!(shortage(&io::ErrorKind::TimedOut.into(), 1).is_none());
    }

    #[test]
    fn a_gate_that_is_shut_sends_all_away() {
        let gate = Gate::default();
        let waited = thread::scope(|scope| {
            let waiting = scope.spawn(|| gate.wait());
            gate.shut();
            gate.open(2);
            waiting.join().unwrap()
        });
        assert_eq!(waited, None);
    }
}
