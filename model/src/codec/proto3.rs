//! `zipkin.proto3.ListOfSpans`, both ways. Decoding is one pass that leaves texts where they are.
//! Unlike Zipkin's own reader it skips unknown fields of every wire type; no schema language, no
//! generated code.
//!
//! ```text
//! ListOfSpans { 1: repeated Span }
//! Span        { 1: trace_id bytes   2: parent_id bytes   3: id bytes   4: kind enum   5: name
//!               6: timestamp fixed64   7: duration uint64   8: local   9: remote Endpoint
//!               10: repeated Annotation   11: map tags   12: debug   13: shared bool }
//! Endpoint    { 1: service_name   2: ipv4 bytes   3: ipv6 bytes   4: port int32 }
//! Annotation  { 1: timestamp fixed64   2: value }
//! tags entry  { 1: key   2: value }
//! ```

use crate::batch::{Bounds, EndpointRecord, SpanBatch, Text};
use crate::codec::endpoints::Endpoints;
use crate::codec::{
    DecodeError, begin_record, check_fields, check_port, close_record, missing_ids, put_ip, scan,
    text,
};
use crate::endpoint::ip::ip_from_bytes;
use crate::id::{IdError, TraceId};
use crate::span::Kind;

mod encode;
pub(super) mod reader;

pub use encode::{encode_span, encode_spans};

use crate::codec::fault::{Fault, explain, rule};
use reader::Reader;

/// Decodes a body that [`crate::codec::decode`] has checked, into a batch that holds the body and
/// nothing else.
pub(super) fn decode(body: &[u8], bounds: &Bounds, out: &mut SpanBatch) -> Result<(), DecodeError> {
    read_list(body, bounds.spans_max, out).map_err(|fault| explain(fault, "List<Span> from proto3"))
}

/// Where the name of an endpoint begins that says it first: behind two lengths and a key.
const ENDPOINT_NAME_AT: usize = 3;

fn read_list(body: &[u8], max: usize, out: &mut SpanBatch) -> Result<(), Fault> {
    let mut reader = Reader::new(body);
    let mut endpoints = Endpoints::new(body, ENDPOINT_NAME_AT);
    while !reader.is_at_end() {
        match reader.key()? {
            0x0a => {
                if out.spans.len() >= max {
                    return Err(DecodeError::TooLarge { what: "spans", max }.into());
                }
                read_span(reader.message()?, &mut endpoints, out)?;
            }
            key => reader.skip(key)?,
        }
    }
    Ok(())
}

fn read_span(
    mut reader: Reader<'_>,
    endpoints: &mut Endpoints<'_>,
    out: &mut SpanBatch,
) -> Result<(), Fault> {
    let mut span = begin_record(out);
    let mut has_id = false;
    while !reader.is_at_end() {
        match reader.key()? {
            0x0a => span.trace_id = trace_id(reader.bytes()?)?,
            0x12 => span.parent_id = span_id(reader.bytes()?, "parentId")?,
            0x1a => {
                let bytes = reader.bytes()?;
                span.id = span_id(bytes, "id")?;
                has_id = true;
            }
            0x20 => span.kind = read_kind(&mut reader)?.or(span.kind),
            0x2a => span.name = read_name(&mut reader, out)?,
            0x31 => span.timestamp_us = positive(reader.fixed64()?),
            0x38 => span.duration_us = positive(reader.varint()?),
            0x42 => span.local = read_endpoint(&mut reader, endpoints, out)?,
            0x4a => span.remote = read_endpoint(&mut reader, endpoints, out)?,
            0x52 => read_annotation(reader.message()?, out)?,
            0x5a => read_tag(reader.message()?, out)?,
            0x60 => span.debug |= reader.flag()?,
            0x68 => span.shared |= reader.flag()?,
            key => reader.skip(key)?,
        }
    }
    if let Some(text) = missing_ids(&span, has_id) {
        return Err(rule(text.to_owned()));
    }
    close_record(span, out);
    Ok(())
}

/// Reads a kind. Zero is none, and so is a kind of the future.
#[inline]
fn read_kind(reader: &mut Reader<'_>) -> Result<Option<Kind>, Fault> {
    let number = reader.varint32()?;
    if number.cast_signed() < 0 {
        // Zipkin looks it up in a table.
        let place = i64::from(number.cast_signed()) - 1;
        return Err(rule(format!("Index {place} out of bounds for length 4")));
    }
    Ok(Kind::from_number(number.into()))
}

/// Reads an endpoint behind its length, unless the body said the same before.
#[inline(always)]
fn read_endpoint(
    reader: &mut Reader<'_>,
    endpoints: &mut Endpoints<'_>,
    out: &mut SpanBatch,
) -> Result<EndpointRecord, Fault> {
    if let Some((endpoint, length)) = endpoints.recall(reader.rest()) {
        reader.advance(length);
        return Ok(endpoint);
    }
    let start = reader.position();
    let endpoint = read_new_endpoint(reader.message()?, out)?;
    endpoints.keep(start, reader.position(), endpoint);
    Ok(endpoint)
}

#[inline(never)]
fn read_new_endpoint(mut reader: Reader<'_>, out: &mut SpanBatch) -> Result<EndpointRecord, Fault> {
    let mut endpoint = EndpointRecord::default();
    while !reader.is_at_end() {
        match reader.key()? {
            0x0a => endpoint.service_name = read_name(&mut reader, out)?,
            0x12 | 0x1a => {
                if let Some(ip) = ip_from_bytes(reader.bytes()?) {
                    put_ip(&mut endpoint, ip, &mut out.ipv6);
                }
            }
            0x20 => {
                let port = reader.varint32()?.cast_signed();
                endpoint.port = check_port(port.into()).map_err(rule)?;
            }
            key => reader.skip(key)?,
        }
    }
    Ok(endpoint)
}

