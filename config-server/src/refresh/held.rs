//! Names that wait for what is held back: until the label that they came for moves on, applications
//! would read again what they have.

use std::collections::BTreeMap;
use std::time::Instant;

use super::Names;
use super::owed::OwedNames;
use crate::source::news::HeldBack;

/// Labels for which names wait.
const LABELS_MAX: usize = 64;

/// The names by labels.
#[derive(Debug, Default)]
pub(super) struct Held {
    all: BTreeMap<String, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    /// What was served when they came.
    served: String,
    names: OwedNames,
}

impl Held {
    /// Keeps names until one of these labels moves on; false when there are too many.
    pub(super) fn keep(&mut self, names: &OwedNames, labels: &BTreeMap<String, HeldBack>) -> bool {
        let new = labels.keys().filter(|label| !self.all.contains_key(*label));
        if self.all.len() + new.count() > LABELS_MAX {
            return false;
        }
        for (label, held_back) in labels {
            let waiting = self.all.entry(label.clone()).or_insert_with(|| Waiting {
                served: held_back.served.clone(),
                names: OwedNames::default(),
            });
            waiting.names.put_back(names);
        }
        true
    }

    /// Takes the names whose label moved on: something else is served, or nothing is held back.
    pub(super) fn release(&mut self, labels: &BTreeMap<String, HeldBack>) -> Names {
        let mut released = Names::default();
        self.all.retain(|label, waiting| {
            let now = labels.get(label);
            let stays = now.is_some_and(|now| now.served == waiting.served);
            if !stays {
                released.add_all(waiting.names.names());
            }
            stays
        });
        released
    }

    /// Returns all names.
    pub(super) fn names(&self) -> Names {
        let mut names = Names::default();
        for waiting in self.all.values() {
            names.add_all(waiting.names.names());
        }
        names
    }

    /// Takes the names that waited for too long.
    pub(super) fn take_old(&mut self, now: Instant) -> Names {
        let mut old = Names::default();
        self.all.retain(|_, waiting| {
            old.add_all(&waiting.names.take_old(now));
            !waiting.names.names().is_empty()
        });
        old
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refresh::owed::OWED_FOR;

    fn labels(all: &[(&str, &str)]) -> BTreeMap<String, HeldBack> {
        let one = |(label, served): &(&str, &str)| {
            let held_back = HeldBack {
                newest: "broken".to_owned(),
                served: (*served).to_owned(),
            };
            ((*label).to_owned(), held_back)
        };
        all.iter().map(one).collect()
    }

    fn owed(name: &str, now: Instant) -> OwedNames {
        let (mut names, mut owed) = (Names::default(), OwedNames::default());
        names.add(name);
        owed.add(&names, now);
        owed
    }

    #[test]
    fn names_wait_for_their_own_label() {
        let (now, mut held) = (Instant::now(), Held::default());
        let (main, side) = (labels(&[("main", "1")]), labels(&[("side", "1")]));
        assert!(held.keep(&owed("shop", now), &main));
        assert!(held.keep(&owed("bank", now), &side));
        assert!(
            held.release(&labels(&[("main", "1"), ("side", "1")]))
                .is_empty()
        );
        let released = held.release(&labels(&[("main", "2"), ("side", "1")]));
        assert_eq!(released.iter().collect::<Vec<_>>(), ["shop"]);
        assert_eq!(held.names().iter().collect::<Vec<_>>(), ["bank"]);
        let released = held.release(&labels(&[]));
        assert_eq!(released.iter().collect::<Vec<_>>(), ["bank"]);
        assert!(held.names().is_empty());
    }

    #[test]
    fn names_wait_for_a_day_and_few_labels() {
        let (now, mut held) = (Instant::now(), Held::default());
        for number in 0..LABELS_MAX {
            let label = labels(&[(&*number.to_string(), "1")]);
            assert!(held.keep(&owed("shop", now), &label));
        }
        assert!(!held.keep(&owed("shop", now), &labels(&[("more", "1")])));
        assert!(held.keep(&owed("shop", now), &labels(&[("1", "1")])));
        assert!(held.take_old(now).is_empty());
        assert_eq!(held.take_old(now + OWED_FOR).iter().count(), 1);
        assert!(held.names().is_empty() && held.all.is_empty());
    }
}
