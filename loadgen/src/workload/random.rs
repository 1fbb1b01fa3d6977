//! A small seeded generator of random numbers, so that the same seed gives the same bytes on every
//! machine and in every year. It is not for secrets.

/// The generator (splitmix64).
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Returns a generator that always gives the same numbers for the same seed.
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns the next 64 bits (splitmix64).
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`; 0 when `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// Returns an index below `end`.
    pub fn index(&mut self, end: usize) -> usize {
        self.below(end as u64) as usize
    }

    /// Returns true in `per_mille` of a thousand cases.
    pub fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < u64::from(per_mille)
    }

    /// Returns a number below `end`, small ones far more often: a rough power law.
    pub fn popular(&mut self, end: u64) -> u64 {
        let value = as_float(end).powf(self.unit()) - 1.0;
        as_integer(value).min(end.saturating_sub(1))
    }

    /// Returns microseconds around a median with a long right tail, as latencies have.
    pub fn latency_us(&mut self, median_us: u64) -> u64 {
        // The sum of six uniform numbers is close to a bell curve.
        let bell: f64 = (0..6).map(|_| self.unit()).sum::<f64>() - 3.0;
        as_integer(as_float(median_us) * (bell * 0.9).exp()).max(3)
    }

    /// Returns a number in 0..1.
    fn unit(&mut self) -> f64 {
        as_float(self.bits() >> 11) / as_float(1 << 53)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "values are below 2^53, where a double is exact"
)]
fn as_float(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_sign_loss,
    reason = "negative values become 0 by the cast's own rule"
)]
fn as_integer(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers() {
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..8).map(|_| random.bits()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn popular_numbers_stay_below_their_end_and_lean_to_zero() {
        let mut random = Random::new(1);
        let drawn: Vec<u64> = (0..10_000).map(|_| random.popular(1000)).collect();
        assert!(drawn.iter().all(|n| *n < 1000));
        let low = drawn.iter().filter(|n| **n < 100).count();
        assert!(low > 5000, "{low} of 10000 below a tenth of the range");
    }

    #[test]
    fn latencies_lie_around_their_median() {
        let mut random = Random::new(2);
        let mut drawn: Vec<u64> = (0..10_001).map(|_| random.latency_us(1000)).collect();
        drawn.sort_unstable();
        assert!((900..1100).contains(&drawn[5000]), "{}", drawn[5000]);
    }
}
