//! What a row of `zipkin_annotations` must be like for its trace to match. Only certain things are
//! asked: a tag, an annotation and an address are rows of their own with the service that recorded
//! them, or that they lead to, whatever else was written of the span.

use std::collections::HashSet;

use mysql_async::{Row, Value};
use speargun_model::TraceId;
use speargun_storage::TraceRequest;

use crate::error::Fault;
use crate::fetch::{self, Budget};
use crate::link::{Session, int};
use crate::row::kind;

/// Traces of one condition: few different numbers, so that statements are prepared once.
const TRACES_OF_CONDITION: [usize; 3] = [10, 100, 1000];

/// What it takes to remember a trace.
const TRACE_BYTES: usize = 24;

/// A condition on one row of `zipkin_annotations`.
pub(super) struct Condition {
    sql: String,
    values: Vec<Value>,
}

/// Returns conditions each of which some row of a trace that matches meets: a tag, an annotation
/// and an address are rows with the service that recorded them, or that they lead to.
pub(super) fn conditions(request: &TraceRequest) -> Vec<Condition> {
    let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
    let service = request.service_name.as_deref();
    let mut all = Vec::new();
    for term in &request.terms {
        let mut met = Condition {
            sql: "a_key = ?".into(),
            values: vec![text(&term.key)],
        };
        if let Some(value) = &term.value {
            met.sql += " AND a_type = ? AND a_value = ?";
            met.values.push(Value::Int(kind::TAG));
            met.values.push(text(value));
        }
        if let Some(service) = service {
            met.sql += " AND endpoint_service_name = ?";
            met.values.push(text(service));
        }
        all.push(met);
    }
    if let (Some(service), true) = (service, request.terms.is_empty()) {
        all.push(Condition {
            sql: "endpoint_service_name = ?".into(),
            values: vec![text(service)],
        });
    }
    if let Some(remote) = &request.remote_service_name {
        all.push(Condition {
            sql: format!("a_type = {} AND endpoint_service_name = ?", kind::ADDRESS),
            values: vec![text(remote)],
        });
    }
    all
}

impl Condition {
    /// Returns the traces of these that have a row that meets the condition, by the lower halves
    /// of their ids.
    pub(super) async fn met(
        &self,
        session: &mut Session,
        ids: &[TraceId],
    ) -> Result<HashSet<u64>, Fault> {
        let mut met = HashSet::new();
        let max = TRACES_OF_CONDITION.last().copied().unwrap_or(1);
        for ids in ids.chunks(max) {
            let mut sizes = TRACES_OF_CONDITION.into_iter();
            let count = sizes.find(|count| *count >= ids.len());
            let Some(last) = ids.last() else { continue };
            let padded = ids.iter().chain(std::iter::repeat(last));
            let mut values: Vec<Value> = padded
                .take(count.unwrap_or(ids.len()))
                .map(|id| Value::Int(id.low.cast_signed()))
                .collect();
            let places = vec!["?"; values.len()].join(",");
            let sql = format!(
                "SELECT DISTINCT trace_id FROM zipkin_annotations \
                 WHERE trace_id IN ({places}) AND {}",
                self.sql
            );
            values.extend(self.values.iter().cloned());
            let take = |row: &Row| {
                met.extend(int(row, 0).map(i64::cast_unsigned));
                Ok(())
            };
            session.each(&sql, values, take).await?;
        }
        Ok(met)
    }

    /// Returns about how many rows it takes to find all traces that have a row that meets the
    /// condition.
    pub(super) async fn cost(&self, session: &mut Session) -> Result<u64, Fault> {
        let sql = format!("SELECT trace_id FROM zipkin_annotations WHERE {}", self.sql);
        estimate(session, &sql, self.values.clone()).await
    }

    /// Returns all traces that have a row that meets the condition.
    pub(super) async fn all(
        &self,
        session: &mut Session,
        budget: &mut Budget,
    ) -> Result<HashSet<TraceId>, Fault> {
        let high = if session.schema.has_high {
            "trace_id_high"
        } else {
            "0"
        };
        let sql = format!(
            "SELECT DISTINCT {high}, trace_id FROM zipkin_annotations WHERE {}",
            self.sql
        );
        let mut all = HashSet::new();
        let take = |row: &Row| {
            budget.take(TRACE_BYTES)?;
            all.insert(fetch::trace_id(row));
            Ok(())
        };
        session.each(&sql, self.values.clone(), take).await?;
        Ok(all)
    }
}

/// Returns how many rows the server expects a query to look at.
pub(super) async fn estimate(
    session: &mut Session,
    sql: &str,
    values: Vec<Value>,
) -> Result<u64, Fault> {
    let rows = session.rows(&format!("EXPLAIN {sql}"), values).await?;
    let of = |row: &Row| {
        let columns = row.columns();
        let place = columns.iter().position(|c| c.name_str() == "rows")?;
        int(row, place).map(i64::unsigned_abs)
    };
    Ok(rows.iter().filter_map(of).sum())
}
