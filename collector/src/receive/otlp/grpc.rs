//! `TraceService/Export`: one length-prefixed message in, one out, either of them maybe empty. HTTP
//! and trailers are the server's.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Body;
use speargun_model::codec::Format;

use super::answer::{self, Encoded};
use super::http::named;
use crate::inflate::Encoding;
use crate::inlet::{Inlet, Message, Refusal};
use crate::ledger::{Reason, Transport};
use crate::receive::body::{self, BodyError};
use crate::receive::grpc::{Code, GrpcVerdict, take_frame, unread};
use crate::receive::http::{Limits, why_unstored};

/// The path of the method.
pub const EXPORT_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
/// The compressions that a message may have.
pub const ACCEPTED_ENCODINGS: &str = "identity,gzip,zstd";

/// Takes the spans of a call.
pub async fn receive<B>(
    inlet: &Inlet,
    (headers, body): (&HeaderMap, B),
    limits: &Limits,
) -> GrpcVerdict
where
    B: Body<Data = Bytes> + Unpin,
{
    let transport = Transport::OtlpGrpc;
    inlet.open(transport);
    let read = tokio::time::timeout(limits.read_timeout, body::read(body, &limits.bodies))
        .await
        .unwrap_or(Err(BodyError::Broken));
    let unframed = match read {
        Ok(body) => unframe(headers, body),
        Err(BodyError::Busy) => Err(with_retry(unread(BodyError::Busy))),
        Err(error) => Err(unread(error)),
    };
    let (encoding, body) = match unframed {
        Ok(message) => message,
        Err(verdict) => {
            inlet.count_failed(transport);
            return verdict;
        }
    };
    let message = Message {
        transport,
        format: Format::OtlpProto,
        encoding,
        body,
    };
    match inlet.take(message).await {
        Ok(left_out) => GrpcVerdict {
            reply: answer::response(Encoded::Protobuf, left_out),
            ..GrpcVerdict::new(Code::Ok, "")
        },
        Err(refusal) => refused(refusal),
    }
}

/// Takes the one message out of its frame. No frame at all is no spans.
fn unframe(headers: &HeaderMap, body: Bytes) -> Result<(Encoding, Bytes), GrpcVerdict> {
    if body.is_empty() {
        return Ok((Encoding::Identity, body));
    }
    let (compressed, message) = take_frame(body)?;
    if !compressed {
        return Ok((Encoding::Identity, message));
    }
    let name = headers
        .get("grpc-encoding")
        .map_or(&b""[..], |value| value.as_bytes());
    match named(name) {
        Some(Encoding::Identity) => Err(GrpcVerdict::new(
            Code::Internal,
            "the message is compressed, but its encoding is not named",
        )),
        Some(encoding) => Ok((encoding, message)),
        None => Err(GrpcVerdict::new(
            Code::Unimplemented,
            "the message's encoding is not known",
        )),
    }
}

fn refused(refusal: Refusal) -> GrpcVerdict {
    match refusal {
        Refusal::Malformed(text) => GrpcVerdict::new(Code::InvalidArgument, text),
        Refusal::TooLarge(text) => GrpcVerdict::new(Code::ResourceExhausted, text),
        Refusal::Unstored(reason) => {
            let code = match reason {
                Reason::Busy | Reason::StorageBusy => Code::ResourceExhausted,
                _ => Code::Unavailable,
            };
            with_retry(GrpcVerdict::new(code, why_unstored(reason)))
        }
    }
}

/// Without the details a sender takes an exhausted resource for a reason to give up.
fn with_retry(verdict: GrpcVerdict) -> GrpcVerdict {
    let why = (verdict.code, verdict.message.as_str());
    GrpcVerdict {
        details: Some(answer::status(Encoded::Protobuf, why, true)),
        ..verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unframed(encoding: &'static str, body: &'static [u8]) -> Result<(Encoding, Bytes), Code> {
        let mut headers = HeaderMap::new();
        headers.insert("grpc-encoding", encoding.parse().unwrap());
        unframe(&headers, Bytes::from_static(body)).map_err(|verdict| verdict.code)
    }

    #[test]
    fn a_frame_says_whether_it_is_compressed_and_the_header_how() {
        let message = Bytes::from_static(b"ab");
        let plain = b"\0\0\0\0\x02ab";
        let packed = b"\x01\0\0\0\x02ab";
        assert_eq!(
            unframed("gzip", plain),
            Ok((Encoding::Identity, message.clone()))
        );
        assert_eq!(
            unframed("gzip", packed),
            Ok((Encoding::Gzip, message.clone()))
        );
        assert_eq!(unframed("zstd", packed), Ok((Encoding::Zstd, message)));
        assert_eq!(unframed("identity", packed), Err(Code::Internal));
        assert_eq!(unframed("snappy", packed), Err(Code::Unimplemented));
        assert_eq!(unframed("", b""), Ok((Encoding::Identity, Bytes::new())));
        assert_eq!(unframed("", b"\0\0\0\0\x03ab"), Err(Code::Internal));
    }

    #[test]
    fn who_may_try_again_has_details() {
        let of = |refusal| {
            let verdict = refused(refusal);
            (verdict.code, verdict.details.is_some())
        };
        let text = String::new;
        assert_eq!(
            of(Refusal::Malformed(text())),
            (Code::InvalidArgument, false)
        );
        assert_eq!(
            of(Refusal::TooLarge(text())),
            (Code::ResourceExhausted, false)
        );
        assert_eq!(
            of(Refusal::Unstored(Reason::Busy)),
            (Code::ResourceExhausted, true)
        );
        assert_eq!(
            of(Refusal::Unstored(Reason::Failed)),
            (Code::Unavailable, true)
        );
    }
}
