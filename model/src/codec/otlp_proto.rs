//! OTLP's `ExportTraceServiceRequest` in protobuf, read in one pass that leaves texts where they
//! are; only a resource and a scope are looked at before the spans in them. What a field means in
//! Zipkin is in `otlp`.
//!
//! ```text
//! Request       { 1: repeated ResourceSpans }
//! ResourceSpans { 1: Resource   2: repeated ScopeSpans   3: schema_url }
//! Resource      { 1: repeated KeyValue   2: dropped_attributes_count }
//! ScopeSpans    { 1: Scope   2: repeated Span   3: schema_url }
//! Scope         { 1: name   2: version   3: repeated KeyValue   4: dropped_attributes_count }
//! Span          { 1: trace_id   2: span_id   3: trace_state   4: parent_span_id   5: name
//!                 6: kind   7: start, 8: end fixed64   9: repeated KeyValue
//!                 10: dropped_attributes_count   11: repeated Event   12: dropped_events_count
//!                 13: repeated Link   14: dropped_links_count   15: Status   16: flags }
//! Event         { 1: time fixed64   2: name   3: repeated KeyValue   4: dropped_attributes_count }
//! Link          { 1: trace_id   2: span_id   3: trace_state   4: repeated KeyValue
//!                 5: dropped_attributes_count   6: flags }
//! Status        { 2: message   3: code }
//! ```

use crate::batch::{Bounds, SpanBatch, Text};
use crate::codec::fault::{Fault, explain};
use crate::codec::otlp::{self, Draft, Id, Origin, word};
use crate::codec::proto3::read_text;
use crate::codec::proto3::reader::Reader;
use crate::codec::{DecodeError, text};

mod value;

use value::{read_attribute, write_attributes};

/// Decodes a body that [`crate::codec::decode`] has checked, into a batch that holds the body and
/// nothing else.
pub(super) fn decode(body: &[u8], bounds: &Bounds, out: &mut SpanBatch) -> Result<(), DecodeError> {
    otlp::begin(out);
    let mut request = Request {
        out,
        origin: Origin::default(),
        spans_max: bounds.spans_max,
    };
    request
        .read(Reader::new(body))
        .map_err(|fault| explain(fault, "ExportTraceServiceRequest from protobuf"))
}

struct Request<'a> {
    out: &'a mut SpanBatch,
    origin: Origin,
    spans_max: usize,
}

impl Request<'_> {
    fn read(&mut self, mut reader: Reader<'_>) -> Result<(), Fault> {
        while !reader.is_at_end() {
            match reader.key()? {
                0x0a => self.read_resource_spans(reader.message()?)?,
                key => reader.skip(key)?,
            }
        }
        Ok(())
    }

    fn read_resource_spans(&mut self, message: Reader<'_>) -> Result<(), Fault> {
        self.origin.begin_resource();
        let mut reader = message;
        while !reader.is_at_end() {
            match reader.key()? {
                0x0a => self.read_resource(reader.message()?)?,
                0x1a => {
                    let schema = read_text(&mut reader, self.out)?;
                    self.origin.resource_tag(word::RESOURCE_SCHEMA, schema)?;
                }
                key => reader.skip(key)?,
            }
        }
        let mut reader = message;
        while !reader.is_at_end() {
            match reader.key()? {
                0x12 => self.read_scope_spans(reader.message()?)?,
                key => reader.skip(key)?,
            }
        }
        Ok(())
    }

    fn read_resource(&mut self, mut reader: Reader<'_>) -> Result<(), Fault> {
        while !reader.is_at_end() {
            match reader.key()? {
                0x0a => {
                    let attribute = read_attribute(reader.message()?, self.out)?;
                    self.origin.resource_attribute(self.out, attribute)?;
                }
                0x10 => {
                    let dropped = otlp::dropped(self.out, reader.varint()?)?;
                    self.origin.resource_tag(word::RESOURCE_DROPPED, dropped)?;
                }
                key => reader.skip(key)?,
            }
        }
        Ok(())
    }

    fn read_scope_spans(&mut self, message: Reader<'_>) -> Result<(), Fault> {
        self.origin.begin_scope();
        let mut reader = message;
        while !reader.is_at_end() {
            match reader.key()? {
                0x0a => self.read_scope(reader.message()?)?,
                0x1a => {
                    let schema = read_text(&mut reader, self.out)?;
                    self.origin.scope_tag(word::SCOPE_SCHEMA, schema)?;
                }
                key => reader.skip(key)?,
            }
        }
        let mut reader = message;
        while !reader.is_at_end() {
            match reader.key()? {
                0x12 => self.read_span(reader.message()?)?,
                key => reader.skip(key)?,
            }
        }
        Ok(())
    }

    fn read_scope(&mut self, mut reader: Reader<'_>) -> Result<(), Fault> {
        while !reader.is_at_end() {
            match reader.key()? {
                0x0a => {
                    let name = read_text(&mut reader, self.out)?;
                    self.origin.scope_name(name);
                }
                0x12 => {
                    let version = read_text(&mut reader, self.out)?;
                    self.origin.scope_version(version);
                }
                0x1a => {
                    let attribute = read_attribute(reader.message()?, self.out)?;
                    self.origin.scope_attribute(self.out, attribute)?;
                }
                0x20 => {
                    let dropped = otlp::dropped(self.out, reader.varint()?)?;
                    self.origin.scope_tag(word::SCOPE_DROPPED, dropped)?;
                }
                key => reader.skip(key)?,
            }
        }
        Ok(())
    }

    fn read_span(&mut self, mut reader: Reader<'_>) -> Result<(), Fault> {
        let out = &mut *self.out;
        // Those left out count too: they cost as much to read.
        if out.spans.len() + out.left_out.spans as usize >= self.spans_max {
            let max = self.spans_max;
            return Err(DecodeError::TooLarge { what: "spans", max }.into());
        }
        let mut span = Draft::begin(&self.origin, out)?;
        while !reader.is_at_end() {
            match reader.key()? {
                0x0a => span.id(Id::Trace, reader.bytes()?),
                0x12 => span.id(Id::Span, reader.bytes()?),
                0x1a => {
                    let state = read_text(&mut reader, out)?;
                    otlp::tag(out, (word::TRACE_STATE, state))?;
                }
                0x22 => span.id(Id::Parent, reader.bytes()?),
                0x2a => {
                    let (name, _) = reader.text()?;
                    span.name(out, name)?;
                }
                0x30 => span.kind = reader.varint()?,
                0x39 => span.start = reader.fixed64()?,
                0x41 => span.end = reader.fixed64()?,
                0x4a => {
                    let attribute = read_attribute(reader.message()?, out)?;
                    span.attribute(out, attribute)?;
                }
                0x5a => read_event(reader.message()?, out)?,
                0x6a => read_link(reader.message()?, &mut span, out)?,
                0x7a => read_status(reader.message()?, &mut span, out)?,
                key => read_rare(&mut reader, key, out)?,
            }
        }
        span.finish(&self.origin, out)?;
        Ok(())
    }
}

