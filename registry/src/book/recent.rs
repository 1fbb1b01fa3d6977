//! What happened lately, for people and for those who watch.

use std::collections::VecDeque;

use super::Now;
use crate::model::{Instance, Status};

/// As many of each as Eureka's page shows.
const KEPT_MAX: usize = 1000;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// An instance registered.
    Registered,
    /// It was taken over from a peer or from disk.
    Adopted,
    /// Its status changed.
    Changed,
    /// It said goodbye.
    Cancelled,
    /// Its lease ran out.
    Evicted,
    /// An operator removed it.
    Purged,
}

impl Event {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Adopted => "adopted",
            Self::Changed => "changed",
            Self::Cancelled => "cancelled",
            Self::Evicted => "evicted",
            Self::Purged => "purged",
        }
    }

    /// Returns whether the instance is gone.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Cancelled | Self::Evicted | Self::Purged)
    }
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Counts entries, without gaps.
    pub number: u64,
    /// What.
    pub event: Event,
    /// When, in milliseconds since the epoch.
    pub wall_ms: u64,
    /// To whom.
    pub app: String,
    /// To whom.
    pub id: String,
    /// The status then.
    pub status: Status,
}

/// The last things that happened, the oldest first.
#[derive(Debug, Default)]
pub struct Recent {
    entries: VecDeque<Entry>,
    number: u64,
}

// === impl Recent ===

impl Recent {
    pub(super) fn push(&mut self, event: Event, instance: &Instance, now: Now) {
        self.number += 1;
        self.entries.push_back(Entry {
            number: self.number,
            event,
            wall_ms: now.wall_ms,
            app: instance.app.clone(),
            id: instance.id().to_owned(),
            status: instance.status,
        });
        if self.entries.len() > KEPT_MAX {
            self.entries.pop_front();
        }
    }

    /// Returns the entries, the oldest first.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Returns the number of the newest entry; 0 when there is none.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns what came after an entry; `None` when some of it is forgotten.
    pub fn since(&self, number: u64) -> Option<Vec<Entry>> {
        let missed = usize::try_from(self.number.checked_sub(number)?).ok()?;
        let skip = self.entries.len().checked_sub(missed)?;
        Some(self.entries.iter().skip(skip).cloned().collect())
    }
}
