//! What one process of several does in the background, under a lease: it links spans as they come,
//! chunk by chunk, into table `links`. It has no thread: the caller makes passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use speargun_storage::StoreError;

use crate::fault::Fault;
use crate::links::covered::{ASTRAY_MAX, Books, Covered};
use crate::server::Deadline;
use crate::store::ClickHouse;

mod chunk;
mod lease;
mod lists;
mod rows;
mod told;

use chunk::Work;
use lease::{LEASE, Lease};
use lists::Lists;
pub use told::Told;

/// How long a pass may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long giving the lease back may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// What a pass did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Whether this process held the lease; if not, another one works.
    pub held: bool,
    /// Spans that were linked.
    pub spans_linked: u64,
    /// Spans that are old enough and still wait. While there are some, passes need no pause.
    pub spans_waiting: u64,
    /// How long the oldest of those that were linked had waited, in milliseconds.
    pub lag_ms: u64,
}

/// When the lease was last asked for, and what the server's clock showed.
#[derive(Clone, Copy, Debug)]
struct Had {
    at: Instant,
    now_ms: u64,
}

/// The background work of one process.
#[derive(Debug)]
pub struct Housekeeping {
    store: Arc<ClickHouse>,
    owner: String,
    had: Mutex<Option<Had>>,
    is_over: AtomicBool,
    told: Mutex<Told>,
}

impl Housekeeping {
    /// Returns the work of a process, whose name `owner` tells it from others.
    pub fn new(store: Arc<ClickHouse>, owner: impl Into<String>) -> Self {
        Self {
            store,
            owner: owner.into(),
            had: Mutex::new(None),
            is_over: AtomicBool::new(false),
            told: Mutex::default(),
        }
    }

    /// Links some of what waits, if this process has the lease. Blocks for as long as that takes,
    /// seconds; it may end anywhere and be made again.
    pub fn pass(&self) -> Result<Report, StoreError> {
        let report = self.store.on_tables(|| self.work());
        let report = report.map_err(StoreError::from);
        self.told.lock().add(&report);
        report
    }

    /// Returns how the passes so far went.
    pub fn told(&self) -> Told {
        self.told.lock().clone()
    }

    /// Ends the work: gives the lease back, so that another process need not wait for its end, and
    /// asks for it no more. A pass that is under way may still write its chunk.
    pub fn end(&self) -> Result<(), StoreError> {
        self.is_over.store(true, Ordering::Release);
        self.lease(Deadline::after(GOODBYE)).release()?;
        Ok(())
    }

    fn lease(&self, deadline: Deadline) -> Lease<'_> {
        Lease {
            server: &self.store.server,
            owner: &self.owner,
            deadline,
        }
    }

    fn work(&self) -> Result<Report, Fault> {
        let deadline = Deadline::after(PATIENCE);
        let Some(now_ms) = self.hold(deadline)? else {
            return Ok(Report::default());
        };
        let books = Books {
            server: &self.store.server,
            deadline,
        };
        let lag_ms = u64::try_from(self.store.config.link_lag.as_millis()).unwrap_or(u64::MAX);
        let until_ms = now_ms.saturating_sub(lag_ms);
        let mut covered = books.covered()?;
        if covered.astray.len() > ASTRAY_MAX {
            // Begun anew: statements could not name all that is to be left out.
            covered = Covered::default();
        }
        let lists = Lists::next(books, &covered, until_ms)?;
        let mut report = Report {
            held: true,
            spans_waiting: lists.waiting,
            ..Report::default()
        };
        if !lists.chosen.is_empty() && !self.is_over.load(Ordering::Acquire) {
            report.lag_ms = now_ms.saturating_sub(lists.oldest_ms());
            report.spans_linked = lists.spans();
            Work {
                books,
                covered: &covered,
                lists: &lists,
                now_ms,
            }
            .link()?;
        }
        Ok(report)
    }

    /// Returns the milliseconds of the server's clock if this process has the lease, asking for it
    /// when it was long ago.
    fn hold(&self, deadline: Deadline) -> Result<Option<u64>, Fault> {
        if self.is_over.load(Ordering::Acquire) {
            return Ok(None);
        }
        let had = *self.had.lock();
        if let Some(had) = had.filter(|had| had.at.elapsed() < LEASE / 4) {
            let since_ms = u64::try_from(had.at.elapsed().as_millis()).unwrap_or(0);
            return Ok(Some(had.now_ms + since_ms));
        }
        let at = Instant::now();
        let now_ms = self.lease(deadline).ask()?;
        *self.had.lock() = now_ms.map(|now_ms| Had { at, now_ms });
        Ok(now_ms)
    }
}
