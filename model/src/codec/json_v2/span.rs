//! The objects of a Zipkin v2 list: spans, endpoints, annotations, tags. Each reads its fields in
//! any order; the rules of a single value are in `value`.

use crate::batch::{EndpointRecord, Text};
use crate::codec::json_v2::cursor::Cursor;
use crate::codec::json_v2::fault::{Cause, Fault, rule};
use crate::codec::json_v2::value::{INT, LONG};
use crate::codec::{
    begin_record, check_fields, check_port, close_record, missing_ids, put_ip, text,
};
use crate::endpoint::ip::parse_ip;
use crate::span::Kind;

/// A field of a span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    TraceId,
    ParentId,
    Id,
    Kind,
    Name,
    Timestamp,
    Duration,
    LocalEndpoint,
    RemoteEndpoint,
    Annotations,
    Tags,
    Debug,
    Shared,
    Unknown,
}

impl Field {
    fn from_name(name: &[u8]) -> Self {
        match name {
            b"traceId" => Self::TraceId,
            b"parentId" => Self::ParentId,
            b"id" => Self::Id,
            b"kind" => Self::Kind,
            b"name" => Self::Name,
            b"timestamp" => Self::Timestamp,
            b"duration" => Self::Duration,
            b"localEndpoint" => Self::LocalEndpoint,
            b"remoteEndpoint" => Self::RemoteEndpoint,
            b"annotations" => Self::Annotations,
            b"tags" => Self::Tags,
            b"debug" => Self::Debug,
            b"shared" => Self::Shared,
            _ => Self::Unknown,
        }
    }
}

/// A field of an endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum EndpointField {
    ServiceName,
    Ip,
    Port,
    Unknown,
}

impl EndpointField {
    /// How compact JSON says the most frequent.
    const COMMON: [(&[u8], Self); 3] = [
        (b"\"serviceName\":", Self::ServiceName),
        (b"\"ipv4\":", Self::Ip),
        (b"\"port\":", Self::Port),
    ];

    fn from_name(name: &[u8]) -> Self {
        match name {
            b"serviceName" => Self::ServiceName,
            b"ipv4" | b"ipv6" => Self::Ip,
            b"port" => Self::Port,
            _ => Self::Unknown,
        }
    }
}

