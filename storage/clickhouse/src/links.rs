//! Calls between services, found by the linker in the spans of whole traces as they stream by: the
//! server picks the traces and puts each one's spans together. No edges are kept in tables, so that
//! a window is exact whenever a trace's parts came.

use std::collections::HashMap;

use clickhouse::Row;
use foldhash::fast::RandomState;
use serde::Deserialize;
use speargun_model::link::{LinkEndpoint, LinkSpan, Linker, Name};
use speargun_model::{DependencyLink, Kind, merge_links};
use speargun_storage::Window;

use crate::columns::{flag, minute};
use crate::fault::Fault;
use crate::fetch::whereabouts;
use crate::server::{Deadline, Server, query};

/// Spans held at a time, whole traces, about 100 bytes each.
const HELD_SPANS: usize = 1 << 16;

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
}

const COLUMNS: &str = "trace_low, id, parent_id, timestamp_us, kind, flags, \
mapContains(tags, 'error') AS error, service, local_ipv4, local_ipv6, local_port, remote_service";

/// Returns the links of the traces that have a span in the window, but for those with these lower
/// halves of ids, sorted.
pub(crate) fn links(
    server: &Server,
    window: Window,
    without: &[u64],
    deadline: Deadline,
) -> Result<Vec<DependencyLink>, Fault> {
    let last_ms = i64::MAX as u64 / 1000;
    if window.start_ms() > last_ms {
        return Ok(Vec::new());
    }
    let (start_ms, end_ms) = (window.start_ms(), window.end_ms.min(last_ms));
    server.with_client(deadline, async |client| {
        let query = query(&client, &text(), deadline)?
            .param("start", start_ms.saturating_mul(1000))
            .param("end", end_ms.saturating_mul(1000).saturating_add(999))
            .param("first", minute(start_ms.saturating_mul(1000)))
            .param("last", minute(end_ms.saturating_mul(1000)));
        let mut rows = query.fetch::<LinkRow<'_>>()?;
        let mut held = Held::default();
        while let Some(row) = rows.next().await? {
            if without.binary_search(&row.trace_low).is_err() {
                held.push(&row);
            }
        }
        Ok(held.finish())
    })
}

fn text() -> String {
    let inside = "minute BETWEEN {first:UInt32} AND {last:UInt32} AND timestamp_us BETWEEN \
                  {start:UInt64} AND {end:UInt64}";
    let picked = format!("trace_low IN (SELECT trace_low FROM spans WHERE {inside})");
    let places = whereabouts(&picked);
    format!(
        "SELECT {COLUMNS} FROM spans WHERE {picked} AND {places} ORDER BY trace_low, arrived_ms, \
         arrived_as"
    )
}

/// A service by its place among all that were met.
type Service = u32;

/// Traces that wait to be linked, some at a time.
#[derive(Default)]
struct Held {
    places: HashMap<String, Service, RandomState>,
    spans: Vec<(u64, LinkSpan<Service>)>,
    links: Vec<DependencyLink>,
}

impl Held {
    fn push(&mut self, row: &LinkRow<'_>) {
        let is_next = self
            .spans
            .last()
            .is_some_and(|(low, _)| *low != row.trace_low);
        if is_next && self.spans.len() >= HELD_SPANS {
            self.link();
        }
        let has = |bit: u8| row.flags & bit != 0;
        let span = LinkSpan {
            id: row.id,
            parent_id: row.parent_id,
            timestamp_us: row.timestamp_us,
            kind: Kind::from_number(u64::from(row.kind)),
            shared: has(flag::SHARED),
            error: row.error != 0,
            local: LinkEndpoint {
                service: self.service(row.service),
                ipv4: has(flag::LOCAL_IPV4).then_some(row.local_ipv4),
                ipv6: has(flag::LOCAL_IPV6).then_some(row.local_ipv6),
                port: row.local_port,
            },
            remote_service: self.service(row.remote_service),
        };
        self.spans.push((row.trace_low, span));
    }

    fn service(&mut self, name: &str) -> Option<Service> {
        if name.is_empty() {
            return None;
        }
        if let Some(place) = self.places.get(name) {
            return Some(*place);
        }
        let place = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.insert(name.to_owned(), place);
        Some(place)
    }

    /// Links what is held. The linker compares services by name, so names stand in for places.
    fn link(&mut self) {
        let mut names = vec![""; self.places.len()];
        for (name, place) in &self.places {
            if let Some(slot) = names.get_mut(*place as usize) {
                *slot = name;
            }
        }
        let name = |place: Service| names.get(place as usize).copied().map(Name);
        let mut linker = Linker::default();
        for trace in self.spans.chunk_by(|(one, _), (other, _)| one == other) {
            let mut spans: Vec<LinkSpan<Name<'_>>> =
                trace.iter().map(|(_, span)| named(span, &name)).collect();
            group_by_millisecond(&mut spans);
            linker.put_trace(spans);
        }
        let links = std::mem::take(&mut self.links);
        self.links = merge_links(links.into_iter().chain(linker.links()));
        self.spans.clear();
    }

    fn finish(mut self) -> Vec<DependencyLink> {
        self.link();
        self.links
    }
}

/// Returns a span with names instead of places.
fn named<'n>(
    span: &LinkSpan<Service>,
    name: &impl Fn(Service) -> Option<Name<'n>>,
) -> LinkSpan<Name<'n>> {
    LinkSpan {
        id: span.id,
        parent_id: span.parent_id,
        timestamp_us: span.timestamp_us,
        kind: span.kind,
        shared: span.shared,
        error: span.error,
        local: LinkEndpoint {
            service: span.local.service.and_then(name),
            ipv4: span.local.ipv4,
            ipv6: span.local.ipv6,
            port: span.local.port,
        },
        remote_service: span.remote_service.and_then(name),
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
