//! What the registry counts of itself. How it is shown is in `http/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Count {
    /// Instances that registered, again or for the first time.
    Registrations,
    /// Instances that said goodbye.
    Cancels,
    /// Leases that ran out and were ended.
    Evictions,
    /// Instances that operators removed.
    Purges,
    /// Overrides set and removed.
    StatusChanges,
    /// Instances taken over from peers and snapshots.
    Adopted,
    /// Conflicts in which the sender, or this registry, had something newer.
    Conflicts,
    /// Ids under which another host registered than before.
    SharedIds,
    /// Items of peers' batches.
    PeerItems,
    /// Snapshots written.
    Snapshots,
    /// Snapshots that could not be written.
    SnapshotsFailed,
}

impl Count {
    /// All, with metric and meaning.
    pub const ALL: [(Self, &'static str, &'static str); 11] = [
        (
            Self::Registrations,
            "speargun_registry_registrations_total",
            "instances that registered, again or for the first time",
        ),
        (
            Self::Cancels,
            "speargun_registry_cancels_total",
            "instances that said goodbye",
        ),
        (
            Self::Evictions,
            "speargun_registry_evictions_total",
            "leases that ran out and were ended",
        ),
        (
            Self::Purges,
            "speargun_registry_purges_total",
            "instances that operators removed",
        ),
        (
            Self::StatusChanges,
            "speargun_registry_status_changes_total",
            "overrides set and removed",
        ),
        (
            Self::Adopted,
            "speargun_registry_adopted_total",
            "instances taken over from peers and snapshots",
        ),
        (
            Self::Conflicts,
            "speargun_registry_conflicts_total",
            "heartbeats whose sender knew something newer or older",
        ),
        (
            Self::SharedIds,
            "speargun_registry_shared_ids_total",
            "registrations under the id of another host",
        ),
        (
            Self::PeerItems,
            "speargun_registry_peer_items_total",
            "changes that peers told",
        ),
        (
            Self::Snapshots,
            "speargun_registry_snapshots_total",
            "snapshots written",
        ),
        (
            Self::SnapshotsFailed,
            "speargun_registry_snapshots_failed_total",
            "snapshots that could not be written",
        ),
    ];
}

/// Why something was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It is not understood, or a field is missing.
    Malformed,
    /// A field, the metadata or the body is too large.
    TooLarge,
    /// There are too many instances.
    Full,
    /// Name or password are wrong.
    Unauthorized,
    /// There are too many connections or watchers.
    Busy,
    /// It would change something, and this registry only shows.
    ReadOnly,
}

impl Refusal {
    /// All, with their words.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Malformed, "malformed"),
        (Self::TooLarge, "too-large"),
        (Self::Full, "full"),
        (Self::Unauthorized, "unauthorized"),
        (Self::Busy, "busy"),
        (Self::ReadOnly, "read-only"),
    ];

    /// Returns its word.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// The answers of one operation, by code.
pub const CODES: [u16; 14] = [
    200, 204, 400, 401, 403, 404, 405, 409, 413, 415, 429, 500, 503, 0,
];

/// All counters.
#[derive(Debug)]
pub struct Meter {
    counts: [AtomicU64; Count::ALL.len()],
    refusals: [AtomicU64; Refusal::ALL.len()],
    answers: Vec<[AtomicU64; CODES.len()]>,
}

// === impl Meter ===

impl Meter {
    /// Returns counters for so many operations.
    pub fn new(operations: usize) -> Self {
        Self {
            counts: Default::default(),
            refusals: Default::default(),
            answers: (0..operations).map(|_| Default::default()).collect(),
        }
    }

    /// Counts something.
    pub fn add(&self, count: Count, by: usize) {
        self.counts[count as usize].fetch_add(by as u64, Ordering::Relaxed);
    }

    /// Counts a refusal.
    pub fn refuse(&self, why: Refusal) {
        self.refusals[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer. Codes without a place of their own are counted as 0.
    pub fn answer(&self, operation: usize, code: u16) {
        let place = CODES.iter().position(|other| *other == code);
        let place = place.unwrap_or(CODES.len() - 1);
        if let Some(codes) = self.answers.get(operation) {
            codes[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how often something happened.
    pub fn count(&self, count: Count) -> u64 {
        self.counts[count as usize].load(Ordering::Relaxed)
    }

    /// Returns how often something was refused.
    pub fn refused(&self, why: Refusal) -> u64 {
        self.refusals[why as usize].load(Ordering::Relaxed)
    }

    /// Returns the codes that an operation answered, and how often.
    pub fn answers(&self, operation: usize) -> impl Iterator<Item = (u16, u64)> {
        let codes = self.answers.get(operation).into_iter().flatten();
        let counted = CODES.iter().zip(codes);
        counted.map(|(code, count)| (*code, count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_counted_has_its_own_place() {
        for (index, (count, ..)) in Count::ALL.into_iter().enumerate() {
            assert_eq!(count as usize, index);
        }
        for (index, (why, _)) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(why as usize, index);
        }
        let meter = Meter::new(1);
        meter.answer(0, 404);
        meter.answer(0, 418);
        meter.answer(9, 200);
        let counted: Vec<_> = meter.answers(0).filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(404, 1), (0, 1)]);
    }
}
