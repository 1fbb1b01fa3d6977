//! A span that is going on: it has a context, and when its trace is kept, what will be reported.

use std::net::SocketAddr;
use std::time::Duration;

use speargun_model::{Annotation, Endpoint, Kind, Span};

use super::context::TraceContext;
use super::tracer::Tracer;

/// Bytes of a tag's value or an annotation; what is longer is cut.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// Tags of a span, and annotations: more are left out.
const FIELDS_MAX: usize = 128;

/// A span that is going on. It ends with [`ActiveSpan::finish`], or when it is dropped. One whose
/// trace is not kept costs its ids and nothing more.
#[derive(Debug)]
#[must_use = "a span that is dropped has ended"]
pub struct ActiveSpan {
    tracer: Tracer,
    context: TraceContext,
    record: Option<Box<Record>>,
}

#[derive(Debug)]
struct Record {
    span: Span,
    started: Duration,
}

impl ActiveSpan {
    /// Begins a span now. `shared` is whether the caller reports one with the same id.
    pub(super) fn begin(tracer: Tracer, context: TraceContext, shared: bool) -> Self {
        let record = context.sampling.is_kept().then(|| {
            let span = Span {
                trace_id: context.trace_id,
                parent_id: context.parent_id,
                id: context.span_id,
                timestamp_us: tracer.clock().epoch_us(),
                debug: context.sampling == super::Sampling::Debug,
                shared,
                ..Span::default()
            };
            let started = tracer.clock().elapsed();
            Box::new(Record { span, started })
        });
        Self {
            tracer,
            context,
            record,
        }
    }

    /// Returns the context that calls made within this span belong to.
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// Returns whether anything is recorded.
    pub fn is_recorded(&self) -> bool {
        self.record.is_some()
    }

    /// Names the operation. Zipkin reads names in lower case.
    pub fn name(&mut self, name: impl Into<String>) {
        if let Some(record) = &mut self.record {
            let mut name = name.into();
            if name.bytes().any(|b| b.is_ascii_uppercase()) || !name.is_ascii() {
                name = name.to_lowercase();
            }
            record.span.name = Some(name).filter(|name| !name.is_empty());
        }
    }

    /// Says which side of a call this is.
    pub fn kind(&mut self, kind: Kind) {
        if let Some(record) = &mut self.record {
            record.span.kind = Some(kind);
        }
    }

    /// Adds a tag; the last one of a key counts.
    pub fn tag(&mut self, key: &str, value: &str) {
        let Some(record) = &mut self.record else {
            return;
        };
        let tags = &mut record.span.tags;
        if let Some((_, old)) = tags.iter_mut().find(|(k, _)| k == key) {
            cut(value).clone_into(old);
        } else if tags.len() < FIELDS_MAX {
            tags.push((key.to_owned(), cut(value).to_owned()));
        }
    }

    /// Marks the span as failed, unless it is already.
    pub fn error(&mut self, why: &str) {
        let failed = |record: &Record| record.span.tags.iter().any(|(key, _)| key == "error");
        if self.record.as_deref().is_some_and(|record| !failed(record)) {
            self.tag("error", why);
        }
    }

    /// Notes an event at this moment.
    pub fn annotate(&mut self, value: &str) {
        let timestamp_us = self.tracer.clock().epoch_us().cast_signed();
        if let Some(record) = &mut self.record
            && record.span.annotations.len() < FIELDS_MAX
        {
            record.span.annotations.push(Annotation {
                timestamp_us,
                value: cut(value).to_owned(),
            });
        }
    }

    /// Names the other side of the call.
    pub fn remote_service(&mut self, name: &str) {
        if let Some(record) = &mut self.record {
            let remote = record.span.remote_endpoint.get_or_insert_default();
            remote.service_name = Some(name.to_lowercase()).filter(|name| !name.is_empty());
        }
    }

    /// Says where the other side is.
    pub fn remote_address(&mut self, address: SocketAddr) {
        if let Some(record) = &mut self.record {
            let remote = record.span.remote_endpoint.get_or_insert_default();
            set_address(remote, address);
        }
    }

    /// Ends the span now.
    pub fn finish(self) {
        drop(self);
    }

    /// Ends the span and forgets it.
    pub fn abandon(mut self) {
        self.record = None;
    }
}

impl Drop for ActiveSpan {
    fn drop(&mut self) {
        let Some(record) = self.record.take() else {
            return;
        };
        let Record { mut span, started } = *record;
        let took = self.tracer.clock().elapsed().saturating_sub(started);
        // Zero would be no duration at all.
        span.duration_us = (took.as_micros() as u64).max(1);
        span.remote_endpoint = span.remote_endpoint.and_then(Endpoint::into_option);
        self.tracer.report(span);
    }
}

/// Writes an address into an endpoint; an IPv4 address within IPv6 is IPv4.
pub(crate) fn set_address(endpoint: &mut Endpoint, address: SocketAddr) {
    match address.ip().to_canonical() {
        std::net::IpAddr::V4(ip) => endpoint.ipv4 = Some(ip),
        std::net::IpAddr::V6(ip) => endpoint.ipv6 = Some(ip),
    }
    endpoint.port = address.port();
}

fn cut(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let end = (0..=TEXT_BYTES_MAX)
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}
