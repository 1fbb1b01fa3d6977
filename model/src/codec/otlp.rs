//! What OTLP's two encodings share: how a span of OpenTelemetry becomes one of Zipkin's, as the
//! OpenTelemetry module of Zipkin's community maps it. It knows neither protobuf nor JSON.
//!
//! ```text
//! resource   service.name ─▶ local service      others ─▶ tags, the weakest
//! scope      name, version ─▶ otel.scope.name, otel.scope.version
//! span       attributes ─▶ tags      events ─▶ annotations      links ─▶ otlp.link.N
//!            network.local.* ─▶ local address; peer.service, network.peer.* ─▶ remote endpoint
//! status     otel.status_code; message of an error ─▶ error
//! ```
//!
//! Of tags with one key the last wins, so the order in which they are pushed is the rule: what the
//! resource says yields to the span's attributes, and those to status and scope.

use crate::batch::{EndpointRecord, LeftOut, SpanBatch, SpanRecord, Text};
use crate::codec::{DecodeError, begin_record, check_fields, close_record, put_ip, text};
use crate::endpoint::ip::parse_ip;
use crate::id::TraceId;
use crate::span::Kind;

mod origin;
pub(super) mod value;
pub(super) mod word;

pub(super) use origin::Origin;
use value::Value;
use word::Word;

/// Values nest by recursion: deeper ones are refused.
pub(super) const VALUE_DEPTH_MAX: usize = 64;

/// A span that is being read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    record: SpanRecord,
    /// The lengths of the batch's vectors before this span.
    ipv6: usize,
    extra: usize,
    /// Nanoseconds.
    pub(super) start: u64,
    /// Nanoseconds.
    pub(super) end: u64,
    /// OTLP's number of the kind.
    pub(super) kind: u64,
    /// OTLP's number of the status.
    pub(super) status: u64,
    pub(super) status_message: Text,
    links: u32,
    has_error: bool,
    peer_service: Option<Text>,
    peer: Address,
    own: Address,
    has_id: bool,
    invalid: Option<&'static str>,
}

/// Attributes that say where one side of the span is.
#[derive(Clone, Copy, Debug, Default)]
struct Address {
    ip: Option<Text>,
    port: i64,
}

/// Which id of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Id {
    Trace,
    Span,
    Parent,
}

impl Draft {
    /// Begins a span with what its resource and scope say.
    #[inline(always)]
    pub(super) fn begin(origin: &Origin, out: &mut SpanBatch) -> Result<Self, DecodeError> {
        let draft = Self {
            record: begin_record(out),
            ipv6: out.ipv6.len(),
            extra: out.extra.len(),
            ..Self::default()
        };
        check_shared_tags(out, origin.tags.len())?;
        out.tags.extend_from_slice(&origin.tags);
        Ok(draft)
    }

    /// Takes an id of as many bytes as came; the span is left out when that is not what it must
    /// have. An empty parent is none.
    #[inline(always)]
    pub(super) fn id(&mut self, id: Id, bytes: &[u8]) {
        let record = &mut self.record;
        match id {
            Id::Trace => match <[u8; 16]>::try_from(bytes).map(u128::from_be_bytes) {
                Ok(value) => record.trace_id = TraceId::from_u128(value),
                Err(_) => self.leave_out("a trace id is not 16 bytes"),
            },
            Id::Span => match <[u8; 8]>::try_from(bytes).map(u64::from_be_bytes) {
                Ok(value) => {
                    record.id = value;
                    self.has_id = value != 0;
                }
                Err(_) => self.leave_out("a span id is not 8 bytes"),
            },
            Id::Parent => match <[u8; 8]>::try_from(bytes).map(u64::from_be_bytes) {
                Ok(value) => record.parent_id = value,
                Err(_) if bytes.is_empty() => {}
                Err(_) => self.leave_out("a parent span id is not 8 bytes"),
            },
        }
    }

    /// Says that the span can't be kept, and why.
    #[cold]
    pub(super) fn leave_out(&mut self, why: &'static str) {
        self.invalid.get_or_insert(why);
    }

    /// Takes the name.
    #[inline(always)]
    pub(super) fn name(&mut self, out: &mut SpanBatch, name: Text) -> Result<(), DecodeError> {
        self.record.name = text::lower_case(out, name)?;
        Ok(())
    }

    /// Takes an attribute.
    #[inline(always)]
    pub(super) fn attribute(
        &mut self,
        out: &mut SpanBatch,
        (key, value): (Text, Value),
    ) -> Result<(), DecodeError> {
        match out.bytes(key) {
            b"error" => self.has_error = true,
            b"peer.service" => self.peer_service = Some(value.string()),
            b"network.peer.address" => self.peer.ip = Some(value.string()),
            b"network.peer.port" => self.peer.port = value.integer(),
            b"network.local.address" => self.own.ip = Some(value.string()),
            b"network.local.port" => self.own.port = value.integer(),
            _ => {}
        }
        push_tag(out, key, value.text())
    }

    /// Takes the text of a link.
    pub(super) fn link(&mut self, out: &mut SpanBatch, text: Text) -> Result<(), DecodeError> {
        let start = out.extra.len();
        out.extra.extend_from_slice(b"otlp.link.");
        let key = value::push_integer(out, start, self.links.into())?;
        self.links += 1;
        push_tag(out, key, text)
    }