/// Reads an annotation; Zipkin keeps none without time or text in this format.
#[inline]
fn read_annotation(mut reader: Reader<'_>, out: &mut SpanBatch) -> Result<(), Fault> {
    let mut timestamp_us = 0;
    let mut value = Text::default();
    while !reader.is_at_end() {
        match reader.key()? {
            0x09 => timestamp_us = reader.fixed64()?.cast_signed(),
            0x12 => value = read_text(&mut reader, out)?,
            key => reader.skip(key)?,
        }
    }
    if timestamp_us != 0 && !value.is_empty() {
        check_fields(out.annotations.len())?;
        out.annotations.push((timestamp_us, value));
    }
    Ok(())
}

/// Reads a tag; Zipkin keeps none without a key in this format.
#[inline]
fn read_tag(reader: Reader<'_>, out: &mut SpanBatch) -> Result<(), Fault> {
    let Some(tag) = common_tag(&reader) else {
        return read_odd_tag(reader, out);
    };
    check_fields(out.tags.len())?;
    out.tags.push(tag);
    Ok(())
}

/// Returns key and value of a tag in the form in which nearly all are: both once, in this order,
/// ASCII of less than 128 bytes. What is not found here is read the long way.
#[inline(always)]
fn common_tag(reader: &Reader<'_>) -> Option<(Text, Text)> {
    let message = reader.rest();
    let [0x0a, key_len @ 1..=0x7f, rest @ ..] = message else {
        return None;
    };
    let (_, rest) = rest.split_at_checked(usize::from(*key_len))?;
    let [0x12, len @ 0..=0x7f, value @ ..] = rest else {
        return None;
    };
    // The bytes around the texts are ASCII themselves.
    if value.len() != usize::from(*len) || !scan::is_ascii(message) {
        return None;
    }
    let key_at = reader.position() + 2;
    let key = Text::in_body(key_at, usize::from(*key_len));
    let value_at = key_at + key.len() + 2;
    Some((key, Text::in_body(value_at, value.len())))
}

#[inline(never)]
fn read_odd_tag(mut reader: Reader<'_>, out: &mut SpanBatch) -> Result<(), Fault> {
    let mut key_text = Text::default();
    let mut value = Text::default();
    while !reader.is_at_end() {
        match reader.key()? {
            0x0a => key_text = read_text(&mut reader, out)?,
            0x12 => {
                let text = read_text(&mut reader, out)?;
                // An empty one takes nothing back.
                value = if text.is_empty() { value } else { text };
            }
            key => reader.skip(key)?,
        }
    }
    if !key_text.is_empty() {
        check_fields(out.tags.len())?;
        out.tags.push((key_text, value));
    }
    Ok(())
}

#[inline(always)]
pub(super) fn read_text(reader: &mut Reader<'_>, out: &mut SpanBatch) -> Result<Text, Fault> {
    let (text, bytes) = reader.text()?;
    if scan::is_ascii(bytes) {
        Ok(text)
    } else {
        Ok(text::mend(out, text)?)
    }
}

#[inline(always)]
fn read_name(reader: &mut Reader<'_>, out: &mut SpanBatch) -> Result<Text, Fault> {
    let (text, bytes) = reader.text()?;
    if scan::needs_lowering(bytes) {
        Ok(text::lower_into_extra(out, text)?)
    } else {
        Ok(text)
    }
}

/// Java reads these as signed, and what is not positive is absent.
fn positive(value: u64) -> u64 {
    value.cast_signed().max(0).cast_unsigned()
}

#[inline(always)]
fn trace_id(bytes: &[u8]) -> Result<TraceId, Fault> {
    let value = match <[u8; 16]>::try_from(bytes) {
        Ok(bytes) => u128::from_be_bytes(bytes),
        Err(_) => big_endian(bytes, "traceId", 16)?,
    };
    TraceId::new((value >> 64) as u64, value as u64)
        .ok_or_else(|| rule(IdError::AllZeros("traceId").to_string()))
}

#[inline(always)]
fn span_id(bytes: &[u8], field: &'static str) -> Result<u64, Fault> {
    match <[u8; 8]>::try_from(bytes) {
        Ok(bytes) if bytes != [0; 8] => Ok(u64::from_be_bytes(bytes)),
        _ => odd_span_id(bytes, field),
    }
}

#[cold]
fn odd_span_id(bytes: &[u8], field: &'static str) -> Result<u64, Fault> {
    // An empty parent is absent; an empty id is none.
    if bytes.is_empty() && field == "parentId" {
        return Ok(0);
    }
    let id = big_endian(bytes, field, 8)? as u64;
    // Zipkin asks only about eight zeros, and only of the id.
    if id == 0 && bytes.len() == 8 && field == "id" {
        return Err(rule(IdError::AllZeros(field).to_string()));
    }
    Ok(id)
}

#[cold]
fn big_endian(bytes: &[u8], field: &'static str, max: usize) -> Result<u128, Fault> {
    if bytes.is_empty() {
        return Err(rule(format!("{field} == null")));
    }
    if bytes.len() > max {
        return Err(rule(IdError::TooLong(field, 2 * max).to_string()));
    }
    Ok(bytes
        .iter()
        .fold(0, |value, &byte| value << 8 | u128::from(byte)))
}

#[cfg(test)]
mod tests;
