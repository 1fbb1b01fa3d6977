//! Taking over what another registry, or a snapshot of an earlier life, knew.

use super::recent::Event;
use super::{Book, Lease, Now, rules};
use crate::book::Origin;
use crate::model::{Action, Instance, Status};

/// An instance as another registry knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Known {
    /// The instance.
    pub instance: Instance,
    /// How long it was silent then, in milliseconds.
    pub silent_ms: u64,
    /// When an override was set or removed there, in milliseconds since the epoch; 0 when never.
    pub override_ms: u64,
}

// === impl Book ===

impl Book {
    /// Takes over what is missing here and what is newer there. A lease goes on where it was, it
    /// does not begin anew. Returns whether anything changed that others see.
    pub fn adopt(&mut self, known: Known, now: Now) -> bool {
        let (app, id) = (known.instance.app.clone(), known.instance.id().to_owned());
        if self.tombs.covers((&app, &id), known.instance.dirty_ms) {
            return false;
        }
        let renewed_ms = now.steady_ms.saturating_sub(known.silent_ms);
        let renewed_wall_ms = now.wall_ms.saturating_sub(known.silent_ms);
        let existing = self.lease(&app, &id);
        if existing.is_none() && self.size >= self.rules.instances_max {
            return false;
        }
        let here_ms = existing.map_or(0, |lease| lease.renewed_ms);
        let override_ms = existing
            .map_or(0, |lease| lease.override_ms)
            .max(known.override_ms);
        let merged = merge(existing, known);
        if let Some(mut it) = merged {
            it.action = Some(Action::Added);
            it.updated_ms = now.wall_ms;
            if it.lease.registered_ms == 0 {
                it.lease.registered_ms = now.wall_ms;
            }
            it.lease.renewed_ms = renewed_wall_ms;
            it.lease.evicted_ms = 0;
            self.put_lease(it, override_ms, now);
            if let Some(lease) = self.lease_mut(&app, &id) {
                lease.renewed_ms = here_ms.max(renewed_ms);
                lease.renewed_wall_ms = renewed_wall_ms;
            }
            self.show(&app, &id, Event::Adopted, now);
            return true;
        }
        // Perhaps it renewed there and not here.
        if let Some(lease) = self.lease_mut(&app, &id)
            && renewed_ms > lease.renewed_ms
        {
            lease.renewed_ms = renewed_ms;
            lease.renewed_wall_ms = renewed_wall_ms;
        }
        false
    }
}

/// Returns what is right by both; `None` when that is what is here. The later change of the client
/// wins, and apart from it the later change of an override.
fn merge(here: Option<&Lease>, there: Known) -> Option<Instance> {
    let Some(here) = here else {
        return Some(there.instance);
    };
    let is_newer = there.instance.dirty_ms > here.instance.dirty_ms;
    let has_override = there.override_ms > here.override_ms
        && there.instance.overridden != here.instance.overridden;
    if !is_newer && !has_override {
        return None;
    }
    let said = there.instance.status;
    let overridden = if has_override {
        there.instance.overridden
    } else {
        here.instance.overridden
    };
    let mut it = if is_newer {
        there.instance
    } else {
        let mut it = Instance::clone(&here.instance);
        if has_override && overridden == Status::Unknown {
            it.status = said;
        }
        it
    };
    it.overridden = overridden;
    it.status = rules::status(&it, None, Origin::Peer);
    Some(it)
}
