//! `POST /api/v2/spans` and `/api/v1/spans`: from headers and a body to the status and text of the
//! answer. Statuses and texts are Zipkin's, but for what Zipkin answers with 500 though the sender
//! is at fault. It knows no paths.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body::Body;
use speargun_model::codec::Format;

use super::body::{self, BodyBounds, BodyError};
use crate::inflate::Encoding;
use crate::inlet::{Inlet, Message, Refusal};
use crate::ledger::{Reason, Transport};

/// What to answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub text: Cow<'static, str>,
    /// Whether the connection can't be used any more: the body was not read to its end.
    pub close: bool,
}

impl Verdict {
    /// Spans are stored, or there were none.
    pub const ACCEPTED: Self = Self {
        status: StatusCode::ACCEPTED,
        text: Cow::Borrowed(""),
        close: false,
    };

    fn text(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            text: text.into(),
            close: false,
        }
    }

    fn closing(status: StatusCode, text: &'static str) -> Self {
        Self {
            close: true,
            ..Self::text(status, text)
        }
    }
}

/// How bodies are read.
#[derive(Debug)]
pub struct Limits {
    /// Sizes.
    pub bodies: BodyBounds,
    /// How long a body may take to arrive.
    pub read_timeout: Duration,
}

/// A version of the API, which decides the formats that are understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// JSON v1, or thrift.
    V1,
    /// JSON v2, or proto3.
    V2,
}

/// Takes the spans of a request.
pub async fn receive<B>(
    inlet: &Inlet,
    version: Version,
    (headers, body): (&HeaderMap, B),
    limits: &Limits,
) -> Verdict
where
    B: Body<Data = Bytes> + Unpin,
{
    let body = match read(body, limits).await {
        Ok(body) => body,
        Err(verdict) => {
            inlet.count_failed(Transport::Http);
            return verdict;
        }
    };
    let message = Message {
        transport: Transport::Http,
        format: format_of(version, headers),
        encoding: encoding(headers),
        body,
    };
    match inlet.take(message).await {
        Ok(_) => Verdict::ACCEPTED,
        Err(refusal) => refused(refusal),
    }
}

async fn read<B>(body: B, limits: &Limits) -> Result<Bytes, Verdict>
where
    B: Body<Data = Bytes> + Unpin,
{
    match tokio::time::timeout(limits.read_timeout, body::read(body, &limits.bodies)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(BodyError::TooLarge)) => Err(Verdict::closing(
            StatusCode::PAYLOAD_TOO_LARGE,
            "413 Request Entity Too Large",
        )),
        Ok(Err(BodyError::Busy)) => Err(Verdict::closing(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many bodies are being read",
        )),
        Ok(Err(BodyError::Broken)) => Err(Verdict::closing(
            StatusCode::BAD_REQUEST,
            "the body could not be read",
        )),
        Err(_) => Err(Verdict::closing(
            StatusCode::REQUEST_TIMEOUT,
            "the body took too long to arrive",
        )),
    }
}

/// Returns the type that the first such header says, without its parameters and in any case; empty
/// when there is none.
pub(super) fn media_type(headers: &HeaderMap) -> &[u8] {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.as_bytes().split(|b| *b == b';').next())
        .unwrap_or_default()
        .trim_ascii()
}

/// All but one type is JSON.
fn format_of(version: Version, headers: &HeaderMap) -> Format {
    let media_type = media_type(headers);
    let (binary, format, json) = match version {
        Version::V1 => (THRIFT, Format::Thrift, Format::JsonV1),
        Version::V2 => (PROTOBUF, Format::Proto3, Format::JsonV2),
    };
    if media_type.eq_ignore_ascii_case(binary) {
        format
    } else {
        json
    }
}

const THRIFT: &[u8] = b"application/x-thrift";
const PROTOBUF: &[u8] = b"application/x-protobuf";

fn encoding(headers: &HeaderMap) -> Encoding {
    headers
        .get(CONTENT_ENCODING)
        .map_or(Encoding::Identity, |value| {
            Encoding::from_header(value.as_bytes())
        })
}

fn refused(refusal: Refusal) -> Verdict {
    match refusal {
        Refusal::Malformed(text) => Verdict::text(StatusCode::BAD_REQUEST, text),
        Refusal::TooLarge(text) => Verdict::text(StatusCode::PAYLOAD_TOO_LARGE, text),
        Refusal::Unstored(reason) => {
            Verdict::text(StatusCode::SERVICE_UNAVAILABLE, why_unstored(reason))
        }
    }
}

/// Returns what the sender is told.
pub(crate) fn why_unstored(reason: Reason) -> &'static str {
    match reason {
        Reason::Busy => "too many spans are under way, try again",
        Reason::JournalFull => "no space for more spans, try again later",
        Reason::StorageBusy => "storage is busy, try again",
        Reason::Failed => "storage failed and takes no more spans",
        Reason::Closing => "the server is ending",
        Reason::Invalid => "spans without valid ids",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn of_each_version_one_type_is_not_json() {
        let of = |version, value: &str| format_of(version, &headers(&[("content-type", value)]));
        for (version, binary, json, name, other) in [
            (
                Version::V2,
                Format::Proto3,
                Format::JsonV2,
                "protobuf",
                "thrift",
            ),
            (
                Version::V1,
                Format::Thrift,
                Format::JsonV1,
                "thrift",
                "protobuf",
            ),
        ] {
            let name = format!("application/x-{name}");
            assert_eq!(of(version, &name), binary);
            assert_eq!(
                of(version, &format!("{} ; a=b", name.to_uppercase())),
                binary
            );
            assert_eq!(of(version, "application/json; charset=utf-8"), json);
            assert_eq!(of(version, &format!("application/x-{other}")), json);
            assert_eq!(format_of(version, &HeaderMap::new()), json);
            let two = headers(&[("content-type", "text/plain"), ("content-type", &name)]);
            assert_eq!(format_of(version, &two), json);
        }
    }
}
