//! The book of leases: who is registered, who is overridden, what changed. It is a machine without
//! clock, disk and network: whoever calls it says what time it is.
//!
//! The rules are those of Eureka's servers, with four differences on purpose: a lease lasts as long
//! as the client said and not twice that; a cancel that is older than the instance it is about is
//! left alone; what expired is looked for each second; and self-preservation counts by each
//! client's own interval (see [`preserve`]).
//!
//! # Layout
//!
//! - `register`, `renew`, `status`: what clients and peers ask for.
//! - `adopt`: what others knew.
//! - `expire`: leases that run out, and [`preserve`]: when that is not believed.
//! - `lists`: everything, and what changed, as clients fetch it.
//! - `rules`: which status an instance has in the end.
//! - [`recent`]: what happened lately.

mod adopt;
mod expire;
mod lists;
pub mod preserve;
pub mod recent;
mod register;
mod renew;
mod rules;
mod status;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::model::{Action, Instance, LeaseInfo, Status};
use crate::pages::Catalogue;
pub use adopt::Known;
pub use expire::Purged;
use expire::Tombs;
pub use lists::DELTA_KEPT_MS;
use lists::{Change, Views, hash_of};
use preserve::Renewals;
use recent::{Event, Recent};
pub use register::Registered;
pub use renew::{Heartbeat, Renewed};
pub use status::{Override, StatusChange};

/// What time it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Milliseconds since the epoch, for what clients are told. May jump and go back.
    pub wall_ms: u64,
    /// Milliseconds of a clock that only goes forward, for leases.
    pub steady_ms: u64,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A client or an operator: peers are told.
    Client,
    /// Another registry: nobody is told again.
    Peer,
}

/// What the book holds at most, and how it judges.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rules {
    /// Instances.
    pub instances_max: usize,
    /// Whether expired leases are held when many expire at once.
    pub self_preservation: bool,
    /// The share of expected renewals that must arrive.
    pub renewal_share_min: f64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            instances_max: 20_000,
            self_preservation: true,
            renewal_share_min: 0.85,
        }
    }
}

/// A registered instance and how long it is believed.
#[derive(Clone, Debug)]
pub struct Lease {
    /// As lists show it: its lease times are those of its last change.
    pub instance: Arc<Instance>,
    /// When it renewed last, by the steady clock.
    pub renewed_ms: u64,
    /// The same by the wall clock.
    pub renewed_wall_ms: u64,
    /// When an override was set or removed last, in milliseconds since the epoch; 0 when never.
    /// Registries compare it when they meet again after a break.
    pub override_ms: u64,
}

// === impl Lease ===

impl Lease {
    /// Returns how long it lasts after a renewal, in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        u64::from(self.instance.lease.duration_s) * 1000
    }

    /// Returns when it runs out, by the steady clock.
    pub fn expires_ms(&self) -> u64 {
        self.renewed_ms.saturating_add(self.duration_ms())
    }

    /// Returns whether it has run out.
    pub fn is_expired(&self, now: Now) -> bool {
        now.steady_ms > self.expires_ms()
    }

    /// Returns the instance with its lease times as they are now.
    pub fn fresh(&self) -> Instance {
        let mut it = Instance::clone(&self.instance);
        it.lease.renewed_ms = self.renewed_wall_ms;
        it
    }

    fn renew(&mut self, now: Now) {
        self.renewed_ms = self.renewed_ms.max(now.steady_ms);
        self.renewed_wall_ms = self.renewed_wall_ms.max(now.wall_ms);
    }
}

type Leases = HashMap<String, Lease>;

/// All leases.
#[derive(Debug)]
pub struct Book {
    rules: Rules,
    apps: HashMap<String, Leases>,
    size: usize,
    /// Instances of each status.
    counts: [usize; Status::ALL.len()],
    list: Catalogue,
    delta: Catalogue,
    changes: VecDeque<Change>,
    /// By application and id, the version of the delta's entry.
    newest: HashMap<(String, String), u64>,
    /// Counts everything that a list or delta shows.
    version: u64,
    views: Views,
    renewals: Renewals,
    tombs: Tombs,
    recent: Recent,
    /// Evictions of the last minute, by the steady clock.
    evicted_ms: VecDeque<u64>,
    /// When leases began to be held, by the steady clock.
    held_since_ms: Option<u64>,
    /// When the evictor ran last.
    looked_ms: Option<u64>,
}

