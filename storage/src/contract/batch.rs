//! Batches made from owned spans, as if a decoder had read them. No wire format.

use speargun_model::batch::{EndpointRecord, Slice, SpanRecord, Text};
use speargun_model::{Endpoint, Span, SpanBatch};

/// Returns the spans as a batch. Names lie in `extra`, all else in `body`, so that engines meet
/// texts in both.
pub fn batch_of(spans: &[Span]) -> SpanBatch {
    let mut made = Made::default();
    for span in spans {
        made.push(span);
    }
    let mut batch = made.batch;
    batch.body = made.body.into();
    batch
}

#[derive(Default)]
struct Made {
    batch: SpanBatch,
    body: Vec<u8>,
}

impl Made {
    fn push(&mut self, span: &Span) {
        let record = SpanRecord {
            trace_id: span.trace_id,
            parent_id: span.parent_id.map_or(0, |id| id.0),
            id: span.id.0,
            timestamp_us: span.timestamp_us,
            duration_us: span.duration_us,
            name: self.extra(span.name.as_deref()),
            local: self.endpoint(span.local_endpoint.as_ref()),
            remote: self.endpoint(span.remote_endpoint.as_ref()),
            tags: self.tags(span),
            annotations: self.annotations(span),
            kind: span.kind,
            debug: span.debug,
            shared: span.shared,
        };
        self.batch.spans.push(record);
    }

    fn tags(&mut self, span: &Span) -> Slice {
        let first = self.batch.tags.len() as u32;
        for (key, value) in &span.tags {
            let pair = (self.body(key), self.body(value));
            self.batch.tags.push(pair);
        }
        Slice {
            first,
            count: span.tags.len() as u32,
        }
    }

    fn annotations(&mut self, span: &Span) -> Slice {
        let first = self.batch.annotations.len() as u32;
        for annotation in &span.annotations {
            let value = self.body(&annotation.value);
            self.batch
                .annotations
                .push((annotation.timestamp_us, value));
        }
        Slice {
            first,
            count: span.annotations.len() as u32,
        }
    }

    fn endpoint(&mut self, endpoint: Option<&Endpoint>) -> EndpointRecord {
        let Some(endpoint) = endpoint else {
            return EndpointRecord::default();
        };
        let mut ipv6 = 0;
        if let Some(address) = endpoint.ipv6 {
            self.batch.ipv6.push(address.octets());
            ipv6 = self.batch.ipv6.len() as u32;
        }
        EndpointRecord {
            service_name: self.extra(endpoint.service_name.as_deref()),
            ipv4: endpoint.ipv4.map_or(0, u32::from),
            ipv6,
            port: endpoint.port,
            has_ipv4: endpoint.ipv4.is_some(),
        }
    }

    fn body(&mut self, text: &str) -> Text {
        let start = self.body.len();
        self.body.extend_from_slice(text.as_bytes());
        Text::in_body(start, text.len())
    }

    fn extra(&mut self, text: Option<&str>) -> Text {
        let text = text.unwrap_or_default();
        let start = self.batch.extra.len();
        self.batch.extra.extend_from_slice(text.as_bytes());
        Text::in_extra(start, text.len())
    }
}
