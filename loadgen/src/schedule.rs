//! When requests are due: a rate that is held or changed evenly over a time. It neither waits nor
//! sends.

use std::time::Duration;

/// A rate over a time, in requests a second.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Schedule {
    /// The rate at the start.
    pub from: f64,
    /// The rate at the end.
    pub to: f64,
    /// How long it lasts.
    pub length: Duration,
}

impl Schedule {
    /// Returns the schedule of one rate.
    pub fn steady(rate: f64, length: Duration) -> Self {
        Self {
            from: rate,
            to: rate,
            length,
        }
    }

    /// Returns how many requests are due.
    #[expect(
        clippy::cast_sign_loss,
        reason = "rates and times are not negative, and the cast saturates"
    )]
    pub fn count(&self) -> u64 {
        let mean = f64::midpoint(self.from, self.to);
        (mean * self.length.as_secs_f64()).round() as u64
    }

    /// Returns when request `number`, counted from 0, is due; `None` behind the last.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn due(&self, number: u64) -> Option<Duration> {
        if number >= self.count() {
            return None;
        }
        let number = number as f64;
        let growth = (self.to - self.from) / self.length.as_secs_f64();
        // What is due by a time t is from * t + growth * t^2 / 2; this is that, solved for t.
        let at = if growth.abs() < f64::EPSILON {
            number / self.from
        } else {
            let root = (self.from * self.from + 2.0 * growth * number)
                .max(0.0)
                .sqrt();
            2.0 * number / (self.from + root).max(f64::MIN_POSITIVE)
        };
        let latest = self.length.as_secs_f64();
        Some(Duration::from_secs_f64(at.clamp(0.0, latest)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_steady_rate_is_even() {
        let schedule = Schedule::steady(100.0, Duration::from_secs(2));
        assert_eq!(schedule.count(), 200);
        assert_eq!(schedule.due(0), Some(Duration::ZERO));
        assert_eq!(schedule.due(150), Some(Duration::from_millis(1500)));
        assert_eq!(schedule.due(200), None);
    }

    #[test]
    fn a_ramp_has_most_requests_at_its_fast_end() {
        let schedule = Schedule {
            from: 0.0,
            to: 100.0,
            length: Duration::from_secs(10),
        };
        assert_eq!(schedule.count(), 500);
        // A quarter of them is due after half of the time.
        assert_eq!(schedule.due(125), Some(Duration::from_secs(5)));
    }

    proptest! {
        #[test]
        fn requests_are_due_in_order_and_inside_the_time(
            from in 0.0_f64..5000.0,
            to in 1.0_f64..5000.0,
            millis in 1_u64..60_000,
        ) {
            let length = Duration::from_millis(millis);
            let schedule = Schedule { from, to, length };
            let count = schedule.count();
            let mut before = Duration::ZERO;
            for number in (0..count).step_by((count / 100).max(1) as usize) {
                let due = schedule.due(number).unwrap();
                prop_assert!(before <= due && due <= length, "{:?} {:?}", before, due);
                before = due;
            }
            prop_assert_eq!(schedule.due(count), None);
        }
    }
}
