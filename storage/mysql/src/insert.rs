//! Lists of rows in few statements, in one transaction a connection. Rows that are there already
//! change nothing, so that a list may come again; a row that the server will not take is left out
//! by itself. What a row says is `row`'s business.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use mysql_async::Value;
use speargun_model::Span;
use speargun_storage::Stored;
use speargun_storage::order::millisecond;

use crate::dependencies::DAY_MS;
use crate::error::{Fault, Verdict};
use crate::link::{Session, places};
use crate::relink;
use crate::row::{AnnotationRow, Rows, SpanRow};
use crate::schema::Schema;

/// Rows of a statement: few different numbers, so that statements are prepared once a connection.
const ROWS_OF_STATEMENT: [usize; 4] = [1000, 100, 10, 1];

/// Bytes that a statement may take, whatever the server allows.
const STATEMENT_BYTES_MAX: usize = 4 << 20;

/// Spans of which the rows are held at a time.
const SPANS_AT_A_TIME: usize = 4096;

/// Below so many spans another connection is not worth its transaction.
const PART_SPANS_MIN: usize = 500;

/// Connections that store a list at a time.
const PARTS_MAX: usize = 4;

/// Returns the spans in parts that may be stored at the same time: a trace is in one of them, in
/// the order in which its spans came.
pub(crate) fn parts(spans: &[Span], connections: usize) -> Vec<Vec<&Span>> {
    let count = (spans.len() / PART_SPANS_MIN)
        .min(PARTS_MAX)
        .min(connections)
        .max(1);
    let mut parts = vec![Vec::with_capacity(spans.len() / count + 1); count];
    for span in spans {
        // Neighbours by key stay together: they share pages and locks.
        let part = (u128::from(span.trace_id.low) * count as u128) >> 64;
        if let Some(part) = parts.get_mut(part as usize) {
            part.push(span);
        }
    }
    parts
}

/// Stores the spans in one transaction, and marks the days among `late` that they are of: their
/// links may be counted already.
pub(crate) async fn store(
    session: &mut Session,
    spans: &[&Span],
    late: &Range<u64>,
) -> Result<Stored, Fault> {
    let days: BTreeSet<u64> = spans
        .iter()
        .filter(|span| span.timestamp_us != 0)
        .map(|span| millisecond(span) / DAY_MS)
        .filter(|day| late.contains(day))
        .collect();
    session
        .transaction(async |session| {
            let stored = store_all(session, spans).await?;
            // Last, since others that store wait for these rows.
            relink::mark_late(session, &days).await?;
            Ok(stored)
        })
        .await
}

async fn store_all(session: &mut Session, spans: &[&Span]) -> Result<Stored, Fault> {
    let mut stored = Stored::default();
    for spans in spans.chunks(SPANS_AT_A_TIME) {
        let mut rows = Rows::default();
        for span in spans {
            rows.push(span, session.schema.room);
        }
        stored.cut += rows.cut;
        let schema = session.schema.clone();
        let (own, shared): (Vec<_>, Vec<_>) =
            merged(rows.spans).into_iter().partition(|r| !r.shared);
        // First those whose start may be replaced.
        let shared = Insert::of_spans(&schema, &shared, false);
        let refused_shared = shared.send(session).await?;
        let own = Insert::of_spans(&schema, &own, true);
        let refused_own = own.send(session).await?;
        rows.annotations.sort_by_key(|row| row.span);
        let annotations = Insert::of_annotations(&schema, &rows.annotations);
        let refused = annotations.send(session).await?;
        let mut refused: Vec<_> = [refused_shared, refused_own, refused].concat();
        refused.sort_unstable();
        refused.dedup();
        stored.refused += refused.len() as u64;
    }
    Ok(stored)
}

/// Returns one row a key, sorted by it: processes that take locks in one order don't wait for each
/// other in a circle. As with one statement a span, which is Zipkin's way, the last known name
/// counts, and the start of a shared half only until there is another.
fn merged(rows: Vec<SpanRow<'_>>) -> Vec<SpanRow<'_>> {
    let mut places: HashMap<Key, usize> = HashMap::with_capacity(rows.len());
    let mut merged: Vec<SpanRow<'_>> = Vec::with_capacity(rows.len());
    for row in rows {
        let place = places.entry(row.key).or_insert(merged.len());
        let Some(known) = merged.get_mut(*place) else {
            merged.push(row);
            continue;
        };
        if !row.name.is_empty() {
            known.name = row.name;
        }
        if !row.remote_name.is_empty() {
            known.remote_name = row.remote_name;
        }
        known.debug |= row.debug;
        known.parent_id = row.parent_id.or(known.parent_id);
        known.duration_us = row.duration_us.or(known.duration_us);
        if !row.shared && row.start_us.is_some() {
            known.start_us = row.start_us;
            known.shared = false;
        }
    }
    merged.sort_by_key(|row| row.key);
    merged
}

type Key = (i64, i64, i64);

/// Rows on their way into a table.
struct Insert<'r> {
    /// `INSERT INTO .. VALUES`.
    head: String,
    /// What becomes of a row that is there.
    tail: &'static str,
    columns: usize,
    rows: Vec<Row<'r>>,
    packet_bytes: usize,
}

