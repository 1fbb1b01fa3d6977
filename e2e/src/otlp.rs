//! OTLP's requests in protobuf, as small as they can be.

/// The method of gRPC that takes spans.
pub const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Returns an `ExportTraceServiceRequest` of spans that have ids alone.
pub fn request(trace_id: &[u8], span_ids: impl Iterator<Item = u64>) -> Vec<u8> {
    let spans: Vec<Vec<u8>> = span_ids
        .map(|id| {
            field(
                2,
                &[field(1, trace_id), field(2, &id.to_be_bytes())].concat(),
            )
        })
        .collect();
    field(1, &field(2, &spans.concat()))
}

/// A field whose value has a length.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    field.extend_from_slice(bytes);
    field
}
