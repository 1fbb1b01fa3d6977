//! Spans of whole traces as they stream by, with the little of them that linking needs: the server
//! puts each trace's spans together. Which traces is the caller's question.

use std::collections::HashMap;

use clickhouse::Row;
use clickhouse::query::Query;
use foldhash::fast::RandomState;
use serde::Deserialize;
use speargun_model::Kind;
use speargun_model::link::{LinkCount, LinkEndpoint, LinkSpan, Linker, Name};

use crate::columns::{day_of, flag, list_of, minute};
use crate::server::Failed;

#[derive(Row, Deserialize, Debug)]
struct LinkRow<'a> {
    trace_low: u64,
    id: u64,
    parent_id: u64,
    timestamp_us: u64,
    kind: u8,
    flags: u8,
    error: u8,
    service: &'a str,
    local_ipv4: u32,
    local_ipv6: u128,
    local_port: u16,
    remote_service: &'a str,
    arrived_ms: u64,
    arrived_as: u32,
    listed: u8,
}

const COLUMNS: &str = "trace_low, id, parent_id, timestamp_us, kind, flags, \
mapContains(tags, 'error') AS error, service, local_ipv4, local_ipv6, local_port, \
remote_service, arrived_ms, arrived_as";

/// Returns the statement that hands out the traces that meet a condition; `listed` is what column
/// `listed` says of each.
pub(crate) fn statement(condition: &str, listed: &str) -> String {
    format!(
        "SELECT {COLUMNS}, {listed} AS listed FROM spans WHERE {condition} ORDER BY trace_low, \
         arrived_ms, arrived_as"
    )
}

/// A service by its place among all that were met.
pub(crate) type Service = u32;

/// The services that were met.
#[derive(Debug, Default)]
pub(crate) struct Names {
    places: HashMap<String, Service, RandomState>,
    texts: Vec<String>,
}

impl Names {
    fn place(&mut self, name: &str) -> Option<Service> {
        if name.is_empty() {
            return None;
        }
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        let place = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.places.insert(name.to_owned(), place);
        self.texts.push(name.to_owned());
        Some(place)
    }

    /// Returns the place of a name, which is met by that.
    pub(crate) fn known(&mut self, name: &str) -> Service {
        self.place(name).unwrap_or(u32::MAX)
    }

    /// Returns the name at a place.
    pub(crate) fn text(&self, place: Service) -> &str {
        self.texts.get(place as usize).map_or("", String::as_str)
    }

    fn name(&self, place: Service) -> Option<Name<'_>> {
        self.texts.get(place as usize).map(|text| Name(text))
    }
}

/// A span of a trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece {
    span: LinkSpan<Service>,
    pub(crate) arrived_ms: u64,
    /// The list that it came in.
    pub(crate) list: u64,
}

impl Piece {
    /// Returns the microseconds of its start.
    pub(crate) fn timestamp_us(&self) -> u64 {
        self.span.timestamp_us
    }

    /// Returns the minute it is filed under.
    pub(crate) fn minute(&self) -> u32 {
        minute(self.span.timestamp_us)
    }

    /// Returns the day of its arrival.
    pub(crate) fn day(&self) -> u32 {
        day_of(self.arrived_ms)
    }
}

/// A trace, its spans in the order of arrival.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// The lower half of its id.
    pub(crate) low: u64,
    /// What the statement says of it.
    pub(crate) is_listed: bool,
    pub(crate) pieces: Vec<Piece>,
}

/// Hands out traces one by one.
pub(crate) async fn each_trace(
    query: Query,
    names: &mut Names,
    mut take: impl FnMut(&Names, &Trace),
) -> Result<(), Failed> {
    let mut rows = query.fetch::<LinkRow<'_>>()?;
    let mut trace = Trace::default();
    while let Some(row) = rows.next().await? {
        if row.trace_low != trace.low && !trace.pieces.is_empty() {
            take(names, &trace);
            trace.pieces.clear();
        }
        trace.low = row.trace_low;
        trace.is_listed = row.listed != 0;
        trace.pieces.push(piece(&row, names));
    }
    if !trace.pieces.is_empty() {
        take(names, &trace);
    }
    Ok(())
}

fn piece(row: &LinkRow<'_>, names: &mut Names) -> Piece {
    let has = |bit: u8| row.flags & bit != 0;
    let span = LinkSpan {
        id: row.id,
        parent_id: row.parent_id,
        timestamp_us: row.timestamp_us,
        kind: Kind::from_number(u64::from(row.kind)),
        shared: has(flag::SHARED),
        error: row.error != 0,
        local: LinkEndpoint {
            service: names.place(row.service),
            ipv4: has(flag::LOCAL_IPV4).then_some(row.local_ipv4),
            ipv6: has(flag::LOCAL_IPV6).then_some(row.local_ipv6),
            port: row.local_port,
        },
        remote_service: names.place(row.remote_service),
    };
    Piece {
        span,
        arrived_ms: row.arrived_ms,
        list: list_of(row.arrived_ms, row.arrived_as),
    }
}

/// Calls between two services.
pub(crate) type Calls = LinkCount<Service>;

/// Returns the calls in some spans of a trace, as if there were no others. The linker compares
/// services by name, so names stand in for places.
pub(crate) fn calls<'p>(names: &Names, pieces: impl IntoIterator<Item = &'p Piece>) -> Vec<Calls> {
    let with_names = pieces.into_iter().map(|piece| named(&piece.span, names));
    let mut spans: Vec<LinkSpan<Name<'_>>> = with_names.collect();
    if spans.is_empty() {
        return Vec::new();
    }
    group_by_millisecond(&mut spans);
    let mut linker = Linker::default();
    linker.put_trace(spans);
    let place = |name: Name<'_>| names.places.get(name.0).copied().unwrap_or(u32::MAX);
    let by_place = linker.counts().iter().map(|count| LinkCount {
        parent: place(count.parent),
        child: place(count.child),
        call_count: count.call_count,
        error_count: count.error_count,
    });
    by_place.collect()
}

/// Returns a span with names instead of places.
fn named<'n>(span: &LinkSpan<Service>, names: &'n Names) -> LinkSpan<Name<'n>> {
    LinkSpan {
        id: span.id,
        parent_id: span.parent_id,
        timestamp_us: span.timestamp_us,
        kind: span.kind,
        shared: span.shared,
        error: span.error,
        local: LinkEndpoint {
            service: span.local.service.and_then(|place| names.name(place)),
            ipv4: span.local.ipv4,
            ipv6: span.local.ipv6,
            port: span.local.port,
        },
        remote_service: span.remote_service.and_then(|place| names.name(place)),
    }
}

/// Orders the spans of a trace as answers are, which decides what the linker takes for the root:
/// see [`speargun_storage::order::group_by_millisecond`].
fn group_by_millisecond(spans: &mut [LinkSpan<Name<'_>>]) {
    let ms = |span: &LinkSpan<Name<'_>>| span.timestamp_us / 1000;
    let mut ranks: HashMap<u64, usize, RandomState> = HashMap::default();
    for span in spans.iter() {
        let next = ranks.len();
        ranks.entry(ms(span)).or_insert(next);
    }
    if ranks.len() > 1 {
        spans.sort_by_cached_key(|span| ranks.get(&ms(span)).copied());
    }
}
