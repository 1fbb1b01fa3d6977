//! Clocks and statistics of a measurement, and the few words a benchmark takes. It judges nothing.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::time::{ClockId, clock_gettime};

/// Returns the CPU time this thread has used, in nanoseconds.
pub fn thread_cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    // Both parts of a CPU clock are never negative.
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Returns the CPU time this process has used with all its threads, in nanoseconds.
pub fn process_cpu_ns() -> u64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Samples of one quantity.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    sorted: Vec<u64>,
}

impl Samples {
    /// Returns the samples in order.
    pub fn new(mut samples: Vec<u64>) -> Self {
        samples.sort_unstable();
        Self { sorted: samples }
    }

    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// Returns whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    /// Adds further samples.
    pub fn add(&mut self, other: Self) {
        self.sorted.extend(other.sorted);
        self.sorted.sort_unstable();
    }

    /// Returns the sample that `per_cent` of all are not above; 0 when there is none.
    pub fn percentile(&self, per_cent: usize) -> u64 {
        let last = self.sorted.len().saturating_sub(1);
        let at = (self.sorted.len() * per_cent / 100).min(last);
        self.sorted.get(at).copied().unwrap_or(0)
    }

    /// Returns the smallest; 0 when there is none.
    pub fn min(&self) -> u64 {
        self.percentile(0)
    }

    /// Returns the middle one; 0 when there is none.
    pub fn median(&self) -> u64 {
        self.percentile(50)
    }

    /// Returns the largest; 0 when there is none.
    pub fn max(&self) -> u64 {
        self.percentile(100)
    }
}

/// The words of a benchmark's command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Words {
    /// Input so small that the run shows only that it works; nothing is written.
    pub tiny: bool,
    /// How many spans, when not the benchmark's own choice.
    pub spans: Option<usize>,
}

impl Words {
    /// Reads the benchmark's name, `--tiny` and `--spans N` from the command line.
    pub fn read() -> Result<(String, Self)> {
        let mut words = Self::default();
        let mut rest = std::env::args().skip(1);
        let name = rest.next().context("which benchmark")?;
        while let Some(word) = rest.next() {
            match word.as_str() {
                "--tiny" => words.tiny = true,
                "--spans" => {
                    let count = rest.next().context("--spans how many")?;
                    words.spans = Some(count.parse().context("--spans wants a number")?);
                }
                other => bail!("unknown word {other}; known are --tiny and --spans N"),
            }
        }
        Ok((name, words))
    }

    /// Returns how long a server may go on working behind its load until it is idle. A tiny run
    /// does not wait.
    pub fn patience(&self) -> Duration {
        if self.tiny {
            Duration::ZERO
        } else {
            Duration::from_mins(5)
        }
    }

    /// Returns how long to do something; a tiny run does it for a moment.
    pub fn how_long(&self, full: Duration) -> Duration {
        if self.tiny {
            full.min(Duration::from_millis(300))
        } else {
            full
        }
    }

    /// Returns how many spans to use.
    pub fn count(&self, tiny: usize, full: usize) -> usize {
        self.spans.unwrap_or(if self.tiny { tiny } else { full })
    }
}

/// Returns `total / count`, rounded; 0 when there is nothing to divide by.
pub fn per(total: u64, count: u64) -> u64 {
    (total + count / 2).checked_div(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_taken_from_sorted_samples() {
        let samples = Samples::new((1..=100).rev().collect());
        assert_eq!(samples.min(), 1);
        assert_eq!(samples.median(), 51);
        assert_eq!(samples.percentile(99), 100);
        assert_eq!(samples.max(), 100);
        assert_eq!(Samples::default().median(), 0);
        let mut both = Samples::new(vec![7, 9]);
        both.add(Samples::new(vec![8]));
        assert_eq!((both.len(), both.median()), (3, 8));
    }

    #[test]
    fn the_thread_clock_runs_while_working() {
        let before = thread_cpu_ns();
        let mut sum = 0_u64;
        while thread_cpu_ns() == before {
            sum = sum.wrapping_add(1);
        }
        assert!(thread_cpu_ns() > before, "{sum}");
    }
}
