//! What one peer has not been told yet: bounded, in order, and of each thing only the newest.
//! Heartbeats are dropped when they are old, since the next ones say the same. Everything else
//! waits for the peer; what has no room is dropped and the peer is given all by reading, see
//! [`super::sync`].

use std::collections::{BTreeMap, HashMap};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::book::Now;
use crate::codec::batch::{Item, Verb};

/// As many as Eureka's servers keep.
const ITEMS_MAX: usize = 10_000;
/// A heartbeat that waited so long is followed by another.
const HEARTBEAT_KEPT_MS: u64 = 30_000;

/// The first place, in the middle of the numbers, so that there is room in front.
const BEGIN: u64 = 1 << 62;

/// A waiting change.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What.
    pub item: Item,
    /// Since when, by the steady clock.
    pub since_ms: u64,
}

/// What a change is about. A later change about the same takes the place of the earlier.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct About {
    app: String,
    id: String,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum What {
    Life,
    Beat,
    Override,
}

#[derive(Debug, Default)]
struct Queue {
    /// By place in the order.
    items: BTreeMap<u64, Waiting>,
    places: HashMap<About, u64>,
    next: u64,
    dropped: u64,
    /// Whether something that matters was dropped since the peer was given all.
    has_gap: bool,
}

/// The changes that wait for one peer.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: Mutex<Queue>,
    /// Wakes the courier.
    pub filled: Notify,
}

// === impl Outbox ===

impl Outbox {
    /// Adds a change.
    pub fn push(&self, item: Item, now: Now) {
        let mut queue = self.queue.lock();
        queue.push(Waiting {
            item,
            since_ms: now.steady_ms,
        });
        drop(queue);
        self.filled.notify_one();
    }

    /// Takes the oldest changes, at most so many. Heartbeats that are too old are left out.
    pub fn take(&self, count_max: usize, now: Now) -> Vec<Waiting> {
        let mut queue = self.queue.lock();
        let mut taken = Vec::new();
        while taken.len() < count_max
            && let Some(one) = queue.pop()
        {
            let age_ms = now.steady_ms.saturating_sub(one.since_ms);
            if one.item.verb != Verb::Heartbeat || age_ms <= HEARTBEAT_KEPT_MS {
                taken.push(one);
            }
        }
        taken
    }

    /// Puts changes back that could not be told, unless something newer waits by now.
    pub fn put_back(&self, items: Vec<Waiting>) {
        let mut queue = self.queue.lock();
        for one in items.into_iter().rev() {
            queue.put_back(one);
        }
    }

    /// Drops what is to be said about overrides, because they are compared instead.
    pub fn drop_overrides(&self) {
        let mut queue = self.queue.lock();
        let is_override = |about: &About| about.what == What::Override;
        let places = queue.places.extract_if(|about, _| is_override(about));
        let places: Vec<u64> = places.map(|(_, place)| place).collect();
        for place in places {
            queue.items.remove(&place);
        }
    }

    /// Returns how many wait.
    pub fn len(&self) -> usize {
        self.queue.lock().items.len()
    }

    /// Returns whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many were dropped for want of room.
    pub fn dropped(&self) -> u64 {
        self.queue.lock().dropped
    }

    /// Returns whether something is missing there for good, and forgets that it is.
    pub fn take_gap(&self) -> bool {
        std::mem::take(&mut self.queue.lock().has_gap)
    }

    /// Returns since when the oldest waits, by the steady clock.
    pub fn oldest_ms(&self) -> Option<u64> {
        let queue = self.queue.lock();
        queue.items.values().next().map(|one| one.since_ms)
    }
}

// === impl Queue ===

impl Queue {
    fn push(&mut self, one: Waiting) {
        let about = about(&one.item);
        self.drop_older(&about);
        if one.item.verb == Verb::Cancel {
            // What was to be said of it before is of no interest now.
            for what in [What::Beat, What::Override] {
                let other = About {
                    what,
                    ..about.clone()
                };
                self.drop_older(&other);
            }
        }
        let place = BEGIN + self.next;
        self.next += 1;
        self.places.insert(about, place);
        self.items.insert(place, one);
        if self.items.len() > ITEMS_MAX
            && let Some(dropped) = self.pop()
        {
            self.dropped += 1;
            self.has_gap |= dropped.item.verb != Verb::Heartbeat;
        }
    }

    fn put_back(&mut self, one: Waiting) {
        let about = about(&one.item);
        if self.places.contains_key(&about) || self.items.len() >= ITEMS_MAX {
            return;
        }
        let first = self
            .items
            .keys()
            .next()
            .copied()
            .unwrap_or(BEGIN + self.next);
        let place = first - 1;
        self.places.insert(about, place);
        self.items.insert(place, one);
    }

