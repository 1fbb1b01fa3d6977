//! The thread that moves portions into the database, the oldest first, and forgets each once the
//! database confirmed all of it. It gives up nothing: what fails is tried again, ever less often.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use speargun_storage::{Database, Local, NamedList, Portion, StoreError};

use crate::backoff::Backoff;
use crate::config::Config;
use crate::progress::Progress;

/// How far the end is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum Phase {
    /// Moves for ever.
    #[default]
    Moving,
    /// Ends when nothing is left or something fails.
    Draining,
    /// Ends as soon as it can.
    Ending,
    /// Has ended.
    Ended,
}

/// Tells the mover to end, and that it has.
#[derive(Debug, Default)]
pub(crate) struct Control {
    phase: Mutex<Phase>,
    changed: Condvar,
}

impl Control {
    /// Goes on to a later phase.
    pub(crate) fn enter(&self, phase: Phase) {
        let mut now = self.phase.lock();
        *now = phase.max(*now);
        self.changed.notify_all();
    }

    /// Waits until the mover has ended, or so long.
    pub(crate) fn wait_ended(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut now = self.phase.lock();
        while *now != Phase::Ended {
            if self.changed.wait_until(&mut now, until).timed_out() {
                return *now == Phase::Ended;
            }
        }
        true
    }

    fn phase(&self) -> Phase {
        *self.phase.lock()
    }

    /// Waits so long, unless the phase changes.
    fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut now = self.phase.lock();
        while *now == Phase::Moving {
            if self.changed.wait_until(&mut now, until).timed_out() {
                return;
            }
        }
    }
}

/// What the mover works with.
#[derive(Debug)]
pub(crate) struct Mover {
    pub(crate) local: Arc<dyn Local>,
    pub(crate) database: Arc<dyn Database>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) control: Arc<Control>,
    pub(crate) config: Config,
    pub(crate) backoff: Backoff,
    /// When the database last answered.
    pub(crate) answered: Instant,
}

/// The mover is to end.
struct Ended;

/// Returns what is told of an error that is not the database's.
fn local(error: &impl std::fmt::Display) -> String {
    format!("what waits here can't be moved: {error}")
}

impl Mover {
    /// Moves until it is told to end.
    pub(crate) fn run(mut self) {
        while self.step().is_ok() {}
        self.control.enter(Phase::Ended);
    }

    fn step(&mut self) -> Result<(), Ended> {
        let phase = self.control.phase();
        if phase >= Phase::Ending {
            return Err(Ended);
        }
        match self.local.next_portion() {
            Ok(Some(portion)) => self.portion(portion),
            Ok(None) if phase == Phase::Draining => Err(Ended),
            Ok(None) => {
                self.ask();
                self.local.wait(self.config.idle);
                Ok(())
            }
            Err(error) => self.fail(local(&error), Duration::ZERO),
        }
    }

    fn portion(&mut self, mut portion: Box<dyn Portion>) -> Result<(), Ended> {
        loop {
            match portion.next_list() {
                Ok(Some(list)) => self.list(&list)?,
                Ok(None) => break,
                Err(error) => self.fail(local(&error), Duration::ZERO)?,
            }
        }
        while let Err(error) = portion.forget() {
            self.fail(local(&error), Duration::ZERO)?;
        }
        Ok(())
    }

    fn list(&mut self, list: &NamedList) -> Result<(), Ended> {
        if list.spans.is_empty() {
            return Ok(());
        }
        loop {
            if self.control.phase() >= Phase::Ending {
                return Err(Ended);
            }
            match self.database.store(&list.name, &list.spans) {
                Ok(stored) => {
                    self.progress.add(list.spans.len(), stored);
                    self.succeed();
                    return Ok(());
                }
                Err(error @ StoreError::Unavailable(_)) => {
                    self.fail(error.to_string(), Duration::ZERO)?;
                }
                // Somebody has to do something, which takes them a while.
                Err(error @ StoreError::Refused(_)) => {
                    self.fail(error.to_string(), self.config.retry_max / 4)?;
                }
            }
        }
    }

    /// Asks the database whether it is there, when it has not been used for long.
    fn ask(&mut self) {
        if self.answered.elapsed() < self.config.ask_every {
            return;
        }
        self.answered = Instant::now();
        match self.database.check() {
            Ok(()) => self.succeed(),
            Err(error) => self.progress.fail(error.to_string()),
        }
    }

    fn succeed(&mut self) {
        self.answered = Instant::now();
        self.backoff.reset();
        self.progress.succeed();
    }

    /// Notes a failure and waits, at least so long, before the next attempt.
    fn fail(&mut self, why: String, at_least: Duration) -> Result<(), Ended> {
        self.progress.fail(why);
        let wait = self.backoff.next(&self.config);
        self.control.pause(wait.max(at_least));
        match self.control.phase() {
            Phase::Moving => Ok(()),
            _ => Err(Ended),
        }
    }
}
