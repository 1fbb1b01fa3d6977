//! What the recorded bodies do not show: bounds, and promises that a body cannot keep.

use crate::batch::{Bounds, SpanBatch};
use crate::codec::{DecodeError, Format, decode};

/// Decodes one span with its ids and these fields; returns how many spans there are.
fn with_fields(fields: &[u8], bounds: &Bounds) -> Result<usize, DecodeError> {
    let mut body =
        b"\x0c\0\0\0\x01\x0a\0\x01\0\0\0\0\0\0\0\x01\x0a\0\x04\0\0\0\0\0\0\0\x02".to_vec();
    body.extend_from_slice(fields);
    body.push(0);
    let mut batch = SpanBatch::default();
    decode(Format::Thrift, body.into(), bounds, &mut batch)?;
    Ok(batch.spans.len())
}

fn answer(fields: &[u8]) -> String {
    match with_fields(fields, &Bounds::default()) {
        Ok(count) => count.to_string(),
        Err(error) => error.to_string(),
    }
}

const MISSED: &str = "Truncated: length 1 > bytes available 0 reading List<Span> from TBinary";

#[test]
fn unknown_fields_nest_up_to_a_bound() {
    let nested = |depth: usize| {
        let mut fields = b"\x0c\0\x63".to_vec();
        for _ in 1..depth {
            fields.extend(b"\x0c\0\x01");
        }
        fields.extend(vec![0; depth]);
        answer(&fields)
    };
    assert_eq!(nested(128), "1");
    assert_eq!(nested(129), "nesting exceeds 128");
}

#[test]
fn counts_of_elements_to_skip_cost_nothing_that_is_not_there() {
    // Lists, sets and maps of two billion elements that take no bytes, or more than there are.
    assert_eq!(answer(b"\x0f\0\x63\x01\x7f\xff\xff\xff"), "1");
    assert_eq!(answer(b"\x0e\0\x63\0\x7f\xff\xff\xff"), "1");
    assert_eq!(answer(b"\x0d\0\x63\x01\x07\x7f\xff\xff\xff"), "1");
    assert_eq!(answer(b"\x0f\0\x63\x0a\x7f\xff\xff\xff"), MISSED);
    assert_eq!(answer(b"\x0d\0\x63\x01\x0c\x7f\xff\xff\xff"), MISSED);
    assert_eq!(
        answer(b"\x0f\0\x63\x0f\x7f\xff\xff\xff\x01\x7f\xff\xff\xff"),
        { "Truncated: length 4 > bytes available 0 reading List<Span> from TBinary" }
    );
    assert_eq!(answer(b"\x0f\0\x63\x0b\xff\xff\xff\xff"), "1");
}

#[test]
fn lengths_that_are_none_are_refused() {
    let refused = |fields: &[u8], text: &str| {
        let text = format!("{text} reading List<Span> from TBinary");
        assert_eq!(answer(fields), text);
    };
    refused(
        b"\x0b\0\x03\xff\xff\xff\xff",
        "offset 0, count -1, length 256",
    );
    refused(
        b"\x0b\0\x03\x7f\xff\xff\xff",
        "Truncated: length 2147483647 > bytes available 1",
    );
    assert_eq!(answer(b"\x0b\0\x63\xff\xff\xff\xff"), MISSED);
}

#[test]
fn spans_count_up_to_a_bound() {
    let bounds = |spans_max| Bounds {
        spans_max,
        ..Bounds::default()
    };
    assert_eq!(with_fields(b"", &bounds(1)), Ok(1));
    let error = DecodeError::TooLarge {
        what: "spans",
        max: 0,
    };
    assert_eq!(with_fields(b"", &bounds(0)), Err(error));
}
