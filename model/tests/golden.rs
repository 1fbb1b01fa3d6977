//! Bodies and what Zipkin's own codec made of them: recorded by running its library and its
//! server, a body and its answer in turn. Left out are links to another project's help pages, and
//! the few cases where Zipkin writes what is no address or no text.

#![expect(
    clippy::indexing_slicing,
    reason = "a golden file that cannot be read is a failed test"
)]

use bytes::Bytes;
use speargun_model::batch::{Bounds, SpanBatch};
use speargun_model::codec::{Format, decode, json_v2};

fn answer(format: Format, body: Vec<u8>) -> String {
    let mut batch = SpanBatch::default();
    match decode(format, Bytes::from(body), &Bounds::default(), &mut batch) {
        Ok(()) => {
            let spans: Vec<_> = batch.views().map(|view| view.to_span()).collect();
            let mut out = Vec::new();
            json_v2::encode_spans(&spans, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        }
        Err(error) => error.to_string(),
    }
}

/// Compares every pair of lines; returns how many there were.
fn compare(format: Format, golden: &str, body: impl Fn(&str) -> Vec<u8>) -> usize {
    let lines: Vec<_> = golden.lines().collect();
    for pair in lines.chunks(2) {
        let answer = answer(format, body(pair[0])).replace('\n', "\\n");
        assert_eq!(answer, pair[1], "{}", pair[0]);
    }
    lines.len() / 2
}

#[test]
fn json_v2_is_read_as_zipkin_reads_it() {
    let golden = include_str!("../testdata/json_v2/zipkin-3.6.0-decoder.txt");
    let count = compare(Format::JsonV2, golden, |line| line.as_bytes().to_vec());
    assert_eq!(count, 89);
}

#[test]
fn json_v2_comes_back_from_the_server_as_it_does_here() {
    let golden = include_str!("../testdata/json_v2/zipkin-server-3.6.1.txt");
    let count = compare(Format::JsonV2, golden, |line| line.as_bytes().to_vec());
    assert_eq!(count, 25);
}

#[test]
fn json_v1_is_read_as_zipkin_reads_it() {
    let golden = include_str!("../testdata/json_v1/zipkin-3.6.0-decoder.txt");
    let count = compare(Format::JsonV1, golden, |line| line.as_bytes().to_vec());
    assert_eq!(count, 100);
}

#[test]
fn proto3_is_read_as_zipkin_reads_it() {
    let golden = include_str!("../testdata/proto3/zipkin-3.6.0-decoder.txt");
    assert_eq!(compare(Format::Proto3, golden, hex), 33);
}

#[test]
fn thrift_is_read_as_zipkin_reads_it() {
    let golden = include_str!("../testdata/thrift/zipkin-3.6.0-decoder.txt");
    assert_eq!(compare(Format::Thrift, golden, hex), 105);
}

fn hex(line: &str) -> Vec<u8> {
    let digit = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .map_or(0, |value| value as u8)
    };
    let pairs = line.as_bytes().chunks(2);
    pairs
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

#[test]
fn otlp_json_becomes_zipkins_spans() {
    let golden = include_str!("../testdata/otlp_json/by-hand.txt");
    let count = compare(Format::OtlpJson, golden, |line| line.as_bytes().to_vec());
    assert_eq!(count, 70);
}

#[test]
fn otlp_proto_becomes_zipkins_spans() {
    let golden = include_str!("../testdata/otlp_proto/by-hand.txt");
    let count = compare(Format::OtlpProto, golden, hex);
    assert_eq!(count, 48);
}
