//! What one process of several does in the background, under a lease: the links of days in
//! Zipkin's table, and forgetting what is old, which Zipkin's server leaves to others. It has no
//! thread: the caller makes passes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Row, Value};
use parking_lot::Mutex;
use speargun_model::link::link_traces;
use speargun_model::{DependencyLink, merge_links};
use speargun_runtime::Clock;
use speargun_storage::{StoreError, Window};

use crate::dependencies::{DAY_MS, LINKED_SINCE, date, day_of, each_trace, ids_in};
use crate::error::Fault;
use crate::fetch::Budget;
use crate::link::{Session, int, places};
use crate::store::MySqlStore;

mod retention;

/// How long the lease is held after it was last asked for. Work asks again well before.
const LEASE: Duration = Duration::from_mins(1);

const LEASE_NAME: &str = "housekeeping";

/// Links of one statement.
const LINKS_OF_STATEMENT: usize = 500;

/// Days before the newest that are linked once and then left, newest first: the rest of what the
/// database held when it was first linked is computed when it is asked for.
const DAYS_MAX: u64 = 3650;

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
        }
    }

    /// Does what there is to do, if this process has the lease. Blocks for as long as that takes;
    /// it may end anywhere and be made again. A caller waits between passes, longer after long
    /// ones: the day that is not over is linked anew in each.
    pub fn pass(&self) -> Result<Report, StoreError> {
        let report = self.store.link.run(async |session| {
            let mut report = Report::default();
            *self.asked.lock() = None;
            if !session.schema.has_own || !self.holds(session).await? {
                return Ok(report);
            }
            report.held = true;
            let now_ms = self.clock.now_ms();
            if let Some(age_ms) = self.chores.retention_ms {
                self.forget(session, now_ms.saturating_sub(age_ms), &mut report)
                    .await?;
            }
            if self.chores.links && session.schema.has_dependencies {
                self.link_days(session, now_ms / DAY_MS, &mut report)
                    .await?;
            }
            Ok(report)
        });
        Ok(report?)
    }

    /// Gives the lease back, so that another process need not wait for its end.
    pub fn release(&self) -> Result<(), StoreError> {
        let released = self.store.link.run(async |session| {
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
        let fresh = |asked: &Instant| asked.elapsed() < LEASE / 4;
        if self.asked.lock().as_ref().is_some_and(fresh) {
            return Ok(true);
        }
        let at = Instant::now();
        // The server's clock counts: those of the processes may differ.
        let now = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)";
        let sql = "INSERT IGNORE INTO speargun_leases (name, owner, until_ms) VALUES (?, '', 0)";
        session.change(sql, vec![LEASE_NAME.into()]).await?;
        let sql = format!(
            "UPDATE speargun_leases SET owner = ?, until_ms = {now} + ? \
             WHERE name = ? AND (owner = ? OR until_ms < {now})"
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
            "SELECT 1 FROM speargun_leases WHERE name = ? AND owner = ? AND until_ms >= {now}"
        );
        let held = session
            .rows(&sql, vec![LEASE_NAME.into(), owner.into()])
            .await?;
        *self.asked.lock() = (!held.is_empty()).then_some(at);
        Ok(!held.is_empty())
    }

    /// Writes the links of today and the day before, and of older days that have none yet, newest
    /// first. Days from `linked-since` on are answered from the table.
    async fn link_days(
        &self,
        session: &mut Session,
        today: u64,
        report: &mut Report,
    ) -> Result<(), Fault> {
        let since = self.linked_since(session).await?;
        if since.is_none() && is_fed_by_others(session).await? {
            // Somebody runs Zipkin's own job; two would only overwrite each other.
            return Ok(());
        }
        let mut days = BTreeSet::from([today, today.saturating_sub(1)]);
        if let Some(oldest) = oldest_day(session).await? {
            let oldest = oldest.max(today.saturating_sub(DAYS_MAX));
            days.extend(oldest..since.unwrap_or(today).min(today));
        }
        // What was linked without a break up to today.
        let mut whole_since = since;
        for day in days.into_iter().rev() {
            if !self.holds(session).await? {
                return Ok(());
            }
            let links = self.links_of(session, day).await?;
            let reaches = whole_since.is_none_or(|since| day + 1 >= since);
            let mark = reaches.then(|| whole_since.map_or(day, |since| since.min(day)));
            write_day(session, day, &links, mark).await?;
            whole_since = mark.or(whole_since);
            report.days_linked += 1;
        }
        Ok(())
    }

    async fn linked_since(&self, session: &mut Session) -> Result<Option<u64>, Fault> {
        let sql = "SELECT until_ms FROM speargun_leases WHERE name = ?";
        let rows = session.rows(sql, vec![LINKED_SINCE.into()]).await?;
        let since = rows.first().and_then(|row| int(row, 0));
        Ok(since.map(|ms| ms.unsigned_abs() / DAY_MS))
    }

    /// Returns the links of the traces whose least time lies in the day.
    async fn links_of(
        &self,
        session: &mut Session,
        day: u64,
    ) -> Result<Vec<DependencyLink>, Fault> {
        let window = Window {
            end_ms: day * DAY_MS + DAY_MS - 1,
            lookback_ms: DAY_MS - 1,
        };
        let bytes = self.store.config.answer_bytes;
        let ids = ids_in(session, window, &mut Budget::of(bytes)).await?;
        let mut links = Vec::new();
        each_trace(session, &ids, (&[], bytes), |mut traces| {
            traces.retain(|spans| day_of(spans) == Some(day));
            links.extend(link_traces(&traces));
            links = merge_links(std::mem::take(&mut links));
            Ok(())
        })
        .await?;
        Ok(links)
    }
}

