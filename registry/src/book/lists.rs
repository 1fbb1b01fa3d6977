//! The lists that clients fetch: everything, and what changed within the last minutes.

use std::sync::Arc;

use super::recent::Event;
use super::{Book, Now};
use crate::model::{Instance, Status, Vip};
use crate::pages::{Catalogue, View};

/// How long a change stays in the delta: six fetches of a client with default settings.
pub const DELTA_KEPT_MS: u64 = 180_000;

/// A change in the delta.
#[derive(Debug)]
pub(super) struct Change {
    steady_ms: u64,
    version: u64,
    app: String,
    id: String,
}

/// Lists as they are, until something changes.
#[derive(Debug, Default)]
pub(super) struct Views {
    list: Option<Arc<View>>,
    delta: Option<Arc<View>>,
}

// === impl Book ===

impl Book {
    /// Returns how many entries the delta has.
    pub fn delta_len(&self) -> usize {
        self.newest.len()
    }

    /// Returns the list of everything.
    pub fn list(&mut self) -> Arc<View> {
        if let Some(view) = &self.views.list {
            return Arc::clone(view);
        }
        let view = Arc::new(self.list.view(self.version, &self.hash()));
        self.views.list = Some(Arc::clone(&view));
        view
    }

    /// Returns what changed lately, under the hash of everything.
    pub fn delta(&mut self) -> Arc<View> {
        if let Some(view) = &self.views.delta {
            return Arc::clone(view);
        }
        let view = Arc::new(self.delta.view(self.version, &self.hash()));
        self.views.delta = Some(Arc::clone(&view));
        view
    }

    /// Returns those that answer to a virtual name.
    pub fn by_vip(&self, name: &str, which: Vip) -> View {
        let mut found = Catalogue::default();
        let mut counts = [0; Status::ALL.len()];
        for lease in self
            .leases()
            .filter(|lease| lease.instance.has_vip(name, which))
        {
            counts[lease.instance.status.index()] += 1;
            found.put(Arc::clone(&lease.instance));
        }
        found.view(self.version, &hash_of(&counts))
    }

    /// Puts an instance into all lists. Its lease must be in the book.
    pub(super) fn show(&mut self, app: &str, id: &str, event: Event, now: Now) {
        let Some(lease) = self.lease(app, id) else {
            return;
        };
        let instance = Arc::clone(&lease.instance);
        self.list.put(Arc::clone(&instance));
        self.note(instance, event, now);
    }

    /// Puts a change into the delta and among what happened.
    pub(super) fn note(&mut self, instance: Arc<Instance>, event: Event, now: Now) {
        self.version += 1;
        self.views.list = None;
        self.views.delta = None;
        let (app, id) = (instance.app.clone(), instance.id().to_owned());
        self.recent.push(event, &instance, now);
        self.delta.put(instance);
        self.newest.insert((app.clone(), id.clone()), self.version);
        self.changes.push_back(Change {
            steady_ms: now.steady_ms,
            version: self.version,
            app,
            id,
        });
        // A flood of changes is not kept for three minutes: clients that miss some see another
        // hash and fetch everything, as after a pause.
        while self.changes.len() > self.changes_max() {
            self.forget_oldest_change();
        }
    }

    fn changes_max(&self) -> usize {
        self.rules.instances_max.saturating_mul(4).max(1000)
    }

    /// Drops changes that every client has seen.
    pub(super) fn forget_changes(&mut self, now: Now) {
        let is_old =
            |change: &Change| now.steady_ms.saturating_sub(change.steady_ms) > DELTA_KEPT_MS;
        while self.changes.front().is_some_and(is_old) {
            self.forget_oldest_change();
        }
    }

    fn forget_oldest_change(&mut self) {
        let Some(change) = self.changes.pop_front() else {
            return;
        };
        let key = (change.app, change.id);
        if self.newest.get(&key) == Some(&change.version) {
            self.newest.remove(&key);
            self.delta.remove(&key.0, &key.1);
            self.version += 1;
            self.views.delta = None;
            self.views.list = None;
        }
    }
}

/// Returns Eureka's hash code.
pub(super) fn hash_of(counts: &[usize; Status::ALL.len()]) -> String {
    let mut hash = String::new();
    for (status, count) in Status::ALL.into_iter().zip(counts) {
        if *count > 0 {
            hash.push_str(status.name());
            hash.push('_');
            hash.push_str(itoa::Buffer::new().format(*count));
            hash.push('_');
        }
    }
    hash
}
