//! OTLP's `ExportTraceServiceRequest` in JSON: ids in hex, 64-bit numbers as strings or numbers,
//! enums as numbers or names, keys as `camelCase` or as in protobuf, unknown ones skipped. A
//! resource and a scope that stand behind their spans are found all the same. What a field means in
//! Zipkin is in `otlp`.

use crate::batch::{Bounds, SpanBatch, Text};
use crate::codec::json_v2::cursor::Cursor;
use crate::codec::json_v2::fault::{Fault, explain_reading};
use crate::codec::otlp::{self, Draft, Id, Origin, word};
use crate::codec::{DecodeError, text};

mod lists;
mod value;

use lists::Lists;

/// Decodes a body that [`crate::codec::decode`] has checked, into a batch that holds the body and
/// nothing else.
pub(super) fn decode(body: &[u8], bounds: &Bounds, out: &mut SpanBatch) -> Result<(), DecodeError> {
    otlp::begin(out);
    let mut request = Request {
        cursor: Cursor::new(body, out, bounds.depth_max),
        origin: Origin::default(),
        json: Vec::new(),
        spans_max: bounds.spans_max,
    };
    request
        .read()
        .map_err(|fault| explain_reading(fault, (body, "ExportTraceServiceRequest from json")))?;
    if simdutf8::basic::from_utf8(body).is_err() {
        text::mend_all(out)?;
    }
    Ok(())
}

/// What is being read. The functions that read an object take its fields in any order.
struct Request<'a> {
    cursor: Cursor<'a>,
    origin: Origin,
    /// Where values that nest are written before they are a text.
    json: Vec<u8>,
    spans_max: usize,
}

