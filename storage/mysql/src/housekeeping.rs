//! What one process of several does in the background, under a lease: the links of days in
//! Zipkin's table, and forgetting what is old, which Zipkin's server leaves to others. It has no
//! thread: the caller makes passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mysql_async::Value;
use parking_lot::Mutex;
use speargun_runtime::Clock;
use speargun_storage::StoreError;

use crate::dependencies::DAY_MS;
use crate::error::Fault;
use crate::link::Session;
use crate::store::MySqlStore;

mod links;
mod retention;
mod told;

pub use told::Told;

/// How long the lease is held after it was last asked for. Work asks again well before.
const LEASE: Duration = Duration::from_mins(1);

/// How long the server may take to take the lease back.
const GOODBYE: Duration = Duration::from_secs(2);

const LEASE_NAME: &str = "housekeeping";

/// How long the server may take for one statement of this work; some read all of an hour.
const PATIENCE: Duration = Duration::from_mins(10);

/// The time of the server, which counts: the clocks of the processes may differ.
const NOW_MS: &str = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)";

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chores {
    /// Feed `zipkin_dependencies`.
    pub links: bool,
    /// Forget spans that are older.
    pub retention_ms: Option<u64>,
}

/// What a pass did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Whether this process held the lease; if not, another one works.
    pub held: bool,
    /// Days whose links were written.
    pub days_linked: u64,
    /// Span rows that were deleted.
    pub spans_deleted: u64,
    /// Annotation rows that were deleted.
    pub annotations_deleted: u64,
}

/// The background work of one process.
#[derive(Debug)]
pub struct Housekeeping {
    store: Arc<MySqlStore>,
    owner: String,
    chores: Chores,
    clock: Arc<dyn Clock>,
    /// When the lease was last asked for.
    asked: Mutex<Option<Instant>>,
    is_over: AtomicBool,
    told: Mutex<Told>,
}

impl Housekeeping {
    /// Returns the work of a process, whose name `owner` tells it from others.
    pub fn new(
        store: Arc<MySqlStore>,
        owner: impl Into<String>,
        chores: Chores,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            owner: owner.into(),
            chores,
            clock,
            asked: Mutex::new(None),
            is_over: AtomicBool::new(false),
            told: Mutex::default(),
        }
    }

    /// Does what there is to do, if this process has the lease. Blocks for as long as that takes;
    /// it may end anywhere and be made again. A caller waits between passes, longer after long
    /// ones: the day that is not over is linked anew in each.
    pub fn pass(&self) -> Result<Report, StoreError> {
        let report = self.work().map_err(StoreError::from);
        self.told.lock().add(&report);
        report
    }

    /// Returns how the passes so far went.
    pub fn told(&self) -> Told {
        self.told.lock().clone()
    }

    fn work(&self) -> Result<Report, Fault> {
        self.store.link.run(PATIENCE, async |session| {
            let mut report = Report::default();
            *self.asked.lock() = None;
            if !session.schema.has_own || !self.holds(session).await? {
                return Ok(report);
            }
            report.held = true;
            let now_ms = self.clock.now_ms();
            let kept_ms = self.chores.retention_ms;
            let kept_ms = kept_ms.map(|age_ms| now_ms.saturating_sub(age_ms));
            if let Some(before_ms) = kept_ms {
                self.forget(session, before_ms, &mut report).await?;
            }
            if self.chores.links && session.schema.has_dependencies {
                // Of the first day that is kept some spans are gone already.
                let first_whole = kept_ms.map_or(0, |ms| ms / DAY_MS + 1);
                let days = (now_ms / DAY_MS, first_whole);
                self.link_days(session, days, &mut report).await?;
            }
            Ok(report)
        })
    }

    /// Ends the work: gives the lease back, so that another process need not wait for its end, and
    /// asks for it no more. A pass that is under way writes nothing after that.
    pub fn end(&self) -> Result<(), StoreError> {
        self.is_over.store(true, Ordering::Release);
        let released = self.store.link.run(GOODBYE, async |session| {
            if session.schema.has_own {
                let sql = "UPDATE speargun_leases SET until_ms = 0 WHERE name = ? AND owner = ?";
                let values = vec![LEASE_NAME.into(), self.owner.as_str().into()];
                session.change(sql, values).await?;
            }
            Ok(())
        });
        Ok(released?)
    }

    /// Returns whether this process has the lease, asking for it when it was long ago.
    async fn holds(&self, session: &mut Session) -> Result<bool, Fault> {
        if self.is_over.load(Ordering::Acquire) {
            return Ok(false);
        }
        let fresh = |asked: &Instant| asked.elapsed() < LEASE / 4;
        if self.asked.lock().as_ref().is_some_and(fresh) {
            return Ok(true);
        }
        let at = Instant::now();
        let sql = "INSERT IGNORE INTO speargun_leases (name, owner, until_ms) VALUES (?, '', 0)";
        session.change(sql, vec![LEASE_NAME.into()]).await?;
        let sql = format!(
            "UPDATE speargun_leases SET owner = ?, until_ms = {NOW_MS} + ? \
             WHERE name = ? AND (owner = ? OR until_ms < {NOW_MS})"
        );
        let owner = self.owner.as_str();
        let values = vec![
            owner.into(),
            Value::UInt(LEASE.as_millis() as u64),
            LEASE_NAME.into(),
            owner.into(),
        ];
        session.change(&sql, values).await?;
        // Changed or not: asked twice within a millisecond a row stays the same.
        let sql = format!(
            "SELECT 1 FROM speargun_leases WHERE name = ? AND owner = ? AND until_ms >= {NOW_MS}"
        );
        let held = session
            .rows(&sql, vec![LEASE_NAME.into(), owner.into()])
            .await?;
        *self.asked.lock() = (!held.is_empty()).then_some(at);
        Ok(!held.is_empty())
    }

    /// Returns whether this process has the lease, and if so keeps others from taking it until the
    /// transaction ends.
    async fn fences(&self, session: &mut Session) -> Result<bool, Fault> {
        let sql = format!(
            "SELECT 1 FROM speargun_leases WHERE name = ? AND owner = ? AND until_ms >= {NOW_MS} \
             FOR UPDATE"
        );
        let values = vec![LEASE_NAME.into(), self.owner.as_str().into()];
        Ok(!session.rows(&sql, values).await?.is_empty())
    }
}
