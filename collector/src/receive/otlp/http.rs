//! `POST /v1/traces`: from headers and a body to the status and message of the answer. It knows no
//! paths and no ports.

use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};
use http_body::Body;
use speargun_model::codec::Format;

use super::answer::{self, Encoded};
use crate::inflate::Encoding;
use crate::inlet::{Inlet, Message, Refusal};
use crate::ledger::{Reason, Transport};
use crate::receive::body::{self, BodyError};
use crate::receive::grpc::Code;
use crate::receive::http::{Limits, media_type, why_unstored};

/// The path of OTLP's traces.
pub const TRACES_PATH: &str = "/v1/traces";

/// What to answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OtlpVerdict {
    /// The status.
    pub status: StatusCode,
    /// How the body is encoded, which is how the request's was.
    pub encoded: Encoded,
    /// The body.
    pub body: Bytes,
    /// Whether the sender should try again after [`answer::RETRY_AFTER_SECONDS`].
    pub retry: bool,
    /// Whether the connection can't be used any more: the body was not read to its end.
    pub close: bool,
}

impl OtlpVerdict {
    fn refused(encoded: Encoded, status: StatusCode, (code, text): (Code, &str)) -> Self {
        let retry = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        Self {
            status,
            encoded,
            body: answer::status(encoded, (code, text), retry),
            retry,
            close: false,
        }
    }
}

/// Takes the spans of a request.
pub async fn receive<B>(
    inlet: &Inlet,
    (headers, body): (&HeaderMap, B),
    limits: &Limits,
) -> OtlpVerdict
where
    B: Body<Data = Bytes> + Unpin,
{
    let transport = Transport::OtlpHttp;
    inlet.open(transport);
    let encoded = encoded(headers);
    let body = match read(body, encoded.unwrap_or(Encoded::Json), limits).await {
        Ok(body) => body,
        Err(verdict) => {
            inlet.count_failed(transport);
            return verdict;
        }
    };
    let (encoded, encoding) = match (encoded, encoding(headers)) {
        (Some(encoded), Some(encoding)) => (encoded, encoding),
        (encoded, _) => {
            inlet.count_failed(transport);
            return unsupported(encoded);
        }
    };
    let message = Message {
        transport,
        format: match encoded {
            Encoded::Protobuf => Format::OtlpProto,
            Encoded::Json => Format::OtlpJson,
        },
        encoding,
        body,
    };
    match inlet.take(message).await {
        Ok(left_out) => OtlpVerdict {
            status: StatusCode::OK,
            encoded,
            body: answer::response(encoded, left_out),
            retry: false,
            close: false,
        },
        Err(refusal) => refused(encoded, refusal),
    }
}

async fn read<B>(body: B, encoded: Encoded, limits: &Limits) -> Result<Bytes, OtlpVerdict>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (status, code, text) =
        match tokio::time::timeout(limits.read_timeout, body::read(body, &limits.bodies)).await {
            Ok(Ok(body)) => return Ok(body),
            Ok(Err(BodyError::TooLarge)) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                Code::ResourceExhausted,
                "the body is too large",
            ),
            Ok(Err(BodyError::Busy)) => (
                StatusCode::TOO_MANY_REQUESTS,
                Code::ResourceExhausted,
                "too many bodies are being read",
            ),
            Ok(Err(BodyError::Broken)) => (
                StatusCode::BAD_REQUEST,
                Code::InvalidArgument,
                "the body could not be read",
            ),
            Err(_) => (
                StatusCode::REQUEST_TIMEOUT,
                Code::Unavailable,
                "the body took too long to arrive",
            ),
        };
    Err(OtlpVerdict {
        close: true,
        ..OtlpVerdict::refused(encoded, status, (code, text))
    })
}