impl Request<'_> {
    fn read(&mut self) -> Result<(), Fault> {
        self.fields(|this, key| match this.name_of(key) {
            b"resourceSpans" | b"resource_spans" => this.items(Self::resource_spans),
            _ => this.cursor.skip_value(1),
        })?;
        self.cursor.peek_token();
        if self.cursor.at < self.cursor.body.len() {
            return Err(self.cursor.unexpected());
        }
        Ok(())
    }

    fn resource_spans(&mut self) -> Result<(), Fault> {
        self.origin.begin_resource();
        let mut lists = Lists::begin(&self.cursor);
        self.fields(|this, key| match this.name_of(key) {
            b"scopeSpans" | b"scope_spans" => {
                lists.places.push(this.cursor.at);
                this.items(Self::scope_spans)
            }
            _ => {
                let said = this.resource_field(key)?;
                lists.note(said);
                Ok(())
            }
        })?;
        if lists.too_early {
            lists.go_back(&mut self.cursor);
            self.origin.begin_resource();
            self.fields(|this, key| this.resource_field(key).map(drop))?;
            self.catch_up(&lists.places, |this| this.items(Self::scope_spans))?;
        }
        Ok(())
    }

    /// Reads what is said beside the spans, if it is; returns whether it was.
    fn resource_field(&mut self, key: Text) -> Result<bool, Fault> {
        match self.name_of(key) {
            b"resource" => {
                self.resource()?;
                Ok(true)
            }
            b"schemaUrl" | b"schema_url" => {
                let schema = self.cursor.text()?;
                self.origin.resource_tag(word::RESOURCE_SCHEMA, schema)?;
                Ok(!schema.is_empty())
            }
            _ => self.cursor.skip_value(1).map(|()| false),
        }
    }

    fn resource(&mut self) -> Result<(), Fault> {
        self.fields(|this, key| match this.name_of(key) {
            b"attributes" => this.items(|this| {
                let attribute = this.attribute()?;
                Ok(this.origin.resource_attribute(this.cursor.out, attribute)?)
            }),
            b"droppedAttributesCount" | b"dropped_attributes_count" => {
                let dropped = this.dropped()?;
                Ok(this.origin.resource_tag(word::RESOURCE_DROPPED, dropped)?)
            }
            _ => this.cursor.skip_value(1),
        })
    }

    fn scope_spans(&mut self) -> Result<(), Fault> {
        self.origin.begin_scope();
        let mut lists = Lists::begin(&self.cursor);
        self.fields(|this, key| match this.name_of(key) {
            b"spans" => {
                lists.places.push(this.cursor.at);
                this.items(Self::span)
            }
            _ => {
                let said = this.scope_field(key)?;
                lists.note(said);
                Ok(())
            }
        })?;
        if lists.too_early {
            lists.go_back(&mut self.cursor);
            self.origin.begin_scope();
            self.fields(|this, key| this.scope_field(key).map(drop))?;
            self.catch_up(&lists.places, |this| this.items(Self::span))?;
        }
        Ok(())
    }

    /// Reads what is said beside the spans, if it is; returns whether it was.
    fn scope_field(&mut self, key: Text) -> Result<bool, Fault> {
        match self.name_of(key) {
            b"scope" => {
                self.scope()?;
                Ok(true)
            }
            b"schemaUrl" | b"schema_url" => {
                let schema = self.cursor.text()?;
                self.origin.scope_tag(word::SCOPE_SCHEMA, schema)?;
                Ok(!schema.is_empty())
            }
            _ => self.cursor.skip_value(1).map(|()| false),
        }
    }

    fn scope(&mut self) -> Result<(), Fault> {
        self.fields(|this, key| match this.name_of(key) {
            b"name" => {
                let name = this.cursor.text()?;
                this.origin.scope_name(name);
                Ok(())
            }
            b"version" => {
                let version = this.cursor.text()?;
                this.origin.scope_version(version);
                Ok(())
            }
            b"attributes" => this.items(|this| {
                let attribute = this.attribute()?;
                Ok(this.origin.scope_attribute(this.cursor.out, attribute)?)
            }),
            b"droppedAttributesCount" | b"dropped_attributes_count" => {
                let dropped = this.dropped()?;
                Ok(this.origin.scope_tag(word::SCOPE_DROPPED, dropped)?)
            }
            _ => this.cursor.skip_value(1),
        })
    }

    fn span(&mut self) -> Result<(), Fault> {
        let out = &mut *self.cursor.out;
        // Those left out count too: they cost as much to read.
        if out.spans.len() + out.left_out.spans as usize >= self.spans_max {
            let max = self.spans_max;
            return Err(DecodeError::TooLarge { what: "spans", max }.into());
        }
        let mut span = Draft::begin(&self.origin, out)?;
        self.fields(|this, key| this.span_field(key, &mut span))?;
        Ok(span.finish(&self.origin, self.cursor.out)?)
    }

    fn span_field(&mut self, key: Text, span: &mut Draft) -> Result<(), Fault> {
        let word = match self.name_of(key) {
            b"traceId" | b"trace_id" => return self.id(Id::Trace, span),
            b"spanId" | b"span_id" => return self.id(Id::Span, span),
            b"parentSpanId" | b"parent_span_id" => return self.id(Id::Parent, span),
            b"name" => {
                let name = self.cursor.text()?;
                return Ok(span.name(self.cursor.out, name)?);
            }
            b"kind" => {
                span.kind = self.number_of(value::KINDS)?;
                return Ok(());
            }
            b"startTimeUnixNano" | b"start_time_unix_nano" => {
                span.start = self.unsigned()?;
                return Ok(());
            }
            b"endTimeUnixNano" | b"end_time_unix_nano" => {
                span.end = self.unsigned()?;
                return Ok(());
            }
            b"attributes" => {
                return self.items(|this| {
                    let attribute = this.attribute()?;
                    Ok(span.attribute(this.cursor.out, attribute)?)
                });
            }
            b"events" => return self.items(Self::event),
            b"links" => return self.items(|this| this.link(span)),
            b"status" => return self.status(span),
            b"traceState" | b"trace_state" => {
                let state = self.cursor.text()?;
                return Ok(otlp::tag(self.cursor.out, (word::TRACE_STATE, state))?);
            }
            b"droppedAttributesCount" | b"dropped_attributes_count" => word::DROPPED_ATTRIBUTES,
            b"droppedEventsCount" | b"dropped_events_count" => word::DROPPED_EVENTS,
            b"droppedLinksCount" | b"dropped_links_count" => word::DROPPED_LINKS,
            _ => return self.cursor.skip_value(1),
        };
        let dropped = self.dropped()?;
        Ok(otlp::tag(self.cursor.out, (word, dropped))?)
    }

    fn status(&mut self, span: &mut Draft) -> Result<(), Fault> {
        self.fields(|this, key| {
            match this.name_of(key) {
                b"message" => span.status_message = this.cursor.text()?,
                b"code" => span.status = this.number_of(value::STATUSES)?,
                _ => this.cursor.skip_value(1)?,
            }
            Ok(())
        })
    }

    fn event(&mut self) -> Result<(), Fault> {
        let (mut time, mut dropped) = (0, 0);
        let mut name = Text::default();
        self.begin_attributes();
        self.fields(|this, key| {
            match this.name_of(key) {
                b"timeUnixNano" | b"time_unix_nano" => time = this.unsigned()?,
                b"name" => name = this.cursor.text()?,
                b"attributes" => this.write_attributes()?,
                b"droppedAttributesCount" | b"dropped_attributes_count" => {
                    dropped = this.unsigned()?;
                }
                _ => this.cursor.skip_value(1)?,
            }
            Ok(())
        })?;
        self.finish_attributes(dropped);
        if self.json != b"{}" {
            let out = &mut *self.cursor.out;
            let start = out.extra.len();
            text::append_json(out, name);
            out.extra.push(b':');
            out.extra.extend_from_slice(&self.json);
            name = text::finish_extra(&mut out.extra, start)?;
        }
        Ok(otlp::event(self.cursor.out, (time, name))?)
    }

    /// Reads a link into the text that OpenTelemetry's own Collector makes of it for Zipkin.
    fn link(&mut self, span: &mut Draft) -> Result<(), Fault> {
        let [mut trace, mut id, mut state] = [Text::default(); 3];
        let mut dropped = 0;
        self.begin_attributes();
        self.fields(|this, key| {
            match this.name_of(key) {
                b"traceId" | b"trace_id" => trace = this.cursor.name()?,
                b"spanId" | b"span_id" => id = this.cursor.name()?,
                b"traceState" | b"trace_state" => state = this.cursor.text()?,
                b"attributes" => this.write_attributes()?,
                b"droppedAttributesCount" | b"dropped_attributes_count" => {
                    dropped = this.unsigned()?;
                }
                _ => this.cursor.skip_value(1)?,
            }
            Ok(())
        })?;
        self.finish_attributes(0);
        let out = &mut *self.cursor.out;
        let start = out.extra.len();
        for part in [trace, id, state] {
            text::copy_into_extra(out, part);
            out.extra.push(b'|');
        }
        out.extra.extend_from_slice(&self.json);
        out.extra.push(b'|');
        let text = otlp::value::push_integer(out, start, dropped.cast_signed())?;
        Ok(span.link(out, text)?)
    }
}

impl Request<'_> {
    /// Reads an object; what is null is not there.
    fn fields(
        &mut self,
        mut each: impl FnMut(&mut Self, Text) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut more = self.cursor.open(b'{', b'}')?;
        while more {
            let key = self.cursor.key()?;
            if !self.cursor.take_null() {
                each(self, key)?;
            }
            more = self.cursor.more(b'}')?;
        }
        Ok(())
    }

    /// Reads a list.
    fn items(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut more = self.cursor.open(b'[', b']')?;
        while more {
            each(self)?;
            more = self.cursor.more(b']')?;
        }
        Ok(())
    }

    fn name_of(&self, key: Text) -> &[u8] {
        self.cursor.out.bytes(key)
    }

    /// Reads again what begins at these places.
    fn catch_up(
        &mut self,
        places: &[usize],
        mut each: impl FnMut(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let end = self.cursor.at;
        for &place in places {
            self.cursor.at = place;
            each(self)?;
        }
        self.cursor.at = end;
        Ok(())
    }
}
