//! The committer: one thread that takes all that waits, appends it to the journal, syncs once,
//! stores it and answers. What arrives during a sync forms the next group, so groups grow with the
//! load and an idle server answers at the speed of its disk. A group that is smaller than the one
//! before waits a fraction of a sync for the requests that were answered a moment ago and come
//! again: a sync costs as much CPU as several requests, so it should serve as many as it can.
//!
//! After a failed append or sync, or an engine that failed, nothing is written any more: what the
//! disk holds is unknown then, and a retry would only hide it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use speargun_journal::{Journal, JournalError, Record};
use speargun_model::SpanBatch;
use speargun_storage::{Position, SpanWriter, WriteError};

use crate::handover::{Handover, Parcel};
use crate::ledger::{Count, Ledger, Reason};
use crate::reply::{Mailbox, Outcome};

/// What a 202 promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SyncMode {
    /// Survives a crash of the machine.
    #[default]
    Sync,
    /// Survives the end of the process.
    Os,
    /// Survives nothing until the engine wrote it.
    Off,
}

/// The journal, as far as the committer needs it.
pub trait Log: Send {
    /// Appends all records or none; returns the position behind them.
    fn append(&mut self, records: &[Record]) -> Result<u64, JournalError>;
    /// Makes what was appended durable.
    fn sync(&mut self) -> Result<(), JournalError>;
    /// Says that records up to `position` are no longer needed.
    fn release(&mut self, position: u64);
}

impl Log for Journal {
    fn append(&mut self, records: &[Record]) -> Result<u64, JournalError> {
        Self::append(self, records)
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        Self::sync(self)
    }

    fn release(&mut self, position: u64) {
        Self::release(self, position);
    }
}

/// How the write path is, for `/health` and metrics.
#[derive(Debug, Default)]
pub struct Condition {
    failed: OnceLock<String>,
    /// When a group last found no space, if none has found some since.
    full: Mutex<Option<Instant>>,
    groups: AtomicU64,
    syncs: AtomicU64,
}

impl Condition {
    /// Returns why nothing is written any more.
    pub fn failure(&self) -> Option<&str> {
        self.failed.get().map(String::as_str)
    }

    /// Returns whether the last group found no space.
    pub fn is_full(&self) -> bool {
        self.full.lock().is_some()
    }

    /// Returns why spans are not taken. Without space that is known of a moment ago only: a server
    /// that nobody sends to, because it seems to be down, could not find out otherwise.
    pub fn trouble(&self) -> Option<&str> {
        let full_lately = |full: Instant| full.elapsed() < KNOWN_FULL;
        self.failure().or_else(|| {
            let full = self.full.lock().is_some_and(full_lately);
            full.then_some("there is no space for more spans")
        })
    }

    /// Returns how many groups were committed and how many syncs were made.
    pub fn groups_and_syncs(&self) -> (u64, u64) {
        (
            self.groups.load(Ordering::Relaxed),
            self.syncs.load(Ordering::Relaxed),
        )
    }

    fn fail(&self, why: String) {
        tracing::error!(error = %why, "writes stop until a restart");
        // Only the first failure is told; there is none after it.
        self.failed.get_or_init(|| why);
    }

    fn set_full(&self, full: bool, why: &str) {
        let before = std::mem::replace(&mut *self.full.lock(), full.then(Instant::now));
        if before.is_some() != full {
            if full {
                tracing::warn!(error = why, "spans are refused until there is space");
            } else {
                tracing::info!("there is space again");
            }
        }
    }
}

/// How long a group that found no space speaks for those after it.
const KNOWN_FULL: Duration = Duration::from_secs(10);

/// A group never holds more batches: a request in it waits for all of them.
const GROUP_ITEMS_MAX: usize = 4096;
/// Nor more bytes, unless one batch has more.
const GROUP_BYTES_MAX: usize = 32 << 20;

/// The longest a group waits for more.
const LINGER_MAX: Duration = Duration::from_millis(10);
/// A shorter wait costs more than it saves.
const LINGER_MIN: Duration = Duration::from_micros(50);
/// Bytes with which a group is worth a sync of its own.
const LINGER_BELOW_BYTES: usize = 1 << 20;

/// How large groups are and how long syncs take, of late.
#[derive(Debug, Default)]
pub struct Pace {
    last_group: usize,
    sync: Duration,
}

impl Pace {
    fn synced(&mut self, took: Duration) {
        self.sync = (self.sync * 7 + took) / 8;
    }

    /// Returns how long a group should wait for more, if at all: a quarter of a sync.
    fn linger(&self, items: usize, bytes: usize) -> Option<Duration> {
        let wait = (self.sync / 4).min(LINGER_MAX);
        let worth = items < self.last_group && bytes < LINGER_BELOW_BYTES && wait >= LINGER_MIN;
        worth.then_some(wait)
    }
}

/// What the committer works with.
#[derive(Debug)]
pub struct Committer<L> {
    /// Where batches come from.
    pub handover: Arc<Handover>,
    /// The journal; `None` when the engine keeps nothing or the mode is [`SyncMode::Off`].
    pub log: Option<L>,
    /// What a 202 promises.
    pub sync: SyncMode,
    /// The engine.
    pub writer: Arc<dyn SpanWriter>,
    /// Where outcomes go, by shard.
    pub mailboxes: Vec<Arc<Mailbox>>,
    /// Counts stored and refused spans.
    pub ledger: Arc<Ledger>,
    /// Told how it goes.
    pub condition: Arc<Condition>,
    /// The journal position behind all that is stored.
    pub position: u64,
    /// What it learns while it runs.
    pub pace: Pace,
}

