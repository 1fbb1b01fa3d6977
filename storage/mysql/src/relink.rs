//! Days whose links are to be counted again, a row of our own table each: spans of theirs came
//! after they were counted, or nobody counted while they passed. A row goes when its day was
//! counted and it has not been renewed meanwhile. Who counts is `housekeeping`'s business.

use std::collections::BTreeSet;

use mysql_async::{Row, Value};

use crate::error::{Fault, Verdict};
use crate::link::{Session, int, places, text};

/// Such rows are named so, and then by the day's number.
const PREFIX: &str = "relink-";

/// The owner of a row that spans which came late have made.
const LATE: &str = "late";

/// Rows of one statement.
const DAYS_OF_STATEMENT: usize = 500;

/// A day to count again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub(crate) day: u64,
    /// Whether spans of it came late: traces that they belong to may count on another day now.
    pub(crate) is_late: bool,
    /// How often it was renewed.
    count: i64,
}

/// Marks the days of spans that come late, in the transaction that stores these. Whoever may not
/// write our table stores all the same.
pub(crate) async fn mark_late(session: &mut Session, days: &BTreeSet<u64>) -> Result<(), Fault> {
    if days.is_empty() || !session.schema.has_own || !session.schema.has_dependencies {
        return Ok(());
    }
    match put(session, days, (LATE, "VALUES(owner)")).await {
        Err(fault) if fault.verdict() == Verdict::Never => {
            tracing::debug!(%fault, "the links of days are not counted again");
            Ok(())
        }
        done => done,
    }
}

/// Marks days; those that are marked stay what they are.
pub(crate) async fn mark(session: &mut Session, days: &BTreeSet<u64>) -> Result<(), Fault> {
    put(session, days, ("", "owner")).await
}

async fn put(
    session: &mut Session,
    days: &BTreeSet<u64>,
    (owner, owner_then): (&str, &str),
) -> Result<(), Fault> {
    // In order, so that nobody waits for another in a circle.
    let days: Vec<u64> = days.iter().copied().collect();
    for days in days.chunks(DAYS_OF_STATEMENT) {
        let sql = format!(
            "INSERT INTO speargun_leases (name, owner, until_ms) VALUES {} \
             ON DUPLICATE KEY UPDATE owner = {owner_then}, until_ms = until_ms + 1",
            places(days.len(), 3)
        );
        let each = days
            .iter()
            .flat_map(|day| [name(*day).into(), owner.into(), Value::Int(1)]);
        session.change(&sql, each.collect()).await?;
    }
    Ok(())
}

/// Returns the days that are marked.
pub(crate) async fn marks(session: &mut Session) -> Result<Vec<Mark>, Fault> {
    let sql = "SELECT name, owner, until_ms FROM speargun_leases WHERE name LIKE ?";
    let mut marks = Vec::new();
    let take = |row: &Row| {
        let name = text(row, 0).unwrap_or_default();
        let day = name.strip_prefix(PREFIX).and_then(|day| day.parse().ok());
        marks.extend(day.map(|day| Mark {
            day,
            is_late: text(row, 1).as_deref() == Some(LATE),
            count: int(row, 2).unwrap_or_default(),
        }));
        Ok(())
    };
    session
        .each(sql, vec![format!("{PREFIX}%").into()], take)
        .await?;
    Ok(marks)
}

/// Takes a mark away, unless it was renewed since it was read.
pub(crate) async fn unmark(session: &mut Session, mark: Mark) -> Result<(), Fault> {
    let sql = "DELETE FROM speargun_leases WHERE name = ? AND until_ms = ?";
    let values = vec![name(mark.day).into(), Value::Int(mark.count)];
    session.change(sql, values).await?;
    Ok(())
}

fn name(day: u64) -> String {
    format!("{PREFIX}{day}")
}
