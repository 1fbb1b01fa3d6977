//! The links of whole days in Zipkin's table, exact whenever spans come: today and the day before
//! are counted in each pass, and others when they are marked or have not been yet.
//!
//! ```text
//! speargun_leases   linked-since   the first day from which on all are in the table by our doing
//!                   linked-until   the day on which days were last looked at: what passed since
//!                                  then was counted by nobody
//!                   relink-DAY     spans of it came late, or nobody counted while it passed
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use mysql_async::{Row, Value};
use speargun_model::link::link_traces;
use speargun_model::{DependencyLink, Span, TraceId, merge_links};
use speargun_storage::Window;
use speargun_storage::order::millisecond;

use super::{Housekeeping, Report};
use crate::dependencies::{DAY_MS, DAYS_MAX, LINKED_SINCE, date, each_trace, ids_in, least_ms};
use crate::error::Fault;
use crate::fetch::Budget;
use crate::link::{Session, int, places};
use crate::relink::{self, Mark};

/// The lease row that says when days were last looked at.
const LINKED_UNTIL: &str = "linked-until";

/// Links of one statement.
const LINKS_OF_STATEMENT: usize = 500;

/// What is read at a time: a day of a busy system has more traces than should be held.
const HOUR_MS: u64 = 3_600_000;

/// Ids whose traces are read before the lease is asked for again.
const IDS_AT_A_TIME: usize = 2000;

/// What is counted of a day.
#[derive(Default)]
struct Counted {
    links: Vec<DependencyLink>,
    /// Other days that its traces have spans in.
    touched: BTreeSet<u64>,
}

/// What is remembered with the links of a day.
#[derive(Default)]
struct Noted {
    /// The day from which on all days are in the table now.
    since: Option<u64>,
    /// The mark that led to it.
    done: Option<Mark>,
    /// Days to count because of it.
    marked: BTreeSet<u64>,
}

/// What is linked in a pass.
struct Plan {
    today: u64,
    /// The first day of which nothing was forgotten.
    first_whole: u64,
    marks: BTreeMap<u64, Mark>,
    /// The day from which on all are linked without a break.
    whole_since: Option<u64>,
    /// Days that were never linked.
    unlinked: Range<u64>,
}

impl Plan {
    /// Returns what is to be remembered with the links of a day.
    fn note(&self, day: u64, counted: &Counted) -> Noted {
        let reaches = self.whole_since.is_none_or(|since| day + 1 >= since);
        let done = self.marks.get(&day).copied();
        let mut marked = BTreeSet::new();
        if done.is_some_and(|mark| mark.is_late) {
            // The newest two are linked in each pass.
            let known = self.today.saturating_sub(DAYS_MAX)..self.today.saturating_sub(1);
            marked.extend(counted.touched.range(known));
        }
        Noted {
            since: reaches.then(|| self.whole_since.map_or(day, |since| since.min(day))),
            done,
            marked,
        }
    }
}

impl Housekeeping {
    /// Writes the links of today and the day before, of days that are marked, and of older ones
    /// that have none yet, the newest first. Days from `linked-since` on are answered from the
    /// table; of those before `first_whole` some spans were forgotten, and links stay as they are.
    pub(super) async fn link_days(
        &self,
        session: &mut Session,
        (today, first_whole): (u64, u64),
        report: &mut Report,
    ) -> Result<(), Fault> {
        let since = noted_day(session, LINKED_SINCE).await?;
        if since.is_none() && is_fed_by_others(session).await? {
            // Somebody runs Zipkin's own job; two would only overwrite each other.
            return Ok(());
        }
        if !self.look_at_gap(session, today, since).await? {
            return Ok(());
        }
        let unlinked = unlinked_days(session, today, since).await?;
        let mut plan = Plan {
            today,
            first_whole,
            // Read before any span is: what comes later renews them.
            marks: marked_days(session).await?,
            whole_since: since,
            unlinked: unlinked.clone(),
        };
        let mut days = BTreeSet::from([today, today.saturating_sub(1)]);
        days.extend(unlinked);
        days.extend(plan.marks.keys());
        if self.link_all(session, &mut plan, days, report).await? {
            // Late spans may have taken traces from other days, which were marked by that.
            plan.marks = marked_days(session).await?;
            plan.marks.retain(|_, mark| !mark.is_late);
            let days = plan.marks.keys().copied().collect();
            self.link_all(session, &mut plan, days, report).await?;
        }
        Ok(())
    }

