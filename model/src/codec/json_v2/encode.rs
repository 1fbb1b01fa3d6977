//! Writes owned spans as Zipkin's own writer does, byte for byte: its order of fields, nothing
//! that is absent, no blanks, its escapes.

use std::net::Ipv4Addr;

use crate::endpoint::Endpoint;
use crate::endpoint::ip::write_ipv6;
use crate::id::{SpanId, TraceId};
use crate::span::{Annotation, Span};

/// Appends a list of spans.
pub fn encode_spans(spans: &[Span], out: &mut Vec<u8>) {
    encode_list(spans, out, encode_span);
}

/// Appends a list of traces, each a list of spans.
pub fn encode_traces<T: AsRef<[Span]>>(traces: &[T], out: &mut Vec<u8>) {
    encode_list(traces, out, |trace, out| encode_spans(trace.as_ref(), out));
}

fn encode_list<T>(items: &[T], out: &mut Vec<u8>, encode: impl Fn(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index != 0 {
            out.push(b',');
        }
        encode(item, out);
    }
    out.push(b']');
}

/// Appends a span.
pub fn encode_span(span: &Span, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"traceId\":\"");
    write_trace_id(span.trace_id, out);
    if let Some(SpanId(parent_id)) = span.parent_id {
        out.extend_from_slice(b"\",\"parentId\":\"");
        write_hex(parent_id, out);
    }
    out.extend_from_slice(b"\",\"id\":\"");
    write_hex(span.id.0, out);
    out.push(b'"');
    if let Some(kind) = span.kind {
        out.extend_from_slice(b",\"kind\":\"");
        out.extend_from_slice(kind.name().as_bytes());
        out.push(b'"');
    }
    if let Some(name) = &span.name {
        out.extend_from_slice(b",\"name\":");
        write_string(name, out);
    }
    if span.timestamp_us != 0 {
        out.extend_from_slice(b",\"timestamp\":");
        write_integer(span.timestamp_us, out);
    }
    if span.duration_us != 0 {
        out.extend_from_slice(b",\"duration\":");
        write_integer(span.duration_us, out);
    }
    if let Some(endpoint) = &span.local_endpoint {
        out.extend_from_slice(b",\"localEndpoint\":");
        write_endpoint(endpoint, out);
    }
    if let Some(endpoint) = &span.remote_endpoint {
        out.extend_from_slice(b",\"remoteEndpoint\":");
        write_endpoint(endpoint, out);
    }
    if !span.annotations.is_empty() {
        out.extend_from_slice(b",\"annotations\":");
        encode_list(&span.annotations, out, write_annotation);
    }
    if !span.tags.is_empty() {
        out.extend_from_slice(b",\"tags\":");
        write_tags(&span.tags, out);
    }
    if span.debug {
        out.extend_from_slice(b",\"debug\":true");
    }
    if span.shared {
        out.extend_from_slice(b",\"shared\":true");
    }
    out.push(b'}');
}

fn write_endpoint(endpoint: &Endpoint, out: &mut Vec<u8>) {
    // The first field turns this into the opening brace.
    let mut separator = b'{';
    let mut field = |name: &[u8], out: &mut Vec<u8>| {
        out.push(separator);
        out.extend_from_slice(name);
        separator = b',';
    };
    if let Some(name) = &endpoint.service_name {
        field(b"\"serviceName\":", out);
        write_string(name, out);
    }
    if let Some(address) = endpoint.ipv4 {
        field(b"\"ipv4\":", out);
        write_ipv4(address, out);
    }
    if let Some(address) = endpoint.ipv6 {
        field(b"\"ipv6\":\"", out);
        write_ipv6(address, out);
        out.push(b'"');
    }
    if endpoint.port != 0 {
        field(b"\"port\":", out);
        write_integer(endpoint.port, out);
    }
    if separator == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
}

fn write_ipv4(address: Ipv4Addr, out: &mut Vec<u8>) {
    for (index, octet) in address.octets().into_iter().enumerate() {
        out.push(if index == 0 { b'"' } else { b'.' });
        write_integer(octet, out);
    }
    out.push(b'"');
}

fn write_annotation(annotation: &Annotation, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"timestamp\":");
    write_integer(annotation.timestamp_us, out);
    out.extend_from_slice(b",\"value\":");
    write_string(&annotation.value, out);
    out.push(b'}');
}

fn write_tags(tags: &[(String, String)], out: &mut Vec<u8>) {
    for (index, (key, value)) in tags.iter().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        write_string(key, out);
        out.push(b':');
        write_string(value, out);
    }
    out.push(b'}');
}

fn write_integer(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn write_trace_id(id: TraceId, out: &mut Vec<u8>) {
    if id.high != 0 {
        write_hex(id.high, out);
    }
    write_hex(id.low, out);
}

fn write_hex(value: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 16];
    for (index, digit) in digits.iter_mut().enumerate() {
        let nibble = (value >> (60 - 4 * index) & 0xf) as u8;
        *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
    }
    out.extend_from_slice(&digits);
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

/// Appends `text` with Zipkin's escapes, without quotes around it.
pub(in crate::codec) fn write_escaped(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        // U+2028 and U+2029, which end a line in JavaScript, are E2 80 A8 and E2 80 A9.
        let line_separator =
            byte == 0xe2 && matches!(bytes.get(at..at + 3), Some([_, 0x80, 0xa8 | 0xa9]));
        if byte >= b' ' && byte != b'"' && byte != b'\\' && !line_separator {
            continue;
        }
        out.extend_from_slice(bytes.get(copied..at).unwrap_or_default());
        copied = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0xe2 => {
                let last = bytes.get(at + 2);
                let escape: &[u8] = match last {
                    Some(0xa8) => b"\\u2028",
                    _ => b"\\u2029",
                };
                out.extend_from_slice(escape);
                copied = at + 3;
            }
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(b'0' + (byte >> 4));
                let low = byte & 0xf;
                out.push(low + if low < 10 { b'0' } else { b'a' - 10 });
            }
        }
    }
    out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
}
