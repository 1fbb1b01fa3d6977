//! Any bytes as OTLP in JSON: no panic, and what is read is read again from what is written of
//! it as Zipkin's.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use speargun_model::Span;
use speargun_model::batch::{Bounds, SpanBatch};
use speargun_model::codec::{Format, decode, json_v2};

fn spans(format: Format, body: &[u8]) -> Option<Vec<Span>> {
    let mut batch = SpanBatch::default();
    let body = Bytes::copy_from_slice(body);
    decode(format, body, &Bounds::default(), &mut batch).ok()?;
    Some(batch.views().map(|view| view.to_span()).collect())
}

fuzz_target!(|body: &[u8]| {
    let Some(given) = spans(Format::OtlpJson, body) else { return };
    let mut written = Vec::new();
    json_v2::encode_spans(&given, &mut written);
    assert_eq!(spans(Format::JsonV2, &written), Some(given));
});
