//! The spool: what it takes, what it refuses, how it ends. Moving and reading have their own files.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use speargun_model::SpanBatch;
use speargun_runtime::Clock;
use speargun_storage::{Backlog, Database, Local, Position, ReadError, SpanWriter, WriteError};

use crate::backoff::Backoff;
use crate::config::Config;
use crate::mover::{Control, Mover, Phase};
use crate::progress::{Progress, Stats};

/// A local engine in front of a database.
#[derive(Debug)]
pub struct Spool {
    pub(crate) local: Arc<dyn Local>,
    pub(crate) database: Arc<dyn Database>,
    pub(crate) config: Config,
    clock: Arc<dyn Clock>,
    progress: Arc<Progress>,
    control: Arc<Control>,
    /// Not started yet.
    mover: Mutex<Option<Mover>>,
}

impl Spool {
    /// Returns a spool that takes and answers, and moves nothing before [`Spool::start`].
    pub fn new(
        config: Config,
        local: Arc<dyn Local>,
        database: Arc<dyn Database>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (progress, control) = (Arc::<Progress>::default(), Arc::<Control>::default());
        let mover = Mover {
            local: Arc::clone(&local),
            database: Arc::clone(&database),
            progress: Arc::clone(&progress),
            control: Arc::clone(&control),
            config: config.clone(),
            backoff: Backoff::default(),
            answered: Instant::now(),
        };
        Self {
            local,
            database,
            config,
            clock,
            progress,
            control,
            mover: Mutex::new(Some(mover)),
        }
    }

    /// Starts moving.
    pub fn start(&self) -> std::io::Result<()> {
        if let Some(mover) = self.mover.lock().take() {
            let thread = std::thread::Builder::new().name("spool-move".to_owned());
            thread.spawn(move || mover.run())?;
        }
        Ok(())
    }

    /// Returns the figures for metrics and health.
    pub fn stats(&self) -> Stats {
        // A server that nobody sends to, because it seems to be down, finds out here that it
        // is not.
        self.look_at_bounds();
        let waiting = self.local.backlog();
        self.progress.stats(waiting, self.age_ms(&waiting))
    }

    fn age_ms(&self, waiting: &Backlog) -> u64 {
        match waiting.oldest_ms {
            0 => 0,
            oldest_ms => self.clock.now_ms().saturating_sub(oldest_ms),
        }
    }

    /// Returns why the database or the local engine can't be used, if so.
    pub(crate) fn trouble(&self) -> Result<(), ReadError> {
        match self.progress.outage() {
            Some(why) => Err(ReadError::Failed(why)),
            None => self.local.check(),
        }
    }

    /// Returns why no more spans can be taken, if so; a change is logged.
    fn look_at_bounds(&self) -> Option<String> {
        let full = self.bound();
        self.progress.set_full(full.as_deref());
        full
    }

    fn bound(&self) -> Option<String> {
        let waiting = self.local.backlog();
        let (bytes, bytes_max) = (waiting.bytes, self.config.bytes_max);
        if bytes > bytes_max {
            return Some(format!(
                "{bytes} bytes wait for the database, and {bytes_max} may"
            ));
        }
        let (age_s, age_max_s) = (self.age_ms(&waiting) / 1000, self.config.age_max.as_secs());
        (age_s > age_max_s).then(|| {
            format!(
                "spans have waited {age_s} seconds for the database, and {age_max_s} are allowed"
            )
        })
    }
}

impl SpanWriter for Spool {
    fn write(&self, group: &[Arc<SpanBatch>], end: Position) -> Result<(), WriteError> {
        self.local.write(group, end)
    }

    fn ready(&self) -> Result<(), WriteError> {
        self.local.ready()?;
        self.look_at_bounds()
            .map_or(Ok(()), |why| Err(WriteError::Busy(why)))
    }

    fn durable_position(&self) -> Position {
        self.local.durable_position()
    }

    fn close(&self) -> Result<(), WriteError> {
        // What can't be sealed now is in the journal; closing tells why.
        if self.local.seal().is_ok() && self.mover.lock().is_none() {
            self.control.enter(Phase::Draining);
            let moved = self.control.wait_ended(self.config.close);
            let spans = self.local.backlog().spans;
            if !moved || spans > 0 {
                tracing::info!(spans, "some spans are moved after the next start");
            }
        }
        self.control.enter(Phase::Ending);
        self.local.close()
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.control.enter(Phase::Ending);
    }
}
