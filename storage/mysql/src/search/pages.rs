//! The traces of a window, newest span row first, a page at a time. It decides nothing about them.

use mysql_async::{Row, Value};
use speargun_model::TraceId;
use speargun_storage::Window;

use super::window_us;
use crate::error::Fault;
use crate::fetch::{self, OfTraces};
use crate::link::{Session, int};

/// Span rows of the first page; each further one has four times as many.
const FIRST_PAGE: usize = 500;

/// Span rows of a page at most.
const PAGE_MAX: usize = 20_000;

/// The traces of span rows in a window, newest row first.
pub(super) struct Pages {
    /// Rows that were seen.
    pub(super) rows: usize,
    start_us: i64,
    end_us: i64,
    /// Rows of exactly `end_us` that were already seen.
    skip: usize,
    size: usize,
    done: bool,
}

impl Pages {
    /// Returns the pages of a window.
    pub(super) fn new(window: Window) -> Self {
        let (start_us, end_us) = window_us(window);
        Self {
            rows: 0,
            start_us,
            end_us,
            skip: 0,
            size: FIRST_PAGE,
            done: false,
        }
    }

    /// Returns the traces of the next page, or none after the last.
    pub(super) async fn next(
        &mut self,
        session: &mut Session,
    ) -> Result<Option<Vec<TraceId>>, Fault> {
        if self.done {
            return Ok(None);
        }
        let (high, key) = if session.schema.has_high {
            (
                "trace_id_high",
                "trace_id_high DESC, trace_id DESC, id DESC",
            )
        } else {
            ("0", "trace_id DESC, id DESC")
        };
        // The index on the time holds the key too: no row is read. Rows of one time come in the
        // order of the key, or a server that sorts would skip others than the page before showed.
        let sql = format!(
            "SELECT {high}, trace_id, start_ts FROM zipkin_spans \
             WHERE start_ts BETWEEN ? AND ? ORDER BY start_ts DESC, {key} LIMIT ? OFFSET ?"
        );
        let values = vec![
            Value::Int(self.start_us),
            Value::Int(self.end_us),
            Value::UInt(self.size as u64),
            Value::UInt(self.skip as u64),
        ];
        let mut ids = Vec::new();
        let mut rows = 0;
        let (mut end_us, mut skip) = (self.end_us, self.skip);
        let take = |row: &Row| {
            rows += 1;
            let start_us = int(row, 2).unwrap_or_default();
            if start_us < end_us {
                (end_us, skip) = (start_us, 0);
            }
            skip += 1;
            let id = TraceId {
                high: int(row, 0).unwrap_or_default().cast_unsigned(),
                low: int(row, 1).unwrap_or_default().cast_unsigned(),
            };
            if ids.last() != Some(&id) {
                ids.push(id);
            }
            Ok(())
        };
        session.each(&sql, values, take).await?;
        self.done = rows < self.size;
        self.rows += rows;
        (self.end_us, self.skip) = (end_us, skip);
        self.size = (self.size * 4).min(PAGE_MAX);
        Ok(Some(ids))
    }

    /// Returns those of the traces that have a span row in what was not seen yet, newest first.
    pub(super) async fn of(
        &self,
        session: &mut Session,
        ids: &[TraceId],
    ) -> Result<Vec<TraceId>, Fault> {
        let high = if session.schema.has_high {
            "trace_id_high"
        } else {
            "0"
        };
        let mut newest = Vec::new();
        for ids in ids.chunks(fetch::TRACES_MAX) {
            let of = OfTraces::new(&session.schema, ids);
            let sql = format!(
                "SELECT {high}, trace_id, MAX(start_ts) FROM zipkin_spans WHERE {} \
                 AND start_ts BETWEEN ? AND ? GROUP BY trace_id_high, trace_id",
                of.sql
            );
            let sql = if session.schema.has_high {
                sql
            } else {
                sql.replace("GROUP BY trace_id_high, ", "GROUP BY ")
            };
            let mut values = of.values;
            values.extend([Value::Int(self.start_us), Value::Int(self.end_us)]);
            let take = |row: &Row| {
                newest.push((int(row, 2), fetch::trace_id(row)));
                Ok(())
            };
            session.each(&sql, values, take).await?;
        }
        newest.sort_unstable_by_key(|(start_us, _)| std::cmp::Reverse(*start_us));
        Ok(newest.into_iter().map(|(_, id)| id).collect())
    }

    /// Returns about how many span rows were not seen yet.
    pub(super) async fn rows_left(&self, session: &mut Session) -> Result<u64, Fault> {
        let sql = "SELECT start_ts FROM zipkin_spans WHERE start_ts BETWEEN ? AND ?";
        let values = vec![Value::Int(self.start_us), Value::Int(self.end_us)];
        super::condition::estimate(session, sql, values).await
    }
}
