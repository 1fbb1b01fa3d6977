//! Writes owned spans as `zipkin.proto3`: fields in the order of their numbers, nothing that is
//! absent.

use crate::endpoint::Endpoint;
use crate::span::Span;

/// Appends a `ListOfSpans`.
pub fn encode_spans(spans: &[Span], out: &mut Vec<u8>) {
    for span in spans {
        message(1, out, |out| encode_span(span, out));
    }
}

/// Appends the fields of a `Span`, without key and length in front.
pub fn encode_span(span: &Span, out: &mut Vec<u8>) {
    let id = span.trace_id;
    if id.high == 0 {
        bytes(1, &id.low.to_be_bytes(), out);
    } else {
        bytes(1, &id.as_u128().to_be_bytes(), out);
    }
    if let Some(parent_id) = span.parent_id {
        bytes(2, &parent_id.0.to_be_bytes(), out);
    }
    // Eight zeros would be refused; Zipkin lets shorter ones pass.
    let id = span.id.0.to_be_bytes();
    let length = if span.id.0 == 0 { 1 } else { id.len() };
    bytes(3, id.get(..length).unwrap_or_default(), out);
    if let Some(kind) = span.kind {
        number(4, kind as u64, out);
    }
    if let Some(name) = &span.name {
        bytes(5, name.as_bytes(), out);
    }
    if span.timestamp_us != 0 {
        fixed64(6, span.timestamp_us, out);
    }
    if span.duration_us != 0 {
        number(7, span.duration_us, out);
    }
    for (field, endpoint) in [(8, &span.local_endpoint), (9, &span.remote_endpoint)] {
        if let Some(endpoint) = endpoint {
            message(field, out, |out| encode_endpoint(endpoint, out));
        }
    }
    for annotation in &span.annotations {
        message(10, out, |out| {
            fixed64(1, annotation.timestamp_us.cast_unsigned(), out);
            bytes(2, annotation.value.as_bytes(), out);
        });
    }
    for (key, value) in &span.tags {
        message(11, out, |out| {
            bytes(1, key.as_bytes(), out);
            bytes(2, value.as_bytes(), out);
        });
    }
    if span.debug {
        number(12, 1, out);
    }
    if span.shared {
        number(13, 1, out);
    }
}

fn encode_endpoint(endpoint: &Endpoint, out: &mut Vec<u8>) {
    if let Some(name) = &endpoint.service_name {
        bytes(1, name.as_bytes(), out);
    }
    if let Some(address) = endpoint.ipv4 {
        bytes(2, &address.octets(), out);
    }
    if let Some(address) = endpoint.ipv6 {
        bytes(3, &address.octets(), out);
    }
    if endpoint.port != 0 {
        number(4, endpoint.port.into(), out);
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(field: u8, value: u64, out: &mut Vec<u8>) {
    out.push(field << 3);
    varint(value, out);
}

fn fixed64(field: u8, value: u64, out: &mut Vec<u8>) {
    out.push(field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn bytes(field: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(field << 3 | 2);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

/// Appends a message whose length is known only once it is written.
fn message(field: u8, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(field << 3 | 2);
    let start = out.len();
    write(out);
    let length = out.len() - start;
    varint(length as u64, out);
    // The length was written behind the message and belongs in front of it.
    let moved = out.len() - start - length;
    if let Some(written) = out.get_mut(start..) {
        written.rotate_right(moved);
    }
}
