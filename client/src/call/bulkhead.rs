//! The bulkhead: so many calls at a time, so that one slow service does not take everything.
//! Waiting is bounded in number and in time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::exposition::Exposition;

/// How many calls at a time. The defaults are Resilience4j's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BulkheadSettings {
    /// Calls that may go on.
    pub calls_max: usize,
    /// Calls that may wait for that.
    pub waiting_max: usize,
    /// How long.
    pub wait_max: Duration,
}

impl Default for BulkheadSettings {
    fn default() -> Self {
        Self {
            calls_max: 25,
            waiting_max: 0,
            wait_max: Duration::ZERO,
        }
    }
}

/// There is no place for another call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("bulkhead is full: {0} calls are going on")]
pub struct Full(pub usize);

/// A bulkhead. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Bulkhead(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: BulkheadSettings,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    refused: AtomicU64,
}

/// A call's place, until it is dropped.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Place(#[expect(dead_code, reason = "gives the place back")] OwnedSemaphorePermit);

impl Bulkhead {
    /// Returns an empty one.
    pub fn new(settings: BulkheadSettings) -> Self {
        let calls_max = settings.calls_max.clamp(1, Semaphore::MAX_PERMITS);
        Self(Arc::new(Inner {
            settings,
            places: Arc::new(Semaphore::new(calls_max)),
            waiting: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    /// Gives a call its place, at once or after a wait, or refuses it.
    pub async fn admit(&self) -> Result<Place, Full> {
        if let Ok(permit) = Arc::clone(&self.0.places).try_acquire_owned() {
            return Ok(Place(permit));
        }
        match self.wait().await {
            Some(permit) => Ok(Place(permit)),
            None => {
                self.0.refused.fetch_add(1, Ordering::Relaxed);
                Err(Full(self.0.settings.calls_max))
            }
        }
    }

    async fn wait(&self) -> Option<OwnedSemaphorePermit> {
        let settings = self.0.settings;
        let _waiting = Waiting::begin(&self.0.waiting, settings.waiting_max)?;
        let free = Arc::clone(&self.0.places).acquire_owned();
        tokio::time::timeout(settings.wait_max, free)
            .await
            .ok()?
            .ok()
    }

    /// Appends metrics of bulkheads by the services that they guard, under Resilience4j's names.
    /// Those of one service are added up.
    pub(crate) fn write_metrics(mut all: Vec<(&str, &Self)>, out: &mut Exposition) {
        all.sort_by_key(|(service, _)| *service);
        let mut write = |name: &str, kind: &str, help: &str, of: &dyn Fn(&Inner) -> u64| {
            out.family(name, kind, help);
            for same in all.chunk_by(|a, b| a.0 == b.0) {
                let sum: u64 = same.iter().map(|(_, bulkhead)| of(&bulkhead.0)).sum();
                out.sample(name, &[("name", same[0].0)], sum);
            }
        };
        write(
            "resilience4j_bulkhead_available_concurrent_calls",
            "gauge",
            "Calls that may begin now.",
            &|bulkhead| bulkhead.places.available_permits() as u64,
        );
        write(
            "resilience4j_bulkhead_max_allowed_concurrent_calls",
            "gauge",
            "Calls that may go on at a time.",
            &|bulkhead| bulkhead.settings.calls_max as u64,
        );
        write(
            "http_client_bulkhead_refused_total",
            "counter",
            "Calls that found no place.",
            &|bulkhead| bulkhead.refused.load(Ordering::Relaxed),
        );
    }
}

/// One call that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize, max: usize) -> Option<Self> {
        let fits = |count: usize| (count < max).then_some(count + 1);
        let counted = count.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits);
        counted.ok().map(|_| Self(count))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulkhead(calls_max: usize, waiting_max: usize, wait_ms: u64) -> Bulkhead {
        Bulkhead::new(BulkheadSettings {
            calls_max,
            waiting_max,
            wait_max: Duration::from_millis(wait_ms),
        })
    }

    #[tokio::test]
    async fn a_full_bulkhead_refuses_at_once() {
        let bulkhead = bulkhead(2, 0, 0);
        let first = bulkhead.admit().await.unwrap();
        let _second = bulkhead.admit().await.unwrap();
        assert_eq!(bulkhead.admit().await.unwrap_err(), Full(2));
        drop(first);
        assert!(bulkhead.admit().await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_is_bounded_in_number_and_time() {
        let bulkhead = bulkhead(1, 1, 100);
        let first = bulkhead.admit().await.unwrap();
        let same = bulkhead.clone();
        let waiting = tokio::spawn(async move { same.admit().await.map(drop) });
        tokio::task::yield_now().await;
        // There is place for one that waits; this one goes at once.
        let before = tokio::time::Instant::now();
        assert!(bulkhead.admit().await.is_err());
        assert_eq!(before.elapsed(), Duration::ZERO);
        drop(first);
        assert_eq!(waiting.await.unwrap(), Ok(()));
        let _first = bulkhead.admit().await.unwrap();
        assert!(bulkhead.admit().await.is_err());
        assert_eq!(before.elapsed(), Duration::from_millis(100));
    }
}
