//! What applications are owed until they have it: names until the registry was asked, instances
//! until they answered. There are so many at most, and none is owed anything for ever.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Names;

/// What is owed for longer is given up.
pub(super) const OWED_FOR: Duration = Duration::from_hours(24);
/// Instances that are owed something; more are given up at once.
const INSTANCES_MAX: usize = 10_000;

/// Names that are owed something.
#[derive(Debug, Default)]
pub(super) struct OwedNames {
    names: Names,
    until: Option<Instant>,
}

impl OwedNames {
    /// Adds names, for which all of them are owed anew.
    pub(super) fn add(&mut self, names: &Names, now: Instant) {
        if !names.is_empty() {
            self.names.add_all(names);
            self.until = now.checked_add(OWED_FOR);
        }
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Puts back what was taken out whole, as old as it is.
    pub(super) fn put_back(&mut self, taken: &Self) {
        self.names.add_all(&taken.names);
        self.until = self.until.max(taken.until);
    }

    /// Takes all names.
    pub(super) fn take(&mut self) -> Names {
        self.until = None;
        std::mem::take(&mut self.names)
    }

    /// Takes all names when they were owed for too long.
    pub(super) fn take_old(&mut self, now: Instant) -> Names {
        let is_old = self.until.is_some_and(|until| now >= until);
        if is_old {
            self.take()
        } else {
            Names::default()
        }
    }
}

/// An application and one of its instances.
pub(super) type Key = (String, String);

/// Instances that are owed something.
#[derive(Debug, Default)]
pub(super) struct OwedInstances {
    all: BTreeMap<Key, Owed>,
}

#[derive(Debug)]
struct Owed {
    until: Instant,
    why: String,
}

impl OwedInstances {
    /// Adds an instance that could not be told of something new; false when there are too many.
    pub(super) fn add(&mut self, key: Key, why: &str, now: Instant) -> bool {
        if self.all.len() >= INSTANCES_MAX && !self.all.contains_key(&key) {
            return false;
        }
        let owed = Owed {
            until: now + OWED_FOR,
            why: why.to_owned(),
        };
        self.all.insert(key, owed);
        true
    }

    /// Notes why an instance could not be told again; returns whether that is another reason.
    pub(super) fn again(&mut self, key: &Key, why: &str) -> bool {
        match self.all.get_mut(key) {
            Some(owed) if owed.why == why => false,
            Some(owed) => {
                why.clone_into(&mut owed.why);
                true
            }
            None => true,
        }
    }

    /// Removes an instance that has what it is owed, or that can't be told at all.
    pub(super) fn remove(&mut self, key: &Key) {
        self.all.remove(key);
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        self.all.contains_key(key)
    }

    /// Returns how many there are.
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Returns their applications.
    pub(super) fn applications(&self) -> Names {
        let mut names = Names::default();
        for (application, _) in self.all.keys() {
            names.add(application);
        }
        names
    }

    /// Takes those that were owed something for too long.
    pub(super) fn take_old(&mut self, now: Instant) -> Vec<Key> {
        let old = self.all.extract_if(.., |_, owed| now >= owed.until);
        old.map(|(key, _)| key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        ("SHOP".to_owned(), number.to_string())
    }

    #[test]
    fn names_are_owed_for_a_day_after_the_last_one_came() {
        let (start, mut owed) = (Instant::now(), OwedNames::default());
        let mut names = Names::default();
        names.add_path("shop.yml");
        owed.add(&names, start);
        let later = start + OWED_FOR / 2;
        owed.add(&Names::default(), later);
        assert!(owed.take_old(later).is_empty());
        owed.add(&names, later);
        let taken = std::mem::take(&mut owed);
        owed.add(&names, start);
        owed.put_back(&taken);
        assert!(owed.take_old(start + OWED_FOR).is_empty());
        assert_eq!(owed.take_old(later + OWED_FOR), names);
        assert!(owed.names().is_empty());
        assert!(owed.take_old(later + OWED_FOR * 2).is_empty());
    }

    #[test]
    fn instances_are_so_many_at_most_and_owed_for_a_day() {
        let (start, mut owed) = (Instant::now(), OwedInstances::default());
        for number in 0..INSTANCES_MAX {
            assert!(owed.add(key(number), "away", start));
        }
        assert!(!owed.add(key(INSTANCES_MAX), "away", start));
        let later = start + OWED_FOR / 2;
        assert!(owed.add(key(1), "away", later), "it is there already");
        assert!(!owed.again(&key(1), "away"));
        assert!(owed.again(&key(1), "busy"));
        owed.remove(&key(2));
        assert!(!owed.contains(&key(2)));
        let applications = owed.applications();
        assert_eq!(applications.iter().collect::<Vec<_>>(), ["SHOP"]);
        assert_eq!(owed.take_old(start + OWED_FOR).len(), INSTANCES_MAX - 2);
        assert_eq!(owed.count(), 1);
    }
}
