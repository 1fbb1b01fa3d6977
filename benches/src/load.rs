//! Sends prepared requests over keep-alive connections, one thread a connection, and checks every
//! answer. It is closed-loop: a figure of CPU is wanted, not of latency under a given rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;

use crate::way::{Answer, Way};

/// How many connections all figures are measured with.
pub const CONNECTIONS: usize = 16;
/// A body is offered so often before the run is a failure.
const OFFERS_MAX: usize = 10_000;

/// What a load did.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// From the first byte to the last answer.
    pub wall: Duration,
    /// How often the server asked to come again.
    pub busy: u64,
}

/// Sends all requests to a port, spread over [`CONNECTIONS`]; each must be acknowledged.
pub fn send(way: Way, port: u16, requests: &[Bytes]) -> Result<Done> {
    let busy = AtomicU64::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|first| {
                let own = requests.iter().skip(first).step_by(CONNECTIONS);
                let busy = &busy;
                scope.spawn(move || send_all((way, port), own, busy))
            })
            .collect();
        senders.into_iter().try_for_each(|sender| {
            let outcome = sender.join();
            outcome.map_err(|_| anyhow::anyhow!("a sender panicked"))?
        })
    })?;
    Ok(Done {
        wall: start.elapsed(),
        busy: busy.into_inner(),
    })
}

fn send_all<'a>(
    (way, port): (Way, u16),
    requests: impl Iterator<Item = &'a Bytes>,
    busy: &AtomicU64,
) -> Result<()> {
    let mut line = way.open(port)?;
    for request in requests {
        let mut offers = 0;
        while line.send(request)? == Answer::Busy {
            busy.fetch_add(1, Ordering::Relaxed);
            offers += 1;
            ensure!(offers < OFFERS_MAX, "the server stays busy");
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}
