//! A span as rows of Zipkin's tables: the v1 model, in which annotations say what fields say
//! today. The way back is `decode`.
//!
//! ```text
//! kind CLIENT    cs at the start, cr at the end, sa: the remote endpoint
//!      SERVER    sr                ss             ca
//!      PRODUCER  ms                ws             ma
//!      CONSUMER  wr (mr if alone)  mr             ma
//! no kind        -                 -              sa
//! lc             the local endpoint, when no other row has it
//! ```

use std::borrow::Cow;

use speargun_model::{Endpoint, Kind, Span};

use crate::text::{TextRoom, fit_value};

/// The number of a row's type.
pub(crate) mod kind {
    /// An annotation.
    pub(crate) const ANNOTATION: i64 = -1;
    /// The address of another party.
    pub(crate) const ADDRESS: i64 = 0;
    /// A tag.
    pub(crate) const TAG: i64 = 6;
}

/// A row of `zipkin_spans`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SpanRow<'a> {
    /// Upper and lower half of the trace id, and the span id: the key.
    pub(crate) key: (i64, i64, i64),
    pub(crate) name: Cow<'a, str>,
    pub(crate) remote_name: Cow<'a, str>,
    pub(crate) parent_id: Option<i64>,
    pub(crate) debug: bool,
    pub(crate) start_us: Option<i64>,
    pub(crate) duration_us: Option<i64>,
    /// The half of a shared span that did not make the id: its start does not replace another.
    pub(crate) shared: bool,
}

/// A row of `zipkin_annotations`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct AnnotationRow<'a> {
    pub(crate) span: (i64, i64, i64),
    pub(crate) key: Cow<'a, str>,
    /// None of an annotation.
    pub(crate) value: Option<&'a [u8]>,
    pub(crate) kind: i64,
    pub(crate) timestamp_us: i64,
    pub(crate) endpoint: Option<EndpointColumns<'a>>,
}

/// Where it happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EndpointColumns<'a> {
    pub(crate) service_name: Cow<'a, str>,
    pub(crate) ipv4: Option<i64>,
    pub(crate) ipv6: Option<[u8; 16]>,
    pub(crate) port: Option<i64>,
}

/// The rows of many spans.
#[derive(Debug, Default)]
pub(crate) struct Rows<'a> {
    pub(crate) spans: Vec<SpanRow<'a>>,
    pub(crate) annotations: Vec<AnnotationRow<'a>>,
    /// Spans of which a value was cut.
    pub(crate) cut: u64,
}

impl<'a> Rows<'a> {
    /// Adds a span.
    pub(crate) fn push(&mut self, span: &'a Span, room: TextRoom) {
        let mut maker = Maker {
            span,
            room,
            cut: false,
            key: (
                span.trace_id.high.cast_signed(),
                span.trace_id.low.cast_signed(),
                span.id.0.cast_signed(),
            ),
            out: &mut self.annotations,
        };
        let row = maker.span_row();
        maker.annotations();
        self.cut += u64::from(maker.cut);
        self.spans.push(row);
    }
}

struct Maker<'a, 'o> {
    span: &'a Span,
    room: TextRoom,
    cut: bool,
    key: (i64, i64, i64),
    out: &'o mut Vec<AnnotationRow<'a>>,
}

