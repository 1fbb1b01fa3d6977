//! Sends prepared requests over keep-alive connections, one thread a connection, and checks every
//! answer. It is closed-loop: a figure of CPU is wanted, not of latency under a given rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use speargun_e2e::{Connection, Request};

use crate::workload::{Format, Span};

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

/// Returns the bytes of the request that reports `spans`.
pub fn request(format: Format, spans: &[Span]) -> Vec<u8> {
    let mut request = Request::spans(format.encode(spans));
    format.target().clone_into(&mut request.target);
    request.headers = vec![("Content-Type".into(), format.content_type().into())];
    request.to_bytes()
}

/// Sends all requests to a port, spread over [`CONNECTIONS`]; each must be acknowledged.
pub fn send(port: u16, requests: &[Vec<u8>]) -> Result<Done> {
    let busy = AtomicU64::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|first| {
                let own = requests.iter().skip(first).step_by(CONNECTIONS);
                let busy = &busy;
                scope.spawn(move || send_all(port, own, busy))
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
    port: u16,
    requests: impl Iterator<Item = &'a Vec<u8>>,
    busy: &AtomicU64,
) -> Result<()> {
    let mut connection = Connection::open(port)?;
    for request in requests {
        let mut offers = 0;
        loop {
            connection.send(request)?;
            let answer = connection.answer("POST").context("no answer")?;
            if matches!(answer.status, 200 | 202) {
                break;
            }
            let text = answer.text();
            let busy_again = matches!(answer.status, 429 | 503);
            ensure!(busy_again, "status {} {text:.200}", answer.status);
            busy.fetch_add(1, Ordering::Relaxed);
            offers += 1;
            ensure!(offers < OFFERS_MAX, "the server stays busy");
            thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}
