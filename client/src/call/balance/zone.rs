//! The own zone first: what stays in the zone is faster and costs nothing. When nobody is left
//! there, all others are as good.

use std::sync::Arc;
use std::time::Duration;

use super::Balance;
use crate::call::instance::Instance;

/// Those of one zone, chosen by another rule.
#[derive(Debug)]
pub struct ZoneFirst<B> {
    zone: String,
    within: B,
}

impl<B: Balance> ZoneFirst<B> {
    /// Prefers this zone, and chooses within it as `within` does.
    pub fn new(zone: impl Into<String>, within: B) -> Self {
        Self {
            zone: zone.into(),
            within,
        }
    }
}

impl<B: Balance> Balance for ZoneFirst<B> {
    fn choose(&self, instances: &[&Arc<Instance>], now: Duration) -> Option<usize> {
        let here = |instance: &Instance| {
            let zone = instance.place.zone.as_deref();
            zone.is_some_and(|zone| zone.eq_ignore_ascii_case(&self.zone))
        };
        let (indices, near): (Vec<usize>, Vec<&Arc<Instance>>) = instances
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, instance)| here(instance))
            .unzip();
        if near.is_empty() {
            return self.within.choose(instances, now);
        }
        let chosen = self.within.choose(&near, now)?;
        indices.get(chosen).copied()
    }
}
