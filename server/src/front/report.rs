//! Answers to calls of gRPC, Zipkin's `Report` and OTLP's `Export`: a status in trailers, in
//! headers, or for browsers in the body. What the message holds is the collector's business.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, TRAILER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Version};
use http_body::Body;
use speargun_collector::Inlet;
use speargun_collector::receive::grpc;
use speargun_collector::receive::http::Limits;
use speargun_collector::receive::otlp::grpc as otlp;
use speargun_model::codec::base64_text;

use super::reply::{self, Reply};
use super::service::discard;

/// For browsers trailers are a frame of the body.
const WEB_DONE: &[u8] = b"\x80\0\0\0\x10grpc-status: 0\r\n";
const GRPC_STATUS: http::HeaderName = http::HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: http::HeaderName = http::HeaderName::from_static("grpc-message");
const GRPC_ENCODING: http::HeaderName = http::HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: http::HeaderName =
    http::HeaderName::from_static("grpc-accept-encoding");
const GRPC_DETAILS: http::HeaderName = http::HeaderName::from_static("grpc-status-details-bin");

/// A method that can be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Method {
    /// Zipkin's.
    Report,
    /// OTLP's.
    Export,
}

/// Answers a call of the method.
pub(crate) async fn answer<B>(
    inlet: &Inlet,
    (method, head, body): (Method, &Parts, B),
    limits: &Limits,
) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
{
    let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let Some(web) = content_type.and_then(is_for_browsers) else {
        discard(body).await;
        return reply::with_body(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            reply::PLAIN_TEXT,
            "Missing or invalid Content-Type header.",
        );
    };
    let verdict = match method {
        Method::Report => grpc::receive(inlet, body, limits).await,
        Method::Export => otlp::receive(inlet, (&head.headers, body), limits).await,
    };
    let content_type = if web {
        "application/grpc-web+proto"
    } else {
        "application/grpc+proto"
    };
    let status = grpc_status(&verdict);
    if verdict.code != grpc::Code::Ok {
        // An answer of nothing but a status carries it in its headers.
        let mut reply = reply::empty(StatusCode::OK);
        *reply.headers_mut() = status;
        reply::set(&mut reply, CONTENT_TYPE, content_type);
        reply::set(&mut reply, CONTENT_LENGTH, "0");
        if verdict.code == grpc::Code::Unimplemented {
            reply::set(&mut reply, GRPC_ACCEPT_ENCODING, otlp::ACCEPTED_ENCODINGS);
        }
        return reply;
    }
    let mut message = frame(&verdict.reply);
    let mut reply = if web {
        message.extend_from_slice(WEB_DONE);
        reply::with_body(StatusCode::OK, content_type, message)
    } else {
        reply::with_trailers(content_type, message.into(), status)
    };
    reply::set(&mut reply, GRPC_ENCODING, "identity");
    if !web && head.version < Version::HTTP_2 {
        reply::set(&mut reply, TRAILER, "grpc-status");
    }
    reply
}

/// A message behind its flag and length; answers are short and not compressed.
fn frame(message: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(5 + message.len());
    framed.push(0);
    framed.extend_from_slice(&(message.len() as u32).to_be_bytes());
    framed.extend_from_slice(message);
    framed
}

/// Returns whether a content type is that of browsers, or `None` when it is none of gRPC.
fn is_for_browsers(content_type: &[u8]) -> Option<bool> {
    const TYPES: [(&[u8], bool); 4] = [
        (b"application/grpc", false),
        (b"application/grpc+proto", false),
        (b"application/grpc-web", true),
        (b"application/grpc-web+proto", true),
    ];
    let known = TYPES
        .iter()
        .find(|(name, _)| content_type.eq_ignore_ascii_case(name));
    known.map(|(_, web)| *web)
}

fn grpc_status(verdict: &grpc::GrpcVerdict) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(GRPC_STATUS, HeaderValue::from(verdict.code as u16));
    if !verdict.message.is_empty()
        && let Ok(message) = HeaderValue::from_str(&percent_encode(&verdict.message))
    {
        headers.insert(GRPC_MESSAGE, message);
    }
    if let Some(details) = &verdict.details
        && let Ok(details) = HeaderValue::from_str(&base64_text(details))
    {
        headers.insert(GRPC_DETAILS, details);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_exact_in_any_case() {
        let of = |text: &str| is_for_browsers(text.as_bytes());
        assert_eq!(of("Application/GRPC"), Some(false));
        assert_eq!(of("application/grpc+proto"), Some(false));
        assert_eq!(of("application/grpc-web+proto"), Some(true));
        for other in [
            "application/grpc+json",
            "application/grpc; charset=utf-8",
            "application/grpcx",
            "application/grpc-web-text",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(percent_encode("a b%\n\u{e9}"), "a b%25%0A%C3%A9");
    }
}
