//! One instance of a service: where it is, and how it has done so far, which balancers go by. That
//! is known to the whole process: every client of a service learns from every call.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// Where a service can be called. Equal ones are the same place.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// Names the instance within its service.
    pub id: String,
    /// Host name or address; IPv6 without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Whether it speaks TLS there.
    pub secure: bool,
    /// Where it stands, if known.
    pub zone: Option<String>,
    /// How many calls it should get, against the others; 1 by default.
    pub weight: u32,
    /// What else is known.
    pub metadata: BTreeMap<String, String>,
}

impl Place {
    /// Returns `http(s)://host:port`.
    pub fn origin(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        if self.host.contains(':') {
            format!("{scheme}://[{}]:{}", self.host, self.port)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }
}

/// An instance, and what is known of it.
#[derive(Debug)]
pub struct Instance {
    /// Where it is.
    pub place: Place,
    origin: String,
    going_on: AtomicU32,
    latency: Mutex<Latency>,
    connections_failed: AtomicU32,
    shunned_until_us: AtomicU64,
}

/// Connections in a row that failed before an instance is shunned (Ribbon).
const FAILED_MAX: u32 = 3;
/// How long it is shunned at first; it doubles (Ribbon).
const SHUN: Duration = Duration::from_secs(10);
/// It is never shunned longer (Ribbon).
const SHUN_MAX: Duration = Duration::from_secs(30);

impl Instance {
    /// Returns an instance of which nothing is known yet.
    pub fn new(place: Place) -> Self {
        Self {
            origin: place.origin(),
            place,
            going_on: AtomicU32::new(0),
            latency: Mutex::new(Latency::default()),
            connections_failed: AtomicU32::new(0),
            shunned_until_us: AtomicU64::new(0),
        }
    }

    /// Returns `http(s)://host:port`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns how many calls are going on.
    pub fn going_on(&self) -> u32 {
        self.going_on.load(Ordering::Relaxed)
    }

    /// Returns whether it should be called when there are others.
    pub(super) fn is_usable(&self, now: Duration) -> bool {
        self.shunned_until_us.load(Ordering::Relaxed) <= now.as_micros() as u64
    }

    /// Returns what another call would have to wait, as far as one can tell.
    pub(super) fn cost(&self, now: Duration) -> f64 {
        let latency_us = self.latency.lock().read(now);
        let going_on = f64::from(self.going_on());
        if latency_us == 0.0 && going_on > 0.0 {
            // Nothing came back yet: better those that are known.
            return UNKNOWN_US * (going_on + 1.0);
        }
        latency_us * (going_on + 1.0)
    }

    pub(super) fn begin(self: &Arc<Self>) -> GoingOn {
        self.going_on.fetch_add(1, Ordering::Relaxed);
        GoingOn(Arc::clone(self))
    }

    /// Learns that it answered, or took so long to fail.
    pub(super) fn learn(&self, took: Duration, failed: bool, now: Duration) {
        let took = if failed { took.max(FAILED_TOOK) } else { took };
        self.latency.lock().learn(us(took), now);
        self.connections_failed.store(0, Ordering::Relaxed);
    }

