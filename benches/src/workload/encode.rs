//! Writes workload spans as JSON v2, as proto3 and as OTLP, plainly and apart from the product's
//! own encoders, so that the input of a measurement does not come from what is measured.

use std::io::Write;

use super::span::{Endpoint, Span};

mod otlp;

/// A format of request bodies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A JSON list of v2 spans.
    Json,
    /// `zipkin.proto3.ListOfSpans`.
    Proto,
    /// OTLP's `ExportTraceServiceRequest` in protobuf.
    Otlp,
}

impl Format {
    /// Returns the short name used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Proto => "proto",
            Self::Otlp => "otlp",
        }
    }

    /// Returns where it is posted to.
    pub fn target(self) -> &'static str {
        match self {
            Self::Json | Self::Proto => "/api/v2/spans",
            Self::Otlp => "/v1/traces",
        }
    }

    /// Returns the name under which its spans are counted.
    pub fn transport(self) -> &'static str {
        match self {
            Self::Json | Self::Proto => "http",
            Self::Otlp => "otel/http",
        }
    }

    /// Returns the Content-Type of such a body.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Proto | Self::Otlp => "application/x-protobuf",
        }
    }

    /// Returns the body that holds `spans`.
    pub fn encode(self, spans: &[Span]) -> Vec<u8> {
        match self {
            Self::Json => encode_json(spans),
            Self::Proto => encode_proto(spans),
            Self::Otlp => otlp::encode(spans),
        }
    }
}

fn encode_json(spans: &[Span]) -> Vec<u8> {
    let mut out = Vec::with_capacity(spans.len() * 640 + 2);
    out.push(b'[');
    for (index, span) in spans.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json_span(&mut out, span);
    }
    out.push(b']');
    out
}

/// Appends formatted text. Writing to memory can't fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        write!($out, $($text)*).unwrap_or(())
    };
}

fn json_span(out: &mut Vec<u8>, span: &Span) {
    put!(out, "{{\"traceId\":\"{:032x}\"", span.trace_id);
    if span.parent_id != 0 {
        put!(out, ",\"parentId\":\"{:016x}\"", span.parent_id);
    }
    put!(out, ",\"id\":\"{:016x}\"", span.id);
    put!(out, ",\"kind\":\"{}\",\"name\":", span.kind.name());
    json_text(out, &span.name);
    put!(out, ",\"timestamp\":{}", span.timestamp_us);
    put!(out, ",\"duration\":{},\"localEndpoint\":", span.duration_us);
    json_endpoint(out, &span.local);
    out.extend_from_slice(b",\"remoteEndpoint\":");
    json_endpoint(out, &span.remote);
    if !span.annotations.is_empty() {
        out.extend_from_slice(b",\"annotations\":");
        json_list(out, &span.annotations, |out, (at, value)| {
            put!(out, "{{\"timestamp\":{at},\"value\":");
            json_text(out, value);
            out.push(b'}');
        });
    }
    out.extend_from_slice(b",\"tags\":{");
    for (index, (key, value)) in span.tags.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        json_text(out, key);
        out.push(b':');
        json_text(out, value);
    }
    out.push(b'}');
    if span.shared {
        out.extend_from_slice(b",\"shared\":true");
    }
    out.push(b'}');
}

fn json_list<T>(out: &mut Vec<u8>, all: &[T], one: impl Fn(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in all.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        one(out, item);
    }
    out.push(b']');
}

fn json_endpoint(out: &mut Vec<u8>, endpoint: &Endpoint) {
    out.push(b'{');
    if !endpoint.service_name.is_empty() {
        out.extend_from_slice(b"\"serviceName\":");
        json_text(out, endpoint.service_name);
        out.push(b',');
    }
    let [a, b, c, d] = endpoint.ipv4;
    put!(out, "\"ipv4\":\"{a}.{b}.{c}.{d}\"");
    if endpoint.port != 0 {
        put!(out, ",\"port\":{}", endpoint.port);
    }
    out.push(b'}');
}

/// The workload's texts hold no control characters.
fn json_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn encode_proto(spans: &[Span]) -> Vec<u8> {
    let mut out = Vec::with_capacity(spans.len() * 400);
    for span in spans {
        let message = proto_span(span);
        proto_bytes(&mut out, 1, &message);
    }
    out
}

fn proto_span(span: &Span) -> Vec<u8> {
    let mut out = Vec::with_capacity(400);
    proto_bytes(&mut out, 1, &span.trace_id.to_be_bytes());
    if span.parent_id != 0 {
        proto_bytes(&mut out, 2, &span.parent_id.to_be_bytes());
    }
    proto_bytes(&mut out, 3, &span.id.to_be_bytes());
    proto_number(&mut out, 4, span.kind as u64);
    proto_bytes(&mut out, 5, span.name.as_bytes());
    proto_fixed64(&mut out, 6, span.timestamp_us);
    proto_number(&mut out, 7, span.duration_us);
    proto_bytes(&mut out, 8, &proto_endpoint(&span.local));
    proto_bytes(&mut out, 9, &proto_endpoint(&span.remote));
    for (at, value) in &span.annotations {
        let mut annotation = Vec::new();
        proto_fixed64(&mut annotation, 1, *at);
        proto_bytes(&mut annotation, 2, value.as_bytes());
        proto_bytes(&mut out, 10, &annotation);
    }
    for (key, value) in &span.tags {
        let mut tag = Vec::new();
        proto_bytes(&mut tag, 1, key.as_bytes());
        proto_bytes(&mut tag, 2, value.as_bytes());
        proto_bytes(&mut out, 11, &tag);
    }
    if span.shared {
        proto_number(&mut out, 13, 1);
    }
    out
}

fn proto_endpoint(endpoint: &Endpoint) -> Vec<u8> {
    let mut out = Vec::new();
    if !endpoint.service_name.is_empty() {
        proto_bytes(&mut out, 1, endpoint.service_name.as_bytes());
    }
    proto_bytes(&mut out, 2, &endpoint.ipv4);
    if endpoint.port != 0 {
        proto_number(&mut out, 4, u64::from(endpoint.port));
    }
    out
}

fn proto_number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    varint(out, value);
}

fn proto_fixed64(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push((field << 3) | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn proto_bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    out.push((field << 3) | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Traffic;

    fn spans(count: usize) -> Vec<Span> {
        Traffic::new(3).spans(count, 1_760_000_000_000_000, 1_000_000)
    }

    #[test]
    fn varints_are_little_endian_groups_of_seven() {
        let mut out = Vec::new();
        varint(&mut out, 300);
        assert_eq!(out, [0xac, 0x02]);
    }

    #[test]
    fn json_begins_with_the_ids_and_is_one_list() {
        let spans = spans(2);
        let text = String::from_utf8(Format::Json.encode(&spans)).unwrap();
        let first = format!("[{{\"traceId\":\"{:032x}\"", spans[0].trace_id);
        assert!(text.starts_with(&first) && text.ends_with("}]"), "{text}");
        assert_eq!(text.matches("\"traceId\"").count(), 2);
    }

    #[test]
    fn proto_is_a_list_of_length_prefixed_spans() {
        let spans = spans(2);
        let body = Format::Proto.encode(&spans);
        assert_eq!(body[0], 0x0a);
        let both = spans.iter().map(proto_span).map(|m| m.len() + 3);
        assert_eq!(body.len(), both.sum::<usize>());
    }
}
