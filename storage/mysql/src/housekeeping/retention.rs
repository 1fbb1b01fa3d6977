//! Forgetting: span rows that began before a time and their annotations, a few at a time, each
//! time in a transaction of its own. Spans without a time stay, as nothing says how old they are.

use mysql_async::{Row, Value};

use super::{Housekeeping, Report};
use crate::dependencies::{DAY_MS, date};
use crate::error::Fault;
use crate::link::{Session, int};

/// Span rows of one transaction.
const SPANS_AT_A_TIME: usize = 200;

impl Housekeeping {
    pub(super) async fn forget(
        &self,
        session: &mut Session,
        before_ms: u64,
        report: &mut Report,
    ) -> Result<(), Fault> {
        let first_kept_us = i64::try_from(before_ms.saturating_mul(1000)).unwrap_or(i64::MAX);
        while self.holds(session).await? {
            let old = old_spans(session, first_kept_us).await?;
            if old.is_empty() {
                break;
            }
            let done = old.len() < SPANS_AT_A_TIME;
            let deleted = session.transaction(async |session| delete(session, &old).await);
            let (spans, annotations) = deleted.await?;
            report.spans_deleted += spans;
            report.annotations_deleted += annotations;
            if done {
                break;
            }
        }
        if session.schema.has_dependencies {
            let sql = "DELETE FROM zipkin_dependencies WHERE day < ?";
            let day = date(before_ms / DAY_MS);
            session.change(sql, vec![day.into()]).await?;
        }
        Ok(())
    }
}

type Key = [i64; 3];

async fn old_spans(session: &mut Session, first_kept_us: i64) -> Result<Vec<Key>, Fault> {
    let high = if session.schema.has_high {
        "trace_id_high"
    } else {
        "0"
    };
    let sql = format!(
        "SELECT {high}, trace_id, id FROM zipkin_spans WHERE start_ts < ? \
         ORDER BY start_ts LIMIT {SPANS_AT_A_TIME}"
    );
    let mut keys = Vec::new();
    let take = |row: &Row| {
        let key = [0, 1, 2].map(|place| int(row, place).unwrap_or_default());
        keys.push(key);
        Ok(())
    };
    session
        .each(&sql, vec![Value::Int(first_kept_us)], take)
        .await?;
    Ok(keys)
}

async fn delete(session: &mut Session, keys: &[Key]) -> Result<(u64, u64), Fault> {
    let of = |id: &str| {
        let one = if session.schema.has_high {
            format!("(trace_id_high = ? AND trace_id = ? AND {id} = ?)")
        } else {
            format!("(trace_id = ? AND {id} = ?)")
        };
        vec![one; keys.len()].join(" OR ")
    };
    let annotations = format!("DELETE FROM zipkin_annotations WHERE {}", of("span_id"));
    let spans = format!("DELETE FROM zipkin_spans WHERE {}", of("id"));
    let skip = usize::from(!session.schema.has_high);
    let each = keys.iter().flat_map(|key| key.iter().skip(skip));
    let values: Vec<Value> = each.map(|part| Value::Int(*part)).collect();
    let annotations = session.change(&annotations, values.clone()).await?;
    let spans = session.change(&spans, values).await?;
    Ok((spans, annotations))
}
