//! Renewing, with the conflict rule: whose `lastDirtyTimestamp` is later knows better.

use super::recent::Event;
use super::{Book, Now, Origin, rules};
use crate::model::{Instance, Status};

/// What a heartbeat says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heartbeat {
    /// `lastDirtyTimestamp` of the sender.
    pub dirty_ms: Option<u64>,
    /// The override that the sender knows of.
    pub overridden: Option<Status>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Renewed {
    /// The lease goes on.
    Yes,
    /// Not there: register.
    Unknown,
    /// The lease goes on, and the sender has something newer: register.
    Outdated,
    /// The lease goes on, and here is something newer than the sending registry has.
    Newer(Box<Instance>),
}

// === impl Renewed ===

impl Renewed {
    /// Returns whether the lease was renewed, which is what peers are told.
    pub fn is_renewal(&self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// Returns the code of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Yes => 200,
            Self::Unknown | Self::Outdated => 404,
            Self::Newer(_) => 409,
        }
    }
}

// === impl Book ===

impl Book {
    /// Renews a lease.
    pub fn renew(
        &mut self,
        key: (&str, &str),
        beat: Heartbeat,
        origin: Origin,
        now: Now,
    ) -> Renewed {
        let (app, id) = key;
        let Some(lease) = self.lease(app, id) else {
            return Renewed::Unknown;
        };
        let before = lease.instance.status;
        let after = rules::status(&lease.instance, Some(lease), origin);
        if after == Status::Unknown {
            // An override was taken away without saying what comes instead: the client says it.
            return Renewed::Unknown;
        }
        self.renewals.add(now);
        if let Some(lease) = self.lease_mut(app, id) {
            lease.renew(now);
        }
        if after != before {
            self.change(app, id, |it| it.status = after);
            self.show(app, id, Event::Changed, now);
        }
        self.compare((app, id), beat, origin, now)
    }

    fn compare(&mut self, key: (&str, &str), beat: Heartbeat, origin: Origin, now: Now) -> Renewed {
        let (app, id) = key;
        let (Some(dirty_ms), Some(lease)) = (beat.dirty_ms, self.lease(app, id)) else {
            return Renewed::Yes;
        };
        let stored_ms = lease.instance.dirty_ms;
        if dirty_ms > stored_ms {
            if origin == Origin::Peer
                && let Some(status) = beat.overridden
            {
                self.store_override((app, id), status, now);
            }
            return Renewed::Outdated;
        }
        if stored_ms > dirty_ms && origin == Origin::Peer {
            return Renewed::Newer(Box::new(lease.fresh()));
        }
        Renewed::Yes
    }
}
