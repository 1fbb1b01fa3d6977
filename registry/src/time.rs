//! The two clocks of a registry as one trait, so that a test owns them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use speargun_runtime::{Clock, SystemClock};

use crate::book::Now;

/// Tells the time.
pub trait Time: Send + Sync + std::fmt::Debug {
    /// Returns what time it is.
    fn now(&self) -> Now;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct MachineTime {
    wall: SystemClock,
    began: Instant,
}

impl Default for MachineTime {
    fn default() -> Self {
        Self {
            wall: SystemClock,
            began: Instant::now(),
        }
    }
}

impl Time for MachineTime {
    fn now(&self) -> Now {
        Now {
            wall_ms: self.wall.now_ms(),
            steady_ms: self.began.elapsed().as_millis() as u64,
        }
    }
}

/// Clocks that stand still until a test moves them.
#[derive(Debug, Default)]
pub struct ManualTime {
    wall_ms: AtomicU64,
    steady_ms: AtomicU64,
}

impl ManualTime {
    /// Sets both clocks.
    pub fn set(&self, now: Now) {
        self.wall_ms.store(now.wall_ms, Ordering::Relaxed);
        self.steady_ms.store(now.steady_ms, Ordering::Relaxed);
    }
}

impl Time for ManualTime {
    fn now(&self) -> Now {
        Now {
            wall_ms: self.wall_ms.load(Ordering::Relaxed),
            steady_ms: self.steady_ms.load(Ordering::Relaxed),
        }
    }
}
