//! `zipkin.proto3.SpanService/Report`: one length-prefixed message in, an empty one out. The
//! framing is five bytes, so it is read here and not by a library; HTTP is the server's.

use bytes::{Buf, Bytes};
use http_body::Body;
use speargun_model::codec::Format;

use super::body::{self, BodyError};
use super::http::{Limits, why_unstored};
use crate::inflate::Encoding;
use crate::inlet::{Inlet, Message, Refusal};
use crate::ledger::{Reason, Transport};

/// The path of the method.
pub const REPORT_PATH: &str = "/zipkin.proto3.SpanService/Report";

/// A flag and a length.
const FRAME_BYTES: usize = 5;
/// What Zipkin's clients see, in the words of its HTTP library.
const COMPRESSED: &str = "com.linecorp.armeria.common.grpc.protocol.ArmeriaMessageDeframer: \
                          Can't decode compressed frame as compression not configured.";

/// A status of gRPC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Code {
    /// Stored.
    Ok = 0,
    /// What can't be decoded, in OTLP's words.
    InvalidArgument = 3,
    /// Beyond a bound, or the server is full.
    ResourceExhausted = 8,
    /// Compressed in a way that is not known.
    Unimplemented = 12,
    /// What can't be decoded: Zipkin says internal.
    Internal = 13,
    /// Can't be stored now.
    Unavailable = 14,
}

/// What to answer: a status, and its message where there is one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrpcVerdict {
    /// The status.
    pub code: Code,
    /// The message.
    pub message: String,
    /// The answer's own message, which most answers leave empty.
    pub reply: Bytes,
    /// A `google.rpc.Status`, where the sender is told more.
    pub details: Option<Bytes>,
}

impl GrpcVerdict {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            reply: Bytes::new(),
            details: None,
        }
    }
}

/// Takes the spans of a call.
pub async fn receive<B>(inlet: &Inlet, body: B, limits: &Limits) -> GrpcVerdict
where
    B: Body<Data = Bytes> + Unpin,
{
    let body = match tokio::time::timeout(limits.read_timeout, body::read(body, &limits.bodies))
        .await
        .unwrap_or(Err(BodyError::Broken))
        .map_err(unread)
        .and_then(unframe)
    {
        Ok(body) => body,
        Err(verdict) => {
            inlet.count_failed(Transport::Grpc);
            return verdict;
        }
    };
    let message = Message {
        transport: Transport::Grpc,
        format: Format::Proto3,
        encoding: Encoding::Identity,
        body,
    };
    match inlet.take(message).await {
        Ok(_) => GrpcVerdict::new(Code::Ok, ""),
        Err(Refusal::Malformed(text)) => GrpcVerdict::new(Code::Internal, text),
        Err(Refusal::TooLarge(text)) => GrpcVerdict::new(Code::ResourceExhausted, text),
        Err(Refusal::Unstored(reason)) => {
            let code = match reason {
                Reason::Busy => Code::ResourceExhausted,
                _ => Code::Unavailable,
            };
            GrpcVerdict::new(code, why_unstored(reason))
        }
    }
}

pub(super) fn unread(error: BodyError) -> GrpcVerdict {
    match error {
        BodyError::TooLarge => GrpcVerdict::new(Code::ResourceExhausted, "message is too large"),
        BodyError::Busy => {
            GrpcVerdict::new(Code::ResourceExhausted, "too many bodies are being read")
        }
        BodyError::Broken => GrpcVerdict::new(Code::Internal, "the message could not be read"),
    }
}

/// Takes the one message out of its frame. No frame at all is no spans, as in Zipkin.
fn unframe(body: Bytes) -> Result<Bytes, GrpcVerdict> {
    if body.is_empty() {
        return Ok(body);
    }
    // Zipkin looks at the flag before the length.
    if body.len() >= FRAME_BYTES && body.first() != Some(&0) {
        return Err(GrpcVerdict::new(Code::Internal, COMPRESSED));
    }
    take_frame(body).map(|(_, message)| message)
}

/// Takes the one message out of its frame, and whether it is compressed.
pub(super) fn take_frame(mut body: Bytes) -> Result<(bool, Bytes), GrpcVerdict> {
    let internal = |text: &str| GrpcVerdict::new(Code::Internal, text);
    if body.len() < FRAME_BYTES {
        return Err(internal("the message has no frame"));
    }
    let compressed = body.get_u8() != 0;
    let len = body.get_u32() as usize;
    if len != body.len() {
        return Err(internal("the frame's length is not the message's"));
    }
    Ok((compressed, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_holds_exactly_one_message() {
        let unframed = |bytes: &'static [u8]| unframe(Bytes::from_static(bytes));
        assert_eq!(unframed(b"\0\0\0\0\x02ab").unwrap(), "ab");
        assert_eq!(unframed(b"\0\0\0\0\0").unwrap(), "");
        assert_eq!(unframed(b"").unwrap(), "");
        for bad in [
            &b"\0\0\0\0"[..],
            b"\x01\0\0\0\x02ab",
            b"\0\0\0\0\x03ab",
            b"\0\0\0\0\x01ab",
            b"\0\xff\xff\xff\xffab",
        ] {
            assert_eq!(unframed(bad).unwrap_err().code, Code::Internal);
        }
    }
}
