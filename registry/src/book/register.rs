//! Registering, which is also how a client changes what it said before.

use std::sync::Arc;

use super::recent::Event;
use super::{Book, Lease, Now, Origin, rules};
use crate::model::{Action, Instance, Status};

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registered {
    /// It is the first of its id.
    New,
    /// It took the place of what was there.
    Replaced {
        /// Another host had registered under the id: two instances share it.
        from_other_host: bool,
    },
    /// What was there is newer and stays; its lease was renewed.
    KeptNewer,
    /// There are too many.
    Full,
}

// === impl Book ===

impl Book {
    /// Registers an instance that was checked before.
    pub fn register(&mut self, mut incoming: Instance, origin: Origin, now: Now) -> Registered {
        let (app, id) = (incoming.app.clone(), incoming.id().to_owned());
        let existing = self.lease(&app, &id);
        if existing.is_none() && self.size >= self.rules.instances_max {
            return Registered::Full;
        }
        let mut outcome = Registered::New;
        if incoming.dirty_ms == 0 {
            incoming.dirty_ms = now.wall_ms;
        }
        if let Some(lease) = existing {
            let stored = &lease.instance;
            if stored.dirty_ms > incoming.dirty_ms {
                outcome = Registered::KeptNewer;
                incoming = Instance::clone(stored);
            } else {
                let from_other_host = stored.host_name != incoming.host_name;
                outcome = Registered::Replaced { from_other_host };
                if stored.overridden != Status::Unknown {
                    incoming.overridden = stored.overridden;
                }
            }
        }
        incoming.status = rules::status(&incoming, existing, origin);
        let override_ms = existing.map_or(0, |lease| lease.override_ms);
        let up_ms = existing.map_or(0, |lease| lease.instance.lease.up_ms);
        incoming.lease.up_ms = if up_ms == 0 && incoming.status == Status::Up {
            now.wall_ms
        } else {
            up_ms
        };
        incoming.lease.registered_ms = now.wall_ms;
        incoming.lease.renewed_ms = now.wall_ms;
        incoming.lease.evicted_ms = 0;
        incoming.action = Some(Action::Added);
        incoming.updated_ms = now.wall_ms;
        self.put_lease(incoming, override_ms, now);
        self.show(&app, &id, Event::Registered, now);
        outcome
    }

    /// Puts a lease that begins now into the book.
    pub(super) fn put_lease(&mut self, instance: Instance, override_ms: u64, now: Now) {
        let lease = Lease {
            instance: Arc::new(instance),
            renewed_ms: now.steady_ms,
            renewed_wall_ms: now.wall_ms,
            override_ms,
        };
        let (app, id) = (lease.instance.app.clone(), lease.instance.id().to_owned());
        self.tombs.remove(&app, &id);
        self.counts[lease.instance.status.index()] += 1;
        match self.apps.entry(app).or_default().insert(id, lease) {
            Some(old) => self.counts[old.instance.status.index()] -= 1,
            None => self.size += 1,
        }
    }

    /// Changes the metadata of an instance, which counts as registering again. Returns whether it
    /// is there.
    pub fn add_metadata(
        &mut self,
        key: (&str, &str),
        entries: &[(String, String)],
        now: Now,
    ) -> bool {
        let Some(lease) = self.lease(key.0, key.1) else {
            return false;
        };
        let mut it = Instance::clone(&lease.instance);
        for (name, value) in entries {
            match it.metadata.iter_mut().find(|(other, _)| other == name) {
                Some((_, old)) => old.clone_from(value),
                None => it.metadata.push((name.clone(), value.clone())),
            }
        }
        self.register(it, Origin::Client, now);
        true
    }
}
