//! The rows of traces whose ids are known, and their spans. Which traces is decided elsewhere.

use std::collections::{HashMap, HashSet};

use mysql_async::{Row, Value};
use speargun_model::{Span, TraceId};
use speargun_storage::IdMode;
use speargun_storage::order::{group_by_millisecond, keep_first_of_equal};

use crate::decode::{AnnotationFields, Decoder, SpanFields};
use crate::error::Fault;
use crate::link::{Session, bytes, int};
use crate::schema::Schema;

/// Traces of one statement: few different numbers, so that statements are prepared once.
const TRACES_OF_STATEMENT: [usize; 4] = [1, 10, 50, 200];

/// The most traces of one statement.
pub(crate) const TRACES_MAX: usize = 200;

/// Bytes of memory that an answer may still take.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) left: usize,
    pub(crate) max: usize,
}

impl Budget {
    pub(crate) fn of(max: usize) -> Self {
        Self { left: max, max }
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Fault::TooMuch(self.max)),
        }
    }
}

/// A condition that is met by rows of these traces.
pub(crate) struct OfTraces {
    pub(crate) sql: String,
    pub(crate) values: Vec<Value>,
}

impl OfTraces {
    /// Returns the condition for at most [`TRACES_MAX`] traces. Some are named more than once, so
    /// that the text is one of few.
    pub(crate) fn new(schema: &Schema, ids: &[TraceId]) -> Self {
        let count = TRACES_OF_STATEMENT
            .into_iter()
            .find(|count| *count >= ids.len());
        let count = count.unwrap_or(ids.len());
        let Some(last) = ids.last() else {
            return Self {
                sql: "FALSE".into(),
                values: Vec::new(),
            };
        };
        let padded = ids.iter().chain(std::iter::repeat(last)).take(count);
        let mut values = Vec::with_capacity(count * 2);
        if !schema.has_high {
            values.extend(padded.map(|id| Value::Int(id.low.cast_signed())));
            let places = vec!["?"; count].join(",");
            let sql = format!("trace_id IN ({places})");
            return Self { sql, values };
        }
        for id in padded {
            values.push(Value::Int(id.high.cast_signed()));
            values.push(Value::Int(id.low.cast_signed()));
        }
        let places = vec!["(?,?)"; count].join(",");
        let sql = format!("(trace_id_high, trace_id) IN ({places})");
        Self { sql, values }
    }
}

/// Returns the spans of traces by their full ids, unordered.
pub(crate) async fn traces(
    session: &mut Session,
    ids: &[TraceId],
    budget: &mut Budget,
) -> Result<HashMap<TraceId, Vec<Span>>, Fault> {
    let mut found = HashMap::new();
    for ids in ids.chunks(TRACES_MAX) {
        some(session, ids, budget, &mut found).await?;
    }
    Ok(found)
}

async fn some(
    session: &mut Session,
    ids: &[TraceId],
    budget: &mut Budget,
    found: &mut HashMap<TraceId, Vec<Span>>,
) -> Result<(), Fault> {
    let schema = session.schema.clone();
    let high = if schema.has_high {
        "trace_id_high"
    } else {
        "0"
    };
    let ipv6 = if schema.has_ipv6 {
        "endpoint_ipv6"
    } else {
        "NULL"
    };
    let of = OfTraces::new(&schema, ids);
    let sql = format!(
        "SELECT {high}, trace_id, id, name, parent_id, debug, start_ts, duration \
         FROM zipkin_spans WHERE {}",
        of.sql
    );
    let mut rows = Vec::new();
    let take = |row: &Row| {
        let fields = span_fields(row);
        budget.take(size_of::<Span>() + fields.name.len())?;
        rows.push(fields);
        Ok(())
    };
    session.each(&sql, of.values.clone(), take).await?;
    let sql = format!(
        "SELECT {high}, trace_id, span_id, a_key, a_value, a_type, a_timestamp, endpoint_ipv4, \
         {ipv6}, endpoint_port, endpoint_service_name FROM zipkin_annotations WHERE {}",
        of.sql
    );
    let mut annotations: HashMap<(TraceId, i64), Vec<AnnotationFields>> = HashMap::new();
    let take = |row: &Row| {
        let fields = annotation_fields(row);
        budget.take(size_of::<AnnotationFields>() + fields.key.len() + fields.value.len())?;
        let span = (trace_id(row), int(row, 2).unwrap_or_default());
        annotations.entry(span).or_default().push(fields);
        Ok(())
    };
    session.each(&sql, of.values, take).await?;
    // There is no order of arrival in these tables: ids stand in for it.
    rows.sort_by_key(|row| row.id.cast_unsigned());
    let mut decoder = Decoder::default();
    for row in &rows {
        let of_span = annotations
            .remove(&(row.trace_id, row.id))
            .unwrap_or_default();
        let spans = found.entry(row.trace_id).or_default();
        decoder.push(row, &of_span, spans);
    }
    Ok(())
}

