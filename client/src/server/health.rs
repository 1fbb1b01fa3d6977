//! How a service is, as Spring Boot tells it: the worst of its parts.

use std::sync::Arc;

use parking_lot::RwLock;
use serde_json::{Map, Value, json};

/// How a part is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HealthState {
    /// Well.
    Up,
    /// Not, and why.
    Down(String),
    /// Somebody took it out.
    OutOfService,
    /// Nobody knows, and that changes nothing for the whole.
    Unknown,
}

impl HealthState {
    fn name(&self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down(_) => "DOWN",
            Self::OutOfService => "OUT_OF_SERVICE",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The larger the worse, in Boot's order.
    fn severity(&self) -> u8 {
        match self {
            Self::Up | Self::Unknown => 0,
            Self::OutOfService => 1,
            Self::Down(_) => 2,
        }
    }
}

type Indicator = Arc<dyn Fn() -> HealthState + Send + Sync>;

/// The parts of a service that tell how they are. Clones are the same.
#[derive(Clone, Default)]
pub struct Health(Arc<RwLock<Vec<(String, Indicator)>>>);

impl Health {
    /// Adds a part. It is asked at each look, so it must not take long.
    pub fn add(
        &self,
        name: impl Into<String>,
        indicator: impl Fn() -> HealthState + Send + Sync + 'static,
    ) {
        self.0.write().push((name.into(), Arc::new(indicator)));
    }

    /// Returns the worst state of all, and the answer that tells all of them.
    pub fn look(&self) -> (HealthState, Value) {
        let parts = self.0.read().clone();
        let mut worst = HealthState::Up;
        let mut components = Map::new();
        for (name, indicator) in parts {
            let state = indicator();
            let mut component = json!({ "status": state.name() });
            if let HealthState::Down(why) = &state {
                component["details"] = json!({ "error": why });
            }
            components.insert(name, component);
            if state.severity() > worst.severity() {
                worst = state;
            }
        }
        let answer = json!({ "status": worst.name(), "components": components });
        (worst, answer)
    }
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Health({} parts)", self.0.read().len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_part_counts() {
        let health = Health::default();
        assert_eq!(health.look().0, HealthState::Up);
        health.add("a", || HealthState::Up);
        health.add("b", || HealthState::OutOfService);
        assert_eq!(health.look().0, HealthState::OutOfService);
        health.add("c", || HealthState::Down("no disk".into()));
        let (state, answer) = health.look();
        assert_eq!(state, HealthState::Down("no disk".into()));
        assert_eq!(
            answer.to_string(),
            r#"{"status":"DOWN","components":{"a":{"status":"UP"},"b":{"status":"OUT_OF_SERVICE"},"c":{"status":"DOWN","details":{"error":"no disk"}}}}"#
        );
    }
}