impl Cursor<'_> {
    /// Reads a span and pushes it to the batch.
    #[inline]
    pub(super) fn span(&mut self) -> Result<(), Fault> {
        let mut span = begin_record(self.out);
        let mut has_id = false;
        let mut more = self.open(b'{', b'}')?;
        while more {
            match self.field()? {
                Field::TraceId => span.trace_id = self.trace_id()?,
                Field::Id => {
                    span.id = self.span_id("id")?;
                    has_id = true;
                }
                // Anything but the ids may be null, which is nothing said.
                _ if self.take_null() => {}
                Field::ParentId => span.parent_id = self.span_id("parentId")?,
                Field::Kind => span.kind = Some(self.kind()?),
                Field::Name => span.name = self.name()?,
                Field::Timestamp => span.timestamp_us = self.positive()?,
                Field::Duration => span.duration_us = self.positive()?,
                Field::LocalEndpoint => span.local = self.endpoint()?,
                Field::RemoteEndpoint => span.remote = self.endpoint()?,
                Field::Annotations => self.annotations()?,
                Field::Tags => self.tags()?,
                Field::Debug => span.debug |= self.boolean()?,
                Field::Shared => span.shared |= self.boolean()?,
                Field::Unknown => self.skip_value(1)?,
            }
            more = self.more(b'}')?;
        }
        if let Some(text) = missing_ids(&span, has_id) {
            return Err(rule(text.to_owned()));
        }
        close_record(span, self.out);
        Ok(())
    }

    /// Reads a key and its colon.
    #[inline(always)]
    fn field(&mut self) -> Result<Field, Fault> {
        if let Some(window) = self.body.get(self.at..).and_then(<[u8]>::first_chunk::<17>)
            && let Some((field, length)) = common_field(window)
        {
            self.at += length;
            return Ok(field);
        }
        let key = self.key()?;
        Ok(Field::from_name(self.out.bytes(key)))
    }

    /// Reads any key and its colon.
    #[inline(always)]
    pub(in crate::codec) fn key(&mut self) -> Result<Text, Fault> {
        let key = self.string()?;
        self.take(b':')?;
        Ok(key)
    }

    #[inline(always)]
    fn positive(&mut self) -> Result<u64, Fault> {
        Ok(self.integer(LONG)?.max(0).cast_unsigned())
    }

    #[inline(always)]
    fn kind(&mut self) -> Result<Kind, Fault> {
        let text = self.text()?;
        match self.out.bytes(text) {
            b"CLIENT" => Ok(Kind::Client),
            b"SERVER" => Ok(Kind::Server),
            b"PRODUCER" => Ok(Kind::Producer),
            b"CONSUMER" => Ok(Kind::Consumer),
            other => Err(unknown_kind(other)),
        }
    }

    /// Reads an endpoint, which both versions write alike.
    pub(in crate::codec) fn endpoint(&mut self) -> Result<EndpointRecord, Fault> {
        self.peek_token();
        let start = self.at;
        let rest = self.body.get(start..).unwrap_or_default();
        if let Some((endpoint, length)) = self.endpoints.recall(rest) {
            self.at = start + length;
            return Ok(endpoint);
        }
        let endpoint = self.new_endpoint()?;
        self.endpoints.keep(start, self.at, endpoint);
        Ok(endpoint)
    }

    fn new_endpoint(&mut self) -> Result<EndpointRecord, Fault> {
        let mut endpoint = EndpointRecord::default();
        let mut more = self.open(b'{', b'}')?;
        while more {
            match self.endpoint_field()? {
                _ if self.take_null() => {}
                EndpointField::ServiceName => endpoint.service_name = self.name()?,
                EndpointField::Ip => {
                    let text = self.text()?;
                    if let Some(ip) = parse_ip(self.out.bytes(text)) {
                        put_ip(&mut endpoint, ip, &mut self.out.ipv6);
                    }
                }
                EndpointField::Port => {
                    endpoint.port = check_port(self.integer(INT)?).map_err(rule)?;
                }
                EndpointField::Unknown => self.skip_value(2)?,
            }
            more = self.more(b'}')?;
        }
        Ok(endpoint)
    }

    /// Reads a key of an endpoint and its colon.
    #[inline(always)]
    fn endpoint_field(&mut self) -> Result<EndpointField, Fault> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        for (text, field) in EndpointField::COMMON {
            if rest.starts_with(text) {
                self.at += text.len();
                return Ok(field);
            }
        }
        let key = self.key()?;
        Ok(EndpointField::from_name(self.out.bytes(key)))
    }

    fn annotations(&mut self) -> Result<(), Fault> {
        let mut more = self.open(b'[', b']')?;
        while more {
            let annotation = self.annotation()?;
            check_fields(self.out.annotations.len())?;
            self.out.annotations.push(annotation);
            more = self.more(b']')?;
        }
        Ok(())
    }

    #[inline(always)]
    fn annotation(&mut self) -> Result<(i64, Text), Fault> {
        let mut timestamp_us = None;
        let mut value = None;
        let mut more = self.open(b'{', b'}')?;
        while more {
            let key = self.key()?;
            match self.out.bytes(key) {
                b"timestamp" => timestamp_us = Some(self.integer(LONG)?),
                b"value" => value = Some(self.text()?),
                _ => self.skip_value(3)?,
            }
            more = self.more(b'}')?;
        }
        match (timestamp_us, value) {
            (Some(timestamp_us), Some(value)) => Ok((timestamp_us, value)),
            _ => Err(Fault::new(Cause::IncompleteAnnotation(self.at - 1))),
        }
    }

    #[inline(always)]
    fn tags(&mut self) -> Result<(), Fault> {
        let mut more = self.open(b'{', b'}')?;
        while more {
            let key = self.string()?;
            let value = if self.take_pair(*b":\"") {
                self.rest_of_string()?
            } else {
                self.odd_value()?
            };
            check_fields(self.out.tags.len())?;
            self.out.tags.push((key, value));
            more = self.more(b'}')?;
        }
        Ok(())
    }

    /// Moves behind the two bytes, if they are the next: what stands between two strings in
    /// compact JSON.
    #[inline(always)]
    fn take_pair(&mut self, pair: [u8; 2]) -> bool {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let is_next = rest.first_chunk() == Some(&pair);
        self.at += usize::from(is_next) * pair.len();
        is_next
    }

    /// Reads a colon and the value of a tag.
    #[cold]
    #[inline(never)]
    fn odd_value(&mut self) -> Result<Text, Fault> {
        self.take(b':')?;
        if self.take_null() {
            return Err(Fault::new(Cause::NoValue(self.at)));
        }
        self.text()
    }
}

/// Returns the field whose quoted name and colon begin the window, and their length. What is not
/// found here is read the long way, so this only has to know compact JSON.
#[inline(always)]
fn common_field(window: &[u8; 17]) -> Option<(Field, usize)> {
    macro_rules! field {
        ($text:literal, $field:ident) => {
            window
                .starts_with($text)
                .then_some((Field::$field, $text.len()))
        };
    }
    match [window[1], window[2]] {
        [b't', b'r'] => field!(b"\"traceId\":", TraceId),
        [b'p', b'a'] => field!(b"\"parentId\":", ParentId),
        [b'i', b'd'] => field!(b"\"id\":", Id),
        [b'k', b'i'] => field!(b"\"kind\":", Kind),
        [b'n', b'a'] => field!(b"\"name\":", Name),
        [b't', b'i'] => field!(b"\"timestamp\":", Timestamp),
        [b'd', b'u'] => field!(b"\"duration\":", Duration),
        [b'l', b'o'] => field!(b"\"localEndpoint\":", LocalEndpoint),
        [b'r', b'e'] => field!(b"\"remoteEndpoint\":", RemoteEndpoint),
        [b'a', b'n'] => field!(b"\"annotations\":", Annotations),
        [b't', b'a'] => field!(b"\"tags\":", Tags),
        [b'd', b'e'] => field!(b"\"debug\":", Debug),
        [b's', b'h'] => field!(b"\"shared\":", Shared),
        _ => None,
    }
}

#[cold]
fn unknown_kind(name: &[u8]) -> Fault {
    let name = text::lossy(name);
    rule(format!("No enum constant zipkin2.Span.Kind.{name}"))
}
