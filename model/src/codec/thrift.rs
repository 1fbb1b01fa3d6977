//! Lists of Zipkin v1 spans in thrift's binary protocol, which are only read: one pass that leaves
//! texts where they are, each span converted once it ends. Unlike Zipkin's server it skips unknown
//! fields as thrift wants it. The rules of conversion are in `v1`.
//!
//! ```text
//! list             type, which nobody looks at · i32 count · spans
//! Span             1: trace_id i64   3: name   4: id i64   5: parent_id i64   6: annotations
//!                  8: binary_annotations   9: debug bool   10: timestamp i64   11: duration i64
//!                  12: trace_id_high i64
//! Annotation       1: timestamp i64   2: value   3: host Endpoint
//! BinaryAnnotation 1: key   2: value   3: type i32 (0 bool, 6 string)   4: host Endpoint
//! Endpoint         1: ipv4 i32   2: port i16   3: service_name   4: ipv6 16 bytes
//! ```

use crate::batch::{Bounds, EndpointRecord, SpanBatch, Text};
use crate::codec::fault::{Fault, explain, rule};
use crate::codec::v1::{Forks, V1Span, convert};
use crate::codec::{DecodeError, put_ip, text};
use crate::endpoint::ip::{IpAddress, ip_from_bytes};

mod reader;

use reader::{Field, Reader};

/// Thrift's numbers of the types that fields of spans have.
mod kind {
    pub(super) const BOOL: u8 = 2;
    pub(super) const I16: u8 = 6;
    pub(super) const I32: u8 = 8;
    pub(super) const I64: u8 = 10;
    pub(super) const STRING: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const LIST: u8 = 15;
}

/// Decodes a body that [`crate::codec::decode`] has checked, into a batch that holds the body and
/// nothing else.
pub(super) fn decode(body: &[u8], bounds: &Bounds, out: &mut SpanBatch) -> Result<(), DecodeError> {
    if body.is_empty() {
        return Ok(());
    }
    let mut spans = Spans {
        reader: Reader::new(body, bounds.depth_max),
        span: V1Span::default(),
        out,
    };
    spans
        .list(bounds.spans_max)
        .map_err(|fault| explain(fault, "List<Span> from TBinary"))
}

struct Spans<'a, 'b> {
    reader: Reader<'a>,
    span: V1Span,
    out: &'b mut SpanBatch,
}

impl Spans<'_, '_> {
    /// Reads the list; what follows its end is nobody's business.
    fn list(&mut self, max: usize) -> Result<(), Fault> {
        let mut forks = Forks::default();
        for _ in 0..self.reader.list()? {
            self.span.clear();
            self.span()?;
            if let Some(text) = self.span.missing_ids() {
                return Err(rule(text.to_owned()));
            }
            convert(&mut self.span, &mut forks, max, self.out)?;
        }
        Ok(())
    }

    fn span(&mut self) -> Result<(), Fault> {
        use kind::{BOOL, I64, LIST, STRING};
        while let Some(field) = self.reader.field()? {
            let Self { reader, span, out } = self;
            match (field.kind, field.number) {
                (I64, 1) => span.trace_id = reader.i64()?.cast_unsigned(),
                (STRING, 3) => span.name = read_name(reader, out)?,
                (I64, 4) => span.id = reader.i64()?.cast_unsigned(),
                (I64, 5) => span.parent_id = reader.i64()?.cast_unsigned(),
                (LIST, 6) => {
                    for _ in 0..reader.list()? {
                        self.annotation()?;
                    }
                }
                (LIST, 8) => {
                    for _ in 0..self.reader.list()? {
                        self.binary_annotation()?;
                    }
                }
                (BOOL, 9) => span.debug = reader.byte()? == 1,
                (I64, 10) => span.timestamp_us = reader.i64()?,
                (I64, 11) => span.duration_us = reader.i64()?,
                (I64, 12) => span.trace_id_high = reader.i64()?.cast_unsigned(),
                _ => reader.skip(field)?,
            }
        }
        Ok(())
    }

    /// Reads an annotation; Zipkin keeps none without time or text in this format.
    fn annotation(&mut self) -> Result<(), Fault> {
        let mut timestamp_us = 0;
        let mut value = None;
        let mut endpoint = EndpointRecord::default();
        while let Some(field) = self.reader.field()? {
            match (field.kind, field.number) {
                (kind::I64, 1) => timestamp_us = self.reader.i64()?,
                (kind::STRING, 2) => value = Some(self.text()?),
                (kind::STRUCT, 3) => endpoint = self.endpoint()?,
                _ => self.reader.skip(field)?,
            }
        }
        if let Some(value) = value
            && timestamp_us != 0
        {
            self.span.check_room()?;
            self.span.annotate(timestamp_us, value, endpoint);
        }
        Ok(())
    }

    /// Reads a binary annotation; Zipkin keeps texts and addresses, and none without key or value.
    fn binary_annotation(&mut self) -> Result<(), Fault> {
        const BOOL: i32 = 0;
        const STRING: i32 = 6;
        let (mut key, mut value) = (None, None);
        let (mut is_bool, mut is_string) = (false, false);
        let mut endpoint = EndpointRecord::default();
        while let Some(field) = self.reader.field()? {
            match (field.kind, field.number) {
                (kind::STRING, 1) => key = Some(self.text()?),
                (kind::STRING, 2) => value = Some(self.text()?),
                (kind::I32, 3) => match self.reader.i32()? {
                    BOOL => is_bool = true,
                    STRING => is_string = true,
                    _ => {}
                },
                (kind::STRUCT, 4) => endpoint = self.endpoint()?,
                _ => self.reader.skip(field)?,
            }
        }
        let (Some(key), Some(value)) = (key, value) else {
            return Ok(());
        };
        if is_string {
            self.span.check_room()?;
            self.span.tag(key, value, endpoint);
        } else if is_bool && self.out.bytes(value) == b"\x01" {
            self.span.check_room()?;
            self.span.address(key, endpoint, self.out);
        }
        Ok(())
    }

    fn endpoint(&mut self) -> Result<EndpointRecord, Fault> {
        let Self { reader, out, .. } = self;
        let mut endpoint = EndpointRecord::default();
        while let Some(Field { kind, number }) = reader.field()? {
            match (kind, number) {
                (kind::I32, 1) => {
                    let address = reader.i32()?.cast_unsigned();
                    if address != 0 {
                        put_ip(&mut endpoint, IpAddress::V4(address.into()), &mut out.ipv6);
                    }
                }
                (kind::I16, 2) => endpoint.port = reader.i16()?.cast_unsigned(),
                (kind::STRING, 3) => endpoint.service_name = read_name(reader, out)?,
                (kind::STRING, 4) => {
                    if let Some(ip) = ip_from_bytes(reader.bytes()?) {
                        put_ip(&mut endpoint, ip, &mut out.ipv6);
                    }
                }
                _ => reader.skip(Field { kind, number })?,
            }
        }
        Ok(endpoint)
    }

    fn text(&mut self) -> Result<Text, Fault> {
        let text = self.reader.text()?;
        Ok(text::mend(self.out, text)?)
    }
}

fn read_name(reader: &mut Reader<'_>, out: &mut SpanBatch) -> Result<Text, Fault> {
    let name = reader.text()?;
    Ok(text::lower_case(out, name)?)
}

#[cfg(test)]
mod tests;
