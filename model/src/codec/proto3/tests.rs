//! The rules of `zipkin.proto3` one by one.

use crate::batch::{Bounds, SpanBatch};
use crate::codec::{Format, decode, json_v2};

/// A field whose value is a length and that many bytes.
fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    [&[field << 3 | 2, value.len() as u8], value].concat()
}

const IDS: &[u8] = &[0x0a, 1, 1, 0x1a, 1, 2];

/// Returns the spans of `body` as JSON without what the ids of [`IDS`] look like, or the error.
fn answer(body: &[u8]) -> String {
    let mut batch = SpanBatch::default();
    let body = bytes::Bytes::copy_from_slice(body);
    match decode(Format::Proto3, body, &Bounds::default(), &mut batch) {
        Ok(()) => {
            let mut out = Vec::new();
            let spans: Vec<_> = batch.views().map(|view| view.to_span()).collect();
            json_v2::encode_spans(&spans, &mut out);
            String::from_utf8(out).unwrap_or_else(|_| "not UTF-8".into())
        }
        Err(error) => error
            .to_string()
            .strip_suffix(" reading List<Span> from proto3")
            .map_or(error.to_string(), str::to_owned),
    }
}

/// Returns the answer for one span of these fields.
fn span(fields: &[u8]) -> String {
    answer(&bytes(1, fields))
}