    fn drop_older(&mut self, about: &About) {
        if let Some(place) = self.places.remove(about) {
            self.items.remove(&place);
        }
    }

    fn pop(&mut self) -> Option<Waiting> {
        let (place, one) = self.items.pop_first()?;
        let about = about(&one.item);
        if self.places.get(&about) == Some(&place) {
            self.places.remove(&about);
        }
        Some(one)
    }
}

fn about(item: &Item) -> About {
    About {
        app: item.app.clone(),
        id: item.id.clone(),
        what: match item.verb {
            Verb::Register | Verb::Cancel => What::Life,
            Verb::Heartbeat => What::Beat,
            Verb::StatusUpdate | Verb::DeleteStatusOverride => What::Override,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(verb: Verb, id: &str) -> Item {
        Item {
            verb,
            app: "A".into(),
            id: id.into(),
            dirty_ms: None,
            status: None,
            overridden: None,
            instance: None,
        }
    }

    fn at(steady_ms: u64) -> Now {
        Now {
            wall_ms: 0,
            steady_ms,
        }
    }

    fn taken(outbox: &Outbox, now: u64) -> Vec<(Verb, String)> {
        let all = outbox.take(100, at(now)).into_iter();
        all.map(|one| (one.item.verb, one.item.id)).collect()
    }

    #[test]
    fn of_each_thing_the_newest_is_told_in_order() {
        let outbox = Outbox::default();
        for (verb, id) in [
            (Verb::Register, "a"),
            (Verb::Heartbeat, "a"),
            (Verb::StatusUpdate, "a"),
            (Verb::Register, "b"),
            (Verb::Heartbeat, "b"),
            (Verb::DeleteStatusOverride, "a"),
            (Verb::Heartbeat, "a"),
            (Verb::Cancel, "b"),
        ] {
            outbox.push(item(verb, id), at(0));
        }
        let expected = [
            (Verb::Register, "a".to_owned()),
            (Verb::DeleteStatusOverride, "a".to_owned()),
            (Verb::Heartbeat, "a".to_owned()),
            (Verb::Cancel, "b".to_owned()),
        ];
        assert_eq!(taken(&outbox, 0), expected);
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_could_not_be_told_comes_first_unless_something_newer_waits() {
        let outbox = Outbox::default();
        for id in ["a", "b", "c"] {
            outbox.push(item(Verb::Register, id), at(1));
        }
        let first = outbox.take(2, at(2));
        outbox.push(item(Verb::Cancel, "a"), at(2));
        outbox.put_back(first);
        assert_eq!(outbox.oldest_ms(), Some(1));
        let expected = [
            (Verb::Register, "b".to_owned()),
            (Verb::Register, "c".to_owned()),
            (Verb::Cancel, "a".to_owned()),
        ];
        assert_eq!(taken(&outbox, 3), expected);
    }

    #[test]
    fn overrides_can_be_dropped_apart() {
        let outbox = Outbox::default();
        for verb in [Verb::Register, Verb::StatusUpdate, Verb::Heartbeat] {
            outbox.push(item(verb, "a"), at(0));
        }
        outbox.drop_overrides();
        let expected = [
            (Verb::Register, "a".to_owned()),
            (Verb::Heartbeat, "a".to_owned()),
        ];
        assert_eq!(taken(&outbox, 0), expected);
    }

    #[test]
    fn old_heartbeats_are_dropped_and_goodbyes_are_not() {
        let outbox = Outbox::default();
        outbox.push(item(Verb::Heartbeat, "a"), at(0));
        outbox.push(item(Verb::Cancel, "b"), at(0));
        assert_eq!(taken(&outbox, 30_001), [(Verb::Cancel, "b".to_owned())]);
    }

    #[test]
    fn what_has_no_room_is_counted_and_leaves_a_gap() {
        let outbox = Outbox::default();
        for number in 0..=ITEMS_MAX {
            outbox.push(item(Verb::Heartbeat, &number.to_string()), at(0));
        }
        assert_eq!((outbox.len(), outbox.dropped()), (ITEMS_MAX, 1));
        assert!(!outbox.take_gap());
        for number in 0..=ITEMS_MAX {
            outbox.push(item(Verb::Register, &number.to_string()), at(0));
        }
        assert_eq!(
            (outbox.len(), outbox.dropped()),
            (ITEMS_MAX, ITEMS_MAX as u64 + 2)
        );
        assert!(outbox.take_gap());
        assert!(!outbox.take_gap());
    }
}