/// Returns the trace id of a row that begins with it.
pub(crate) fn trace_id(row: &Row) -> TraceId {
    TraceId {
        high: int(row, 0).unwrap_or_default().cast_unsigned(),
        low: int(row, 1).unwrap_or_default().cast_unsigned(),
    }
}

fn owned(row: &Row, place: usize) -> Vec<u8> {
    bytes(row, place).unwrap_or_default().to_vec()
}

fn span_fields(row: &Row) -> SpanFields {
    SpanFields {
        trace_id: trace_id(row),
        id: int(row, 2).unwrap_or_default(),
        name: owned(row, 3),
        parent_id: int(row, 4).unwrap_or_default(),
        debug: bytes(row, 5).is_some_and(|bits| bits.iter().any(|byte| *byte != 0)),
        start_us: int(row, 6).unwrap_or_default(),
        duration_us: int(row, 7).unwrap_or_default(),
    }
}

fn annotation_fields(row: &Row) -> AnnotationFields {
    AnnotationFields {
        key: owned(row, 3),
        value: owned(row, 4),
        kind: int(row, 5).unwrap_or_default(),
        timestamp_us: int(row, 6).unwrap_or_default(),
        ipv4: int(row, 7),
        ipv6: owned(row, 8),
        port: int(row, 9).unwrap_or_default(),
        service_name: owned(row, 10),
    }
}

/// Returns the full ids of the traces that are asked for: themselves, or all that share a lower
/// half. Without an upper half in the tables the lower one is all there is.
pub(crate) async fn full_ids(
    session: &mut Session,
    ids: &[TraceId],
    mode: IdMode,
) -> Result<Vec<TraceId>, Fault> {
    if !session.schema.has_high {
        let low = |id: &TraceId| TraceId {
            high: 0,
            low: id.low,
        };
        return Ok(distinct(ids.iter().map(low)));
    }
    match mode {
        IdMode::Strict => Ok(distinct(ids.iter().copied())),
        IdMode::Lenient => {
            let lows: Vec<u64> = distinct(ids.iter().map(|id| id.low));
            ids_of_lows(session, &lows, "zipkin_spans").await
        }
    }
}

/// Returns the full ids that rows of a table have with these lower halves.
pub(crate) async fn ids_of_lows(
    session: &mut Session,
    lows: &[u64],
    table: &str,
) -> Result<Vec<TraceId>, Fault> {
    let mut found = Vec::new();
    for lows in lows.chunks(TRACES_MAX) {
        let count = TRACES_OF_STATEMENT
            .into_iter()
            .find(|count| *count >= lows.len());
        let Some(last) = lows.last() else { continue };
        let padded = lows.iter().chain(std::iter::repeat(last));
        let values: Vec<Value> = padded
            .take(count.unwrap_or(lows.len()))
            .map(|low| Value::Int(low.cast_signed()))
            .collect();
        let places = vec!["?"; values.len()].join(",");
        let sql = format!(
            "SELECT DISTINCT trace_id_high, trace_id FROM {table} WHERE trace_id IN ({places})"
        );
        let take = |row: &Row| {
            found.push(trace_id(row));
            Ok(())
        };
        session.each(&sql, values, take).await?;
    }
    Ok(found)
}

pub(crate) fn distinct<T: Copy + Eq + std::hash::Hash>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    all.filter(|one| seen.insert(*one)).collect()
}

/// Returns the spans as an answer has them: in order, equal ones once.
pub(crate) fn answer(mut spans: Vec<Span>) -> Vec<Span> {
    keep_first_of_equal(&mut spans);
    group_by_millisecond(&mut spans);
    spans
}