    /// Links days, the newest first. Returns whether this process still has the lease.
    async fn link_all(
        &self,
        session: &mut Session,
        plan: &mut Plan,
        days: BTreeSet<u64>,
        report: &mut Report,
    ) -> Result<bool, Fault> {
        for day in days.into_iter().rev() {
            if day < plan.first_whole && !plan.unlinked.contains(&day) {
                if let Some(mark) = plan.marks.get(&day) {
                    relink::unmark(session, *mark).await?;
                }
                continue;
            }
            let Some(counted) = self.count(session, day).await? else {
                return Ok(false);
            };
            let noted = plan.note(day, &counted);
            let written = self.write_day(session, (day, &counted.links), &noted);
            if !written.await? {
                return Ok(false);
            }
            plan.whole_since = noted.since.or(plan.whole_since);
            report.days_linked += 1;
        }
        Ok(true)
    }

    /// Marks the days that nobody has looked at while they passed, and notes that somebody does
    /// now. Returns whether this process has the lease.
    async fn look_at_gap(
        &self,
        session: &mut Session,
        today: u64,
        since: Option<u64>,
    ) -> Result<bool, Fault> {
        let until = noted_day(session, LINKED_UNTIL).await?;
        if until == Some(today) {
            return Ok(true);
        }
        // On the day before the last look some spans were not late yet.
        let first = until.or(since).map(|day| day.saturating_sub(1));
        let oldest = today.saturating_sub(DAYS_MAX);
        let gap = first.map(|first| (first.max(oldest)..today.saturating_sub(1)).collect());
        let gap: BTreeSet<u64> = gap.unwrap_or_default();
        session
            .transaction(async |session| {
                if !self.fences(session).await? {
                    return Ok(false);
                }
                relink::mark(session, &gap).await?;
                note_day(session, LINKED_UNTIL, today).await?;
                Ok(true)
            })
            .await
    }

    /// Returns the links of the traces whose least time lies in the day; none when another process
    /// has the lease.
    async fn count(&self, session: &mut Session, day: u64) -> Result<Option<Counted>, Fault> {
        let bytes = self.store.config.answer_bytes;
        let mut counted = Counted::default();
        if !has_spans(session, day).await? {
            return Ok(Some(counted));
        }
        for start_ms in (0..DAY_MS / HOUR_MS).map(|hour| day * DAY_MS + hour * HOUR_MS) {
            if !self.holds(session).await? {
                return Ok(None);
            }
            let window = Window {
                end_ms: start_ms + HOUR_MS - 1,
                lookback_ms: HOUR_MS - 1,
            };
            let ids = ids_in(session, window, &mut Budget::of(bytes)).await?;
            for ids in portions(&ids) {
                if !self.holds(session).await? {
                    return Ok(None);
                }
                each_trace(session, ids, (&[], bytes), |traces| {
                    counted.add(traces, window);
                    Ok(())
                })
                .await?;
            }
        }
        Ok(Some(counted))
    }

    /// Replaces the links of a day, and notes what comes of it; none of it unless this process has
    /// the lease until it is done. Returns whether it has.
    async fn write_day(
        &self,
        session: &mut Session,
        (day, links): (u64, &[DependencyLink]),
        noted: &Noted,
    ) -> Result<bool, Fault> {
        session
            .transaction(async |session| {
                if !self.fences(session).await? {
                    return Ok(false);
                }
                write_links(session, day, links).await?;
                if let Some(since) = noted.since {
                    note_day(session, LINKED_SINCE, since).await?;
                }
                relink::mark(session, &noted.marked).await?;
                if let Some(mark) = noted.done {
                    relink::unmark(session, mark).await?;
                }
                Ok(true)
            })
            .await
    }
}

