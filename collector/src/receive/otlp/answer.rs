//! The messages that OTLP's answers consist of, in protobuf and in JSON: what was left out of a
//! request that was taken, and why another one was not. They are small, so they are written here
//! and not by a library.
//!
//! ```text
//! ExportTraceServiceResponse { 1: { 1: rejected_spans int64   2: error_message } }
//! google.rpc.Status          { 1: code int32   2: message   3: repeated Any }
//! Any { 1: type_url   2: value }      RetryInfo { 1: Duration { 1: seconds int64 } }
//! ```

use bytes::Bytes;
use speargun_model::batch::LeftOut;
use speargun_model::codec::json_text;

use crate::receive::grpc::Code;

/// How long a sender waits before it tries again.
pub const RETRY_AFTER_SECONDS: u64 = 1;

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// An encoding of OTLP over HTTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoded {
    /// `application/x-protobuf`.
    Protobuf,
    /// `application/json`.
    Json,
}

impl Encoded {
    /// Returns its content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// Returns the answer to a request that was taken: an empty message, unless spans were left out.
pub(super) fn response(encoded: Encoded, left_out: LeftOut) -> Bytes {
    let text = reason(left_out);
    match encoded {
        Encoded::Protobuf => match text {
            None => Bytes::new(),
            Some(text) => {
                let mut partial = Vec::new();
                put_number(1, left_out.spans.into(), &mut partial);
                put_bytes(2, text.as_bytes(), &mut partial);
                let mut out = Vec::new();
                put_bytes(1, &partial, &mut out);
                out.into()
            }
        },
        Encoded::Json => match text {
            None => Bytes::from_static(b"{}"),
            Some(text) => format!(
                "{{\"partialSuccess\":{{\"rejectedSpans\":\"{}\",\"errorMessage\":{}}}}}",
                left_out.spans,
                json_text(&text)
            )
            .into(),
        },
    }
}

fn reason(left_out: LeftOut) -> Option<String> {
    let LeftOut { spans, why } = left_out;
    let why = why.unwrap_or_default();
    (spans > 0).then(|| format!("{spans} spans are no spans and were not stored; the first: {why}"))
}

/// Returns the answer to a request that was not taken.
pub(super) fn status(encoded: Encoded, (code, message): (Code, &str), retry: bool) -> Bytes {
    match encoded {
        Encoded::Protobuf => {
            let mut out = Vec::new();
            put_number(1, code as u64, &mut out);
            put_bytes(2, message.as_bytes(), &mut out);
            if retry {
                put_bytes(3, &retry_info(), &mut out);
            }
            out.into()
        }
        Encoded::Json => {
            let details = if retry {
                format!(
                    ",\"details\":[{{\"@type\":\"{RETRY_INFO}\",\
                     \"retryDelay\":\"{RETRY_AFTER_SECONDS}s\"}}]"
                )
            } else {
                String::new()
            };
            let message = json_text(message);
            format!("{{\"code\":{},\"message\":{message}{details}}}", code as u8).into()
        }
    }
}

fn retry_info() -> Vec<u8> {
    let mut delay = Vec::new();
    put_number(1, RETRY_AFTER_SECONDS, &mut delay);
    let mut info = Vec::new();
    put_bytes(1, &delay, &mut info);
    let mut any = Vec::new();
    put_bytes(1, RETRY_INFO.as_bytes(), &mut any);
    put_bytes(2, &info, &mut any);
    any
}

fn put_number(field: u8, value: u64, out: &mut Vec<u8>) {
    out.push(field << 3);
    put_varint(value, out);
}

fn put_bytes(field: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(field << 3 | 2);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: LeftOut = LeftOut {
        spans: 2,
        why: Some("no \"id\""),
    };

    #[test]
    fn what_was_taken_whole_needs_no_words() {
        let all = LeftOut::default();
        assert_eq!(response(Encoded::Protobuf, all), "");
        assert_eq!(response(Encoded::Json, all), "{}");
    }

    #[test]
    fn spans_left_out_are_counted_and_explained() {
        let text = "2 spans are no spans and were not stored; the first: no \"id\"";
        let mut expected = vec![0x0a, text.len() as u8 + 4, 0x08, 2, 0x12, text.len() as u8];
        expected.extend_from_slice(text.as_bytes());
        assert_eq!(response(Encoded::Protobuf, TWO), expected);
        let json = response(Encoded::Json, TWO);
        let json = std::str::from_utf8(&json).unwrap();
        assert_eq!(
            json,
            "{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\
             \"2 spans are no spans and were not stored; the first: no \\\"id\\\"\"}}"
        );
    }

    #[test]
    fn a_status_says_when_to_try_again() {
        let once = status(Encoded::Protobuf, (Code::InvalidArgument, "bad"), false);
        assert_eq!(once, &b"\x08\x03\x12\x03bad"[..]);
        let again = status(Encoded::Protobuf, (Code::Unavailable, "full"), true);
        let mut expected = b"\x08\x0e\x12\x04full\x1a\x30\x0a\x28".to_vec();
        expected.extend_from_slice(RETRY_INFO.as_bytes());
        expected.extend_from_slice(b"\x12\x04\x0a\x02\x08\x01");
        assert_eq!(again, expected);
        assert_eq!(
            status(Encoded::Json, (Code::ResourceExhausted, "full"), true),
            "{\"code\":8,\"message\":\"full\",\"details\":[{\"@type\":\
             \"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1s\"}]}"
        );
    }

    #[test]
    fn long_texts_have_long_lengths() {
        let mut out = Vec::new();
        put_bytes(2, &[b'x'; 300], &mut out);
        assert_eq!(out.get(..3), Some(&[0x12, 0xac, 0x02][..]));
    }
}