/// A row, and how to say it.
enum Row<'r> {
    Span(&'r SpanRow<'r>, &'r Schema),
    Annotation(&'r AnnotationRow<'r>, &'r Schema),
}

const KEEP_START: &str = " ON DUPLICATE KEY UPDATE \
    name = IF(VALUES(name) = '', name, VALUES(name)), debug = COALESCE(VALUES(debug), debug), \
    parent_id = COALESCE(VALUES(parent_id), parent_id), \
    duration = COALESCE(VALUES(duration), duration)";
const REPLACE_START: &str = " ON DUPLICATE KEY UPDATE \
    name = IF(VALUES(name) = '', name, VALUES(name)), debug = COALESCE(VALUES(debug), debug), \
    parent_id = COALESCE(VALUES(parent_id), parent_id), \
    duration = COALESCE(VALUES(duration), duration), \
    start_ts = COALESCE(VALUES(start_ts), start_ts)";
const KEEP_START_AND_REMOTE: &str = " ON DUPLICATE KEY UPDATE \
    name = IF(VALUES(name) = '', name, VALUES(name)), debug = COALESCE(VALUES(debug), debug), \
    remote_service_name = IF(VALUES(remote_service_name) = '', remote_service_name, \
        VALUES(remote_service_name)), \
    parent_id = COALESCE(VALUES(parent_id), parent_id), \
    duration = COALESCE(VALUES(duration), duration)";
const REPLACE_START_AND_REMOTE: &str = " ON DUPLICATE KEY UPDATE \
    name = IF(VALUES(name) = '', name, VALUES(name)), debug = COALESCE(VALUES(debug), debug), \
    remote_service_name = IF(VALUES(remote_service_name) = '', remote_service_name, \
        VALUES(remote_service_name)), \
    parent_id = COALESCE(VALUES(parent_id), parent_id), \
    duration = COALESCE(VALUES(duration), duration), \
    start_ts = COALESCE(VALUES(start_ts), start_ts)";

impl<'r> Insert<'r> {
    fn of_spans(schema: &'r Schema, rows: &'r [SpanRow<'r>], replaces_start: bool) -> Self {
        let mut columns = vec![
            "trace_id",
            "id",
            "name",
            "parent_id",
            "debug",
            "start_ts",
            "duration",
        ];
        columns.extend(schema.has_high.then_some("trace_id_high"));
        columns.extend(schema.has_remote_name.then_some("remote_service_name"));
        let tail = match (schema.has_remote_name, replaces_start) {
            (false, false) => KEEP_START,
            (false, true) => REPLACE_START,
            (true, false) => KEEP_START_AND_REMOTE,
            (true, true) => REPLACE_START_AND_REMOTE,
        };
        Self {
            head: format!("INSERT INTO zipkin_spans ({}) VALUES ", columns.join(",")),
            tail,
            columns: columns.len(),
            rows: rows.iter().map(|row| Row::Span(row, schema)).collect(),
            packet_bytes: schema.packet_bytes,
        }
    }

    fn of_annotations(schema: &'r Schema, rows: &'r [AnnotationRow<'r>]) -> Self {
        let mut columns = vec![
            "trace_id",
            "span_id",
            "a_key",
            "a_value",
            "a_type",
            "a_timestamp",
            "endpoint_ipv4",
            "endpoint_port",
            "endpoint_service_name",
        ];
        columns.extend(schema.has_high.then_some("trace_id_high"));
        columns.extend(schema.has_ipv6.then_some("endpoint_ipv6"));
        Self {
            head: format!(
                "INSERT IGNORE INTO zipkin_annotations ({}) VALUES ",
                columns.join(",")
            ),
            tail: "",
            columns: columns.len(),
            rows: rows
                .iter()
                .map(|row| Row::Annotation(row, schema))
                .collect(),
            packet_bytes: schema.packet_bytes,
        }
    }

    /// Sends the rows, and returns the spans of those that the server refused.
    async fn send(&self, session: &mut Session) -> Result<Vec<Key>, Fault> {
        let bytes_max = (self.packet_bytes / 2).min(STATEMENT_BYTES_MAX);
        let mut refused = Vec::new();
        let mut rest = self.rows.as_slice();
        while !rest.is_empty() {
            let count = statement_rows(rest, bytes_max);
            let (now, later) = rest.split_at(count);
            rest = later;
            match self.send_some(session, now).await {
                Ok(()) => {}
                Err(fault) if fault.verdict() == Verdict::Value => {
                    self.send_each(session, now, &mut refused).await?;
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(refused)
    }

    /// Sends rows one by one. A statement that fails leaves its transaction as it was.
    async fn send_each(
        &self,
        session: &mut Session,
        rows: &[Row<'_>],
        refused: &mut Vec<Key>,
    ) -> Result<(), Fault> {
        for row in rows {
            match self.send_some(session, std::slice::from_ref(row)).await {
                Ok(()) => {}
                Err(fault) if fault.verdict() == Verdict::Value => {
                    tracing::debug!(%fault, "a row is left out");
                    refused.push(row.span());
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    async fn send_some(&self, session: &mut Session, rows: &[Row<'_>]) -> Result<(), Fault> {
        let places = places(rows.len(), self.columns);
        let sql = format!("{}{places}{}", self.head, self.tail);
        let mut values = Vec::with_capacity(rows.len() * self.columns);
        for row in rows {
            row.say(&mut values);
        }
        session.change(&sql, values).await?;
        Ok(())
    }
}

/// Returns how many of the rows the next statement takes.
fn statement_rows(rows: &[Row<'_>], bytes_max: usize) -> usize {
    let fits = |count: &usize| {
        let some = rows.get(..*count);
        some.is_some_and(|rows| rows.iter().map(Row::bytes).sum::<usize>() <= bytes_max)
    };
    ROWS_OF_STATEMENT.into_iter().find(fits).unwrap_or(1)
}

impl Row<'_> {
    fn span(&self) -> Key {
        match self {
            Row::Span(row, _) => row.key,
            Row::Annotation(row, _) => row.span,
        }
    }

    /// Returns about how many bytes the row takes on the wire.
    fn bytes(&self) -> usize {
        const FIXED: usize = 100;
        match self {
            Row::Span(row, _) => FIXED + row.name.len() + row.remote_name.len(),
            Row::Annotation(row, _) => {
                let service = row.endpoint.as_ref().map_or(0, |e| e.service_name.len());
                FIXED + row.key.len() + row.value.map_or(0, <[u8]>::len) + service
            }
        }
    }

    /// Adds the values, in the order of the columns.
    fn say(&self, out: &mut Vec<Value>) {
        let text = |text: &str| Value::Bytes(text.as_bytes().to_vec());
        let number = |number: Option<i64>| number.map_or(Value::NULL, Value::Int);
        match self {
            Row::Span(row, schema) => {
                let (high, low, id) = row.key;
                out.extend([
                    Value::Int(low),
                    Value::Int(id),
                    text(&row.name),
                    number(row.parent_id),
                    number(row.debug.then_some(1)),
                    number(row.start_us),
                    number(row.duration_us),
                ]);
                out.extend(schema.has_high.then_some(Value::Int(high)));
                out.extend(schema.has_remote_name.then(|| text(&row.remote_name)));
            }
            Row::Annotation(row, schema) => {
                let (high, low, id) = row.span;
                let endpoint = row.endpoint.as_ref();
                out.extend([
                    Value::Int(low),
                    Value::Int(id),
                    text(&row.key),
                    row.value
                        .map_or(Value::NULL, |value| Value::Bytes(value.to_vec())),
                    Value::Int(row.kind),
                    Value::Int(row.timestamp_us),
                    number(endpoint.and_then(|e| e.ipv4)),
                    number(endpoint.and_then(|e| e.port)),
                    endpoint.map_or(Value::NULL, |e| text(&e.service_name)),
                ]);
                out.extend(schema.has_high.then_some(Value::Int(high)));
                out.extend(schema.has_ipv6.then(|| {
                    let address = endpoint.and_then(|e| e.ipv6);
                    address.map_or(Value::NULL, |address| Value::Bytes(address.to_vec()))
                }));
            }
        }
    }
}