async fn is_fed_by_others(session: &mut Session) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM zipkin_dependencies LIMIT 1";
    Ok(!session.rows(sql, Vec::new()).await?.is_empty())
}

async fn oldest_day(session: &mut Session) -> Result<Option<u64>, Fault> {
    let sql = "SELECT MIN(start_ts) FROM zipkin_spans WHERE start_ts > 0";
    let rows: Vec<Row> = session.rows(sql, Vec::new()).await?;
    let us = rows.first().and_then(|row| int(row, 0));
    Ok(us.map(|us| us.unsigned_abs() / 1000 / DAY_MS))
}

/// Replaces the links of a day, and remembers from which day on the table is whole.
async fn write_day(
    session: &mut Session,
    day: u64,
    links: &[DependencyLink],
    whole_since: Option<u64>,
) -> Result<(), Fault> {
    session.conn.query_drop("BEGIN").await?;
    let written = write_links(session, day, links).await;
    if let (Ok(()), Some(since)) = (&written, whole_since) {
        let sql = "INSERT INTO speargun_leases (name, owner, until_ms) VALUES (?, '', ?) \
                   ON DUPLICATE KEY UPDATE until_ms = VALUES(until_ms)";
        let values = vec![LINKED_SINCE.into(), Value::UInt(since * DAY_MS)];
        session.change(sql, values).await?;
    }
    let end = if written.is_ok() {
        "COMMIT"
    } else {
        "ROLLBACK"
    };
    session.conn.query_drop(end).await?;
    written
}

async fn write_links(
    session: &mut Session,
    day: u64,
    links: &[DependencyLink],
) -> Result<(), Fault> {
    let date = date(day);
    let sql = "DELETE FROM zipkin_dependencies WHERE day = ?";
    session.change(sql, vec![date.as_str().into()]).await?;
    let room = session.schema.room;
    let has_errors = session.schema.has_error_count;
    let columns = if has_errors { 5 } else { 4 };
    for links in links.chunks(LINKS_OF_STATEMENT) {
        let mut values = Vec::with_capacity(links.len() * columns);
        for link in links {
            values.extend([
                Value::from(date.as_str()),
                Value::from(room.fit(&link.parent).as_ref()),
                Value::from(room.fit(&link.child).as_ref()),
                Value::UInt(link.call_count),
            ]);
            values.extend(has_errors.then_some(Value::UInt(link.error_count)));
        }
        // Names that the table's collation takes for one add up.
        let sql = format!(
            "INSERT INTO zipkin_dependencies (day, parent, child, call_count{error}) VALUES {} \
             ON DUPLICATE KEY UPDATE call_count = call_count + VALUES(call_count){sum}",
            places(links.len(), columns),
            error = if has_errors { ", error_count" } else { "" },
            sum = if has_errors {
                ", error_count = error_count + VALUES(error_count)"
            } else {
                ""
            },
        );
        session.change(&sql, values).await?;
    }
    Ok(())
}