// === impl Book ===

impl Book {
    /// Returns an empty book.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            apps: HashMap::new(),
            size: 0,
            counts: [0; Status::ALL.len()],
            list: Catalogue::default(),
            delta: Catalogue::default(),
            changes: VecDeque::new(),
            newest: HashMap::new(),
            version: 0,
            views: Views::default(),
            renewals: Renewals::default(),
            tombs: Tombs::default(),
            recent: Recent::default(),
            evicted_ms: VecDeque::new(),
            held_since_ms: None,
            looked_ms: None,
        }
    }

    /// Returns how it judges.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Returns how many instances there are.
    pub fn len(&self) -> usize {
        self.size
    }

    /// Returns whether nobody is registered.
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Returns how many changes there were.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns how many instances have the status.
    pub fn count(&self, status: Status) -> usize {
        self.counts[status.index()]
    }

    /// Returns what happened lately.
    pub fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Returns all leases.
    pub fn leases(&self) -> impl Iterator<Item = &Lease> {
        self.apps.values().flat_map(HashMap::values)
    }

    /// Returns a lease.
    pub fn lease(&self, app: &str, id: &str) -> Option<&Lease> {
        self.apps.get(app)?.get(id)
    }

    fn lease_mut(&mut self, app: &str, id: &str) -> Option<&mut Lease> {
        self.apps.get_mut(app)?.get_mut(id)
    }

    /// Returns the first lease with the id, in any application.
    pub fn lease_of(&self, id: &str) -> Option<&Lease> {
        self.apps.values().find_map(|leases| leases.get(id))
    }

    /// Returns an application's instances as lists show them.
    pub fn app(&self, name: &str) -> Option<Vec<Arc<Instance>>> {
        self.list.app(name)
    }

    /// Returns Eureka's hash code of all statuses, such as `DOWN_1_UP_3_`.
    pub fn hash(&self) -> String {
        hash_of(&self.counts)
    }

    /// Takes a lease out of the book and all lists but the delta.
    fn take(&mut self, app: &str, id: &str) -> Option<Lease> {
        let leases = self.apps.get_mut(app)?;
        let lease = leases.remove(id)?;
        if leases.is_empty() {
            self.apps.remove(app);
        }
        self.size -= 1;
        self.counts[lease.instance.status.index()] -= 1;
        self.list.remove(app, id);
        Some(lease)
    }

    /// Changes an instance in the book; lists show it once [`Self::show`] is called.
    fn change(&mut self, app: &str, id: &str, edit: impl FnOnce(&mut Instance)) {
        let Some(lease) = self.lease_mut(app, id) else {
            return;
        };
        let before = lease.instance.status;
        edit(Arc::make_mut(&mut lease.instance));
        let after = lease.instance.status;
        self.counts[before.index()] -= 1;
        self.counts[after.index()] += 1;
    }

    /// Forgets an instance because it said goodbye. `dirty_ms` is what a peer knew of it.
    pub fn cancel(&mut self, app: &str, id: &str, dirty_ms: Option<u64>, now: Now) -> bool {
        let Some(lease) = self.lease(app, id) else {
            return false;
        };
        if dirty_ms.is_some_and(|dirty_ms| dirty_ms < lease.instance.dirty_ms) {
            // It registered again since; the goodbye was said before.
            return true;
        }
        self.end(app, id, Event::Cancelled, now);
        true
    }

    /// Takes a lease out and tells everybody.
    fn end(&mut self, app: &str, id: &str, event: Event, now: Now) {
        let Some(lease) = self.take(app, id) else {
            return;
        };
        let mut it = Arc::unwrap_or_clone(lease.instance);
        if event == Event::Cancelled {
            self.tombs.add((app, id), it.dirty_ms, now);
        }
        it.action = Some(Action::Deleted);
        it.updated_ms = it.updated_ms.max(now.wall_ms);
        it.lease = LeaseInfo {
            renewed_ms: lease.renewed_wall_ms,
            evicted_ms: now.wall_ms,
            ..it.lease
        };
        self.note(Arc::new(it), event, now);
    }
}

#[cfg(test)]
mod tests;
