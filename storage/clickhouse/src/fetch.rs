//! Whole traces by the lower halves of their ids: table `traces` says in which services and minutes
//! they lie, which is where the primary key of `spans` leads to.

use std::collections::HashMap;

use speargun_model::{Span, TraceId};
use speargun_storage::IdMode;
use speargun_storage::order::{group_by_millisecond, keep_first_of_equal};

use crate::fault::Fault;
use crate::rows::{Arrived, COLUMNS, SpanRow};
use crate::server::{Deadline, Server, query};

/// What tells traces apart: the whole id, or with lenient ids its lower half.
pub(crate) fn key(mode: IdMode, id: TraceId) -> TraceId {
    match mode {
        IdMode::Strict => id,
        IdMode::Lenient => TraceId { high: 0, ..id },
    }
}

/// Traces that were read, by their [`key`]; spans in the order that answers promise.
pub(crate) type Traces = HashMap<TraceId, Vec<Span>>;

/// Reads traces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetch<'s> {
    pub(crate) server: &'s Server,
    pub(crate) mode: IdMode,
    pub(crate) deadline: Deadline,
}

impl Fetch<'_> {
    /// Returns the traces that have these lower halves, all forms of their ids, and the bytes they
    /// take; an error when these are more than `bytes_max`.
    pub(crate) fn traces(self, lows: &[u64], bytes_max: usize) -> Result<(Traces, usize), Fault> {
        if lows.is_empty() {
            return Ok((Traces::new(), 0));
        }
        let (arrived, bytes) = self.server.with_client(self.deadline, async |client| {
            let query = query(&client, &text(), self.deadline)?.param("lows", lows);
            let mut rows = query.fetch::<SpanRow>()?;
            let mut traces: HashMap<TraceId, Vec<(Arrived, Span)>> = HashMap::new();
            let mut bytes = 0;
            while let Some(row) = rows.next().await? {
                let (arrived, span) = row.into_span();
                bytes += span.memory_bytes() + size_of::<Arrived>();
                if bytes > bytes_max {
                    return Err(Fault::TooMuch(bytes_max).into());
                }
                let key = key(self.mode, span.trace_id);
                traces.entry(key).or_default().push((arrived, span));
            }
            Ok((traces, bytes))
        })?;
        let ordered = arrived.into_iter().map(|(key, mut spans)| {
            spans.sort_by_key(|(arrived, _)| *arrived);
            let mut spans: Vec<Span> = spans.into_iter().map(|(_, span)| span).collect();
            keep_first_of_equal(&mut spans);
            group_by_millisecond(&mut spans);
            (key, spans)
        });
        Ok((ordered.collect(), bytes))
    }
}

fn text() -> String {
    format!(
        "SELECT {COLUMNS} FROM spans WHERE trace_low IN {{lows:Array(UInt64)}} AND {}",
        whereabouts("trace_low IN {lows:Array(UInt64)}")
    )
}

/// Returns the condition that spans lie where traces that meet `which` do.
pub(crate) fn whereabouts(which: &str) -> String {
    format!(
        "service IN (SELECT arrayJoin(services) FROM traces WHERE {which}) AND minute IN (SELECT \
         arrayJoin(minutes) FROM traces WHERE {which})"
    )
}
