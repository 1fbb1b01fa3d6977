//! Any bytes as JSON v2: no panic, and what is read is read again from what is written of it.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use speargun_model::batch::{Bounds, SpanBatch};
use speargun_model::codec::{Format, decode, json_v2};
use speargun_model::{Span, SpanId};

fn spans(body: &[u8]) -> Option<Vec<Span>> {
    let mut batch = SpanBatch::default();
    let body = Bytes::copy_from_slice(body);
    decode(Format::JsonV2, body, &Bounds::default(), &mut batch).ok()?;
    Some(batch.views().map(|view| view.to_span()).collect())
}

fuzz_target!(|body: &[u8]| {
    let Some(mut given) = spans(body) else { return };
    // Sixteen zeros are written, but fewer are what is taken.
    given.retain(|span| span.id != SpanId(0));
    let mut written = Vec::new();
    json_v2::encode_spans(&given, &mut written);
    let version_1 = b"yAnnotations\"";
    if !written.windows(version_1.len()).any(|text| text == version_1) {
        assert_eq!(spans(&written), Some(given));
    }
});
