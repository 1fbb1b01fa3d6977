//! The bounded queue from the shards to the one committer: lock-free, bounded by batches and by
//! bytes. Full means refuse: the sender hears 503 and tries again. It never waits and never drops.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use crossbeam_queue::ArrayQueue;
use speargun_journal::Record;
use speargun_model::SpanBatch;

use crate::ledger::{Reason, Transport};

/// How much may be under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandoverConfig {
    /// Batches between a shard and its answer.
    pub items_max: usize,
    /// Bytes of the batches that wait or are being written.
    pub bytes_max: usize,
}

/// An amount that is taken and given back, with a limit.
#[derive(Debug)]
pub struct Budget {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    /// Returns a budget of `max`.
    pub fn new(max: usize) -> Self {
        Self {
            used: AtomicUsize::new(0),
            max,
        }
    }

    /// Takes `n` if so much is left. Whatever its size, the first one passes: a limit below the
    /// largest body would otherwise refuse that body for ever.
    pub fn take(&self, n: usize) -> bool {
        let before = self.used.fetch_add(n, Ordering::AcqRel);
        let fits = before == 0 || before.saturating_add(n) <= self.max;
        if !fits {
            self.used.fetch_sub(n, Ordering::AcqRel);
        }
        fits
    }

    /// Gives `n` back.
    pub fn give_back(&self, n: usize) {
        self.used.fetch_sub(n, Ordering::AcqRel);
    }

    /// Returns how much is taken.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// A batch on its way to the committer.
#[derive(Debug)]
pub struct Parcel {
    /// What the journal keeps of it.
    pub(crate) record: Record,
    /// The spans.
    pub(crate) batch: Arc<SpanBatch>,
    /// How the spans came, for the ledger.
    pub(crate) transport: Transport,
    /// What the parcel took of the budget of bytes.
    pub(crate) bytes: usize,
    /// Whom to answer.
    pub(crate) shard: u32,
    /// Which request of the shard.
    pub(crate) slot: u32,
}

/// The queue.
#[derive(Debug)]
pub struct Handover {
    parcels: ArrayQueue<Parcel>,
    items: Budget,
    bytes: Budget,
    sleeping: AtomicBool,
    committer: OnceLock<Thread>,
    closed: AtomicBool,
}

impl Handover {
    /// Returns an empty queue.
    pub fn new(config: HandoverConfig) -> Self {
        Self {
            parcels: ArrayQueue::new(config.items_max.max(1)),
            items: Budget::new(config.items_max.max(1)),
            bytes: Budget::new(config.bytes_max),
            sleeping: AtomicBool::new(false),
            committer: OnceLock::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// Hands a parcel over, or says why not.
    pub(crate) fn push(&self, parcel: Parcel) -> Result<(), Reason> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Reason::Closing);
        }
        let bytes = parcel.bytes;
        if !self.items.take(1) {
            return Err(Reason::Busy);
        }
        if !self.bytes.take(bytes) {
            self.items.give_back(1);
            return Err(Reason::Busy);
        }
        if self.parcels.push(parcel).is_err() {
            self.items.give_back(1);
            self.bytes.give_back(bytes);
            return Err(Reason::Busy);
        }
        self.wake();
        Ok(())
    }

    /// Returns the oldest parcel.
    pub(crate) fn pop(&self) -> Option<Parcel> {
        self.parcels.pop()
    }

    /// Gives back the bytes of parcels that are written.
    pub(crate) fn written(&self, bytes: usize) {
        self.bytes.give_back(bytes);
    }

    /// Gives back the places of parcels that are answered.
    pub(crate) fn delivered(&self, items: usize) {
        self.items.give_back(items);
    }

    /// Takes no more parcels. The committer ends once it has written those inside.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.wake();
    }

    /// Returns whether [`Handover::close`] was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Returns batches and bytes under way.
    pub fn used(&self) -> (usize, usize) {
        (self.items.used(), self.bytes.used())
    }

    /// Sleeps until there may be something to do. Only the committer's thread calls this.
    pub(crate) fn sleep(&self) {
        self.committer.get_or_init(std::thread::current);
        self.sleeping.store(true, Ordering::Relaxed);
        // Pairs with the fence in `wake`: either this thread sees the parcel, or the one that
        // pushed it sees this thread asleep.
        fence(Ordering::SeqCst);
        if self.parcels.is_empty() && !self.is_closed() {
            std::thread::park();
        }
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// A wake costs as much as a third of a request, so only a sleeping committer gets one.
    fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed)
            && self.sleeping.swap(false, Ordering::Relaxed)
            && let Some(committer) = self.committer.get()
        {
            committer.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn parcel(bytes: usize) -> Parcel {
        Parcel {
            record: Record::new([0; 16], Bytes::new()),
            batch: Arc::default(),
            transport: Transport::Http,
            bytes,
            shard: 0,
            slot: 0,
        }
    }

    fn handover(items_max: usize, bytes_max: usize) -> Handover {
        Handover::new(HandoverConfig {
            items_max,
            bytes_max,
        })
    }

    #[test]
    fn more_batches_than_allowed_are_refused_until_one_is_answered() {
        let queue = handover(2, 1000);
        assert_eq!(queue.push(parcel(1)), Ok(()));
        assert_eq!(queue.push(parcel(1)), Ok(()));
        assert_eq!(queue.push(parcel(1)), Err(Reason::Busy));
        let taken = queue.pop().unwrap();
        assert_eq!(queue.push(parcel(1)), Err(Reason::Busy));
        queue.written(taken.bytes);
        queue.delivered(1);
        assert_eq!(queue.push(parcel(1)), Ok(()));
        assert_eq!(queue.used(), (2, 2));
    }

    #[test]
    fn more_bytes_than_allowed_are_refused_but_one_batch_always_passes() {
        let queue = handover(9, 100);
        assert_eq!(queue.push(parcel(5000)), Ok(()));
        assert_eq!(queue.push(parcel(1)), Err(Reason::Busy));
        assert_eq!(queue.used(), (1, 5000));
        queue.written(queue.pop().unwrap().bytes);
        assert_eq!(queue.push(parcel(60)), Ok(()));
        assert_eq!(queue.push(parcel(41)), Err(Reason::Busy));
        assert_eq!(queue.push(parcel(40)), Ok(()));
    }

    #[test]
    fn nothing_enters_a_closed_queue() {
        let queue = handover(2, 100);
        assert_eq!(queue.push(parcel(1)), Ok(()));
        queue.close();
        assert_eq!(queue.push(parcel(1)), Err(Reason::Closing));
        assert_eq!(queue.pop().map(|parcel| parcel.bytes), Some(1));
        queue.sleep();
    }
}
