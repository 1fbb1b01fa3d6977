//! What the fuzz targets of the decoders share.

use bytes::Bytes;
use speargun_model::Span;
use speargun_model::batch::{Bounds, SpanBatch};
use speargun_model::codec::{Format, decode, json_v2};

/// Returns the spans of a body, if it is one of the format.
pub fn spans(format: Format, body: &[u8]) -> Option<Vec<Span>> {
    let mut batch = SpanBatch::default();
    let body = Bytes::copy_from_slice(body);
    decode(format, body, &Bounds::default(), &mut batch).ok()?;
    Some(batch.views().map(|view| view.to_span()).collect())
}

/// Asserts that spans are read again from what is written of them as JSON v2.
pub fn assert_read_again(given: Vec<Span>) {
    let mut written = Vec::new();
    json_v2::encode_spans(&given, &mut written);
    // A list with these words is taken for one of version 1 and refused.
    let version_1 = b"yAnnotations\"";
    if !written
        .windows(version_1.len())
        .any(|text| text == version_1)
    {
        assert_eq!(spans(Format::JsonV2, &written), Some(given));
    }
}
