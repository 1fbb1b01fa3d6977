//! When labels were asked for last: of too many in memory the one goes that was asked for longest
//! ago, and commits that were asked for by their numbers before branches and tags, whose news are
//! told.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::state::Served;
use crate::source::git::Labels;

/// Labels by when they were asked for.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    /// Counts what was asked for.
    count: u64,
    last: HashMap<String, u64>,
}

impl Asked {
    /// Notes that a label is asked for, which is in memory.
    pub(super) fn note(&self, label: &str) {
        let mut times = self.0.lock();
        times.count += 1;
        let now = times.count;
        match times.last.get_mut(label) {
            Some(last) => *last = now,
            None => {
                times.last.insert(label.to_owned(), now);
            }
        }
    }

    /// Forgets when those were asked for that are not in memory any more.
    pub(super) fn forget_others(&self, loaded: &HashMap<String, Served>) {
        let mut times = self.0.lock();
        times.last.retain(|label, _| loaded.contains_key(label));
    }

    /// Returns the label to forget of those in memory, but never the default one.
    pub(super) fn weakest(
        &self,
        loaded: &HashMap<String, Served>,
        (default, labels): (&str, &Labels),
    ) -> Option<String> {
        let times = self.0.lock();
        let others = loaded.keys().filter(|label| **label != default);
        let worth = |label: &&String| {
            let last = times.last.get(*label).copied().unwrap_or_default();
            (labels.contains_key(*label), last)
        };
        others.min_by_key(worth).cloned()
    }
}
