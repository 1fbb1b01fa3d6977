//! The calls that a rate is made of: the last so many, or those of the last so many moments.

use std::collections::VecDeque;
use std::time::Duration;

/// Which calls count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    /// The last so many calls.
    Calls(u32),
    /// The calls of this stretch of time and of those before it.
    Time {
        /// The length of a stretch.
        bucket: Duration,
        /// How many, the one that is going on included.
        buckets: u32,
    },
}

/// Calls or stretches of one window: more are not kept.
const SIZE_MAX: u32 = 100_000;

/// Counted calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Tally {
    pub(super) calls: u32,
    pub(super) failures: u32,
    pub(super) slow: u32,
}

impl Tally {
    pub(super) fn one(failed: bool, slow: bool) -> Self {
        Self {
            calls: 1,
            failures: u32::from(failed),
            slow: u32::from(slow),
        }
    }

    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }

    fn remove(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }
}

/// A window that is being filled: its parts, and their sum.
#[derive(Debug)]
pub(super) struct Counted {
    window: Window,
    /// Calls, or stretches with their numbers, the oldest in front.
    parts: VecDeque<(u64, Tally)>,
    sum: Tally,
}

impl Counted {
    pub(super) fn new(window: Window) -> Self {
        Self {
            window,
            parts: VecDeque::new(),
            sum: Tally::default(),
        }
    }

    /// Counts a call that ended now.
    pub(super) fn add(&mut self, call: Tally, now: Duration) {
        let number = self.forget(now);
        match (self.window, self.parts.back_mut()) {
            (Window::Time { .. }, Some((last, tally))) if *last == number => tally.add(call),
            _ => self.parts.push_back((number, call)),
        }
        self.sum.add(call);
        if let Window::Calls(size) = self.window
            && self.parts.len() > size.clamp(1, SIZE_MAX) as usize
        {
            self.pop();
        }
    }

    /// Returns what counts now.
    pub(super) fn sum(&mut self, now: Duration) -> Tally {
        self.forget(now);
        self.sum
    }

    /// Forgets the stretches that are over, and returns the number of the one that is going on.
    fn forget(&mut self, now: Duration) -> u64 {
        let Window::Time { bucket, buckets } = self.window else {
            return 0;
        };
        let number = (now.as_nanos() / bucket.as_nanos().max(1)) as u64;
        let kept = u64::from(buckets.clamp(1, SIZE_MAX));
        while self
            .parts
            .front()
            .is_some_and(|(first, _)| first + kept <= number)
        {
            self.pop();
        }
        number
    }

    fn pop(&mut self) {
        if let Some((_, tally)) = self.parts.pop_front() {
            self.sum.remove(tally);
        }
    }
}