/// Reads what hardly any span has.
#[inline(never)]
fn read_rare(reader: &mut Reader<'_>, key: u32, out: &mut SpanBatch) -> Result<(), Fault> {
    let word = match key {
        0x50 => word::DROPPED_ATTRIBUTES,
        0x60 => word::DROPPED_EVENTS,
        0x70 => word::DROPPED_LINKS,
        _ => return reader.skip(key),
    };
    let dropped = otlp::dropped(out, reader.varint()?)?;
    otlp::tag(out, (word, dropped))?;
    Ok(())
}

fn read_status(mut reader: Reader<'_>, span: &mut Draft, out: &mut SpanBatch) -> Result<(), Fault> {
    while !reader.is_at_end() {
        match reader.key()? {
            0x12 => span.status_message = read_text(&mut reader, out)?,
            0x18 => span.status = reader.varint()?,
            key => reader.skip(key)?,
        }
    }
    Ok(())
}

fn read_event(message: Reader<'_>, out: &mut SpanBatch) -> Result<(), Fault> {
    let mut time = 0;
    let mut name = Text::default();
    let mut dropped = 0;
    let mut has_attributes = false;
    let mut reader = message;
    while !reader.is_at_end() {
        match reader.key()? {
            0x09 => time = reader.fixed64()?,
            0x12 => name = read_text(&mut reader, out)?,
            0x1a => {
                has_attributes = true;
                reader.bytes()?;
            }
            0x20 => dropped = reader.varint()?,
            key => reader.skip(key)?,
        }
    }
    if has_attributes || dropped > 0 {
        let start = out.extra.len();
        text::append_json(out, name);
        out.extra.push(b':');
        write_attributes((message, 0x1a), dropped, &mut out.extra)?;
        name = text::finish_extra(&mut out.extra, start)?;
    }
    otlp::event(out, (time, name))?;
    Ok(())
}

/// Reads a link into the text that OpenTelemetry's own Collector makes of it for Zipkin.
fn read_link(message: Reader<'_>, span: &mut Draft, out: &mut SpanBatch) -> Result<(), Fault> {
    let (mut trace, mut id, mut state) = (&[][..], &[][..], &[][..]);
    let mut dropped = 0;
    let mut reader = message;
    while !reader.is_at_end() {
        match reader.key()? {
            0x0a => trace = reader.bytes()?,
            0x12 => id = reader.bytes()?,
            0x1a => state = reader.bytes()?,
            0x28 => dropped = reader.varint()?,
            key => reader.skip(key)?,
        }
    }
    let start = out.extra.len();
    otlp::value::write_hex(trace, &mut out.extra);
    out.extra.push(b'|');
    otlp::value::write_hex(id, &mut out.extra);
    out.extra.push(b'|');
    out.extra.extend_from_slice(state);
    out.extra.push(b'|');
    write_attributes((message, 0x22), 0, &mut out.extra)?;
    out.extra.push(b'|');
    let text = otlp::value::push_integer(out, start, dropped.cast_signed())?;
    span.link(out, text)?;
    Ok(())
}
