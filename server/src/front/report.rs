//! Answers to gRPC's `Report`: a status in trailers, in headers, or for browsers in the body. What
//! the message holds is the collector's business.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TRAILER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use http_body::Body;
use speargun_collector::Inlet;
use speargun_collector::receive::grpc;
use speargun_collector::receive::http::Limits;

use super::reply::{self, Reply};

const EMPTY_MESSAGE: [u8; 5] = [0; 5];
const GRPC_STATUS: http::HeaderName = http::HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: http::HeaderName = http::HeaderName::from_static("grpc-message");
const GRPC_ENCODING: http::HeaderName = http::HeaderName::from_static("grpc-encoding");

/// Answers a call of the method.
pub(crate) async fn answer<B>(inlet: &Inlet, (head, body): (&Parts, B), limits: &Limits) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
{
    let content_type = head
        .headers
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    if !content_type.starts_with(b"application/grpc") {
        return reply::with_body(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            reply::PLAIN_TEXT,
            "Missing or invalid Content-Type header.",
        );
    }
    let verdict = grpc::receive(inlet, body, limits).await;
    if content_type.starts_with(b"application/grpc-web") {
        return web_reply(&verdict);
    }
    let trailers = grpc_status(&verdict);
    if verdict.code != grpc::Code::Ok {
        // An answer of nothing but a status carries it in its headers.
        let mut reply = reply::empty(StatusCode::OK);
        *reply.headers_mut() = trailers;
        reply::set(&mut reply, CONTENT_TYPE, "application/grpc+proto");
        return reply;
    }
    let mut reply = reply::with_trailers(
        "application/grpc+proto",
        Bytes::from_static(&EMPTY_MESSAGE),
        trailers,
    );
    reply::set(&mut reply, GRPC_ENCODING, "identity");
    if head.version < Version::HTTP_2 {
        reply::set(&mut reply, TRAILER, "grpc-status");
    }
    reply
}

fn grpc_status(verdict: &grpc::GrpcVerdict) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(GRPC_STATUS, HeaderValue::from(verdict.code as u16));
    if !verdict.message.is_empty()
        && let Ok(message) = HeaderValue::from_str(&percent_encode(&verdict.message))
    {
        headers.insert(GRPC_MESSAGE, message);
    }
    headers
}

/// gRPC's form of a message: printable ASCII but the percent sign stays.
fn percent_encode(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            let written = write!(out, "%{byte:02X}");
            debug_assert!(written.is_ok(), "strings take all that is written");
        }
    }
    out
}

/// The form for browsers, where trailers are a frame of the body.
fn web_reply(verdict: &grpc::GrpcVerdict) -> Reply {
    let mut trailers = format!("grpc-status: {}\r\n", verdict.code as u8);
    if !verdict.message.is_empty() {
        trailers.push_str("grpc-message: ");
        trailers.push_str(&percent_encode(&verdict.message));
        trailers.push_str("\r\n");
    }
    let mut body = Vec::new();
    if verdict.code == grpc::Code::Ok {
        body.extend_from_slice(&EMPTY_MESSAGE);
    }
    body.push(0x80);
    body.extend_from_slice(&(trailers.len() as u32).to_be_bytes());
    body.extend_from_slice(trailers.as_bytes());
    reply::with_body(StatusCode::OK, "application/grpc-web+proto", body)
}
