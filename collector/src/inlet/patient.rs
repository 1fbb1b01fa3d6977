//! The way in for messages that wait elsewhere until they are acknowledged: a queue can wait, so
//! nothing of it is refused for want of room. It reads no queue.

use std::time::Duration;

use tokio::sync::watch;

use super::{Inlet, Message, Refusal, Unsent};
use crate::ledger::Reason;
use crate::reply::{Outcome, Wait};

/// The first pause before spans are handed over again.
const PAUSE_MIN: Duration = Duration::from_millis(2);
/// The longest one.
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// Spans that were handed over and are not stored yet. Settle it, or the ledger keeps them as held.
#[derive(Debug)]
#[must_use = "the ledger counts its spans as held until it is settled"]
pub struct Held {
    unsent: Unsent,
    wait: Wait,
}

/// Grows while there is no room, and ends when the process does.
struct Pauses<'a> {
    next: Duration,
    ending: &'a watch::Receiver<bool>,
}

impl<'a> Pauses<'a> {
    fn new(ending: &'a watch::Receiver<bool>) -> Self {
        Self {
            next: PAUSE_MIN,
            ending,
        }
    }

    /// Waits a little longer than the last time. False when the process is ending.
    async fn pause(&mut self) -> bool {
        let pause = self.next;
        self.next = (pause * 2).min(PAUSE_MAX);
        let mut ending = self.ending.clone();
        // A sender that is gone has ended too, so both outcomes of the wait mean the end.
        tokio::time::timeout(pause, ending.wait_for(|ending| *ending))
            .await
            .is_err()
    }
}

impl Inlet {
    /// Takes a message in and hands its spans over, waiting for room. `None` when nothing of it is
    /// to be stored. `waits` hears of every pause. [`Refusal::Unstored`] only when the process is
    /// ending.
    pub async fn take_patiently(
        &self,
        message: &Message,
        ending: &watch::Receiver<bool>,
        waits: impl Fn(),
    ) -> Result<Option<Held>, Refusal> {
        let (_, Some(unsent)) = self.open_up(message)? else {
            return Ok(None);
        };
        let mut pauses = Pauses::new(ending);
        match self.hand_over_patiently(&unsent, &mut pauses, &waits).await {
            Ok(wait) => Ok(Some(Held { unsent, wait })),
            Err(reason) => {
                self.give_up(&unsent, reason);
                Err(Refusal::Unstored(reason))
            }
        }
    }

    /// Waits until spans are stored, and hands them over again as often as they are not.
    pub async fn settle(
        &self,
        held: Held,
        ending: &watch::Receiver<bool>,
        waits: impl Fn(),
    ) -> Result<(), Reason> {
        let Held { unsent, mut wait } = held;
        let mut pauses = Pauses::new(ending);
        loop {
            let Outcome::Refused(reason) = wait.await else {
                return Ok(());
            };
            waits();
            let again = if pauses.pause().await {
                self.hand_over_patiently(&unsent, &mut pauses, &waits).await
            } else {
                Err(reason)
            };
            match again {
                Ok(handed_over) => wait = handed_over,
                Err(reason) => {
                    self.give_up(&unsent, reason);
                    return Err(reason);
                }
            }
        }
    }

    async fn hand_over_patiently(
        &self,
        unsent: &Unsent,
        pauses: &mut Pauses<'_>,
        waits: &impl Fn(),
    ) -> Result<Wait, Reason> {
        loop {
            match self.hand_over(unsent) {
                Ok(wait) => return Ok(wait),
                Err(reason @ Reason::Closing) => return Err(reason),
                Err(reason) => {
                    waits();
                    if !pauses.pause().await {
                        return Err(reason);
                    }
                }
            }
        }
    }
}
