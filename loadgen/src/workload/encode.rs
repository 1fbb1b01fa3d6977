//! Writes workload spans as JSON v2, JSON v1 and proto3, plainly and apart from the product's own
//! encoders, so that the input of a measurement does not come from what is measured. It notes
//! where trace ids and times lie, so that a body can be sent again as new spans.

mod json;
mod json_v1;
mod proto;

use super::knobs::is_fresh;
use super::span::Span;

/// A format of request bodies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A JSON list of v2 spans.
    Json,
    /// `zipkin.proto3.ListOfSpans`.
    Proto,
    /// A JSON list of v1 spans.
    JsonV1,
}

impl Format {
    /// Returns the short name used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Proto => "proto",
            Self::JsonV1 => "json-v1",
        }
    }

    /// Returns the Content-Type of such a body.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json | Self::JsonV1 => "application/json",
            Self::Proto => "application/x-protobuf",
        }
    }

    /// Returns the path to which such bodies are posted.
    pub fn path(self) -> &'static str {
        match self {
            Self::Json | Self::Proto => "/api/v2/spans",
            Self::JsonV1 => "/api/v1/spans",
        }
    }

    /// Returns the body that holds `spans`.
    pub fn encode(self, spans: &[Span]) -> Vec<u8> {
        self.encode_marked(spans).0
    }

    /// Returns the body that holds `spans`, and where in it ids and times lie.
    pub fn encode_marked(self, spans: &[Span]) -> (Vec<u8>, Marks) {
        match self {
            Self::Json => json::encode(spans),
            Self::Proto => proto::encode(spans),
            Self::JsonV1 => json_v1::encode(spans),
        }
    }
}

/// Where in a body ids and times lie. Bodies are shorter than 4 GiB.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// Ids of spans, and the lower 64 bits of those of traces: 16 hex digits, or 8 bytes.
    pub low_ids: Vec<u32>,
    /// The upper 64 bits, where there are such.
    pub high_ids: Vec<u32>,
    /// Microseconds: 16 decimal digits, or 8 bytes.
    pub times: Vec<u32>,
    /// Values of tags that may become others: 16 digits in any format.
    pub values: Vec<u32>,
}

impl Marks {
    /// Notes the span id that ends at `end`, as wide as `width`.
    fn span_id(&mut self, end: usize, width: usize) {
        self.low_ids.push((end - width) as u32);
    }

    /// Notes the value of a tag that begins at `start`, if it may become another.
    fn value(&mut self, (key, value): (&str, &str), start: usize) {
        if is_fresh(key, value) {
            self.values.push(start as u32);
        }
    }

    /// Notes the trace id that ends at `end`, each half as wide as `half`.
    fn id(&mut self, trace_id: u128, end: usize, half: usize) {
        self.low_ids.push((end - half) as u32);
        if is_wide(trace_id) {
            self.high_ids.push((end - 2 * half) as u32);
        }
    }

    /// Adds the marks of a part that begins at `start`.
    fn add(&mut self, part: &Self, start: usize) {
        let moved = |all: &[u32]| -> Vec<u32> { all.iter().map(|at| at + start as u32).collect() };
        self.low_ids.extend(moved(&part.low_ids));
        self.high_ids.extend(moved(&part.high_ids));
        self.times.extend(moved(&part.times));
        self.values.extend(moved(&part.values));
    }
}

/// Ids of 64 bits are written with half the digits.
fn is_wide(trace_id: u128) -> bool {
    trace_id >> 64 != 0
}

#[cfg(test)]
mod tests {
    use speargun_model::codec::{self, Format as Codec};
    use speargun_model::{Bounds, SpanBatch};

    use super::*;
    use crate::workload::{Endpoint, Kind, Text, Traffic};

    const FORMATS: [Format; 3] = [Format::Json, Format::Proto, Format::JsonV1];

    fn spans(count: usize) -> Vec<Span> {
        Traffic::new(3).spans(count, 1_760_000_000_000_000, 1_000_000)
    }

    fn decode(format: Format, body: Vec<u8>) -> Vec<speargun_model::Span> {
        let codec = match format {
            Format::Json => Codec::JsonV2,
            Format::Proto => Codec::Proto3,
            Format::JsonV1 => Codec::JsonV1,
        };
        let mut batch = SpanBatch::default();
        codec::decode(codec, body.into(), &Bounds::default(), &mut batch).unwrap();
        batch.views().map(|view| view.to_span()).collect()
    }

    #[test]
    fn all_formats_say_the_same() {
        let spans = spans(500);
        let json = decode(Format::Json, Format::Json.encode(&spans));
        assert_eq!(json.len(), spans.len());
        assert_eq!(json, decode(Format::Proto, Format::Proto.encode(&spans)));
        let old = decode(Format::JsonV1, Format::JsonV1.encode(&spans));
        // Version 1 begins a span by annotations, and those are what its reader knows.
        assert_eq!(json, old);
    }

    #[test]
    fn what_only_recorded_spans_have_is_written_too() {
        let endpoint = Endpoint {
            ipv6: [0xfe; 16],
            ..Endpoint::default()
        };
        let span = Span {
            trace_id: 7,
            id: 9,
            name: Text::Borrowed("a\"\\\u{1}"),
            timestamp_us: 5,
            local: endpoint,
            debug: true,
            ..Span::default()
        };
        let json = decode(
            Format::Json,
            Format::Json.encode(std::slice::from_ref(&span)),
        );
        assert_eq!(json, decode(Format::Proto, Format::Proto.encode(&[span])));
        assert_eq!(json[0].name.as_deref(), Some("a\"\\\u{1}"));
        assert_eq!((json[0].kind, json[0].duration_us), (None, 0));
        assert!(json[0].debug);
        let bare = Span {
            trace_id: 7,
            id: 9,
            ..Span::default()
        };
        for format in FORMATS {
            assert_eq!(
                decode(format, format.encode(std::slice::from_ref(&bare))).len(),
                1
            );
        }
    }

    #[test]
    fn marks_point_at_ids_and_times() {
        let kinds = [Kind::Client, Kind::Server];
        let spans: Vec<Span> = spans(60)
            .into_iter()
            .filter(|span| span.kind.is_some_and(|kind| kinds.contains(&kind)))
            .collect();
        let annotations: usize = spans.iter().map(|span| span.annotations.len()).sum();
        let (body, marks) = Format::Proto.encode_marked(&spans);
        assert_eq!(marks.times.len(), spans.len() + annotations);
        let mut ids = Vec::new();
        for (span, high) in spans.iter().zip(&marks.high_ids) {
            let id = span.trace_id.to_be_bytes();
            assert_eq!(body[*high as usize..][..8], id[..8]);
            ids.push(span.trace_id as u64);
            ids.extend((span.parent_id != 0).then_some(span.parent_id));
            ids.push(span.id);
        }
        assert_eq!(marks.low_ids.len(), ids.len());
        for (id, low) in ids.iter().zip(&marks.low_ids) {
            assert_eq!(body[*low as usize..][..8], id.to_be_bytes());
        }
        let (body, marks) = Format::Json.encode_marked(&spans);
        assert_eq!(marks.times.len(), spans.len() + annotations);
        assert_eq!(marks.low_ids.len(), ids.len());
        for (id, low) in ids.iter().zip(&marks.low_ids) {
            let digits = format!("{id:016x}");
            assert_eq!(&body[*low as usize..][..16], digits.as_bytes());
        }
        for at in marks.times {
            let digits = std::str::from_utf8(&body[at as usize..][..16]).unwrap();
            assert!(digits.starts_with("176"), "{digits}");
        }
    }
}
