//! Sends the bodies of a pool over many connections, one thread each.
//!
//! Open loop: request k is due when the schedule says so, whichever connection is free takes it,
//! and its latency counts from that moment. A server that stalls lets requests become due that
//! nobody sends yet, and their wait is in the figures. Closed loop: a connection sends as soon as
//! it was answered, and latency counts from sending.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use parking_lot::Mutex;

use crate::accepted::Accepted;
use crate::line::{Line, Outcome, Transport};
use crate::meter::{Meter, Second};
use crate::pool::{Filled, Pool};
use crate::record::Tally;
use crate::schedule::Schedule;
use crate::target::Target;

/// A sender waits at most so long because a server says so.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);
/// A sender waits so long after a connection failed.
const AFTER_FAILURE: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_secs(1);

/// When requests are sent.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Pace {
    /// On a schedule, whatever the server does.
    Open(Schedule),
    /// As fast as the connections are answered, for so long.
    Closed(Duration),
}

impl Pace {
    fn length(self) -> Duration {
        match self {
            Self::Open(schedule) => schedule.length,
            Self::Closed(length) => length,
        }
    }
}

/// Senders and what they have in common.
#[derive(Debug)]
pub struct Load {
    /// What is sent.
    pub pool: Pool,
    /// Where to.
    pub target: Target,
    /// How.
    pub transport: Transport,
    /// How many connections there are.
    pub connections: usize,
    /// How long an answer may take, and how long after the end unsent requests are still sent.
    pub patience: Duration,
    /// Whether a sender waits as long as `Retry-After` says.
    pub honours_retry_after: bool,
    /// Which requests were accepted.
    pub accepted: Accepted,
    /// The number of the next request.
    pub next: AtomicU64,
}

/// What a step of a run gave.
#[derive(Debug)]
pub struct Step {
    /// All of it.
    pub tally: Tally,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// From the first request to the last answer.
    pub wall: Duration,
}

/// One step under way.
struct Under<'a> {
    load: &'a Load,
    pace: Pace,
    /// The number of the first request.
    first: u64,
    start: Instant,
}

impl Load {
    /// Runs a step; `each` hears of every second.
    pub fn step(
        &self,
        pace: Pace,
        meter: &mut Meter,
        each: &mut dyn FnMut(&Second),
    ) -> Result<Step> {
        let tallies = (0..self.connections.max(1))
            .map(|_| Tally::new().map(Mutex::new))
            .collect::<Result<Vec<_>>>()?;
        let under = Under {
            load: self,
            pace,
            first: self.next.load(Ordering::Relaxed),
            start: Instant::now(),
        };
        let mut total = Tally::new()?;
        let mut seconds = Vec::new();
        meter.begin();
        thread::scope(|scope| {
            let senders = tallies
                .iter()
                .map(|tally| {
                    let under = &under;
                    let name = thread::Builder::new().name("sender".into());
                    name.spawn_scoped(scope, move || under.send_all(tally))
                })
                .collect::<std::io::Result<Vec<_>>>()?;
            let mut interval = Tally::new()?;
            loop {
                let over = wait(&senders);
                for tally in &tallies {
                    let mut tally = tally.lock();
                    interval.merge(&tally)?;
                    tally.clear();
                }
                let second = meter.second(&interval, under.start.elapsed());
                each(&second);
                seconds.push(second);
                total.merge(&interval)?;
                interval.clear();
                if over {
                    break;
                }
            }
            for sender in senders {
                sender.join().map_err(|_| anyhow!("a sender panicked"))??;
            }
            Ok::<_, anyhow::Error>(())
        })?;
        Ok(Step {
            tally: total,
            seconds,
            wall: under.start.elapsed(),
        })
    }
}

/// Waits for a second, or until all senders have ended; returns whether they have.
fn wait<T>(senders: &[thread::ScopedJoinHandle<'_, T>]) -> bool {
    let until = Instant::now() + TICK;
    loop {
        if senders.iter().all(thread::ScopedJoinHandle::is_finished) {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::sleep(left.min(Duration::from_millis(20)));
    }
}

impl Under<'_> {
    fn send_all(&self, tally: &Mutex<Tally>) -> Result<()> {
        // The default lets the kernel wake a sleeper fifty microseconds late. Where it may not be
        // changed, latencies are that much less sharp.
        let _sharp = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
        let load = self.load;
        let mut line = Line::new(&load.transport, &load.target, load.patience)?;
        let mut body = Filled::default();
        let give_up = self.start + self.pace.length() + load.patience;
        loop {
            let Some((number, due)) = self.take() else {
                return Ok(());
            };
            let now = Instant::now();
            if now > give_up {
                let mut tally = tally.lock();
                tally.unsent += 1;
                tally.latencies.add(now - due);
                continue;
            }
            load.pool.fill(number, &mut body);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let due = match self.pace {
                Pace::Open(_) => due,
                Pace::Closed(_) => Instant::now(),
            };
            let outcome = line.send(&body);
            let pause = self.count(number, due, (&outcome, &body), tally);
            if !pause.is_zero() {
                thread::sleep(pause.min(give_up.saturating_duration_since(Instant::now())));
            }
        }
    }

    /// Takes the next request: its number in the run, and when it is due.
    fn take(&self) -> Option<(u64, Instant)> {
        match self.pace {
            Pace::Open(schedule) => {
                let next = &self.load.next;
                let step = |number: u64| {
                    schedule.due(number - self.first)?;
                    Some(number + 1)
                };
                // Numbers stay without gaps from one step to the next.
                let number = next
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
                    .ok()?;
                let due = schedule.due(number - self.first)?;
                Some((number, self.start + due))
            }
            Pace::Closed(length) => {
                let now = Instant::now();
                let open = now < self.start + length;
                open.then(|| (self.load.next.fetch_add(1, Ordering::Relaxed), now))
            }
        }
    }

    /// Returns how long the sender has to wait before the next one.
    fn count(
        &self,
        number: u64,
        due: Instant,
        (outcome, body): (&std::io::Result<Outcome>, &Filled),
        tally: &Mutex<Tally>,
    ) -> Duration {
        let latency = due.elapsed();
        let mut tally = tally.lock();
        tally.latencies.add(latency);
        match outcome {
            Ok(outcome) => {
                tally.count(outcome, (body.spans, body.bytes.len()));
                match outcome {
                    Outcome::Accepted => self.load.accepted.add(number),
                    Outcome::Refused {
                        retry_after: Some(wait),
                        ..
                    } if self.load.honours_retry_after => {
                        tally.waited += 1;
                        return (*wait).min(RETRY_AFTER_MAX);
                    }
                    Outcome::Refused { .. } | Outcome::Failed { .. } => {}
                }
                Duration::ZERO
            }
            Err(error) => {
                tally.fail_unanswered(reason(error), body.spans);
                AFTER_FAILURE
            }
        }
    }
}

/// Returns an error in words that are the same each time.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => "no answer in time".into(),
        _ => error.to_string(),
    }
}
