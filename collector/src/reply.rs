//! The way back from the committer to the requests that wait on a shard. The committer fills each
//! shard's [`Mailbox`] and rings once a group; a task on the shard hands the outcomes out, so that
//! a group costs one wake a shard, not one a request.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use crossbeam_queue::ArrayQueue;
use tokio::sync::Notify;

use crate::handover::Handover;
use crate::ledger::Reason;

/// What became of a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// As durable as the settings ask, and visible.
    Stored,
    /// Not stored.
    Refused(Reason),
}

/// Outcomes on their way to one shard.
#[derive(Debug)]
pub struct Mailbox {
    outcomes: ArrayQueue<(u32, Outcome)>,
    /// Whether something was put in since the last ring. Only the committer touches it.
    unannounced: AtomicBool,
    bell: Notify,
}

impl Mailbox {
    /// Returns a mailbox for as many outcomes as there can be batches under way.
    pub fn new(items_max: usize) -> Self {
        Self {
            outcomes: ArrayQueue::new(items_max.max(1)),
            unannounced: AtomicBool::new(false),
            bell: Notify::new(),
        }
    }

    /// Puts an outcome in; the shard does not look before [`Mailbox::ring`].
    pub(crate) fn put(&self, slot: u32, outcome: Outcome) {
        let full = self.outcomes.push((slot, outcome)).is_err();
        debug_assert!(!full, "the hand-over admits no more than fit");
        self.unannounced.store(true, Ordering::Relaxed);
    }

    /// Wakes the shard if there is anything for it.
    pub(crate) fn ring(&self) {
        if self.unannounced.swap(false, Ordering::Relaxed) {
            self.bell.notify_one();
        }
    }

    #[cfg(test)]
    pub(crate) fn take(&self) -> Option<(u32, Outcome)> {
        self.outcomes.pop()
    }
}

#[derive(Debug)]
enum Slot {
    Free,
    Waiting(Option<Waker>),
    Done(Outcome),
    /// The request went away; the outcome still comes.
    Abandoned,
}

/// The requests of one shard that wait for an outcome.
#[derive(Debug, Default)]
pub struct Waiters {
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<u32>>,
}

impl Waiters {
    /// Returns a slot and the future of its outcome.
    pub(crate) fn begin(self: &Rc<Self>) -> Wait {
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            self.slots.borrow_mut().push(Slot::Free);
            (self.slots.borrow().len() - 1) as u32
        });
        self.set(slot, Slot::Waiting(None));
        Wait {
            waiters: Rc::clone(self),
            slot,
        }
    }

    /// Hands out what is in the mailbox, for ever.
    pub async fn deliver(self: Rc<Self>, mailbox: Arc<Mailbox>, handover: Arc<Handover>) {
        loop {
            mailbox.bell.notified().await;
            let mut delivered = 0;
            while let Some((slot, outcome)) = mailbox.outcomes.pop() {
                self.complete(slot, outcome);
                delivered += 1;
            }
            handover.delivered(delivered);
        }
    }

    fn complete(&self, slot: u32, outcome: Outcome) {
        match self.set(slot, Slot::Done(outcome)) {
            Slot::Waiting(Some(waker)) => waker.wake(),
            Slot::Abandoned => self.release(slot),
            Slot::Waiting(None) | Slot::Free | Slot::Done(_) => {}
        }
    }

    fn set(&self, slot: u32, new: Slot) -> Slot {
        self.slots
            .borrow_mut()
            .get_mut(slot as usize)
            .map_or(Slot::Free, |old| std::mem::replace(old, new))
    }

    fn release(&self, slot: u32) {
        self.set(slot, Slot::Free);
        self.free.borrow_mut().push(slot);
    }
}

/// The outcome of one batch. Dropping it is fine: the batch is stored all the same.
#[derive(Debug)]
pub struct Wait {
    waiters: Rc<Waiters>,
    slot: u32,
}

impl Wait {
    pub(crate) fn slot(&self) -> u32 {
        self.slot
    }

    /// Takes the slot back when no batch was handed over under it after all.
    pub(crate) fn cancel(self) {
        self.waiters.set(self.slot, Slot::Done(Outcome::Stored));
    }
}

impl Future for Wait {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match self.waiters.slots.borrow_mut().get_mut(self.slot as usize) {
            Some(Slot::Done(outcome)) => Poll::Ready(*outcome),
            Some(slot) => {
                *slot = Slot::Waiting(Some(context.waker().clone()));
                Poll::Pending
            }
            None => Poll::Pending,
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Slot::Done(_) = self.waiters.set(self.slot, Slot::Abandoned) {
            self.waiters.release(self.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn poll(wait: &mut Wait) -> Poll<Outcome> {
        Pin::new(wait).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn an_outcome_reaches_its_request_and_the_slot_is_used_again() {
        let waiters = Rc::new(Waiters::default());
        let mut first = waiters.begin();
        let mut second = waiters.begin();
        assert_eq!(poll(&mut first), Poll::Pending);
        waiters.complete(first.slot(), Outcome::Stored);
        waiters.complete(second.slot(), Outcome::Refused(Reason::Busy));
        assert_eq!(poll(&mut first), Poll::Ready(Outcome::Stored));
        assert_eq!(
            poll(&mut second),
            Poll::Ready(Outcome::Refused(Reason::Busy))
        );
        let slot = first.slot();
        drop(first);
        assert_eq!(waiters.begin().slot(), slot);
    }

    #[test]
    fn a_slot_left_by_its_request_stays_taken_until_the_outcome_came() {
        let waiters = Rc::new(Waiters::default());
        let gone = waiters.begin();
        let slot = gone.slot();
        drop(gone);
        let other = waiters.begin();
        assert_ne!(other.slot(), slot);
        waiters.complete(slot, Outcome::Stored);
        let again = waiters.begin();
        assert_eq!(again.slot(), slot);
    }
}