impl<L: Log> Committer<L> {
    /// Commits until the queue is closed and empty, then closes the engine. Blocks.
    pub fn run(mut self) -> Result<(), WriteError> {
        let mut group = Vec::new();
        loop {
            let closed = self.handover.is_closed();
            self.gather(&mut group);
            if group.is_empty() {
                if closed {
                    return self.close();
                }
                self.handover.sleep();
                continue;
            }
            self.linger(&mut group);
            let outcome = self.commit(&group);
            self.answer(&mut group, outcome);
        }
    }

    fn linger(&mut self, group: &mut Vec<Parcel>) {
        let bytes = group.iter().map(|parcel| parcel.bytes).sum();
        if let Some(wait) = self.pace.linger(group.len(), bytes) {
            std::thread::sleep(wait);
            self.gather(group);
        }
        self.pace.last_group = group.len();
    }

    fn gather(&self, group: &mut Vec<Parcel>) {
        let mut bytes = group.iter().map(|parcel| parcel.bytes).sum::<usize>();
        while group.len() < GROUP_ITEMS_MAX && bytes < GROUP_BYTES_MAX {
            let Some(parcel) = self.handover.pop() else {
                break;
            };
            bytes += parcel.bytes;
            group.push(parcel);
        }
    }

    fn commit(&mut self, group: &[Parcel]) -> Outcome {
        if self.condition.failure().is_some() {
            return Outcome::Refused(Reason::Failed);
        }
        if let Err(error) = self.writer.ready() {
            tracing::debug!(%error, "the engine takes no more for now");
            return Outcome::Refused(Reason::StorageBusy);
        }
        self.condition.groups.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = self.journal(group) {
            return Outcome::Refused(match error {
                // The bound of bodies is below that of the journal's files, so the second is a
                // setting gone wrong, and no reason to stop for good.
                JournalError::Full(why) | JournalError::TooLarge(why) => {
                    self.condition.set_full(true, &why);
                    Reason::JournalFull
                }
                error @ (JournalError::Failed(_) | JournalError::Open(_)) => {
                    self.condition.fail(error.to_string());
                    Reason::Failed
                }
            });
        }
        let batches: Vec<Arc<SpanBatch>> = group.iter().map(|p| Arc::clone(&p.batch)).collect();
        let written = self.writer.write(&batches, Position(self.position));
        // Space comes from the engine making spans durable, so this is due after every outcome.
        self.release();
        match written {
            Ok(()) => {
                self.condition.set_full(false, "");
                Outcome::Stored
            }
            Err(WriteError::Busy(why)) => {
                tracing::debug!(error = why, "the engine is busy");
                Outcome::Refused(Reason::StorageBusy)
            }
            Err(error @ WriteError::Failed(_)) => {
                self.condition.fail(error.to_string());
                Outcome::Refused(Reason::Failed)
            }
        }
    }

    fn journal(&mut self, group: &[Parcel]) -> Result<(), JournalError> {
        let Some(log) = &mut self.log else {
            return Ok(());
        };
        let records: Vec<Record> = group.iter().map(|p| p.record.clone()).collect();
        let appended = log.append(&records);
        if let Err(JournalError::Full(_)) = appended {
            // The engine may have made spans durable since; then there is space next time.
            log.release(self.writer.durable_position().0);
        }
        self.position = appended?;
        if self.sync == SyncMode::Sync {
            let before = Instant::now();
            log.sync()?;
            self.pace.synced(before.elapsed());
            self.condition.syncs.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn release(&mut self) {
        if let Some(log) = &mut self.log {
            log.release(self.writer.durable_position().0);
        }
    }

    fn answer(&self, group: &mut Vec<Parcel>, outcome: Outcome) {
        let page = self.ledger.committers_page();
        let count = match outcome {
            Outcome::Stored => Count::Stored,
            Outcome::Refused(reason) => Count::Refused(reason),
        };
        let mut bytes = 0;
        for parcel in group.drain(..) {
            let spans = parcel.batch.spans.len() as u64;
            // Spans of a queue stay under way until they are stored: their shard tries again.
            if outcome == Outcome::Stored || !parcel.transport.is_queue() {
                self.ledger.add(page, parcel.transport, (count, spans));
                self.ledger.let_go(page, parcel.transport, spans);
            }
            bytes += parcel.bytes;
            if let Some(mailbox) = self.mailboxes.get(parcel.shard as usize) {
                mailbox.put(parcel.slot, outcome);
            }
        }
        self.handover.written(bytes);
        for mailbox in &self.mailboxes {
            mailbox.ring();
        }
    }

    fn close(mut self) -> Result<(), WriteError> {
        if let Some(why) = self.condition.failure() {
            return Err(WriteError::Failed(why.to_owned()));
        }
        if let Some(log) = &mut self.log {
            log.sync()
                .map_err(|error| WriteError::Failed(error.to_string()))?;
        }
        self.writer.close()?;
        self.release();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