    /// Ends the span: it joins the batch, or it is left out and counted.
    #[inline(always)]
    pub(super) fn finish(
        mut self,
        origin: &Origin,
        out: &mut SpanBatch,
    ) -> Result<(), DecodeError> {
        if self.record.trace_id == TraceId::default() {
            self.leave_out("a trace id is missing or zero");
        } else if !self.has_id {
            self.leave_out("a span id is missing or zero");
        }
        if let Some(why) = self.invalid {
            self.roll_back(out, why);
            return Ok(());
        }
        self.finish_tags(origin, out)?;
        let (start, end) = (micros(self.start), micros(self.end));
        let mut record = self.record;
        record.kind = match self.kind {
            2 => Some(Kind::Server),
            3 => Some(Kind::Client),
            4 => Some(Kind::Producer),
            5 => Some(Kind::Consumer),
            _ => None,
        };
        record.timestamp_us = start.max(0).cast_unsigned();
        record.duration_us = (end - start).max(1).cast_unsigned();
        if let Some(service_name) = origin.service_name {
            record.local = endpoint(out, service_name, self.own);
        }
        if matches!(record.kind, Some(Kind::Client | Kind::Producer))
            && let Some(name) = self.peer_service.or(self.peer.ip)
        {
            let service_name = text::lower_case(out, name)?;
            record.remote = endpoint(out, service_name, self.peer);
        }
        close_record(record, out);
        out.count_shared(origin.bytes());
        Ok(())
    }

    #[inline(always)]
    fn finish_tags(&mut self, origin: &Origin, out: &mut SpanBatch) -> Result<(), DecodeError> {
        let message = self.status_message;
        if self.status == 0 {
            tag(out, (word::STATUS_DESCRIPTION, message))?;
        } else {
            self.finish_status(out, message)?;
        }
        tag(out, (word::SCOPE_NAME, origin.scope_name))?;
        tag(out, (word::SCOPE_VERSION, origin.scope_version))
    }

    /// The message of an error is the tag by which Zipkin knows errors, empty or not. Where that
    /// tag has another meaning already the message has one of its own.
    fn finish_status(&mut self, out: &mut SpanBatch, message: Text) -> Result<(), DecodeError> {
        let code = match self.status {
            1 => word::OK,
            2 => word::ERROR_CODE,
            _ => word::UNRECOGNIZED,
        };
        tag(out, (word::STATUS_CODE, code.text()))?;
        if self.status == 2 && !self.has_error {
            push_tag(out, word::ERROR.text(), message)
        } else {
            tag(out, (word::STATUS_DESCRIPTION, message))
        }
    }

    #[cold]
    fn roll_back(&self, out: &mut SpanBatch, why: &'static str) {
        out.tags.truncate(self.record.tags.first as usize);
        out.annotations
            .truncate(self.record.annotations.first as usize);
        out.ipv6.truncate(self.ipv6);
        out.extra.truncate(self.extra);
        let LeftOut { spans, why: first } = &mut out.left_out;
        *spans += 1;
        first.get_or_insert(why);
    }
}

/// Takes something that is no attribute of the span at hand, if there is anything to say.
pub(super) fn tag(out: &mut SpanBatch, (word, value): (Word, Text)) -> Result<(), DecodeError> {
    if value.is_empty() {
        return Ok(());
    }
    push_tag(out, word.text(), value)
}

/// Takes an event of the span at hand: nanoseconds, and its name or what was made of it and its
/// attributes.
#[inline(always)]
pub(super) fn event(out: &mut SpanBatch, (time, text): (u64, Text)) -> Result<(), DecodeError> {
    check_fields(out.annotations.len())?;
    out.annotations.push((micros(time), text));
    Ok(())
}

#[inline(always)]
fn push_tag(out: &mut SpanBatch, key: Text, value: Text) -> Result<(), DecodeError> {
    check_fields(out.tags.len())?;
    out.tags.push((key, value));
    Ok(())
}

/// Every span has the tags of its resource and scope, so a small body could make very many: what
/// they take together must stay in proportion to the body. As for `FIELDS_MAX`, what was
/// acknowledged is decoded again, so the bound may grow and never shrink.
#[inline(always)]
fn check_shared_tags(out: &SpanBatch, more: usize) -> Result<(), DecodeError> {
    /// Tags that any body may have.
    const ALWAYS: usize = 1 << 16;
    let max = (ALWAYS + out.body.len()).min(crate::batch::FIELDS_MAX);
    let count = out.tags.len() + more;
    if more == 0 || count <= max {
        return Ok(());
    }
    let what = "tags of resources and scopes";
    Err(DecodeError::TooLarge { what, max })
}

/// As the original reads them: signed, and what is not positive is absent in the end.
#[inline(always)]
fn micros(nanos: u64) -> i64 {
    nanos.cast_signed() / 1000
}

#[inline(always)]
fn endpoint(out: &mut SpanBatch, service_name: Text, address: Address) -> EndpointRecord {
    let mut endpoint = EndpointRecord {
        service_name,
        port: u16::try_from(address.port).unwrap_or(0),
        ..EndpointRecord::default()
    };
    if let Some(ip) = address.ip
        && let Some(ip) = parse_ip(out.bytes(ip))
    {
        put_ip(&mut endpoint, ip, &mut out.ipv6);
    }
    endpoint
}

/// Begins a body: the words that every span may point to lie in front.
pub(super) fn begin(out: &mut SpanBatch) {
    for word in word::ALL {
        out.extra.extend_from_slice(word.bytes());
    }
}

/// Returns the text of a count that something was dropped, empty when nothing was.
pub(super) fn dropped(out: &mut SpanBatch, count: u64) -> Result<Text, DecodeError> {
    if count == 0 {
        return Ok(Text::default());
    }
    let start = out.extra.len();
    value::push_integer(out, start, count.cast_signed())
}

#[cfg(test)]
mod tests;