impl<'a> Maker<'a, '_> {
    fn span_row(&mut self) -> SpanRow<'a> {
        let span = self.span;
        // Zipkin's server writes a name that is not known as none.
        let known = |name: Option<&'a str>| name.filter(|name| *name != "unknown");
        SpanRow {
            key: self.key,
            name: self.fit(known(span.name.as_deref()).unwrap_or_default()),
            remote_name: self.fit(known(span.remote_service_name()).unwrap_or_default()),
            parent_id: span.parent_id.map(|id| id.0.cast_signed()),
            debug: span.debug,
            start_us: present(span.timestamp_us),
            duration_us: present(span.duration_us).filter(|_| !span.shared),
            shared: span.shared,
        }
    }

    fn annotations(&mut self) {
        let span = self.span;
        let marks = Marks::of(span);
        let local = span.local_endpoint.as_ref().map(|e| self.endpoint(e));
        let before = self.out.len();
        for (key, timestamp_us) in [marks.begin, marks.end].into_iter().flatten() {
            self.annotation(Cow::Borrowed(key), timestamp_us, local.clone());
        }
        for annotation in &span.annotations {
            let value = annotation.value.as_str();
            let is_mark = |mark: Option<(&str, i64)>| mark.is_some_and(|(key, _)| key == value);
            if !is_mark(marks.begin) && !is_mark(marks.end) {
                let value = self.fit(value);
                self.annotation(value, annotation.timestamp_us, local.clone());
            }
        }
        for (key, value) in &span.tags {
            let key = self.fit(key);
            let held = fit_value(value);
            self.cut |= held.len() < value.len();
            self.binary(key, (kind::TAG, held.as_bytes()), local.clone());
        }
        if self.out.len() == before && local.is_some() {
            self.binary(Cow::Borrowed("lc"), (kind::TAG, b""), local);
        }
        if let Some(remote) = &span.remote_endpoint {
            let remote = self.endpoint(remote);
            self.binary(
                Cow::Borrowed(marks.address),
                (kind::ADDRESS, b"\x01"),
                Some(remote),
            );
        }
    }

    fn annotation(
        &mut self,
        key: Cow<'a, str>,
        timestamp_us: i64,
        endpoint: Option<EndpointColumns<'a>>,
    ) {
        self.out.push(AnnotationRow {
            span: self.key,
            key,
            value: None,
            kind: kind::ANNOTATION,
            timestamp_us,
            endpoint,
        });
    }

    fn binary(
        &mut self,
        key: Cow<'a, str>,
        (kind, value): (i64, &'a [u8]),
        endpoint: Option<EndpointColumns<'a>>,
    ) {
        self.out.push(AnnotationRow {
            span: self.key,
            key,
            value: Some(value),
            kind,
            // Zipkin writes 0 when there is none, so that the unique key holds.
            timestamp_us: present(self.span.timestamp_us).unwrap_or_default(),
            endpoint,
        });
    }

    fn endpoint(&mut self, endpoint: &'a Endpoint) -> EndpointColumns<'a> {
        // Zipkin's server writes none for 0.0.0.0 and reads 0 as none.
        let ipv4 = endpoint.ipv4.map(u32::from);
        EndpointColumns {
            service_name: self.fit(endpoint.service_name.as_deref().unwrap_or_default()),
            ipv4: ipv4.map(|address| i64::from(address.cast_signed())),
            ipv6: endpoint.ipv6.map(|address| address.octets()),
            port: (endpoint.port != 0).then(|| i64::from(endpoint.port.cast_signed())),
        }
    }

    fn fit(&mut self, text: &'a str) -> Cow<'a, str> {
        let held = self.room.fit(text);
        self.cut |= matches!(held, Cow::Owned(_));
        held
    }
}

fn present(us: u64) -> Option<i64> {
    i64::try_from(us).ok().filter(|us| *us != 0)
}

/// The annotations and the address by which a span's kind is told.
struct Marks {
    begin: Option<(&'static str, i64)>,
    end: Option<(&'static str, i64)>,
    address: &'static str,
}

impl Marks {
    /// Annotations that are marks themselves win over what the span says, as in Zipkin.
    fn of(span: &Span) -> Self {
        let mut kind = span.kind;
        let mut start = present(span.timestamp_us);
        let duration = present(span.duration_us);
        let mut end = start.zip(duration).and_then(|(s, d)| s.checked_add(d));
        for annotation in &span.annotations {
            let at = annotation.timestamp_us;
            match annotation.value.as_str() {
                "cs" => (kind, start) = (Some(Kind::Client), Some(earlier(start, at))),
                "sr" => (kind, start) = (Some(Kind::Server), Some(earlier(start, at))),
                "cr" => (kind, end) = (Some(Kind::Client), Some(later(end, at))),
                "ss" => (kind, end) = (Some(Kind::Server), Some(later(end, at))),
                "ms" => (kind, start) = (Some(Kind::Producer), Some(earlier(start, at))),
                "ws" => end = Some(later(end, at)),
                "mr" => (kind, end) = (Some(Kind::Consumer), Some(later(end, at))),
                "wr" => start = Some(earlier(start, at)),
                _ => {}
            }
        }
        let (begin, finish, address) = match kind {
            None => {
                return Self {
                    begin: None,
                    end: None,
                    address: "sa",
                };
            }
            Some(Kind::Client) => ("cs", "cr", "sa"),
            Some(Kind::Server) => ("sr", "ss", "ca"),
            Some(Kind::Producer) => ("ms", "ws", "ma"),
            Some(Kind::Consumer) if end.is_none() => ("mr", "", "ma"),
            Some(Kind::Consumer) => ("wr", "mr", "ma"),
        };
        Self {
            begin: start.map(|us| (begin, us)),
            end: end.map(|us| (finish, us)),
            address,
        }
    }
}

fn earlier(known: Option<i64>, at: i64) -> i64 {
    known.map_or(at, |known| known.min(at))
}

fn later(known: Option<i64>, at: i64) -> i64 {
    known.map_or(at, |known| known.max(at))
}
