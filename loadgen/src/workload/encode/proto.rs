//! `zipkin.proto3.ListOfSpans`, field by field.

use super::{Marks, is_wide};
use crate::workload::span::{Endpoint, Span};

/// The first field of a span is its trace id: a tag, a length, the bytes.
const BEFORE_ID: usize = 2;

pub(super) fn encode(spans: &[Span]) -> (Vec<u8>, Marks) {
    let mut out = Vec::with_capacity(spans.len() * 400);
    let mut marks = Marks::default();
    for span in spans {
        let (message, own) = span_message(span);
        let start = nested(&mut out, 1, &message);
        marks.add(&own, start);
    }
    (out, marks)
}

fn span_message(span: &Span) -> (Vec<u8>, Marks) {
    let mut out = Vec::with_capacity(400);
    let mut marks = Marks::default();
    let id = span.trace_id.to_be_bytes();
    let id = if is_wide(span.trace_id) {
        &id[..]
    } else {
        &id[8..]
    };
    nested(&mut out, 1, id);
    marks.id(span.trace_id, BEFORE_ID + id.len(), 8);
    if span.parent_id != 0 {
        nested(&mut out, 2, &span.parent_id.to_be_bytes());
        marks.span_id(out.len(), 8);
    }
    nested(&mut out, 3, &span.id.to_be_bytes());
    marks.span_id(out.len(), 8);
    if let Some(kind) = span.kind {
        number(&mut out, 4, kind as u64);
    }
    if !span.name.is_empty() {
        nested(&mut out, 5, span.name.as_bytes());
    }
    if span.timestamp_us != 0 {
        marks.times.push(out.len() as u32 + 1);
        fixed64(&mut out, 6, span.timestamp_us);
    }
    if span.duration_us != 0 {
        number(&mut out, 7, span.duration_us);
    }
    for (field, endpoint) in [(8, &span.local), (9, &span.remote)] {
        if !endpoint.is_empty() {
            nested(&mut out, field, &endpoint_message(endpoint));
        }
    }
    for (at, value) in &span.annotations {
        let mut annotation = Vec::new();
        fixed64(&mut annotation, 1, *at);
        nested(&mut annotation, 2, value.as_bytes());
        let start = nested(&mut out, 10, &annotation);
        marks.times.push(start as u32 + 1);
    }
    for (key, value) in &span.tags {
        let mut tag = Vec::new();
        nested(&mut tag, 1, key.as_bytes());
        let at = nested(&mut tag, 2, value.as_bytes());
        let start = nested(&mut out, 11, &tag);
        marks.value((key, value), start + at);
    }
    if span.debug {
        number(&mut out, 12, 1);
    }
    if span.shared {
        number(&mut out, 13, 1);
    }
    (out, marks)
}

fn endpoint_message(endpoint: &Endpoint) -> Vec<u8> {
    let mut out = Vec::new();
    if !endpoint.service_name.is_empty() {
        nested(&mut out, 1, endpoint.service_name.as_bytes());
    }
    if endpoint.ipv4 != [0; 4] {
        nested(&mut out, 2, &endpoint.ipv4);
    }
    if endpoint.ipv6 != [0; 16] {
        nested(&mut out, 3, &endpoint.ipv6);
    }
    if endpoint.port != 0 {
        number(&mut out, 4, u64::from(endpoint.port));
    }
    out
}

fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    varint(out, value);
}

fn fixed64(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push((field << 3) | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends bytes with their length; returns where they begin.
fn nested(out: &mut Vec<u8>, field: u8, value: &[u8]) -> usize {
    out.push((field << 3) | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
    out.len() - value.len()
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

    #[test]
    fn varints_are_little_endian_groups_of_seven() {
        let mut out = Vec::new();
        varint(&mut out, 300);
        assert_eq!(out, [0xac, 0x02]);
    }
}
