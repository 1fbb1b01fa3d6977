//! Spans out of the rows of a trace: the v1 model is told to the decoder of its thrift format,
//! which knows the rules by which one row becomes one span or several. What that format can't say
//! is added after: annotations at time 0, the address 0.0.0.0, and the kind of a span without a
//! local endpoint.

use std::net::Ipv4Addr;

use speargun_model::codec::{Format, decode};
use speargun_model::{Annotation, Bounds, Kind, Span, SpanBatch, SpanId, TraceId};

use crate::row::kind;

/// A row of `zipkin_spans` that was read.
#[derive(Debug, Default)]
pub(crate) struct SpanFields {
    pub(crate) trace_id: TraceId,
    pub(crate) id: i64,
    pub(crate) name: Vec<u8>,
    pub(crate) parent_id: i64,
    pub(crate) debug: bool,
    pub(crate) start_us: i64,
    pub(crate) duration_us: i64,
}

/// A row of `zipkin_annotations` that was read.
#[derive(Debug, Default)]
pub(crate) struct AnnotationFields {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) kind: i64,
    pub(crate) timestamp_us: i64,
    pub(crate) ipv4: Option<i64>,
    pub(crate) ipv6: Vec<u8>,
    pub(crate) port: i64,
    pub(crate) service_name: Vec<u8>,
}

/// Turns rows into spans, keeping its memory from one row to the next.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    batch: SpanBatch,
}

impl Decoder {
    /// Adds the spans of a row to `out`. A row that says what no span can adds none.
    pub(crate) fn push(
        &mut self,
        row: &SpanFields,
        annotations: &[AnnotationFields],
        out: &mut Vec<Span>,
    ) {
        let mut thrift = Thrift(Vec::with_capacity(128 + annotations.len() * 96));
        thrift.list(1);
        thrift.span(row, annotations);
        let decoded = decode(
            Format::Thrift,
            thrift.0.into(),
            &Bounds::WIDEST,
            &mut self.batch,
        );
        if let Err(error) = decoded {
            tracing::debug!(%error, "a row of zipkin_spans is no span");
            return;
        }
        let first = out.len();
        out.extend(self.batch.views().map(|view| view.to_span()));
        let made = out.get_mut(first..).unwrap_or_default();
        for span in &mut *made {
            // Thrift has no ids of 0, and was told others.
            span.trace_id = row.trace_id;
            span.id = SpanId(row.id.cast_unsigned());
        }
        complete(made, annotations);
    }
}

/// Adds what thrift can't say.
fn complete(spans: &mut [Span], annotations: &[AnnotationFields]) {
    for annotation in annotations.iter().filter(|a| a.ipv4 == Some(0)) {
        add_zero_address(spans, annotation);
    }
    let at_zero = |a: &&AnnotationFields| a.kind == kind::ANNOTATION && a.timestamp_us == 0;
    for annotation in annotations.iter().filter(at_zero) {
        let service = String::from_utf8_lossy(&annotation.service_name);
        let of = spans
            .iter()
            .position(|span| span.local_service_name().unwrap_or_default() == service)
            .unwrap_or_default();
        if let Some(span) = spans.get_mut(of) {
            span.annotations.push(Annotation {
                timestamp_us: 0,
                value: String::from_utf8_lossy(&annotation.key).into_owned(),
            });
            span.normalise();
        }
    }
    if let [span] = spans
        && span.local_endpoint.is_none()
    {
        let begin = |a: &Annotation| {
            let kind = match a.value.as_str() {
                "cs" => Kind::Client,
                "sr" => Kind::Server,
                "ms" => Kind::Producer,
                "mr" | "wr" => Kind::Consumer,
                _ => return None,
            };
            (a.timestamp_us.unsigned_abs() == span.timestamp_us).then_some((kind, a.value.clone()))
        };
        if let Some((kind, mark)) = span.annotations.iter().find_map(begin) {
            let end = match kind {
                Kind::Client => "cr",
                Kind::Server => "ss",
                Kind::Producer => "ws",
                Kind::Consumer => "mr",
            };
            let start = span.timestamp_us.cast_signed();
            let end_us = start.saturating_add(span.duration_us.cast_signed());
            let is_mark = |a: &Annotation| {
                (a.timestamp_us == start && a.value == mark)
                    || (span.duration_us != 0 && a.timestamp_us == end_us && a.value == end)
            };
            span.annotations.retain(|a| !is_mark(a));
            span.kind = Some(kind);
        }
    }
}

