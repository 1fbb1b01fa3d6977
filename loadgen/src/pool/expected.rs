//! What a span says, short enough to be kept for each span of a pool and complete enough that any
//! change shows: ids and times as they are, all else as sums. Spans that were sent and spans that
//! came back are brought to the same form, in which what Zipkin changes on purpose is no change:
//! names in lower case, the order of tags and annotations, addresses in another spelling.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};

use serde_json::Value;

use super::Round;
use crate::workload::{Endpoint, Kind, Span};

/// A span that has to come back, with ids and times as in the pool.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Expected {
    /// Its id.
    pub id: u64,
    /// The span above it; 0 at the root.
    pub parent_id: u64,
    /// Its start; 0 when it has none.
    pub timestamp_us: u64,
    /// Its length; 0 when it has none.
    pub duration_us: u64,
    /// The sum of its tags.
    pub tags: u64,
    /// The sum of its annotations.
    pub annotations: u64,
    /// Its name; 0 when it has none.
    pub name: u32,
    /// Who reported it; 0 when that is not known.
    pub local: u32,
    /// The other side; 0 when that is not known.
    pub remote: u32,
    /// The number of its kind; 0 when it has none.
    pub kind: u8,
    /// Whether it is the server's half of a shared span.
    pub shared: bool,
}

impl Expected {
    /// Returns what a span of the pool has to come back as.
    pub fn of(span: &Span) -> Self {
        let tags = span.tags.iter();
        let annotations = span.annotations.iter();
        Self {
            id: span.id,
            parent_id: span.parent_id,
            timestamp_us: span.timestamp_us,
            duration_us: span.duration_us,
            tags: sum(tags.map(|(key, value)| (&**key, &**value))),
            annotations: sum(annotations.map(|(at, value)| (*at, &**value))),
            name: name(&span.name),
            local: endpoint(&span.local),
            remote: endpoint(&span.remote),
            kind: span.kind.map_or(0, |kind| kind as u8),
            shared: span.shared,
        }
    }

    /// Reads a span of the query API that was sent in this round; `None` when it is no span.
    pub fn read(span: &Value, round: &Round) -> Option<Self> {
        let id = |name: &str| u64::from_str_radix(span[name].as_str()?, 16).ok();
        let time = |value: &Value| value.as_u64().map_or(0, |at| round.time_in_pool(at));
        let text = |name: &str| span[name].as_str().unwrap_or_default();
        let tags = span["tags"].as_object().into_iter().flatten();
        let tags = tags.map(|(key, value)| {
            let value = value.as_str().unwrap_or_default();
            (key.as_str(), round.value_in_pool(key, value))
        });
        let annotations = span["annotations"].as_array().into_iter().flatten();
        let annotations = annotations.map(|it| {
            let value = it["value"].as_str().unwrap_or_default();
            (time(&it["timestamp"]), value)
        });
        Some(Self {
            id: round.span_id_in_pool(id("id")?),
            parent_id: id("parentId").map_or(0, |id| round.span_id_in_pool(id)),
            timestamp_us: time(&span["timestamp"]),
            duration_us: span["duration"].as_u64().unwrap_or(0),
            tags: sum(tags),
            annotations: sum(annotations),
            name: name(text("name")),
            local: endpoint(&endpoint_of(&span["localEndpoint"])),
            remote: endpoint(&endpoint_of(&span["remoteEndpoint"])),
            kind: Kind::from_name(text("kind")).map_or(0, |kind| kind as u8),
            shared: span["shared"].as_bool().unwrap_or(false),
        })
    }

    /// Returns whether this one span says all that these parts of it say together, as where a
    /// server merges what was reported apart.
    pub fn merges(&self, parts: &[Self]) -> bool {
        let one_of = |of: fn(&Self) -> u64| {
            let mut said = parts.iter().map(of).filter(|it| *it != 0).peekable();
            said.peek().is_none() || said.any(|it| it == of(self))
        };
        let total = |of: fn(&Self) -> u64| parts.iter().map(of).fold(0, u64::wrapping_add);
        one_of(|it| it.parent_id)
            && one_of(|it| it.timestamp_us)
            && one_of(|it| it.duration_us)
            && one_of(|it| it.name.into())
            && one_of(|it| it.local.into())
            && one_of(|it| it.remote.into())
            && one_of(|it| it.kind.into())
            && self.tags == total(|it| it.tags)
            && self.annotations == total(|it| it.annotations)
    }
}

/// Returns a sum in which neither order nor a repetition matters.
fn sum<T: Hash>(all: impl Iterator<Item = T>) -> u64 {
    let mut all: Vec<u64> = all.map(hash).collect();
    all.sort_unstable();
    all.dedup();
    all.into_iter().fold(0, u64::wrapping_add)
}

fn hash(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

fn name(text: &str) -> u32 {
    if text.is_empty() {
        return 0;
    }
    hash(text.to_lowercase()) as u32 | 1
}

fn endpoint(endpoint: &Endpoint) -> u32 {
    if endpoint.is_empty() {
        return 0;
    }
    let name = endpoint.service_name.to_lowercase();
    hash((name, endpoint.ipv4, endpoint.ipv6, endpoint.port)) as u32 | 1
}

fn endpoint_of(value: &Value) -> Endpoint {
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let mut endpoint = Endpoint {
        service_name: text("serviceName").to_owned().into(),
        port: value["port"]
            .as_u64()
            .and_then(|it| it.try_into().ok())
            .unwrap_or(0),
        ..Endpoint::default()
    };
    for name in ["ipv4", "ipv6"] {
        match text(name).parse().map(|ip: IpAddr| ip.to_canonical()) {
            Ok(IpAddr::V4(ip)) => endpoint.ipv4 = ip.octets(),
            Ok(IpAddr::V6(ip)) if ip != Ipv6Addr::UNSPECIFIED => endpoint.ipv6 = ip.octets(),
            _ => {}
        }
    }
    endpoint
}

#[cfg(test)]
mod tests;
