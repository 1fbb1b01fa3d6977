//! How long and how much an engine keeps. It can be changed while the engine runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Stands for no limit.
const FOREVER: u64 = u64::MAX;

/// A dial of what is kept; clones are the same dial. The next round of housekeeping follows it.
#[derive(Clone, Debug)]
pub struct Retention(Arc<Limits>);

#[derive(Debug)]
struct Limits {
    age_ms: AtomicU64,
    bytes: AtomicU64,
}

// === impl Retention ===

impl Retention {
    /// Returns a dial at an age in milliseconds and a size in bytes; `None` sets no limit.
    pub fn new(age_ms: Option<u64>, bytes: Option<u64>) -> Self {
        Self(Arc::new(Limits {
            age_ms: AtomicU64::new(age_ms.unwrap_or(FOREVER)),
            bytes: AtomicU64::new(bytes.unwrap_or(FOREVER)),
        }))
    }

    /// Changes after how many milliseconds spans are deleted, counted from their arrival.
    pub fn set_age_ms(&self, age_ms: u64) {
        self.0.age_ms.store(age_ms, Ordering::Relaxed);
    }

    /// Changes beyond how many bytes the oldest spans are deleted.
    pub fn set_bytes(&self, bytes: u64) {
        self.0.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Returns after how many milliseconds spans are deleted.
    pub fn age_ms(&self) -> u64 {
        self.0.age_ms.load(Ordering::Relaxed)
    }

    /// Returns how many bytes are kept.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }
}
