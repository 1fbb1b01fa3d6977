//! Which requests are traced when their clients leave it to us: all, a share, or so many a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use speargun_model::TraceId;

use crate::settings::Sampling;

/// Chooses for all shards together.
#[derive(Debug)]
pub(super) struct Choice {
    sampling: Sampling,
    begin: Instant,
    /// The second since `begin`, and how many traces were chosen in it.
    window: AtomicU64,
}

/// Bits of the window that count. The greatest rate fits.
const COUNT_BITS: u32 = 24;

impl Choice {
    pub(super) fn new(sampling: Sampling) -> Self {
        Self {
            sampling,
            begin: Instant::now(),
            window: AtomicU64::new(0),
        }
    }

    /// Returns whether the trace is recorded.
    pub(super) fn keeps(&self, id: TraceId) -> bool {
        match self.sampling {
            Sampling::All => true,
            Sampling::Share(sampler) => sampler.keeps_id(id),
            Sampling::PerSecond(rate) => self.takes_one_of(u64::from(rate), self.begin.elapsed()),
        }
    }

    /// Takes one of what is allowed in this second. From ten a second on they are spread over its
    /// tenths, so that a burst at its beginning does not take them all.
    fn takes_one_of(&self, rate: u64, since_begin: Duration) -> bool {
        let second = since_begin.as_secs();
        let tenth = u64::from(since_begin.subsec_millis() / 100);
        let allowed = if rate < 10 {
            rate
        } else {
            rate * (tenth + 1) / 10
        };
        let take = |window: u64| {
            let (last, count) = (window >> COUNT_BITS, window & ((1 << COUNT_BITS) - 1));
            // Another thread may have seen a later second already.
            let (second, count) = if last < second {
                (second, 0)
            } else {
                (last, count)
            };
            (count < allowed).then_some(second << COUNT_BITS | (count + 1))
        };
        self.window
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use speargun_collector::Sampler;

    fn taken(choice: &Choice, rate: u64, at_ms: u64) -> usize {
        let at = Duration::from_millis(at_ms);
        (0..1000).filter(|_| choice.takes_one_of(rate, at)).count()
    }

    #[test]
    fn so_many_a_second_and_no_more() {
        let choice = Choice::new(Sampling::PerSecond(2));
        assert_eq!(taken(&choice, 2, 0), 2);
        assert_eq!(taken(&choice, 2, 999), 0);
        assert_eq!(taken(&choice, 2, 1000), 2);
        // What was not taken is gone.
        assert_eq!(taken(&choice, 2, 5000), 2);
        assert_eq!(taken(&choice, 2, 4999), 0);
    }

    #[test]
    fn many_a_second_are_spread_over_its_tenths() {
        let choice = Choice::new(Sampling::PerSecond(100));
        assert_eq!(taken(&choice, 100, 50), 10);
        assert_eq!(taken(&choice, 100, 150), 10);
        assert_eq!(taken(&choice, 100, 950), 80);
        assert_eq!(taken(&choice, 100, 999), 0);
    }

    #[test]
    fn a_share_goes_by_the_trace_id() {
        let choice = Choice::new(Sampling::Share(Sampler::new(0.5).unwrap()));
        assert!(choice.keeps(TraceId { high: 0, low: 1 }));
        assert!(!choice.keeps(TraceId {
            high: 0,
            low: 0x7000_0000_0000_0000
        }));
        assert!(Choice::new(Sampling::All).keeps(TraceId {
            high: 0,
            low: 1 << 63
        }));
    }
}
