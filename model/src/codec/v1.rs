//! Zipkin's first model of a span, in which annotations say what today's fields say: the borrowed
//! form that both formats of that time are read into. `convert` makes spans of today of it. It is
//! no format itself, and is never stored.
//!
//! ```text
//! json_v1 ─┐
//!          ├─▶ V1Span ─▶ convert ─▶ one span or several, one for each service that took part
//! thrift  ─┘
//! ```

use crate::batch::{EndpointRecord, SpanBatch, Text};
use crate::codec::DecodeError;
use crate::span::java_order_of_utf8;

mod convert;
mod forks;

pub(super) use convert::convert;
pub(super) use forks::Forks;

/// A span as it was sent, with the texts of a batch. Numbers keep their signs until they are
/// converted, since the rules look at them before negative ones are dropped.
#[derive(Debug, Default)]
pub(super) struct V1Span {
    pub(super) trace_id_high: u64,
    pub(super) trace_id: u64,
    pub(super) parent_id: u64,
    pub(super) id: u64,
    pub(super) name: Text,
    pub(super) timestamp_us: i64,
    pub(super) duration_us: i64,
    pub(super) debug: bool,
    annotations: Vec<V1Annotation>,
    binary_annotations: Vec<BinaryAnnotation>,
}

/// Annotations of one span, both kinds. What was acknowledged is decoded again after a restart, so
/// this may grow and never shrink.
const SPAN_ANNOTATIONS_MAX: usize = 1 << 20;

/// Something that happened, and where.
#[derive(Clone, Copy, Debug)]
struct V1Annotation {
    timestamp_us: i64,
    value: Text,
    endpoint: Option<EndpointRecord>,
}

/// A tag, or the address of another party when there is no value.
#[derive(Clone, Copy, Debug)]
struct BinaryAnnotation {
    key: Text,
    value: Text,
    endpoint: Option<EndpointRecord>,
}

impl V1Span {
    /// Empties the span for another, keeping its memory.
    pub(super) fn clear(&mut self) {
        let Self {
            annotations,
            binary_annotations,
            ..
        } = std::mem::take(self);
        self.annotations = annotations;
        self.annotations.clear();
        self.binary_annotations = binary_annotations;
        self.binary_annotations.clear();
    }

    /// Refuses one more annotation than a span may have.
    pub(super) fn check_room(&self) -> Result<(), DecodeError> {
        let max = SPAN_ANNOTATIONS_MAX;
        if self.annotations.len() + self.binary_annotations.len() < max {
            Ok(())
        } else {
            Err(DecodeError::TooLarge {
                what: "annotations of a span",
                max,
            })
        }
    }

    /// Adds an annotation; an endpoint with nothing in it is none.
    pub(super) fn annotate(&mut self, timestamp_us: i64, value: Text, endpoint: EndpointRecord) {
        self.annotations.push(V1Annotation {
            timestamp_us,
            value,
            endpoint: known(endpoint),
        });
    }

    /// Adds a tag, which keys of addresses turn into an address all the same.
    pub(super) fn tag(&mut self, key: Text, value: Text, endpoint: EndpointRecord) {
        self.binary_annotations.push(BinaryAnnotation {
            key,
            value,
            endpoint: known(endpoint),
        });
    }

    /// Adds the address of another party, if `key` is one that says so and there is an address.
    pub(super) fn address(&mut self, key: Text, endpoint: EndpointRecord, texts: &SpanBatch) {
        if known(endpoint).is_some() && matches!(texts.bytes(key), b"sa" | b"ca" | b"ma") {
            self.tag(key, Text::default(), endpoint);
        }
    }

    /// Returns Zipkin's words for a span without one of its ids.
    pub(super) fn missing_ids(&self) -> Option<&'static str> {
        match (self.trace_id, self.id) {
            (0, _) => Some("traceId == 0"),
            (_, 0) => Some("id == 0"),
            _ => None,
        }
    }

    /// Sorts as Zipkin does before it converts: of what contradicts, the last in this order counts.
    fn sort(&mut self, texts: &SpanBatch) {
        let order = |a: Text, b: Text| java_order_of_utf8(texts.bytes(a), texts.bytes(b));
        self.annotations.sort_by(|a, b| {
            let times = a.timestamp_us.cmp(&b.timestamp_us);
            times.then_with(|| order(a.value, b.value))
        });
        self.binary_annotations.sort_by(|a, b| order(a.key, b.key));
    }
}

/// Returns the endpoint if anything is known of it.
fn known(endpoint: EndpointRecord) -> Option<EndpointRecord> {
    let nothing = endpoint.service_name.is_empty()
        && !endpoint.has_ipv4
        && endpoint.ipv6 == 0
        && endpoint.port == 0;
    (!nothing).then_some(endpoint)
}
