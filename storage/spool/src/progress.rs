//! How moving goes: counters for metrics, the outage for health and the log. It moves nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use speargun_storage::{Backlog, Stored};

/// What happened since the start, and what goes on.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    stored: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
    lists: AtomicU64,
    failures: AtomicU64,
    outages: AtomicU64,
    outage: Mutex<Option<Outage>>,
    full: Mutex<Option<String>>,
}

#[derive(Clone, Debug)]
struct Outage {
    since: Instant,
    why: String,
}

/// Figures of the spool for metrics and health.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// What waits to be moved.
    pub waiting: Backlog,
    /// Milliseconds that the oldest of it has waited.
    pub age_ms: u64,
    /// Spans that the database took since the start; those of lists that came twice count twice.
    pub stored: u64,
    /// Spans that the database can't hold, left out since the start.
    pub refused: u64,
    /// Spans of which a value was cut since the start.
    pub cut: u64,
    /// Lists that the database took since the start.
    pub lists: u64,
    /// Attempts that failed since the start.
    pub failures: u64,
    /// Times since the start that the database could not be used.
    pub outages: u64,
    /// Why the database can't be used, while it can't.
    pub outage: Option<String>,
    /// Why no more spans are taken, while none are.
    pub full: Option<String>,
}

impl Progress {
    /// Counts a list of so many spans.
    pub(crate) fn add(&self, spans: usize, stored: Stored) {
        let add = |counter: &AtomicU64, count| counter.fetch_add(count, Ordering::Relaxed);
        add(&self.lists, 1);
        add(&self.stored, (spans as u64).saturating_sub(stored.refused));
        add(&self.refused, stored.refused);
        add(&self.cut, stored.cut);
        if stored.refused > 0 {
            let spans = stored.refused;
            tracing::warn!(
                spans,
                "the database can't hold some spans: they are left out"
            );
        }
    }

    /// Notes that an attempt failed. An outage is logged when it begins, and when it becomes
    /// another one.
    pub(crate) fn fail(&self, why: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut outage = self.outage.lock();
        match &mut *outage {
            Some(outage) => {
                if outage.why != why {
                    tracing::debug!(error = why, "the database still takes no spans");
                    outage.why = why;
                }
            }
            None => {
                self.outages.fetch_add(1, Ordering::Relaxed);
                tracing::error!(error = why, "spans wait here until the database takes them");
                let since = Instant::now();
                *outage = Some(Outage { since, why });
            }
        }
    }

    /// Notes that the database answered.
    pub(crate) fn succeed(&self) {
        if let Some(Outage { since, .. }) = self.outage.lock().take() {
            let seconds = since.elapsed().as_secs();
            tracing::info!(seconds, "the database takes spans again");
        }
    }

    /// Returns why the database can't be used, while it can't.
    pub(crate) fn outage(&self) -> Option<String> {
        self.outage.lock().as_ref().map(|outage| outage.why.clone())
    }

    /// Notes whether more spans can be taken; the first time that it changes is logged.
    pub(crate) fn set_full(&self, full: Option<&str>) {
        let mut before = self.full.lock();
        match (&*before, full) {
            (None, Some(why)) => {
                tracing::warn!(error = why, "spans are refused until some were moved");
                *before = Some(why.to_owned());
            }
            (Some(_), None) => {
                tracing::info!("spans are taken again");
                *before = None;
            }
            _ => {}
        }
    }

    /// Returns the figures beside these.
    pub(crate) fn stats(&self, waiting: Backlog, age_ms: u64) -> Stats {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            waiting,
            age_ms,
            stored: count(&self.stored),
            refused: count(&self.refused),
            cut: count(&self.cut),
            lists: count(&self.lists),
            failures: count(&self.failures),
            outages: count(&self.outages),
            outage: self.outage(),
            full: self.full.lock().clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_one_however_often_it_fails() {
        let progress = Progress::default();
        progress.succeed();
        for why in ["down", "down", "read-only"] {
            progress.fail(why.to_owned());
        }
        assert_eq!(progress.outage().as_deref(), Some("read-only"));
        progress.succeed();
        progress.fail("down".to_owned());
        let stats = progress.stats(Backlog::default(), 0);
        assert_eq!((stats.failures, stats.outages), (4, 2));
        progress.succeed();
        assert_eq!(progress.outage(), None);
    }

    #[test]
    fn refused_spans_are_not_stored() {
        let progress = Progress::default();
        progress.add(10, Stored { refused: 3, cut: 2 });
        progress.add(5, Stored::default());
        let stats = progress.stats(Backlog::default(), 0);
        assert_eq!(
            (stats.stored, stats.refused, stats.cut, stats.lists),
            (12, 3, 2, 2)
        );
    }
}
