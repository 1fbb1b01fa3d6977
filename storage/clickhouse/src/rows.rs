//! Rows of table `spans` to spans. Any row is a span: others may write into the tables.

use std::net::{Ipv4Addr, Ipv6Addr};

use clickhouse::Row;
use serde::Deserialize;
use speargun_model::{Annotation, Endpoint, Kind, Span, SpanId, TraceId};

use crate::columns::{annotation_us, flag};

/// The columns of a [`SpanRow`], in its order.
pub(crate) const COLUMNS: &str = "trace_low, trace_high, id, parent_id, timestamp_us, \
duration_us, kind, flags, name, service, local_ipv4, local_ipv6, local_port, remote_service, \
remote_ipv4, remote_ipv6, remote_port, tags, annotation_offsets_us, annotation_values, \
arrived_ms, arrived_as";

/// A span as it lies in the table.
#[derive(Row, Deserialize, Debug)]
pub(crate) struct SpanRow {
    trace_low: u64,
    trace_high: u64,
    id: u64,
    parent_id: u64,
    timestamp_us: u64,
    duration_us: u64,
    kind: u8,
    flags: u8,
    name: String,
    service: String,
    local_ipv4: u32,
    local_ipv6: u128,
    local_port: u16,
    remote_service: String,
    remote_ipv4: u32,
    remote_ipv6: u128,
    remote_port: u16,
    tags: Vec<(String, String)>,
    annotation_offsets_us: Vec<i64>,
    annotation_values: Vec<String>,
    arrived_ms: u64,
    arrived_as: u32,
}

/// When a span arrived, to order by.
pub(crate) type Arrived = (u64, u32);

impl SpanRow {
    /// Returns the span, normalised, and when it arrived.
    pub(crate) fn into_span(self) -> (Arrived, Span) {
        let has = |bit: u8| self.flags & bit != 0;
        let ipv4 = |bit, address| has(bit).then_some(Ipv4Addr::from_bits(address));
        let ipv6 = |bit, address| has(bit).then_some(Ipv6Addr::from_bits(address));
        let local = Endpoint {
            service_name: present(self.service),
            ipv4: ipv4(flag::LOCAL_IPV4, self.local_ipv4),
            ipv6: ipv6(flag::LOCAL_IPV6, self.local_ipv6),
            port: self.local_port,
        };
        let remote = Endpoint {
            service_name: present(self.remote_service),
            ipv4: ipv4(flag::REMOTE_IPV4, self.remote_ipv4),
            ipv6: ipv6(flag::REMOTE_IPV6, self.remote_ipv6),
            port: self.remote_port,
        };
        let offsets = self.annotation_offsets_us.into_iter();
        let annotations = offsets.zip(self.annotation_values);
        let kind = Kind::from_number(u64::from(self.kind));
        let mut span = Span {
            trace_id: TraceId {
                high: self.trace_high,
                low: self.trace_low,
            },
            parent_id: (self.parent_id != 0).then_some(SpanId(self.parent_id)),
            id: SpanId(self.id),
            kind,
            name: present(self.name),
            timestamp_us: self.timestamp_us,
            duration_us: self.duration_us,
            local_endpoint: local.into_option(),
            remote_endpoint: remote.into_option(),
            annotations: annotations
                .map(|(offset_us, value)| Annotation {
                    timestamp_us: annotation_us(offset_us, self.timestamp_us),
                    value,
                })
                .collect(),
            tags: self.tags,
            debug: self.flags & flag::DEBUG != 0,
            shared: self.flags & flag::SHARED != 0,
        };
        // Maps keep their order, but promise it in no version.
        span.normalise();
        ((self.arrived_ms, self.arrived_as), span)
    }
}

fn present(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}