/// Returns the answer for one span with these fields beside its ids, without what all have.
fn fields(fields: &[u8]) -> String {
    let answer = span(&[IDS, fields].concat());
    answer
        .strip_prefix(r#"[{"traceId":"0000000000000001","id":"0000000000000002""#)
        .and_then(|rest| rest.strip_suffix("}]"))
        .map_or(answer.clone(), |rest| {
            rest.strip_prefix(',').unwrap_or(rest).to_owned()
        })
}

#[test]
fn ids_of_any_length_are_numbers() {
    let trace = bytes(1, &[1; 16]);
    let parent = bytes(2, &[0, 0, 0, 0, 0, 0, 0, 3]);
    assert_eq!(
        span(&[&trace[..], &parent, &[0x1a, 2, 1, 2]].concat()),
        r#"[{"traceId":"01010101010101010101010101010101","parentId":"0000000000000003","id":"0000000000000102"}]"#
    );
    assert_eq!(
        span(&[&bytes(1, &[7; 9])[..], &[0x1a, 1, 0]].concat()),
        r#"[{"traceId":"00000000000000070707070707070707","id":"0000000000000000"}]"#
    );
}

#[test]
fn bad_ids_are_refused() {
    let trace = |id: &[u8]| span(&[&bytes(1, id)[..], &[0x1a, 1, 1]].concat());
    let id = |field: u8, id: &[u8]| span(&[&[0x0a, 1, 1][..], &bytes(field, id)].concat());
    assert_eq!(trace(&[]), "traceId == null");
    assert_eq!(trace(&[0; 16]), "traceId is all zeros");
    assert_eq!(trace(&[1; 17]), "traceId.length > 32");
    assert_eq!(id(3, &[]), "id == null");
    assert_eq!(id(3, &[0; 8]), "id is all zeros");
    assert_eq!(id(3, &[1; 9]), "id.length > 16");
    assert_eq!(id(2, &[1; 9]), "parentId.length > 16");
    assert_eq!(span(&[0x0a, 1, 1]), "Missing : id");
    assert_eq!(span(&[0x1a, 1, 1]), "Missing : traceId");
    assert_eq!(span(&[0x60, 1]), "Missing : traceId id");
}

#[test]
fn a_parent_of_zeros_or_equal_to_the_id_is_dropped() {
    for parent in [&[][..], &[0], &[0; 8], &[2], &[0, 2]] {
        assert_eq!(fields(&bytes(2, parent)), "", "{parent:?}");
    }
}

#[test]
fn kinds_out_of_range_are_ignored() {
    assert_eq!(fields(&[0x20, 4]), r#""kind":"CONSUMER""#);
    assert_eq!(fields(&[0x20, 1, 0x20, 5, 0x20, 0]), r#""kind":"CLIENT""#);
    assert_eq!(
        fields(&[0x20, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        "Index -2 out of bounds for length 4"
    );
}

#[test]
fn times_beyond_the_signed_range_are_absent() {
    let timestamp = |value: u64| fields(&[&[0x31][..], &value.to_le_bytes()].concat());
    assert_eq!(timestamp(1 << 62), r#""timestamp":4611686018427387904"#);
    assert_eq!(timestamp(1 << 63), "");
    assert_eq!(fields(&[0x38, 0xac, 0x02]), r#""duration":300"#);
    let negative = [&[0x38][..], &[0xff; 9], &[1]].concat();
    assert_eq!(fields(&negative), "");
}

#[test]
fn endpoints_take_addresses_in_either_field() {
    let v6 = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let endpoint = [
        bytes(1, b"Front"),
        bytes(2, &v6),
        bytes(3, &[1, 2, 3, 4]),
        vec![0x20, 0xff, 0xff, 3],
    ]
    .concat();
    assert_eq!(
        fields(&bytes(8, &endpoint)),
        r#""localEndpoint":{"serviceName":"front","ipv4":"1.2.3.4","ipv6":"2001:db8::1","port":65535}"#
    );
    assert_eq!(fields(&bytes(9, &bytes(2, &[1, 2, 3]))), "");
    assert_eq!(fields(&bytes(9, &[])), "");
    assert_eq!(
        fields(&bytes(9, &[0x20, 0x80, 0x80, 4])),
        "invalid port 65536"
    );
    let negative = [0x20, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(fields(&bytes(9, &negative)), "");
    // As others write a negative number.
    let wide = [&[0x20][..], &[0xff; 9], &[1]].concat();
    assert_eq!(
        fields(&bytes(9, &wide)),
        "Greater than 32-bit varint at position 15"
    );
}

#[test]
fn flags_are_one_byte() {
    assert_eq!(fields(&[0x60, 1, 0x68, 1]), r#""debug":true,"shared":true"#);
    assert_eq!(fields(&[0x60, 1, 0x60, 0, 0x68, 0]), r#""debug":true"#);
    for flag in [&[2_u8][..], &[0x7f], &[0x81, 0]] {
        assert_eq!(fields(&[&[0x60], flag].concat()), "Malformed", "{flag:?}");
    }
    assert_eq!(fields(&[0x68]), "Truncated: length 1 > bytes available 0");
}

#[test]
fn annotations_need_a_time_and_a_text() {
    let annotation = |time: u8, value: &[u8]| {
        let time = [&[0x09][..], &u64::from(time).to_le_bytes()].concat();
        bytes(10, &[time, bytes(2, value)].concat())
    };
    let all = [
        annotation(2, b"b"),
        annotation(0, b"c"),
        annotation(1, b""),
        annotation(1, b"a"),
    ];
    assert_eq!(
        fields(&all.concat()),
        r#""annotations":[{"timestamp":1,"value":"a"},{"timestamp":2,"value":"b"}]"#
    );
}

#[test]
fn tags_need_a_key_but_no_value() {
    let tag = |key: &[u8], value: &[u8]| bytes(11, &[bytes(1, key), bytes(2, value)].concat());
    let all = [
        tag(b"", b"x"),
        tag(b"b", b"1"),
        bytes(11, &bytes(1, b"a")),
        tag(b"b", b""),
        bytes(
            11,
            &[bytes(2, b"later"), bytes(1, b"c"), bytes(2, b"")].concat(),
        ),
    ];
    assert_eq!(
        fields(&all.concat()),
        r#""tags":{"a":"","b":"","c":"later"}"#
    );
}

#[test]
fn texts_that_are_not_utf8_become_replacement_characters() {
    assert_eq!(fields(&bytes(5, b"A\xff")), "\"name\":\"a\u{fffd}\"");
    let tag = bytes(
        11,
        &[bytes(1, b"k\xe2\x82"), bytes(2, "größe".as_bytes())].concat(),
    );
    assert_eq!(fields(&tag), "\"tags\":{\"k\u{fffd}\":\"größe\"}");
    let name = |bad: &[u8]| fields(&bytes(5, bad)).replace('\u{fffd}', "?");
    assert_eq!(name(b"a\xed\xa0\x80b"), r#""name":"a?b""#);
    assert_eq!(name(b"\xed\xa0\xed\xbf\xbf\xbf"), r#""name":"???""#);
    assert_eq!(name(b"\xed\xa0z\xed\x9f\xed"), r#""name":"?z??""#);
    assert_eq!(name(b"\xc0\x80\xf4\x90\x80"), r#""name":"?????""#);
}

#[test]
fn unknown_fields_of_every_wire_type_are_skipped() {
    let unknown = [
        &[0x72, 3, 1, 2, 3][..],
        &[0x70, 0x80, 1],
        &[
            0x70, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
        ],
        &[0x75, 1, 2, 3, 4],
        &[0x71, 1, 2, 3, 4, 5, 6, 7, 8],
        // A group that holds another, and a field number of two bytes.
        &[0x73, 0x7b, 0x08, 1, 0x7c, 0x74],
        &[0x82, 0x7d, 1, 9],
        &[0x00, 1],
        // A number where the name should be: known number, other wire type.
        &[0x28, 5],
    ]
    .concat();
    let with = [&unknown[..], &bytes(5, b"n")].concat();
    assert_eq!(fields(&with), r#""name":"n""#);
    let endpoint = bytes(8, &[&unknown[..], &bytes(1, b"s")].concat());
    assert_eq!(fields(&endpoint), r#""localEndpoint":{"serviceName":"s"}"#);
}

#[test]
fn broken_messages_are_refused() {
    assert_eq!(
        answer(&[0x0a, 5, 1]),
        "Truncated: length 5 > bytes available 1"
    );
    assert_eq!(
        fields(&[0x31, 1, 2]),
        "Truncated: length 8 > bytes available 2"
    );
    assert_eq!(
        fields(&[0x75, 1, 2]),
        "Truncated: length 4 > bytes available 2"
    );
    assert_eq!(fields(&[0x73]), "Truncated: length 1 > bytes available 0");
    assert_eq!(fields(&[0x74]), "Malformed");
    assert_eq!(fields(&[0x73, 0x7c]), "Malformed");
    assert_eq!(fields(&[0x76]), "Malformed");
    assert_eq!(fields(&[0x00]), "Truncated: length 1 > bytes available 0");
    assert_eq!(
        fields(&[&[0x38][..], &[0xff; 10]].concat()),
        "Greater than 64-bit varint at position 18"
    );
    assert_eq!(fields(&[0x73; 100]), "Malformed");
    assert_eq!(
        fields(&[&[0x2a][..], &[0xff; 9], &[1]].concat()),
        "Greater than 32-bit varint at position 13"
    );
    assert_eq!(answer(b"hello"), "Expected a PROTO3 encoded list\n");
}

#[test]
fn a_span_of_id_zero_survives_encoding() {
    let span = crate::Span {
        trace_id: crate::TraceId { high: 0, low: 1 },
        ..Default::default()
    };
    let mut out = Vec::new();
    super::encode_spans(std::slice::from_ref(&span), &mut out);
    assert_eq!(
        answer(&out),
        r#"[{"traceId":"0000000000000001","id":"0000000000000000"}]"#
    );
}
