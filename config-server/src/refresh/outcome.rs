//! What became of refreshes: the last ones to be shown, and counts of all.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;

/// Outcomes that are kept to be shown.
const REPORTS_MAX: usize = 200;

/// How an instance took it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The application.
    pub application: String,
    /// The instance; empty when none could be asked.
    pub instance: String,
    /// When it was asked.
    pub at: SystemTime,
    /// Milliseconds until it answered.
    pub took_ms: u64,
    /// The keys that changed there, or what went wrong.
    pub outcome: Result<Vec<String>, String>,
}

/// How much waits, and how much was let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Debts {
    /// Names and instances that are owed something.
    pub owed: u64,
    /// Those that were owed something for too long, or were too many.
    pub given_up: u64,
    /// Changed files that no webhook came for in time.
    pub forgotten: u64,
}

/// All outcomes.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    reports: Mutex<VecDeque<Report>>,
    pub(super) done: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) given_up: AtomicU64,
    pub(super) forgotten: AtomicU64,
}

impl Outcomes {
    pub(super) fn report(&self, report: Report) {
        let mut reports = self.reports.lock();
        reports.truncate(REPORTS_MAX - 1);
        reports.push_front(report);
    }

    /// Returns the last ones, the newest first.
    pub(super) fn reports(&self) -> Vec<Report> {
        self.reports.lock().iter().cloned().collect()
    }
}

/// Adds to a count.
pub(super) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}
