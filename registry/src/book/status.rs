//! Overrides: what operators say about an instance, and taking it back.

use super::recent::Event;
use super::{Book, Now};
use crate::model::{Action, Status};

/// What an operator or a peer wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Override {
    /// The instance has this status, whatever it says.
    Set(Status),
    /// It has this one until it speaks again; [`Status::Unknown`] makes it register again.
    Remove(Status),
}

/// An override with what a peer knew of the instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatusChange {
    /// What is wanted.
    pub what: Override,
    /// `lastDirtyTimestamp` of the sender.
    pub dirty_ms: Option<u64>,
}

// === impl Book ===

impl Book {
    /// Sets or removes an override, which also renews the lease. Returns whether the instance is
    /// there.
    pub fn change_status(&mut self, key: (&str, &str), change: StatusChange, now: Now) -> bool {
        let (app, id) = key;
        let Some(lease) = self.lease_mut(app, id) else {
            return false;
        };
        lease.renew(now);
        let stored = &lease.instance;
        let (status, overridden) = match change.what {
            Override::Set(status) if status == stored.status => return true,
            Override::Set(status) => (status, status),
            Override::Remove(_) if stored.overridden == Status::Unknown => return true,
            Override::Remove(status) => (status, Status::Unknown),
        };
        let renewed_ms = lease.renewed_wall_ms;
        self.change(app, id, |it| {
            it.status = status;
            it.overridden = overridden;
            if status == Status::Up && it.lease.up_ms == 0 {
                it.lease.up_ms = now.wall_ms;
            }
            it.dirty_ms = it.dirty_ms.max(change.dirty_ms.unwrap_or(0));
            it.action = Some(Action::Modified);
            it.updated_ms = now.wall_ms;
            it.lease.renewed_ms = renewed_ms;
        });
        self.mark_override(key, now);
        self.show(app, id, Event::Changed, now);
        true
    }

    /// Takes over an override that a peer has; the status follows with the next registration.
    pub fn store_override(&mut self, key: (&str, &str), status: Status, now: Now) {
        let (app, id) = key;
        let Some(lease) = self.lease(app, id) else {
            return;
        };
        if status == Status::Unknown || lease.instance.overridden == status {
            return;
        }
        self.change(app, id, |it| it.overridden = status);
        self.mark_override(key, now);
        self.show(app, id, Event::Changed, now);
    }

    fn mark_override(&mut self, key: (&str, &str), now: Now) {
        if let Some(lease) = self.lease_mut(key.0, key.1) {
            lease.override_ms = now.wall_ms.max(lease.override_ms + 1);
        }
    }
}
