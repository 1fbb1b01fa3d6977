//! The workload's spans as OpenTelemetry's SDK reports them: a batch has one resource and one
//! scope, and what Zipkin keeps in endpoints are attributes. Numbers are those of OTLP's schema.

use crate::workload::{Kind, Span};

/// Returns the `ExportTraceServiceRequest` of a batch of one instance.
pub fn encode(spans: &[Span]) -> Vec<u8> {
    let service = spans.first().map_or("", |span| &span.local.service_name);
    let mut resource = Vec::new();
    for (key, value) in [
        ("service.name", service),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.language", "java"),
        ("telemetry.sdk.version", "1.60.0"),
    ] {
        bytes(&mut resource, 1, &text(key, value));
    }
    let mut scope = Vec::new();
    bytes(&mut scope, 1, b"shop");
    let mut scope_spans = Vec::with_capacity(spans.len() * 500);
    bytes(&mut scope_spans, 1, &scope);
    for span in spans {
        bytes(&mut scope_spans, 2, &encode_span(span));
    }
    let mut resource_spans = Vec::with_capacity(scope_spans.len() + 200);
    bytes(&mut resource_spans, 1, &resource);
    bytes(&mut resource_spans, 2, &scope_spans);
    let mut out = Vec::with_capacity(resource_spans.len() + 10);
    bytes(&mut out, 1, &resource_spans);
    out
}

fn encode_span(span: &Span) -> Vec<u8> {
    let mut out = Vec::with_capacity(500);
    bytes(&mut out, 1, &span.trace_id.to_be_bytes());
    bytes(&mut out, 2, &span.id.to_be_bytes());
    if span.parent_id != 0 {
        bytes(&mut out, 4, &span.parent_id.to_be_bytes());
    }
    bytes(&mut out, 5, span.name.as_bytes());
    if let Some(kind) = span.kind {
        let kind = match kind {
            Kind::Server => 2,
            Kind::Client => 3,
            Kind::Producer => 4,
            Kind::Consumer => 5,
        };
        number(&mut out, 6, kind);
    }
    fixed64(&mut out, 7, span.timestamp_us * 1000);
    fixed64(&mut out, 8, (span.timestamp_us + span.duration_us) * 1000);
    for (key, value) in &span.tags {
        bytes(&mut out, 9, &text(key, value));
    }
    if !span.remote.service_name.is_empty() {
        bytes(
            &mut out,
            9,
            &text("peer.service", &span.remote.service_name),
        );
    }
    let [a, b, c, d] = span.remote.ipv4;
    let address = format!("{a}.{b}.{c}.{d}");
    bytes(&mut out, 9, &text("network.peer.address", &address));
    let mut port = Vec::new();
    number(&mut port, 3, span.remote.port.into());
    bytes(&mut out, 9, &attribute("network.peer.port", &port));
    for (at, value) in &span.annotations {
        let mut event = Vec::new();
        fixed64(&mut event, 1, at * 1000);
        bytes(&mut event, 2, value.as_bytes());
        bytes(&mut out, 11, &event);
    }
    out
}

fn text(key: &str, value: &str) -> Vec<u8> {
    let mut any = Vec::new();
    bytes(&mut any, 1, value.as_bytes());
    attribute(key, &any)
}

fn attribute(key: &str, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(&mut out, 1, key.as_bytes());
    bytes(&mut out, 2, value);
    out
}

fn bytes(out: &mut Vec<u8>, field: u64, value: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3);
    varint(out, value);
}

fn fixed64(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use speargun_model::codec::{self, Format as Codec};
    use speargun_model::{Bounds, SpanBatch};

    use super::encode;
    use crate::workload::{Traffic, batches};

    #[test]
    fn every_span_of_a_batch_is_read_with_its_endpoints() {
        let spans = Traffic::new(3).spans(500, 1_760_000_000_000_000, 1_000_000);
        let mut read = 0;
        for batch in batches(spans, 50) {
            let mut out = SpanBatch::default();
            let body = encode(&batch).into();
            codec::decode(Codec::OtlpProto, body, &Bounds::default(), &mut out).unwrap();
            for (span, view) in batch.iter().zip(out.views()) {
                let decoded = view.to_span();
                assert_eq!(decoded.duration_us, span.duration_us);
                let service: &str = &span.local.service_name;
                assert_eq!(decoded.local_service_name(), Some(service));
                assert_eq!(
                    decoded.kind.map(speargun_model::Kind::name),
                    span.kind.map(crate::workload::Kind::name)
                );
                // Three of the resource, one of the scope, two or three of the other side.
                let more = decoded.tags.len() - span.tags.len();
                assert!((6..=7).contains(&more), "{more}");
            }
            read += out.spans.len();
        }
        assert_eq!(read, 500);
    }
}
