//! The desk in front of the book: each request is checked, done, counted, and told to peers when
//! it came from a client.

mod check;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use crate::book::{
    Book, Heartbeat, Known, Now, Origin, Override, Registered, Renewed, StatusChange,
};
use crate::codec::batch::{Item, Response, Verb};
use crate::complaint::Complaints;
use crate::meter::{Count, Meter, Refusal};
use crate::model::{Instance, Status};
use crate::peer::Peers;
pub use check::{Bounds, Unfit};

/// Book, peers and counters.
#[derive(Debug)]
pub struct Desk {
    book: Mutex<Book>,
    peers: Peers,
    bounds: Bounds,
    changed: watch::Sender<u64>,
    /// What is counted.
    pub meter: Meter,
    /// What was told already.
    pub complaints: Complaints,
}

// === impl Desk ===

impl Desk {
    /// Returns a desk.
    pub fn new(book: Book, peers: Peers, bounds: Bounds, meter: Meter) -> Self {
        Self {
            book: Mutex::new(book),
            peers,
            bounds,
            changed: watch::channel(0).0,
            meter,
            complaints: Complaints::default(),
        }
    }

    /// Returns the book, for reading.
    pub fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock()
    }

    /// Returns the peers.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// Returns what tells the number of the last thing that happened.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Tells watchers if something happened.
    fn tell_watchers(&self, book: &Book) {
        let number = book.recent().number();
        self.changed.send_if_modified(|last| {
            let is_new = *last != number;
            *last = number;
            is_new
        });
    }

    /// Registers an instance under the name of the path.
    pub fn register(
        &self,
        app: &str,
        instance: Instance,
        origin: Origin,
        now: Now,
    ) -> Result<(), Unfit> {
        check::fields(app, &instance)?;
        check::sizes(&instance, self.bounds)?;
        let key = (instance.app.clone(), instance.id().to_owned());
        let mut book = self.book.lock();
        let outcome = book.register(instance, origin, now);
        if outcome == Registered::Full {
            return Err(Unfit::Full(book.len()));
        }
        if origin == Origin::Client {
            self.tell(&book, Verb::Register, (&key.0, &key.1));
        }
        self.tell_watchers(&book);
        drop(book);
        self.meter.add(Count::Registrations, 1);
        let from_other_host = Registered::Replaced {
            from_other_host: true,
        };
        if outcome == from_other_host {
            self.meter.add(Count::SharedIds, 1);
            let what = format!("two hosts register as {}/{}", key.0, key.1);
            self.complaints.tell("shared id", now, &what);
        }
        Ok(())
    }

    /// Renews a lease.
    pub fn renew(&self, key: (&str, &str), beat: Heartbeat, origin: Origin, now: Now) -> Renewed {
        let mut book = self.book.lock();
        let renewed = book.renew(key, beat, origin, now);
        if origin == Origin::Client && renewed.is_renewal() {
            self.tell(&book, Verb::Heartbeat, key);
        }
        self.tell_watchers(&book);
        drop(book);
        if matches!(renewed, Renewed::Outdated | Renewed::Newer(_)) {
            self.meter.add(Count::Conflicts, 1);
        }
        renewed
    }

    /// Forgets an instance. Returns whether it was there.
    pub fn cancel(
        &self,
        key: (&str, &str),
        dirty_ms: Option<u64>,
        origin: Origin,
        now: Now,
    ) -> bool {
        let mut book = self.book.lock();
        let known_ms = book
            .lease(key.0, key.1)
            .map(|lease| lease.instance.dirty_ms);
        let is_there = book.cancel(key.0, key.1, dirty_ms, now);
        if is_there && origin == Origin::Client {
            self.peers.tell(&bare(Verb::Cancel, key, known_ms), now);
        }
        self.tell_watchers(&book);
        drop(book);
        self.meter.add(Count::Cancels, usize::from(is_there));
        is_there
    }

    /// Sets or removes an override. Returns whether the instance is there.
    pub fn change_status(
        &self,
        key: (&str, &str),
        change: StatusChange,
        origin: Origin,
        now: Now,
    ) -> bool {
        let mut book = self.book.lock();
        let is_there = book.change_status(key, change, now);
        if is_there && origin == Origin::Client {
            let (verb, status) = match change.what {
                Override::Set(status) => (Verb::StatusUpdate, status),
                Override::Remove(status) => (Verb::DeleteStatusOverride, status),
            };
            let dirty_ms = book
                .lease(key.0, key.1)
                .map(|lease| lease.instance.dirty_ms);
            let item = Item {
                status: Some(status),
                ..bare(verb, key, dirty_ms)
            };
            self.peers.tell(&item, now);
        }
        self.tell_watchers(&book);
        drop(book);
        self.meter.add(Count::StatusChanges, usize::from(is_there));
        is_there
    }

    /// Changes metadata. Returns whether the instance is there.
    pub fn add_metadata(
        &self,
        key: (&str, &str),
        entries: &[(String, String)],
        now: Now,
    ) -> Result<bool, Unfit> {
        let mut book = self.book.lock();
        let Some(lease) = book.lease(key.0, key.1) else {
            return Ok(false);
        };
        let given = entries.iter().map(|(name, value)| name.len() + value.len());
        let bytes = lease.instance.metadata_bytes() + given.sum::<usize>();
        if bytes > self.bounds.metadata_bytes_max {
            return Err(Unfit::TooLarge {
                field: "metadata",
                bytes,
                bytes_max: self.bounds.metadata_bytes_max,
            });
        }
        let is_there = book.add_metadata(key, entries, now);
        self.tell(&book, Verb::Register, key);
        self.tell_watchers(&book);
        Ok(is_there)
    }

    /// Ends leases that ran out. Call it each second.
    pub fn expire(&self, now: Now) {
        let mut book = self.book.lock();
        let ended = book.expire(now);
        self.tell_watchers(&book);
        drop(book);
        self.meter.add(Count::Evictions, ended);
    }

    /// Ends one lease. Peers are told as if the instance had said goodbye: an operator means it.
    pub fn purge(&self, key: (&str, &str), now: Now) -> bool {
        let mut book = self.book.lock();
        let known_ms = book
            .lease(key.0, key.1)
            .map(|lease| lease.instance.dirty_ms);
        let is_there = book.purge(key.0, key.1, now);
        if is_there {
            self.peers.tell(&bare(Verb::Cancel, key, known_ms), now);
        }
        self.tell_watchers(&book);
        drop(book);
        self.meter.add(Count::Purges, usize::from(is_there));
        is_there
    }

    /// Ends all leases that ran out, held or not. Returns how many.
    pub fn purge_expired(&self, now: Now) -> usize {
        let mut book = self.book.lock();
        let ended = book.purge_expired(now).instances;
        self.tell_watchers(&book);
        drop(book);
        self.meter.add(Count::Purges, ended);
        ended
    }

    /// Takes over what a peer or a snapshot knew. Returns how many instances.
    pub fn adopt(&self, all: Vec<Known>, now: Now) -> usize {
        let mut adopted = 0;
        for known in all {
            let it = &known.instance;
            if check::fields(&it.app, it).is_ok() && check::sizes(it, self.bounds).is_ok() {
                adopted += usize::from(self.book.lock().adopt(known, now));
            }
        }
        self.tell_watchers(&self.book.lock());
        self.meter.add(Count::Adopted, adopted);
        adopted
    }

    /// Does what a peer's batch says, in its order.
    pub fn batch(&self, items: Vec<Item>, now: Now) -> Vec<Response> {
        self.meter.add(Count::PeerItems, items.len());
        items.into_iter().map(|item| self.item(item, now)).collect()
    }

    fn item(&self, item: Item, now: Now) -> Response {
        let app = item.app.to_uppercase();
        let key = (app.as_str(), item.id.as_str());
        let found = |is_there| Response {
            status: if is_there { 200 } else { 404 },
            instance: None,
        };
        let change = |what| StatusChange {
            what,
            dirty_ms: item.dirty_ms,
        };
        match item.verb {
            Verb::Register => {
                let Some(instance) = item.instance else {
                    return Response {
                        status: 400,
                        instance: None,
                    };
                };
                // Java's registries answer 200 here whatever became of it.
                if let Err(error) = self.register(&app, *instance, Origin::Peer, now) {
                    self.refuse("peer's instance", &error, now);
                }
                found(true)
            }
            Verb::Heartbeat => {
                let beat = Heartbeat {
                    dirty_ms: item.dirty_ms,
                    overridden: item.overridden,
                };
                let renewed = self.renew(key, beat, Origin::Peer, now);
                Response {
                    status: renewed.status(),
                    instance: match renewed {
                        Renewed::Newer(instance) => Some(instance),
                        _ => None,
                    },
                }
            }
            Verb::Cancel => found(self.cancel(key, item.dirty_ms, Origin::Peer, now)),
            Verb::StatusUpdate => {
                let what = Override::Set(item.status.unwrap_or_default());
                found(self.change_status(key, change(what), Origin::Peer, now))
            }
            Verb::DeleteStatusOverride => {
                let what = Override::Remove(item.status.unwrap_or_default());
                found(self.change_status(key, change(what), Origin::Peer, now))
            }
        }
    }

    /// Counts and tells a refusal.
    pub fn refuse(&self, kind: &str, why: &Unfit, now: Now) {
        self.meter.refuse(match why {
            Unfit::Missing(_) => Refusal::Malformed,
            Unfit::TooLarge { .. } => Refusal::TooLarge,
            Unfit::Full(_) => Refusal::Full,
        });
        self.complaints.tell(kind, now, why);
    }

    /// What a peer said is newer than here: takes it over as Eureka does.
    pub fn take_over(&self, instance: Instance, now: Now) {
        let (app, id) = (instance.app.clone(), instance.id().to_owned());
        let overridden = instance.overridden;
        if overridden != Status::Unknown {
            self.book
                .lock()
                .store_override((&app, &id), overridden, now);
        }
        if let Err(error) = self.register(&app, instance, Origin::Peer, now) {
            self.refuse("peer's instance", &error, now);
        }
    }

    /// Tells peers what the book says of an instance.
    fn tell(&self, book: &Book, verb: Verb, key: (&str, &str)) {
        if !self.peers.is_empty()
            && let Some(lease) = book.lease(key.0, key.1)
        {
            let item = told(verb, &lease.instance);
            self.peers.tell(
                &item,
                Now {
                    wall_ms: lease.renewed_wall_ms,
                    steady_ms: lease.renewed_ms,
                },
            );
        }
    }
}

/// Returns what peers are told of an instance.
pub fn told(verb: Verb, it: &Instance) -> Item {
    let is_heartbeat = verb == Verb::Heartbeat;
    let is_overridden = it.overridden != Status::Unknown;
    Item {
        status: Some(it.status),
        overridden: (is_heartbeat && is_overridden).then_some(it.overridden),
        instance: (verb == Verb::Register).then(|| Box::new(it.clone())),
        ..bare(verb, (&it.app, it.id()), Some(it.dirty_ms))
    }
}

fn bare(verb: Verb, key: (&str, &str), dirty_ms: Option<u64>) -> Item {
    Item {
        verb,
        app: key.0.to_owned(),
        id: key.1.to_owned(),
        dirty_ms,
        status: None,
        overridden: None,
        instance: None,
    }
}
