//! Which requests were accepted, a bit each, so that what is read back is only what was promised.
//! Of a very long run it remembers the first part.

use std::sync::atomic::{AtomicU64, Ordering};

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
}
