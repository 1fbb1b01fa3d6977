//! Random spans whose ids, parents, services and addresses collide, for linking and searching.

use speargun_model::codec::json_v2;
use speargun_model::span::java_order;
use speargun_model::{Annotation, Endpoint, Kind, Span, SpanId, TraceId};

use crate::chance::Pick;

const SERVICES: [&str; 5] = ["", "a", "b", "c", "é\u{ff5e}😀"];
const NAMES: [&str; 4] = ["", "get", "post /x", "all"];
const KEYS: [&str; 4] = ["error", "k", "http.path", "😀"];
const VALUES: [&str; 5] = ["", "v", "error", "k", "500"];

/// Returns spans as their reporter would send them.
pub(crate) fn message(spans: &[Span]) -> Vec<u8> {
    let mut out = Vec::new();
    json_v2::encode_spans(spans, &mut out);
    out
}

/// Returns a span of few possible ids: 1 to `ids`.
pub(crate) fn span(pick: &mut Pick, trace_id: TraceId, ids: usize) -> Span {
    let id = 1 + pick.below(ids) as u64;
    let kind = Kind::from_number(pick.below(6) as u64);
    let parent = Some(1 + pick.below(ids) as u64);
    let parent = parent.filter(|parent| *parent != id && !pick.once_in(4));
    Span {
        trace_id,
        parent_id: parent.map(SpanId),
        id: SpanId(id),
        kind,
        name: text(pick, &NAMES),
        timestamp_us: pick.below(4) as u64,
        duration_us: pick.below(4) as u64 * 100,
        local_endpoint: endpoint(pick),
        remote_endpoint: endpoint(pick),
        annotations: annotations(pick),
        tags: tags(pick),
        debug: pick.once_in(9),
        shared: kind != Some(Kind::Client) && pick.once_in(3),
    }
}

fn text(pick: &mut Pick, of: &[&str]) -> Option<String> {
    Some(pick.one(of).to_owned()).filter(|text| !text.is_empty())
}

fn endpoint(pick: &mut Pick) -> Option<Endpoint> {
    let service_name = text(pick, &SERVICES);
    let address = |pick: &mut Pick| pick.once_in(4).then(|| 1 + pick.below(2) as u8);
    Endpoint {
        service_name,
        ipv4: address(pick).map(|last| [10, 0, 0, 11 - 9 * (last - 1)].into()),
        ipv6: address(pick).map(|last| [0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()].into()),
        port: (pick.below(3) / 2 * (1 + pick.below(2))) as u16,
    }
    .into_option()
}

fn annotations(pick: &mut Pick) -> Vec<Annotation> {
    let mut all: Vec<Annotation> = (0..pick.below(6) / 4)
        .map(|_| Annotation {
            timestamp_us: (pick.below(3) as u64).cast_signed(),
            value: pick.one(&KEYS).to_owned(),
        })
        .collect();
    all.sort_by(|a, b| {
        let times = a.timestamp_us.cmp(&b.timestamp_us);
        times.then_with(|| java_order(&a.value, &b.value))
    });
    all.dedup();
    all
}

fn tags(pick: &mut Pick) -> Vec<(String, String)> {
    let mut tags: Vec<(String, String)> = (0..pick.below(6) / 3)
        .map(|_| (pick.one(&KEYS).to_owned(), pick.one(&VALUES).to_owned()))
        .collect();
    tags.sort_by(|a, b| java_order(&a.0, &b.0));
    tags.dedup_by(|a, b| a.0 == b.0);
    tags
}
