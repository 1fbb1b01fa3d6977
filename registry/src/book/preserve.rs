//! Self-preservation: when many leases run out at once, more likely the network is broken than all
//! those services, and a list with dead entries serves callers better than an empty one.
//!
//! Leases that ran out are held when both are true:
//!
//! - they are more than Eureka lets go in one run: `n - floor(0.85 n)` of `n`, at least one;
//!   those that were evicted within the last minute count;
//! - less than 85 % of the renewals arrive that the registered clients promised, each by its own
//!   interval.
//!
//! What is held is let go as soon as one of them is no longer true. And after a quarter of an hour
//! of which others made use to renew, silence is believed: those are dead. When nobody renews, it
//! is this registry that is cut off, and everything is held on.

use super::{Book, Lease, Now};

/// How long silence is doubted.
pub const HOLD_MS: u64 = 15 * 60_000;
/// The time over which renewals and evictions are counted.
pub const WINDOW_MS: u64 = 60_000;

/// Renewals of the last minute, by second.
#[derive(Debug)]
pub(super) struct Renewals {
    /// Second and count.
    buckets: [(u64, u32); 60],
    total: u64,
}

impl Default for Renewals {
    fn default() -> Self {
        Self {
            buckets: [(0, 0); 60],
            total: 0,
        }
    }
}

// === impl Renewals ===

impl Renewals {
    pub(super) fn add(&mut self, now: Now) {
        self.total += 1;
        let second = now.steady_ms / 1000;
        let bucket = &mut self.buckets[(second % 60) as usize];
        if bucket.0 != second {
            *bucket = (second, 0);
        }
        bucket.1 += 1;
    }

    fn last_minute(&self, now: Now) -> u64 {
        let second = now.steady_ms / 1000;
        let is_recent = |bucket: &&(u64, u32)| second.saturating_sub(bucket.0) < 60;
        let recent = self.buckets.iter().filter(is_recent);
        recent.map(|(_, count)| u64::from(*count)).sum()
    }
}

/// What is done about leases that ran out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// None has.
    Quiet,
    /// They are evicted: self-preservation is switched off.
    Off,
    /// They are evicted: they are few.
    Few,
    /// They are evicted: enough renewals arrive.
    EnoughRenewals,
    /// They are evicted: they were silent for so long while others renewed.
    SilentTooLong,
    /// They are held.
    Held,
}

impl Verdict {
    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Off => "off",
            Self::Few => "few",
            Self::EnoughRenewals => "enough-renewals",
            Self::SilentTooLong => "silent-too-long",
            Self::Held => "held",
        }
    }
}

/// Why something is or is not evicted, in figures.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Explanation {
    /// What is done.
    pub verdict: Verdict,
    /// Registered instances.
    pub instances: usize,
    /// Those whose lease ran out.
    pub expired: usize,
    /// Evictions within the last minute.
    pub evicted: usize,
    /// How many may go within a minute without doubt.
    pub allowed: usize,
    /// Renewals a minute that all clients promised, each by its own interval.
    pub expected_per_min: f64,
    /// Those of clients whose lease has not run out.
    pub alive_per_min: f64,
    /// The share of them that must arrive.
    pub share_min: f64,
    /// Renewals that were counted in the last minute.
    pub renewals_last_min: u64,
    /// Since when leases are held, in milliseconds before now.
    pub held_for_ms: Option<u64>,
}

impl Explanation {
    /// Returns the share of promised renewals that arrives; 1 when none is promised.
    pub fn share(&self) -> f64 {
        if self.expected_per_min > 0.0 {
            self.alive_per_min / self.expected_per_min
        } else {
            1.0
        }
    }
}

/// Returns the renewals a minute that a client promised.
fn promised_per_min(lease: &Lease) -> f64 {
    60.0 / f64::from(lease.instance.lease.renewal_interval_s.max(1))
}

/// Returns how many of so many may go without doubt.
fn allowed(instances: usize) -> usize {
    (instances - instances * 85 / 100).max(1)
}

// === impl Book ===

impl Book {
    /// Returns what would be done about leases that ran out, and why.
    pub fn explain(&self, now: Now) -> Explanation {
        let (mut expired, mut expected_per_min, mut alive_per_min) = (0, 0.0, 0.0);
        let (mut others_renewed, mut silent_ms_min) = (false, u64::MAX);
        for lease in self.leases() {
            let promised = promised_per_min(lease);
            expected_per_min += promised;
            if lease.is_expired(now) {
                expired += 1;
                silent_ms_min = silent_ms_min.min(now.steady_ms - lease.expires_ms());
            } else {
                alive_per_min += promised;
                others_renewed = true;
            }
        }
        let is_recent = |at: &&u64| now.steady_ms.saturating_sub(**at) < WINDOW_MS;
        let evicted = self.evicted_ms.iter().filter(is_recent).count();
        let mut it = Explanation {
            verdict: Verdict::Quiet,
            instances: self.len(),
            expired,
            evicted,
            allowed: allowed(self.len() + evicted),
            expected_per_min,
            alive_per_min,
            share_min: self.rules.renewal_share_min,
            renewals_last_min: self.renewals.last_minute(now),
            held_for_ms: self
                .held_since_ms
                .map(|since| now.steady_ms.saturating_sub(since)),
        };
        it.verdict = if expired == 0 {
            Verdict::Quiet
        } else if !self.rules.self_preservation {
            Verdict::Off
        } else if expired + evicted <= it.allowed {
            Verdict::Few
        } else if it.share() >= it.share_min {
            Verdict::EnoughRenewals
        } else if others_renewed && silent_ms_min > HOLD_MS {
            Verdict::SilentTooLong
        } else {
            Verdict::Held
        };
        it
    }

    /// Returns how many renewals there were since the start.
    pub fn renewals_total(&self) -> u64 {
        self.renewals.total
    }
}