/// Returns the encoding that the type says.
fn encoded(headers: &HeaderMap) -> Option<Encoded> {
    let media_type = media_type(headers);
    let is = |name: &str| media_type.eq_ignore_ascii_case(name.as_bytes());
    if is("application/x-protobuf") || is("application/protobuf") {
        Some(Encoded::Protobuf)
    } else if is("application/json") {
        Some(Encoded::Json)
    } else {
        None
    }
}

/// Returns how the body is compressed, or `None` for what is not known: unlike Zipkin's senders
/// these are told.
fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let Some(value) = headers.get(CONTENT_ENCODING) else {
        return Some(Encoding::Identity);
    };
    named(value.as_bytes().trim_ascii())
}

/// Returns the compression of this name.
pub(super) fn named(name: &[u8]) -> Option<Encoding> {
    if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
        Some(Encoding::Identity)
    } else if name.eq_ignore_ascii_case(b"gzip") {
        Some(Encoding::Gzip)
    } else if name.eq_ignore_ascii_case(b"zstd") {
        Some(Encoding::Zstd)
    } else {
        None
    }
}

fn unsupported(encoded: Option<Encoded>) -> OtlpVerdict {
    let text = match encoded {
        None => "the content type must be application/x-protobuf or application/json",
        Some(_) => "the content encoding must be gzip, zstd or identity",
    };
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let encoded = encoded.unwrap_or(Encoded::Json);
    OtlpVerdict::refused(encoded, status, (Code::InvalidArgument, text))
}

fn refused(encoded: Encoded, refusal: Refusal) -> OtlpVerdict {
    let answer = |status, code, text: &str| OtlpVerdict::refused(encoded, status, (code, text));
    match refusal {
        Refusal::Malformed(text) => answer(StatusCode::BAD_REQUEST, Code::InvalidArgument, &text),
        Refusal::TooLarge(text) => answer(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::ResourceExhausted,
            &text,
        ),
        Refusal::Unstored(reason) => {
            let (status, code) = match reason {
                Reason::Busy | Reason::StorageBusy => {
                    (StatusCode::TOO_MANY_REQUESTS, Code::ResourceExhausted)
                }
                _ => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable),
            };
            answer(status, code, why_unstored(reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.append(name, value.parse().unwrap());
        headers
    }

    #[test]
    fn two_types_are_known_with_any_parameters() {
        let of = |value: &str| encoded(&headers("content-type", value));
        assert_eq!(of("application/x-protobuf"), Some(Encoded::Protobuf));
        assert_eq!(of("Application/JSON; charset=utf-8"), Some(Encoded::Json));
        assert_eq!(of("text/plain"), None);
        assert_eq!(of(""), None);
        assert_eq!(encoded(&HeaderMap::new()), None);
    }

    #[test]
    fn compressions_that_nobody_knows_are_not_taken_for_none() {
        let of = |value: &str| encoding(&headers("content-encoding", value));
        assert_eq!(of("GZIP"), Some(Encoding::Gzip));
        assert_eq!(of("zstd"), Some(Encoding::Zstd));
        assert_eq!(of("identity"), Some(Encoding::Identity));
        assert_eq!(of("br"), None);
        assert_eq!(of("gzip, zstd"), None);
        assert_eq!(encoding(&HeaderMap::new()), Some(Encoding::Identity));
    }

    #[test]
    fn who_may_try_again_is_told() {
        let of = |refusal| {
            let verdict = refused(Encoded::Json, refusal);
            (verdict.status.as_u16(), verdict.retry)
        };
        assert_eq!(of(Refusal::Malformed(String::new())), (400, false));
        assert_eq!(of(Refusal::TooLarge(String::new())), (413, false));
        assert_eq!(of(Refusal::Unstored(Reason::Busy)), (429, true));
        assert_eq!(of(Refusal::Unstored(Reason::StorageBusy)), (429, true));
        assert_eq!(of(Refusal::Unstored(Reason::JournalFull)), (503, true));
        assert_eq!(of(Refusal::Unstored(Reason::Closing)), (503, true));
    }
}
