//! Which requests were accepted, a bit each, so that what is read back is only what was promised.
//! Of a very long run it remembers the first part.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::workload::Random;

/// Requests that are remembered: 16 MiB of bits.
const REQUESTS_MAX: u64 = 1 << 27;

/// The accepted requests of a run.
#[derive(Debug)]
pub struct Accepted {
    bits: Vec<AtomicU64>,
}

impl Accepted {
    /// Returns a memory for so many requests, or as many as are remembered at most.
    pub fn new(requests: u64) -> Self {
        let words = requests.clamp(1, REQUESTS_MAX).div_ceil(64);
        Self {
            bits: (0..words).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Remembers a request that was accepted.
    pub fn add(&self, number: u64) {
        if let Some(word) = self.bits.get((number / 64) as usize) {
            word.fetch_or(1 << (number % 64), Ordering::Relaxed);
        }
    }

    /// Returns whether a request is known to have been accepted.
    pub fn contains(&self, number: u64) -> bool {
        let word = self.bits.get((number / 64) as usize);
        word.is_some_and(|word| word.load(Ordering::Relaxed) >> (number % 64) & 1 == 1)
    }

    /// Draws so many accepted requests below `end`, some perhaps more than once; none when there
    /// are none.
    pub fn draw(&self, (end, count): (u64, usize), random: &mut Random) -> Vec<u64> {
        let words = || {
            let last = (end / 64) as usize;
            self.bits
                .iter()
                .take(last + 1)
                .enumerate()
                .map(move |(index, word)| {
                    let word = word.load(Ordering::Relaxed);
                    let own = if index == last {
                        (1 << (end % 64)) - 1
                    } else {
                        u64::MAX
                    };
                    word & own
                })
        };
        let total: u64 = words().map(|word| u64::from(word.count_ones())).sum();
        if total == 0 {
            return Vec::new();
        }
        let mut ranks: Vec<u64> = (0..count).map(|_| random.below(total)).collect();
        ranks.sort_unstable();
        let mut ranks = ranks.into_iter().peekable();
        let (mut drawn, mut before) = (Vec::with_capacity(count), 0);
        for (index, word) in words().enumerate() {
            let own = u64::from(word.count_ones());
            while let Some(rank) = ranks.next_if(|rank| *rank < before + own) {
                drawn.push(index as u64 * 64 + place_of(word, rank - before));
            }
            before += own;
        }
        // In no order, so that those behind are not the last of the run.
        for index in (1..drawn.len()).rev() {
            drawn.swap(index, random.index(index + 1));
        }
        drawn
    }
}

/// Returns the place of the bit with so many set ones below it.
fn place_of(mut word: u64, below: u64) -> u64 {
    for _ in 0..below {
        word &= word.wrapping_sub(1);
    }
    u64::from(word.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_added_is_contained() {
        let accepted = Accepted::new(200);
        for number in [0, 63, 64, 199, 5000] {
            accepted.add(number);
        }
        let contained: Vec<u64> = (0..6000).filter(|n| accepted.contains(*n)).collect();
        assert_eq!(contained, [0, 63, 64, 199]);
    }

    #[test]
    fn only_accepted_ones_are_drawn_and_each_may_be() {
        let accepted = Accepted::new(100_000);
        let mut random = Random::new(1);
        assert!(accepted.draw((100_000, 10), &mut random).is_empty());
        let numbers = [0, 63, 64, 77_777, 99_999];
        for number in numbers {
            accepted.add(number);
        }
        let mut drawn = accepted.draw((99_999, 200), &mut random);
        assert_eq!(drawn.len(), 200);
        assert!(!drawn.is_sorted());
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn, numbers[..4]);
    }
}