// === impl Counted ===

impl Counted {
    fn add(&mut self, mut traces: Vec<Vec<Span>>, window: Window) {
        let day = window.end_ms / DAY_MS;
        let days = traces
            .iter()
            .flatten()
            .map(|span| millisecond(span) / DAY_MS);
        self.touched.extend(days.filter(|other| *other != day));
        traces.retain(|spans| least_ms(spans).is_some_and(|ms| window.contains_ms(ms)));
        self.links.extend(link_traces(&traces));
        self.links = merge_links(std::mem::take(&mut self.links));
    }
}

/// Returns ids, sorted by their lower halves, some at a time, both forms of an id together.
fn portions(ids: &[TraceId]) -> impl Iterator<Item = &[TraceId]> {
    let mut rest = ids;
    std::iter::from_fn(move || {
        let last = rest.get(IDS_AT_A_TIME.min(rest.len()).checked_sub(1)?)?;
        let (now, later) = rest.split_at(rest.partition_point(|id| id.low <= last.low));
        rest = later;
        Some(now)
    })
}

/// Returns the days of the database that have no links yet.
async fn unlinked_days(
    session: &mut Session,
    today: u64,
    since: Option<u64>,
) -> Result<Range<u64>, Fault> {
    let end = since.unwrap_or(today).min(today);
    let oldest = oldest_day(session).await?.unwrap_or(end);
    Ok(oldest.max(today.saturating_sub(DAYS_MAX))..end)
}

async fn marked_days(session: &mut Session) -> Result<BTreeMap<u64, Mark>, Fault> {
    let marks = relink::marks(session).await?;
    Ok(marks.into_iter().map(|mark| (mark.day, mark)).collect())
}

async fn has_spans(session: &mut Session, day: u64) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM zipkin_spans WHERE start_ts BETWEEN ? AND ? LIMIT 1";
    let start_us = day * DAY_MS * 1000;
    let end_us = start_us + DAY_MS * 1000 - 1;
    let values = vec![Value::UInt(start_us), Value::UInt(end_us)];
    Ok(!session.rows(sql, values).await?.is_empty())
}

async fn oldest_day(session: &mut Session) -> Result<Option<u64>, Fault> {
    let sql = "SELECT MIN(start_ts) FROM zipkin_spans WHERE start_ts > 0";
    let rows: Vec<Row> = session.rows(sql, Vec::new()).await?;
    let us = rows.first().and_then(|row| int(row, 0));
    Ok(us.map(|us| us.unsigned_abs() / 1000 / DAY_MS))
}

async fn is_fed_by_others(session: &mut Session) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM zipkin_dependencies LIMIT 1";
    Ok(!session.rows(sql, Vec::new()).await?.is_empty())
}

async fn noted_day(session: &mut Session, name: &str) -> Result<Option<u64>, Fault> {
    let sql = "SELECT until_ms FROM speargun_leases WHERE name = ?";
    let rows = session.rows(sql, vec![name.into()]).await?;
    let ms = rows.first().and_then(|row| int(row, 0));
    Ok(ms.map(|ms| ms.unsigned_abs() / DAY_MS))
}

async fn note_day(session: &mut Session, name: &str, day: u64) -> Result<(), Fault> {
    let sql = "INSERT INTO speargun_leases (name, owner, until_ms) VALUES (?, '', ?) \
               ON DUPLICATE KEY UPDATE until_ms = VALUES(until_ms)";
    let values = vec![name.into(), Value::UInt(day * DAY_MS)];
    session.change(sql, values).await?;
    Ok(())
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
