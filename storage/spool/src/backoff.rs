//! How long to wait after failures: twice as long after each, up to a bound, and never exactly, so
//! that processes which failed together don't come again together.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use crate::config::Config;

/// Counts failures in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns how long to wait after one more failure.
    pub(crate) fn next(&mut self, config: &Config) -> Duration {
        let wait = config.retry_min.saturating_mul(1 << self.failures.min(20));
        self.failures = self.failures.saturating_add(1);
        // Hashes of the standard library are keyed by the system's randomness.
        let random = RandomState::new().hash_one(self.failures);
        jittered(wait.min(config.retry_max), random)
    }

    /// Forgets the failures.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Returns a wait that is up to a quarter shorter.
fn jittered(wait: Duration, random: u64) -> Duration {
    let share = (random % 256) as u32;
    wait.saturating_sub(wait / 1024 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound() {
        let config = Config {
            retry_min: Duration::from_millis(100),
            retry_max: Duration::from_secs(1),
            ..Config::default()
        };
        let mut backoff = Backoff::default();
        for longest in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next(&config);
            let longest = Duration::from_millis(longest);
            assert!(wait <= longest && wait >= longest / 4 * 3, "{wait:?}");
        }
        backoff.reset();
        assert!(backoff.next(&config) <= Duration::from_millis(100));
        backoff.failures = u32::MAX;
        assert!(backoff.next(&config) <= Duration::from_secs(1));
    }

    #[test]
    fn waits_differ() {
        let second = Duration::from_secs(1);
        assert_eq!(jittered(second, 0), second);
        assert!(jittered(second, 255) < second);
        assert_ne!(jittered(second, 7), jittered(second, 8));
    }
}