/// Adds 0.0.0.0 to the endpoint that a row is about.
fn add_zero_address(spans: &mut [Span], row: &AnnotationFields) {
    let service = String::from_utf8_lossy(&row.service_name);
    for span in spans {
        let endpoint = if row.kind == kind::ADDRESS {
            &mut span.remote_endpoint
        } else {
            &mut span.local_endpoint
        };
        let known = endpoint.clone().unwrap_or_default();
        if known.service_name.as_deref().unwrap_or_default() == service && known.ipv4.is_none() {
            endpoint.get_or_insert_default().ipv4 = Some(Ipv4Addr::UNSPECIFIED);
        }
    }
}

/// Thrift's binary protocol.
struct Thrift(Vec<u8>);

const BOOL: u8 = 2;
const I16: u8 = 6;
const I32: u8 = 8;
const I64: u8 = 10;
const STRING: u8 = 11;
const STRUCT: u8 = 12;
const LIST: u8 = 15;
const STOP: u8 = 0;

impl Thrift {
    fn list(&mut self, count: usize) {
        self.0.push(STRUCT);
        self.0.extend((count as u32).to_be_bytes());
    }

    fn field(&mut self, kind: u8, number: u16) {
        self.0.push(kind);
        self.0.extend(number.to_be_bytes());
    }

    fn i64(&mut self, number: u16, value: i64) {
        self.field(I64, number);
        self.0.extend(value.to_be_bytes());
    }

    fn bytes(&mut self, number: u16, value: &[u8]) {
        self.field(STRING, number);
        self.0.extend((value.len() as u32).to_be_bytes());
        self.0.extend(value);
    }

    /// Writes a text; what is no UTF-8 is replaced.
    fn text(&mut self, number: u16, value: &[u8]) {
        match std::str::from_utf8(value) {
            Ok(_) => self.bytes(number, value),
            Err(_) => self.bytes(number, String::from_utf8_lossy(value).as_bytes()),
        }
    }

    fn span(&mut self, row: &SpanFields, annotations: &[AnnotationFields]) {
        let or_another = |id: i64| if id == 0 { i64::MIN } else { id };
        self.i64(1, or_another(row.trace_id.low.cast_signed()));
        self.text(3, &row.name);
        self.i64(4, or_another(row.id));
        self.i64(5, row.parent_id);
        let of = |wanted: bool| {
            let is_annotation = move |a: &&AnnotationFields| (a.kind == kind::ANNOTATION) == wanted;
            annotations.iter().filter(is_annotation)
        };
        self.field(LIST, 6);
        self.list(of(true).count());
        for annotation in of(true) {
            self.i64(1, annotation.timestamp_us);
            self.text(2, &annotation.key);
            self.endpoint(3, annotation);
            self.0.push(STOP);
        }
        self.field(LIST, 8);
        self.list(of(false).count());
        for binary in of(false) {
            self.text(1, &binary.key);
            self.text(2, &binary.value);
            self.field(I32, 3);
            self.0.extend((binary.kind as i32).to_be_bytes());
            self.endpoint(4, binary);
            self.0.push(STOP);
        }
        self.field(BOOL, 9);
        self.0.push(row.debug.into());
        self.i64(10, row.start_us);
        self.i64(11, row.duration_us);
        self.0.push(STOP);
    }

    fn endpoint(&mut self, number: u16, row: &AnnotationFields) {
        self.field(STRUCT, number);
        self.field(I32, 1);
        self.0
            .extend((row.ipv4.unwrap_or_default() as i32).to_be_bytes());
        self.field(I16, 2);
        self.0.extend((row.port as i16).to_be_bytes());
        self.text(3, &row.service_name);
        if row.ipv6.len() == 16 {
            self.bytes(4, &row.ipv6);
        }
        self.0.push(STOP);
    }
}
