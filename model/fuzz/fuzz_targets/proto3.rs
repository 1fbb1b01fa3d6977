//! Any bytes as proto3: no panic, and what is read is read again from what is written of it.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use speargun_model::Span;
use speargun_model::batch::{Bounds, SpanBatch};
use speargun_model::codec::{Format, decode, proto3};

fn spans(body: &[u8]) -> Option<Vec<Span>> {
    let mut batch = SpanBatch::default();
    let body = Bytes::copy_from_slice(body);
    decode(Format::Proto3, body, &Bounds::default(), &mut batch).ok()?;
    Some(batch.views().map(|view| view.to_span()).collect())
}

fuzz_target!(|body: &[u8]| {
    let Some(given) = spans(body) else { return };
    let mut written = Vec::new();
    proto3::encode_spans(&given, &mut written);
    assert_eq!(spans(&written), Some(given));
});
