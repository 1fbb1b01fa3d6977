//! Attributes and their values in protobuf: what is flat as a text, what nests as JSON.
//!
//! ```text
//! KeyValue { 1: key   2: AnyValue }
//! AnyValue { 1: string   2: bool   3: int64   4: double   5: ArrayValue   6: KeyValueList
//!            7: bytes }
//! ArrayValue { 1: repeated AnyValue }      KeyValueList { 1: repeated KeyValue }
//! ```

use crate::batch::{SpanBatch, Text};
use crate::codec::fault::Fault;
use crate::codec::otlp::value::{
    Value, push_number, too_deep, write_base64, write_double, write_integer, write_json_double,
};
use crate::codec::otlp::{VALUE_DEPTH_MAX, word};
use crate::codec::proto3::read_text;
use crate::codec::proto3::reader::Reader;
use crate::codec::text;

/// Reads a `KeyValue`.
#[inline(always)]
pub(super) fn read_attribute(
    mut reader: Reader<'_>,
    out: &mut SpanBatch,
) -> Result<(Text, Value), Fault> {
    let mut key_text = Text::default();
    let mut value = Value::none();
    while !reader.is_at_end() {
        match reader.key()? {
            0x0a => key_text = read_text(&mut reader, out)?,
            0x12 => value = read_value(reader.message()?, out)?,
            key => reader.skip(key)?,
        }
    }
    Ok((key_text, value))
}

/// Reads an `AnyValue`; of several values in it the last counts.
#[inline(always)]
fn read_value(message: Reader<'_>, out: &mut SpanBatch) -> Result<Value, Fault> {
    let mut value = Value::none();
    let mut reader = message;
    while !reader.is_at_end() {
        match reader.key()? {
            0x0a => value = Value::Text(read_text(&mut reader, out)?),
            key => value = read_other(&mut reader, key, (out, value))?,
        }
    }
    Ok(value)
}

#[inline(never)]
fn read_other(
    reader: &mut Reader<'_>,
    key: u32,
    (out, before): (&mut SpanBatch, Value),
) -> Result<Value, Fault> {
    let start = out.extra.len();
    match key {
        0x10 => {
            let word = if reader.varint()? == 0 {
                word::FALSE
            } else {
                word::TRUE
            };
            return Ok(Value::Other(word.text()));
        }
        0x18 => return Ok(push_number(out, reader.varint()?.cast_signed())?),
        0x21 => write_double(f64::from_bits(reader.fixed64()?), &mut out.extra),
        0x2a => write_array(reader.message()?, 1, &mut out.extra)?,
        0x32 => write_map(reader.message()?, 1, &mut out.extra)?,
        0x3a => write_base64(reader.bytes()?, &mut out.extra),
        _ => {
            reader.skip(key)?;
            return Ok(before);
        }
    }
    Ok(Value::Other(text::finish_extra(&mut out.extra, start)?))
}

/// Writes the attributes of an event or a link, which are the fields `key` of its message, as an
/// object of JSON.
pub(super) fn write_attributes(
    (mut reader, attributes): (Reader<'_>, u32),
    dropped: u64,
    json: &mut Vec<u8>,
) -> Result<(), Fault> {
    json.push(b'{');
    let start = json.len();
    while !reader.is_at_end() {
        match reader.key()? {
            key if key == attributes => {
                separate(json, start);
                write_pair(reader.message()?, 0, json)?;
            }
            key => reader.skip(key)?,
        }
    }
    if dropped > 0 {
        separate(json, start);
        json.extend_from_slice(b"\"otel.dropped_attributes_count\":");
        write_integer(dropped.cast_signed(), json);
    }
    json.push(b'}');
    Ok(())
}

fn separate(json: &mut Vec<u8>, start: usize) {
    if json.len() > start {
        json.push(b',');
    }
}

fn write_pair(mut reader: Reader<'_>, depth: usize, json: &mut Vec<u8>) -> Result<(), Fault> {
    let mut key_bytes = &[][..];
    let mut value = None;
    while !reader.is_at_end() {
        match reader.key()? {
            0x0a => key_bytes = reader.bytes()?,
            0x12 => value = Some(reader.message()?),
            key => reader.skip(key)?,
        }
    }
    text::write_json_string(key_bytes, json);
    json.push(b':');
    match value {
        Some(value) => write_value(value, depth, json),
        None => {
            json.extend_from_slice(b"null");
            Ok(())
        }
    }
}

fn write_value(mut reader: Reader<'_>, depth: usize, json: &mut Vec<u8>) -> Result<(), Fault> {
    let start = json.len();
    json.extend_from_slice(b"null");
    while !reader.is_at_end() {
        let key = reader.key()?;
        if matches!(key, 0x0a | 0x10 | 0x18 | 0x21 | 0x2a | 0x32 | 0x3a) {
            json.truncate(start);
        }
        match key {
            0x0a => text::write_json_string(reader.bytes()?, json),
            0x10 => json.extend_from_slice(if reader.varint()? == 0 {
                b"false"
            } else {
                b"true"
            }),
            0x18 => write_integer(reader.varint()?.cast_signed(), json),
            0x21 => write_json_double(f64::from_bits(reader.fixed64()?), json),
            0x2a => write_array(reader.message()?, depth + 1, json)?,
            0x32 => write_map(reader.message()?, depth + 1, json)?,
            0x3a => {
                json.push(b'"');
                write_base64(reader.bytes()?, json);
                json.push(b'"');
            }
            key => reader.skip(key)?,
        }
    }
    Ok(())
}

fn write_array(mut reader: Reader<'_>, depth: usize, json: &mut Vec<u8>) -> Result<(), Fault> {
    check_depth(depth)?;
    json.push(b'[');
    let start = json.len();
    while !reader.is_at_end() {
        match reader.key()? {
            0x0a => {
                separate(json, start);
                write_value(reader.message()?, depth, json)?;
            }
            key => reader.skip(key)?,
        }
    }
    json.push(b']');
    Ok(())
}

fn write_map(mut reader: Reader<'_>, depth: usize, json: &mut Vec<u8>) -> Result<(), Fault> {
    check_depth(depth)?;
    json.push(b'{');
    let start = json.len();
    while !reader.is_at_end() {
        match reader.key()? {
            0x0a => {
                separate(json, start);
                write_pair(reader.message()?, depth, json)?;
            }
            key => reader.skip(key)?,
        }
    }
    json.push(b'}');
    Ok(())
}

fn check_depth(depth: usize) -> Result<(), Fault> {
    if depth > VALUE_DEPTH_MAX {
        return Err(too_deep().into());
    }
    Ok(())
}
