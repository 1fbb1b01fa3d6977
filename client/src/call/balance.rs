//! Which instance gets the next call. All rules skip instances that this call has tried, and those
//! that take no connections, as long as there are others.

mod ewma;
mod round_robin;
mod weighted;
mod zone;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use super::instance::Instance;
pub use ewma::PeakEwma;
pub use round_robin::RoundRobin;
pub use weighted::Weighted;
pub use zone::ZoneFirst;

/// Chooses among instances.
pub trait Balance: Send + Sync + Debug {
    /// Returns the index of the one to call; `None` only when there is none. `now` is the clock's
    /// [`elapsed`](crate::Clock::elapsed).
    fn choose(&self, instances: &[&Arc<Instance>], now: Duration) -> Option<usize>;
}

/// Chooses an instance that was not tried yet and can be reached, or the next best.
pub(super) fn choose<'a>(
    balance: &dyn Balance,
    instances: &'a [Arc<Instance>],
    tried: &[Arc<Instance>],
    now: Duration,
) -> Option<&'a Arc<Instance>> {
    let fresh = |instance: &&Arc<Instance>| !tried.iter().any(|t| Arc::ptr_eq(t, instance));
    let usable = |instance: &&Arc<Instance>| instance.is_usable(now);
    let mut left: Vec<&Arc<Instance>> = instances.iter().filter(fresh).filter(usable).collect();
    if left.is_empty() {
        left = instances.iter().filter(fresh).collect();
    }
    if left.is_empty() {
        left = instances.iter().collect();
    }
    let index = balance.choose(&left, now)?;
    left.get(index).copied()
}

#[cfg(test)]
mod tests;
