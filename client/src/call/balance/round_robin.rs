//! One after the other, as Spring Cloud does it: from a random start, and standing
//! still while there is only one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::Balance;
use crate::call::instance::Instance;

/// One after the other.
#[derive(Debug)]
pub struct RoundRobin(AtomicU32);

impl Default for RoundRobin {
    fn default() -> Self {
        Self::from(fastrand::u32(..1000))
    }
}

impl From<u32> for RoundRobin {
    /// Begins behind this position.
    fn from(position: u32) -> Self {
        Self(AtomicU32::new(position))
    }
}

impl Balance for RoundRobin {
    fn choose(&self, instances: &[&Arc<Instance>], _: Duration) -> Option<usize> {
        if instances.len() < 2 {
            return (!instances.is_empty()).then_some(0);
        }
        let position = self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        // The sign of Java's integers is ignored.
        Some((position & i32::MAX as u32) as usize % instances.len())
    }
}
