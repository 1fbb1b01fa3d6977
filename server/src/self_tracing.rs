//! Traces that the server makes of its own API requests, as Zipkin's server does: service
//! `zipkin-server`, a server span a request and a child a call of the store. It changes no answer,
//! waits for nothing, and drops and counts what it has no place for. Own spans go to the store
//! without a request of their own, so no trace begets another.
//!
//! # Layout
//!
//! - [`choice`]: which requests are traced when the client leaves it to us.
//! - [`calls`]: the calls of the store that a query makes, on its thread.
//! - [`recorder`]: one shard's spans, from the request to the store.

pub(crate) mod calls;
mod choice;
mod recorder;

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use recorder::Recorder;

use crate::settings::SelfTracingSettings;
use choice::Choice;

/// What the recorders of all shards share.
#[derive(Debug)]
pub(crate) struct SelfTracing {
    settings: SelfTracingSettings,
    choice: Choice,
    ids: Ids,
    dropped: AtomicU64,
}

impl SelfTracing {
    /// Returns what traces requests, or `None` when it is off.
    pub(crate) fn new(settings: SelfTracingSettings) -> Option<Self> {
        settings.enabled.then(|| Self {
            settings,
            choice: Choice::new(settings.sampling),
            ids: Ids::default(),
            dropped: AtomicU64::new(0),
        })
    }

    /// Returns how many spans found no place.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Makes ids that are unique and evenly spread: a keyed hash of a count.
#[derive(Debug, Default)]
struct Ids {
    hash: RandomState,
    count: AtomicU64,
}

impl Ids {
    fn next(&self) -> u64 {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        // Zero is no id.
        self.hash.hash_one(count).max(1)
    }
}

#[cfg(test)]
mod tests;
