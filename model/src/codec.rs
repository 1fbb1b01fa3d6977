//! Wire formats: one a file, the same verbs in each. `decode` fills a [`SpanBatch`] from a body,
//! `encode` appends owned spans as Zipkin itself would write them, byte for byte.

#![expect(
    clippy::inline_always,
    reason = "the decoders are one loop cut into small functions for the reader; as calls they take half again as long"
)]

use bytes::Bytes;

use crate::batch::{Bounds, EndpointRecord, FIELDS_MAX, Slice, SpanBatch, SpanRecord};
use crate::endpoint::ip::IpAddress;
use crate::id::TraceId;
use crate::span::Kind;

pub mod answer;
pub mod json_v2;
pub mod proto3;

mod detect;
mod endpoints;
mod fault;
mod json_v1;
mod otlp;
mod otlp_json;
mod otlp_proto;
mod scan;
mod text;
mod thrift;
mod v1;

/// Why a body is refused. `Display` is the text of the 400 that the sender sees; it is Zipkin's
/// own where its clients may depend on it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not what they claim to be, or a field is not what the format allows.
    #[error("{0}")]
    Malformed(String),
    /// The first bytes are not those of any list, or the list is JSON of the other version. Zipkin
    /// finds out before it decodes, and counts such a message once instead of twice.
    #[error("Expected a {expected} encoded list{}\n", but(*.received))]
    NotAList {
        /// The format asked for.
        expected: &'static str,
        /// The format found, if it is a known one.
        received: Option<&'static str>,
    },
    /// The body is beyond one of the [`Bounds`].
    #[error("{what} exceeds {max}")]
    TooLarge {
        /// What is too large, in words.
        what: &'static str,
        /// The bound.
        max: usize,
    },
}

fn but(received: Option<&'static str>) -> String {
    received.map_or_else(String::new, |format| format!(", but received: {format}"))
}

/// A format that spans arrive in. The numbers are stored in the journal: never reuse one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Format {
    /// A JSON list of Zipkin v2 spans.
    JsonV2 = 1,
    /// `zipkin.proto3.ListOfSpans`.
    Proto3 = 2,
    /// A JSON list of Zipkin v1 spans.
    JsonV1 = 3,
    /// A list of Zipkin v1 spans in thrift's binary protocol.
    Thrift = 4,
    /// OTLP's `ExportTraceServiceRequest` in protobuf.
    OtlpProto = 5,
    /// The same in JSON.
    OtlpJson = 6,
}

impl Format {
    /// Returns the format with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::JsonV2),
            2 => Some(Self::Proto3),
            3 => Some(Self::JsonV1),
            4 => Some(Self::Thrift),
            5 => Some(Self::OtlpProto),
            6 => Some(Self::OtlpJson),
            _ => None,
        }
    }

    /// Returns the format that a body of a transport without content types has, or `None` when it
    /// is no list. Unlike in Zipkin a JSON list counts as version 1 only by a field that version 2
    /// lacks, so that none of version 2 loses what its decoder would have read.
    pub fn detect(body: &[u8]) -> Option<Self> {
        detect::detect(body)
    }

    fn name(self) -> &'static str {
        match self {
            Self::JsonV2 => "JSON_V2",
            Self::Proto3 => "PROTO3",
            Self::JsonV1 => "JSON_V1",
            Self::Thrift => "THRIFT",
            Self::OtlpProto => "OTLP_PROTO",
            Self::OtlpJson => "OTLP_JSON",
        }
    }

    /// Returns whether it is one of OpenTelemetry's, where a body is no list.
    pub fn is_otlp(self) -> bool {
        matches!(self, Self::OtlpProto | Self::OtlpJson)
    }
}

/// Decodes `body` into `out`, which is emptied first and keeps the body. After an error `out`
/// holds no spans.
pub fn decode(
    format: Format,
    body: Bytes,
    bounds: &Bounds,
    out: &mut SpanBatch,
) -> Result<(), DecodeError> {
    out.clear();
    out.body = body;
    // A second handle of the same bytes, to read them while the batch grows.
    let body = out.body.clone();
    let decoded = check_body(format, &body, bounds).and_then(|()| match format {
        Format::JsonV2 => json_v2::decode(&body, bounds, out),
        Format::Proto3 => proto3::decode(&body, bounds, out),
        Format::JsonV1 => json_v1::decode(&body, bounds, out),
        Format::Thrift => thrift::decode(&body, bounds, out),
        Format::OtlpProto => otlp_proto::decode(&body, bounds, out),
        Format::OtlpJson => otlp_json::decode(&body, bounds, out),
    });
    let decoded = decoded.and_then(|()| check_more(out, bounds));
    if decoded.is_err() {
        out.empty();
    }
    decoded
}

