//! Which calls are made again, and how many: the next server first, as Ribbon does, only what
//! reads, unless somebody says more, and never so many that retries become the load.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use parking_lot::Mutex;

use crate::clock::Clock;

/// When calls are made again. The defaults are Ribbon's, with a budget.
#[derive(Clone, PartialEq, Debug)]
pub struct RetrySettings {
    /// Tries of the same server beyond the first.
    pub same_server: u32,
    /// Servers that are tried beyond the first.
    pub next_servers: u32,
    /// Whether other methods than GET and HEAD are too, by default.
    pub all_methods: bool,
    /// Answers after which a call is made again, beside those that never came.
    pub statuses: Vec<StatusCode>,
    /// Retries for one call, on average over [`RetrySettings::budget_window`].
    pub budget_ratio: f64,
    /// Retries a second that are allowed beside those, so that little traffic has some.
    pub budget_per_second: f64,
    /// How far the budget looks back.
    pub budget_window: Duration,
    /// The wait before the first retry; it doubles, up to a second. Zero is none.
    pub wait: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            same_server: 0,
            next_servers: 1,
            all_methods: false,
            statuses: Vec::new(),
            budget_ratio: 0.2,
            budget_per_second: 10.0,
            budget_window: Duration::from_secs(10),
            wait: Duration::ZERO,
        }
    }
}

impl RetrySettings {
    /// Returns settings under which nothing is made again.
    pub fn never() -> Self {
        Self {
            next_servers: 0,
            ..Self::default()
        }
    }

    /// Returns how often a call is tried at most.
    pub(super) fn attempts_max(&self) -> u32 {
        let servers = self.next_servers.saturating_add(1);
        self.same_server
            .saturating_add(1)
            .saturating_mul(servers)
            .min(ATTEMPTS_MAX)
    }
}

/// Tries of one call, whatever the settings say.
const ATTEMPTS_MAX: u32 = 100;
/// No wait between tries is longer.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// Returns whether calls of a method are made again by default once they left. As with Ribbon that
/// is what reads; that PUT and DELETE may be done twice (RFC 9110, 9.2.2) not every service knows.
pub(super) fn is_repeatable(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Returns the wait before this retry, counted from 0.
pub(super) fn wait(settings: &RetrySettings, retry: u32) -> Duration {
    settings
        .wait
        .saturating_mul(1 << retry.min(16))
        .min(WAIT_MAX.max(settings.wait))
}

/// How many retries are left: each call earns a part of one, time earns some, and what is not used
/// within a window is lost.
#[derive(Debug)]
pub struct Budget {
    ratio: f64,
    per_second: f64,
    most: f64,
    window_s: f64,
    clock: Arc<dyn Clock>,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    retries: f64,
    at: Duration,
    /// Calls a second, on average over the window.
    calls: f64,
}

impl Budget {
    /// Returns a budget that has what time earns within a window.
    pub fn new(settings: &RetrySettings, clock: Arc<dyn Clock>) -> Self {
        let window_s = settings.budget_window.as_secs_f64();
        let left = Left {
            retries: settings.budget_per_second * window_s,
            at: clock.elapsed(),
            calls: 0.0,
        };
        Self {
            ratio: settings.budget_ratio,
            per_second: settings.budget_per_second,
            most: settings.budget_per_second * window_s,
            window_s,
            clock,
            left: Mutex::new(left),
        }
    }

    /// Earns the part of a retry that a call is worth.
    pub fn earn(&self) {
        let mut left = self.left.lock();
        self.settle(&mut left);
        left.calls += 1.0;
        left.retries = (left.retries + self.ratio).min(self.most_for(&left));
    }

    /// Takes one retry, if there is one.
    pub fn spend(&self) -> bool {
        let mut left = self.left.lock();
        self.settle(&mut left);
        let enough = left.retries >= 1.0;
        if enough {
            left.retries -= 1.0;
        }
        enough
    }

    /// Lets time pass: it earns retries, and forgets calls.
    fn settle(&self, left: &mut Left) {
        let now = self.clock.elapsed();
        let passed_s = now.saturating_sub(left.at).as_secs_f64();
        left.at = now;
        if self.window_s > 0.0 {
            left.calls *= (-passed_s / self.window_s).exp();
        }
        let earned = left.retries + passed_s * self.per_second;
        left.retries = earned.min(self.most_for(left));
    }

    /// What may be saved: as much as time and the calls of one window earn.
    fn most_for(&self, left: &Left) -> f64 {
        self.most + left.calls * self.ratio
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::ManualClock;

    fn budget(ratio: f64, per_second: f64) -> (Budget, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(0));
        let settings = RetrySettings {
            budget_ratio: ratio,
            budget_per_second: per_second,
            ..RetrySettings::default()
        };
        let same = Arc::<ManualClock>::clone(&clock);
        (Budget::new(&settings, same), clock)
    }

    #[test]
    fn time_alone_earns_a_few() {
        let (budget, clock) = budget(0.0, 1.0);
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
        clock.advance(Duration::from_secs(3));
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 3);
        // What is not used within a window is lost.
        clock.advance(Duration::from_hours(1));
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
    }

    #[test]
    fn calls_earn_their_part() {
        let (budget, _) = budget(0.25, 0.0);
        assert!(!budget.spend());
        for _ in 0..40 {
            budget.earn();
        }
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
    }

    #[test]
    fn waits_double_up_to_a_second() {
        let settings = RetrySettings {
            wait: Duration::from_millis(300),
            ..RetrySettings::default()
        };
        let waits: Vec<u128> = (0..4)
            .map(|retry| wait(&settings, retry).as_millis())
            .collect();
        assert_eq!(waits, [300, 600, 1000, 1000]);
        assert_eq!(wait(&RetrySettings::default(), 40), Duration::ZERO);
    }

    proptest! {
        /// Never more retries than calls and time earned, and what was there at the start.
        #[test]
        fn retries_are_paid_for(
            steps in proptest::collection::vec((0_u64..500, any::<bool>()), 1..400),
        ) {
            let (budget, clock) = budget(0.2, 2.0);
            let (mut calls, mut retries) = (0_u32, 0_u32);
            for (ms, is_call) in steps {
                clock.advance(Duration::from_millis(ms));
                if is_call {
                    budget.earn();
                    calls += 1;
                } else {
                    retries += u32::from(budget.spend());
                }
            }
            let earned = 20.0 + clock.elapsed().as_secs_f64() * 2.0 + f64::from(calls) * 0.2;
            prop_assert!(f64::from(retries) <= earned + 1e-6, "{retries} of {earned}");
        }
    }
}
