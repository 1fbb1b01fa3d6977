//! JSON v2, and what JSON of both versions is made of.

use std::io::Write;

use super::{Marks, is_wide};
use crate::workload::span::{Endpoint, Span, Text};

/// Appends formatted text. Writing to memory can't fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        write!($out, $($text)*).unwrap_or(())
    };
}

/// A body in the making and its marks.
#[derive(Default)]
pub(super) struct Body {
    pub(super) out: Vec<u8>,
    pub(super) marks: Marks,
}

pub(super) fn encode(spans: &[Span]) -> (Vec<u8>, Marks) {
    let mut body = Body {
        out: Vec::with_capacity(spans.len() * 640 + 2),
        marks: Marks::default(),
    };
    body.list(spans, Body::span);
    (body.out, body.marks)
}

impl Body {
    fn span(&mut self, span: &Span) {
        self.ids(span);
        if let Some(kind) = span.kind {
            put!(self.out, ",\"kind\":\"{}\"", kind.name());
        }
        self.name(span);
        self.times(span.timestamp_us, span.duration_us);
        for (key, endpoint) in [
            ("localEndpoint", &span.local),
            ("remoteEndpoint", &span.remote),
        ] {
            if !endpoint.is_empty() {
                put!(self.out, ",\"{key}\":");
                self.endpoint(endpoint);
            }
        }
        if !span.annotations.is_empty() {
            self.out.extend_from_slice(b",\"annotations\":");
            self.list(&span.annotations, |body, (at, value)| {
                body.out.extend_from_slice(b"{\"timestamp\":");
                body.time(*at);
                body.out.extend_from_slice(b",\"value\":");
                body.text(value);
                body.out.push(b'}');
            });
        }
        self.tags(&span.tags);
        if span.debug {
            self.out.extend_from_slice(b",\"debug\":true");
        }
        if span.shared {
            self.out.extend_from_slice(b",\"shared\":true");
        }
        self.out.push(b'}');
    }

    /// Opens the object and writes the ids, which are the same in both versions.
    pub(super) fn ids(&mut self, span: &Span) {
        if is_wide(span.trace_id) {
            put!(self.out, "{{\"traceId\":\"{:032x}", span.trace_id);
        } else {
            put!(self.out, "{{\"traceId\":\"{:016x}", span.trace_id);
        }
        self.marks.id(span.trace_id, self.out.len(), 16);
        self.out.push(b'"');
        if span.parent_id != 0 {
            put!(self.out, ",\"parentId\":\"{:016x}", span.parent_id);
            self.marks.span_id(self.out.len(), 16);
            self.out.push(b'"');
        }
        put!(self.out, ",\"id\":\"{:016x}", span.id);
        self.marks.span_id(self.out.len(), 16);
        self.out.push(b'"');
    }

    pub(super) fn name(&mut self, span: &Span) {
        if !span.name.is_empty() {
            self.out.extend_from_slice(b",\"name\":");
            self.text(&span.name);
        }
    }

    pub(super) fn times(&mut self, timestamp_us: u64, duration_us: u64) {
        if timestamp_us != 0 {
            self.out.extend_from_slice(b",\"timestamp\":");
            self.time(timestamp_us);
        }
        if duration_us != 0 {
            put!(self.out, ",\"duration\":{duration_us}");
        }
    }

    fn tags(&mut self, tags: &[(Text, Text)]) {
        if tags.is_empty() {
            return;
        }
        self.out.extend_from_slice(b",\"tags\":{");
        for (index, (key, value)) in tags.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            self.text(key);
            self.out.push(b':');
            self.marks.value((key, value), self.out.len() + 1);
            self.text(value);
        }
        self.out.push(b'}');
    }

    pub(super) fn list<T>(&mut self, all: &[T], one: impl Fn(&mut Self, &T)) {
        self.out.push(b'[');
        for (index, item) in all.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            one(self, item);
        }
        self.out.push(b']');
    }

    /// Times of other lengths, which only recorded spans have, are never renewed.
    pub(super) fn time(&mut self, at_us: u64) {
        let start = self.out.len();
        put!(self.out, "{at_us}");
        if self.out.len() - start == 16 {
            self.marks.times.push(start as u32);
        }
    }

    pub(super) fn endpoint(&mut self, endpoint: &Endpoint) {
        self.out.push(b'{');
        let mut first = true;
        let mut next = |body: &mut Self| {
            if !std::mem::take(&mut first) {
                body.out.push(b',');
            }
        };
        if !endpoint.service_name.is_empty() {
            next(self);
            self.out.extend_from_slice(b"\"serviceName\":");
            self.text(&endpoint.service_name);
        }
        if endpoint.ipv4 != [0; 4] {
            next(self);
            let [a, b, c, d] = endpoint.ipv4;
            put!(self.out, "\"ipv4\":\"{a}.{b}.{c}.{d}\"");
        }
        if endpoint.ipv6 != [0; 16] {
            next(self);
            let address = std::net::Ipv6Addr::from(endpoint.ipv6);
            put!(self.out, "\"ipv6\":\"{address}\"");
        }
        if endpoint.port != 0 {
            next(self);
            put!(self.out, "\"port\":{}", endpoint.port);
        }
        self.out.push(b'}');
    }

    pub(super) fn text(&mut self, text: &str) {
        self.out.push(b'"');
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.out.extend_from_slice(&[b'\\', byte]),
                0..0x20 => put!(self.out, "\\u{byte:04x}"),
                _ => self.out.push(byte),
            }
        }
        self.out.push(b'"');
    }
}