/// Returns a text as a string of JSON, in its quotes.
pub fn json_text(plain: &str) -> String {
    let mut out = Vec::new();
    text::write_json_string(plain.as_bytes(), &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Returns the bytes in base 64, with padding.
pub fn base64_text(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    otlp::value::write_base64(bytes, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// Refuses one more tag or annotation than a body may have.
#[inline(always)]
pub(crate) fn check_fields(count: usize) -> Result<(), DecodeError> {
    let max = FIELDS_MAX;
    if count < max {
        Ok(())
    } else {
        Err(DecodeError::TooLarge {
            what: "tags or annotations",
            max,
        })
    }
}

/// Refuses spans that would take far more stored than they do in their body.
fn check_more(out: &SpanBatch, bounds: &Bounds) -> Result<(), DecodeError> {
    let max = bounds.more_bytes_max;
    if out.more_bytes <= max {
        return Ok(());
    }
    let what = "bytes of texts that spans share";
    Err(DecodeError::TooLarge { what, max })
}

/// Refuses what is too large and what no list of any known format begins with.
fn check_body(format: Format, body: &[u8], bounds: &Bounds) -> Result<(), DecodeError> {
    let max = bounds.body_bytes_max.min(BODY_BYTES_MAX);
    if body.len() > max {
        return Err(DecodeError::TooLarge { what: "body", max });
    }
    // Any known format's first byte passes: one that was not named fails a little later, with
    // another text.
    let is_list = format.is_otlp()
        || match body {
            [] | [b'[' | 0x0b | 0x0c, ..] => true,
            [0x0a, length, ..] => *length != 0,
            _ => false,
        };
    if is_list {
        Ok(())
    } else {
        Err(DecodeError::NotAList {
            expected: format.name(),
            received: None,
        })
    }
}

/// A body must leave room for the top bit of a text.
const BODY_BYTES_MAX: usize = (1 << 31) - 1;

/// Returns the port, 0 for what is not positive, or Zipkin's words for what is no port.
fn check_port(port: i64) -> Result<u16, String> {
    u16::try_from(port.max(0)).map_err(|_| format!("invalid port {port}"))
}

/// Returns a record whose tags and annotations are those that join the batch from now on.
#[inline(always)]
fn begin_record(out: &SpanBatch) -> SpanRecord {
    SpanRecord {
        tags: Slice {
            first: out.tags.len() as u32,
            count: 0,
        },
        annotations: Slice {
            first: out.annotations.len() as u32,
            count: 0,
        },
        ..SpanRecord::default()
    }
}

/// Ends a record of which all fields are known: it joins the batch.
#[inline(always)]
fn close_record(mut record: SpanRecord, out: &mut SpanBatch) {
    settle(&mut record);
    record.tags.count = out.tags.len() as u32 - record.tags.first;
    record.annotations.count = out.annotations.len() as u32 - record.annotations.first;
    out.spans.push(record);
}

/// Applies the rules that involve two fields, once all of a span are known.
fn settle(record: &mut SpanRecord) {
    if record.parent_id == record.id {
        record.parent_id = 0;
    }
    if record.kind == Some(Kind::Client) {
        record.shared = false;
    }
}

/// Sets the address of its family; whichever field it came in does not matter.
#[inline(always)]
fn put_ip(endpoint: &mut EndpointRecord, ip: IpAddress, ipv6: &mut Vec<[u8; 16]>) {
    match ip {
        IpAddress::V4(address) => {
            endpoint.ipv4 = address.to_bits();
            endpoint.has_ipv4 = true;
        }
        IpAddress::V6(address) => {
            ipv6.push(address.octets());
            endpoint.ipv6 = ipv6.len() as u32;
        }
    }
}

/// Returns Zipkin's words for a span without one of its ids, `None` when it has both.
#[inline(always)]
fn missing_ids(span: &SpanRecord, has_id: bool) -> Option<&'static str> {
    match (span.trace_id != TraceId::default(), has_id) {
        (true, true) => None,
        (true, false) => Some("Missing : id"),
        (false, true) => Some("Missing : traceId"),
        (false, false) => Some("Missing : traceId id"),
    }
}
