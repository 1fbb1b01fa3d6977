//! The one of two that would answer first, by peak-sensitive latency and calls that are going on
//! (Finagle's P2C with peak EWMA). Two, not all: when everyone chose the best, it would be the
//! worst.

use std::sync::Arc;
use std::time::Duration;

use super::Balance;
use crate::call::instance::Instance;

/// The better of two.
#[derive(Clone, Copy, Debug, Default)]
pub struct PeakEwma;

impl Balance for PeakEwma {
    fn choose(&self, instances: &[&Arc<Instance>], now: Duration) -> Option<usize> {
        let count = instances.len();
        if count < 2 {
            return (count == 1).then_some(0);
        }
        let one = fastrand::usize(..count);
        // Another one, each as likely.
        let other = (one + 1 + fastrand::usize(..count - 1)) % count;
        let better = instances[other].cost(now) < instances[one].cost(now);
        Some(if better { other } else { one })
    }
}
