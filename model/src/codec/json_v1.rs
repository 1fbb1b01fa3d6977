//! Zipkin's JSON v1, which is only read: one pass over the body with the lexer of `json_v2`, each
//! span converted once its object ends. The rules of conversion are in `v1`.
//!
//! ```text
//! [{ traceId, id, parentId, name, timestamp, duration, debug,
//!    annotations:       [{ timestamp, value, endpoint }],
//!    binaryAnnotations: [{ key, value: a text, or true for addresses, endpoint }] }]
//! endpoint = { serviceName, ipv4, ipv6, port }
//! ```

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::batch::{Bounds, EndpointRecord, SpanBatch, Text};
use crate::codec::json_v2::cursor::Cursor;
use crate::codec::json_v2::fault::{self, Cause, Fault, rule};
use crate::codec::json_v2::value::LONG;
use crate::codec::v1::{Forks, V1Span, convert};
use crate::codec::{DecodeError, text};
use crate::id::lower_hex;

/// Texts by which Zipkin knows JSON v2, wherever they are in the body.
static VERSION_2: LazyLock<[Finder<'static>; 2]> =
    LazyLock::new(|| [Finder::new("Endpoint\""), Finder::new("\"tags\"")]);

/// Returns whether Zipkin takes the JSON for version 2.
pub(super) fn is_version_2(body: &[u8]) -> bool {
    VERSION_2.iter().any(|text| text.find(body).is_some())
}

/// Decodes a body that [`crate::codec::decode`] has checked, into a batch that holds the body and
/// nothing else.
pub(super) fn decode(body: &[u8], bounds: &Bounds, out: &mut SpanBatch) -> Result<(), DecodeError> {
    if matches!(body, b"" | b"[]") {
        return Ok(());
    }
    if is_version_2(body) {
        return Err(DecodeError::NotAList {
            expected: "JSON_V1",
            received: Some("JSON_V2"),
        });
    }
    let mut reader = Reader {
        cursor: Cursor::new(body, out, bounds.depth_max),
        is_utf8: simdutf8::basic::from_utf8(body).is_ok(),
        span: V1Span::default(),
        forks: Forks::default(),
        spans_max: bounds.spans_max,
    };
    reader.list().map_err(|fault| fault::explain(fault, body))
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    is_utf8: bool,
    span: V1Span,
    forks: Forks,
    spans_max: usize,
}

impl Reader<'_> {
    /// Reads the list; what follows its end is nobody's business.
    fn list(&mut self) -> Result<(), Fault> {
        let mut more = self.cursor.open(b'[', b']')?;
        while more {
            self.span.clear();
            self.fields()?;
            if let Some(text) = self.span.missing_ids() {
                return Err(rule(text.to_owned()));
            }
            let Self {
                cursor,
                span,
                forks,
                ..
            } = self;
            convert(span, forks, self.spans_max, cursor.out)?;
            more = cursor.more(b']')?;
        }
        Ok(())
    }

    fn fields(&mut self) -> Result<(), Fault> {
        let mut more = self.cursor.open(b'{', b'}')?;
        while more {
            let key = self.cursor.key()?;
            match self.cursor.out.bytes(key) {
                b"traceId" => {
                    let (high, low) = self.trace_id()?;
                    // Zipkin leaves the upper half alone when a second id is shorter.
                    self.span.trace_id_high = high.unwrap_or(self.span.trace_id_high);
                    self.span.trace_id = low;
                }
                b"id" => self.span.id = self.span_id()?,
                name => {
                    // Anything but the ids may be null, which is nothing said.
                    let field = Field::from_name(name);
                    if !self.cursor.take_null() {
                        self.field(field)?;
                    }
                }
            }
            more = self.cursor.more(b'}')?;
        }
        Ok(())
    }

    fn field(&mut self, field: Field) -> Result<(), Fault> {
        let Self { cursor, span, .. } = self;
        match field {
            Field::ParentId => self.span.parent_id = self.span_id()?,
            Field::Name => span.name = cursor.name()?,
            Field::Timestamp => span.timestamp_us = cursor.integer(LONG)?,
            Field::Duration => span.duration_us = cursor.integer(LONG)?,
            Field::Debug => span.debug |= cursor.boolean()?,
            Field::Annotations => self.each(Self::annotation)?,
            Field::BinaryAnnotations => self.each(Self::binary_annotation)?,
            Field::Unknown => cursor.skip_value(1)?,
        }
        Ok(())
    }

    fn each(&mut self, read: impl Fn(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        let mut more = self.cursor.open(b'[', b']')?;
        while more {
            read(self)?;
            more = self.cursor.more(b']')?;
        }
        Ok(())
    }

    fn annotation(&mut self) -> Result<(), Fault> {
        let mut timestamp_us = None;
        let mut value = None;
        let mut endpoint = EndpointRecord::default();
        let mut more = self.cursor.open(b'{', b'}')?;
        while more {
            let key = self.cursor.key()?;
            match self.cursor.out.bytes(key) {
                b"timestamp" => timestamp_us = Some(self.cursor.integer(LONG)?),
                b"value" => value = Some(self.text()?),
                b"endpoint" => {
                    if !self.cursor.take_null() {
                        endpoint = self.cursor.endpoint()?;
                    }
                }
                _ => self.cursor.skip_value(3)?,
            }
            more = self.cursor.more(b'}')?;
        }
        let (Some(timestamp_us), Some(value)) = (timestamp_us, value) else {
            return Err(Fault::new(Cause::IncompleteAnnotation(self.cursor.at - 1)));
        };
        self.span.check_room()?;
        self.span.annotate(timestamp_us, value, endpoint);
        Ok(())
    }

    fn binary_annotation(&mut self) -> Result<(), Fault> {
        let mut name = None;
        let mut value = None;
        let mut is_address = false;
        let mut endpoint = EndpointRecord::default();
        let mut more = self.cursor.open(b'{', b'}')?;
        while more {
            let key = self.cursor.key()?;
            if !self.cursor.take_null() {
                match self.cursor.out.bytes(key) {
                    b"key" => name = Some(self.text()?),
                    b"value" => match self.cursor.peek_token() {
                        b'"' => value = Some(self.text()?),
                        b't' | b'T' | b'f' | b'F' => is_address = self.cursor.boolean()?,
                        _ => self.cursor.skip_value(3)?,
                    },
                    b"endpoint" => endpoint = self.cursor.endpoint()?,
                    _ => self.cursor.skip_value(3)?,
                }
            }
            more = self.cursor.more(b'}')?;
        }
        let Some(name) = name else {
            return Err(Fault::new(Cause::NoKey(self.cursor.at - 1)));
        };
        match value {
            Some(value) => {
                self.span.check_room()?;
                self.span.tag(name, value, endpoint);
            }
            None if is_address => {
                self.span.check_room()?;
                self.span.address(name, endpoint, self.cursor.out);
            }
            None => {}
        }
        Ok(())
    }

    /// Reads a text that is sorted or compared later, so it is mended at once.
    fn text(&mut self) -> Result<Text, Fault> {
        let text = self.cursor.text()?;
        if self.is_utf8 {
            return Ok(text);
        }
        Ok(text::mend(self.cursor.out, text)?)
    }

    /// Reads a trace id: 64 bits, and the upper half where there are exactly 32 digits.
    fn trace_id(&mut self) -> Result<(Option<u64>, u64), Fault> {
        let text = self.cursor.text()?;
        let digits = self.cursor.out.bytes(text);
        let read = if digits.len() == 32 && digits.is_ascii() {
            lower_hex(digits).map(|both| (Some((both >> 64) as u64), both as u64))
        } else {
            parse_id(digits, 31).map(|low| (None, low))
        };
        read.ok_or_else(|| no_id(digits))
    }

    /// Reads the id of a span or of a parent.
    fn span_id(&mut self) -> Result<u64, Fault> {
        let text = self.cursor.text()?;
        let digits = self.cursor.out.bytes(text);
        parse_id(digits, 32).ok_or_else(|| no_id(digits))
    }
}

#[cold]
fn no_id(digits: &[u8]) -> Fault {
    let text = text::lossy(digits);
    rule(format!(
        "{text} should be a 1 to 32 character lower-hex string with no prefix"
    ))
}

/// Returns the last 64 bits of an id of so many characters at most. Of one with more than 16
/// Zipkin never looks at the beginning.
fn parse_id(digits: &[u8], length_max: usize) -> Option<u64> {
    if digits.len() <= 16 && !digits.is_empty() {
        return Some(lower_hex(digits)? as u64);
    }
    // The rest is rare: Java's characters count, not bytes.
    let text = text::lossy(digits);
    let length = text.encode_utf16().take(33).count();
    if !(17..=length_max).contains(&length) {
        return None;
    }
    let low = text.as_bytes().last_chunk::<16>()?;
    Some(lower_hex(low)? as u64)
}

/// A field of a span that may be null.
#[derive(Clone, Copy)]
enum Field {
    ParentId,
    Name,
    Timestamp,
    Duration,
    Annotations,
    BinaryAnnotations,
    Debug,
    Unknown,
}

impl Field {
    fn from_name(name: &[u8]) -> Self {
        match name {
            b"parentId" => Self::ParentId,
            b"name" => Self::Name,
            b"timestamp" => Self::Timestamp,
            b"duration" => Self::Duration,
            b"annotations" => Self::Annotations,
            b"binaryAnnotations" => Self::BinaryAnnotations,
            b"debug" => Self::Debug,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
