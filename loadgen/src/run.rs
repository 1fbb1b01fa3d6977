//! Sends the bodies of a pool over many connections, one thread each.
//!
//! Open loop: request k is due when the schedule says so, whichever connection is free takes it,
//! and its latency counts from that moment. A server that stalls lets requests become due that
//! nobody sends yet, and their wait is in the figures. Closed loop: a connection sends as soon as
//! it was answered, and latency counts from sending.
//!
//! # Layout
//!
//! - `gate`: where senders wait until all have a connection.
//! - here: a step, and what a sender does in it.

mod gate;

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
use crate::stop::Stop;
use crate::target::Target;
use gate::{Gate, raise_files, shortage};

/// A sender waits at most so long because a server says so.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);
/// A sender waits so long after a connection failed.
const AFTER_FAILURE: Duration = Duration::from_millis(50);
const TICK: Duration = Duration::from_secs(1);
/// What was due and never sent is recorded with so many different waits.
const WAITS: u64 = 1000;

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
    /// Whether to end before the time is up.
    pub stop: Stop,
}

/// What a step of a run gave.
#[derive(Debug)]
pub struct Step {
    /// All of it.
    pub tally: Tally,
    /// Second by second.
    pub seconds: Vec<Second>,
    /// From the first request to the last answer, or to the end of the schedule when that is later.
    pub wall: Duration,
}

/// One step under way.
struct Under<'a> {
    load: &'a Load,
    pace: Pace,
    /// The number of the first request.
    first: u64,
    gate: Gate,
}

/// A sender under way.
struct Sender<'a> {
    under: &'a Under<'a>,
    start: Instant,
    tally: &'a Mutex<Tally>,
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
            gate: Gate::default(),
        };
        raise_files();
        let mut total = Tally::new()?;
        let mut seconds = Vec::new();
        thread::scope(|scope| {
            let senders = tallies
                .iter()
                .map(|tally| {
                    let under = &under;
                    let name = thread::Builder::new().name("sender".into());
                    name.spawn_scoped(scope, move || under.send_all(tally))
                })
                .collect::<std::io::Result<Vec<_>>>()
                .inspect_err(|_| under.gate.shut())?;
            let start = under.gate.open(senders.len());
            meter.begin();
            let mut interval = Tally::new()?;
            loop {
                let over = wait(&senders);
                for tally in &tallies {
                    let mut tally = tally.lock();
                    interval.merge(&tally)?;
                    tally.clear();
                }
                let second = meter.second(&interval, start.elapsed());
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
        let wall = match pace {
            Pace::Open(schedule) if !self.stop.is_asked_for() => schedule.length.max(total.ended),
            Pace::Open(_) | Pace::Closed(_) => total.ended,
        };
        Ok(Step {
            tally: total,
            seconds,
            wall,
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
        let line = Line::new(&load.transport, &load.target, load.patience);
        let line = line.and_then(|mut line| match line.open() {
            Err(error) if shortage(&error, load.connections).is_some() => Err(error),
            // What else fails here fails again when it counts.
            Ok(()) | Err(_) => Ok(line),
        });
        let line = line.map_err(|error| {
            self.gate.shut();
            shortage(&error, load.connections).unwrap_or_else(|| error.into())
        })?;
        // Another one may have none.
        let Some(start) = self.gate.wait() else {
            return Ok(());
        };
        let sender = Sender {
            under: self,
            start,
            tally,
        };
        sender.send(line);
        Ok(())
    }
}

impl Sender<'_> {
    fn send(&self, mut line: Line) {
        let load = self.under.load;
        let mut body = Filled::default();
        let give_up = self.start + self.under.pace.length() + load.patience;
        while let Some((number, due)) = self.take() {
            if Instant::now() > give_up {
                self.give_up((number, due));
                return;
            }
            load.pool.fill(number, &mut body);
            if !load.stop.sleep_until(due) {
                return;
            }
            let due = match self.under.pace {
                Pace::Open(_) => due,
                Pace::Closed(_) => Instant::now(),
            };
            let outcome = line.send(&body);
            let pause = self.count((number, due), &outcome, &body);
            if !pause.is_zero() && self.has_more() {
                load.stop.sleep_until(give_up.min(Instant::now() + pause));
            }
        }
    }

    /// Counts this request and all that nobody took yet as due and never sent.
    fn give_up(&self, (_, due): (u64, Instant)) {
        let now = Instant::now();
        let mut tally = self.tally.lock();
        tally.unsent += 1;
        tally.latencies.add(now - due);
        let Pace::Open(schedule) = self.under.pace else {
            return;
        };
        let (first, next) = (self.under.first, &self.under.load.next);
        let end = first + schedule.count();
        let mut from = next.fetch_max(end, Ordering::Relaxed);
        let part = (end.saturating_sub(from) / WAITS).max(1);
        while from < end {
            let count = part.min(end - from);
            let due = schedule.due(from + count / 2 - first).unwrap_or_default();
            let wait = now.saturating_duration_since(self.start + due);
            tally.latencies.add_many(wait, count);
            tally.unsent += count;
            from += count;
        }
    }

    /// Returns whether there is a request to come.
    fn has_more(&self) -> bool {
        match self.under.pace {
            Pace::Open(schedule) => {
                let sent = self.under.load.next.load(Ordering::Relaxed) - self.under.first;
                sent < schedule.count()
            }
            Pace::Closed(length) => self.start.elapsed() < length,
        }
    }

    /// Takes the next request: its number in the run, and when it is due.
    fn take(&self) -> Option<(u64, Instant)> {
        let (first, next) = (self.under.first, &self.under.load.next);
        match self.under.pace {
            Pace::Open(schedule) => {
                let step = |number: u64| {
                    schedule.due(number - first)?;
                    Some(number + 1)
                };
                // Numbers stay without gaps from one step to the next.
                let number = next
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, step)
                    .ok()?;
                let due = schedule.due(number - first)?;
                Some((number, self.start + due))
            }
            Pace::Closed(length) => {
                let now = Instant::now();
                let open = now < self.start + length;
                open.then(|| (next.fetch_add(1, Ordering::Relaxed), now))
            }
        }
    }

    /// Returns how long the sender has to wait before the next one.
    fn count(
        &self,
        (number, due): (u64, Instant),
        outcome: &std::io::Result<Outcome>,
        body: &Filled,
    ) -> Duration {
        let (load, now) = (self.under.load, Instant::now());
        let mut tally = self.tally.lock();
        tally.latencies.add(now.saturating_duration_since(due));
        tally.ended = tally.ended.max(now.saturating_duration_since(self.start));
        match outcome {
            Ok(outcome) => {
                tally.count(outcome, (body.spans, body.bytes.len()));
                match outcome {
                    Outcome::Accepted => load.accepted.add(number),
                    Outcome::Refused {
                        retry_after: Some(wait),
                        ..
                    } if load.honours_retry_after => {
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
pub(crate) fn reason(error: &std::io::Error) -> String {
    let own = error.get_ref().is_some();
    match error.kind() {
        // What was put into words already stays in them.
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut if !own => {
            "no answer in time".into()
        }
        _ => error.to_string(),
    }
}