    /// Learns that it takes no connection.
    pub(super) fn learn_unreachable(&self, now: Duration) {
        self.latency.lock().learn(us(FAILED_TOOK), now);
        let failed = self.connections_failed.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(beyond) = failed.checked_sub(FAILED_MAX) {
            let shun = SHUN.saturating_mul(1 << beyond.min(8)).min(SHUN_MAX);
            let until = (now + shun).as_micros() as u64;
            self.shunned_until_us.store(until, Ordering::Relaxed);
        }
    }
}

/// A failure counts as slow, or who fails fastest would get the most calls.
const FAILED_TOOK: Duration = Duration::from_secs(1);
/// What is taken for an instance that has not answered yet.
const UNKNOWN_US: f64 = 1e9;
/// How fast the past is forgotten.
const DECAY: Duration = Duration::from_secs(10);

fn us(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Peak EWMA: up at once, down slowly.
#[derive(Debug, Default)]
struct Latency {
    us: f64,
    at: Duration,
}

impl Latency {
    fn read(&mut self, now: Duration) -> f64 {
        // Who gets no calls is forgiven.
        self.us *= self.remembered(now);
        self.at = self.at.max(now);
        self.us
    }

    fn learn(&mut self, us: f64, now: Duration) {
        let remembered = self.remembered(now);
        self.us = if us > self.us {
            us
        } else {
            self.us * remembered + us * (1.0 - remembered)
        };
        self.at = self.at.max(now);
    }

    fn remembered(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        (-passed / DECAY.as_secs_f64()).exp()
    }
}

/// A call that is going on.
#[derive(Debug)]
pub(super) struct GoingOn(Arc<Instance>);

impl Drop for GoingOn {
    fn drop(&mut self) {
        self.0.going_on.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Knows the instances of services.
pub trait Instances: Send + Sync + Debug {
    /// Returns the instances of a service that can be called, which may be none. Names are not
    /// case-sensitive.
    fn of(&self, service: &str) -> Arc<[Arc<Instance>]>;
}

/// Instances that are known from the start.
#[derive(Clone, Debug, Default)]
pub struct FixedInstances(BTreeMap<String, Arc<[Arc<Instance>]>>);

impl FixedInstances {
    /// Adds a service that is at these places.
    #[must_use]
    pub fn with(mut self, service: &str, places: impl IntoIterator<Item = Place>) -> Self {
        let instances = places
            .into_iter()
            .map(|place| Arc::new(Instance::new(place)));
        let key = service.to_ascii_uppercase();
        self.0.insert(key, instances.collect());
        self
    }
}

impl Instances for FixedInstances {
    fn of(&self, service: &str) -> Arc<[Arc<Instance>]> {
        let found = match self.0.get(service) {
            Some(instances) => Some(instances),
            None => self.0.get(&service.to_ascii_uppercase()),
        };
        found.cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn cost(instance: &Instance) -> String {
        format!("{:.0}", instance.cost(MS))
    }

    #[test]
    fn latency_goes_up_at_once_and_down_slowly() {
        let instance = Arc::new(Instance::new(Place::default()));
        assert_eq!(cost(&instance), "0");
        instance.learn(MS, false, MS);
        instance.learn(100 * MS, false, MS);
        assert_eq!(cost(&instance), "100000");
        instance.learn(MS, false, 2 * MS);
        let cost = instance.cost(2 * MS);
        assert!(cost > 99_000.0 && cost < 100_000.0, "{cost}");
        // After five times the decay almost nothing is left.
        assert!(instance.cost(Duration::from_secs(50)) < 1_000.0);
    }

    #[test]
    fn calls_that_go_on_cost_and_an_unknown_one_costs_most() {
        let instance = Arc::new(Instance::new(Place::default()));
        let going_on = instance.begin();
        assert!(instance.cost(MS) >= UNKNOWN_US);
        instance.learn(MS, false, MS);
        assert_eq!(cost(&instance), "2000");
        drop(going_on);
        assert_eq!(cost(&instance), "1000");
    }

    #[test]
    fn one_that_takes_no_connection_is_shunned_for_longer_and_longer() {
        let instance = Instance::new(Place::default());
        let second = Duration::from_secs;
        instance.learn_unreachable(second(0));
        instance.learn_unreachable(second(0));
        assert!(instance.is_usable(second(0)));
        instance.learn_unreachable(second(0));
        assert!(!instance.is_usable(second(9)) && instance.is_usable(second(10)));
        instance.learn_unreachable(second(10));
        assert!(!instance.is_usable(second(29)) && instance.is_usable(second(30)));
        instance.learn_unreachable(second(30));
        assert!(!instance.is_usable(second(59)) && instance.is_usable(second(60)));
        instance.learn(MS, false, second(60));
        instance.learn_unreachable(second(61));
        assert!(instance.is_usable(second(61)));
    }

    #[test]
    fn origins_are_urls() {
        let place = |host: &str, secure| Place {
            host: host.into(),
            port: 8080,
            secure,
            ..Place::default()
        };
        assert_eq!(place("a", false).origin(), "http://a:8080");
        assert_eq!(place("::1", true).origin(), "https://[::1]:8080");
    }
}
