//! How long things took, as a histogram that Prometheus reads.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::exposition::Exposition;

/// Upper bounds of the buckets, in microseconds and as labels.
const BOUNDS: [(u64, &str); 12] = [
    (1_000, "0.001"),
    (2_500, "0.0025"),
    (5_000, "0.005"),
    (10_000, "0.01"),
    (25_000, "0.025"),
    (50_000, "0.05"),
    (100_000, "0.1"),
    (250_000, "0.25"),
    (500_000, "0.5"),
    (1_000_000, "1.0"),
    (2_500_000, "2.5"),
    (10_000_000, "10.0"),
];

/// Counts durations.
#[derive(Debug, Default)]
pub(crate) struct Timing {
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Timing {
    pub(crate) fn record(&self, took: Duration) {
        let us = took.as_micros() as u64;
        if let Some(index) = BOUNDS.iter().position(|(bound, _)| us <= *bound) {
            self.buckets[index].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts what another one counted so far.
    pub(crate) fn add(&self, other: &Self) {
        let add = |sum: &AtomicU64, part: &AtomicU64| {
            sum.fetch_add(part.load(Ordering::Relaxed), Ordering::Relaxed);
        };
        for (sum, part) in self.buckets.iter().zip(&other.buckets) {
            add(sum, part);
        }
        add(&self.count, &other.count);
        add(&self.sum_us, &other.sum_us);
    }

    /// Appends the samples of one histogram.
    pub(crate) fn write(&self, name: &str, labels: &[(&str, &str)], out: &mut Exposition) {
        let bucket = format!("{name}_bucket");
        let mut below = 0;
        for ((_, label), counted) in BOUNDS.iter().zip(&self.buckets) {
            below += counted.load(Ordering::Relaxed);
            out.sample(&bucket, &[labels, &[("le", label)]].concat(), below);
        }
        // Counted later than the buckets, so it must not be less.
        let count = self.count().max(below);
        out.sample(&bucket, &[labels, &[("le", "+Inf")]].concat(), count);
        out.sample(&format!("{name}_count"), labels, count);
        let sum = Duration::from_micros(self.sum_us.load(Ordering::Relaxed));
        out.sample(&format!("{name}_sum"), labels, sum.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative() {
        let timing = Timing::default();
        for ms in [1, 1, 30, 20_000] {
            timing.record(Duration::from_millis(ms));
        }
        let mut out = Exposition::default();
        timing.write("t", &[("a", "b")], &mut out);
        let text = out.into_text();
        for line in [
            "t_bucket{a=\"b\",le=\"0.001\"} 2",
            "t_bucket{a=\"b\",le=\"0.05\"} 3",
            "t_bucket{a=\"b\",le=\"+Inf\"} 4",
            "t_count{a=\"b\"} 4",
            "t_sum{a=\"b\"} 20.032",
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} in {text}");
        }
    }
}
