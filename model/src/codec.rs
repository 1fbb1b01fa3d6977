//! Wire formats: one a file, the same verbs in each. `decode` fills a [`SpanBatch`] from a body,
//! `encode` appends owned spans as Zipkin itself would write them, byte for byte.

use bytes::Bytes;

use crate::batch::{Bounds, SpanBatch};

/// Why a body is refused. `Display` is the text of the 400 that the sender sees; it is Zipkin's
/// own where its clients may depend on it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not what they claim to be, or a field is not what the format allows.
    #[error("{0}")]
    Malformed(String),
    /// The body is beyond one of the [`Bounds`].
    #[error("{what} exceeds {max}")]
    TooLarge {
        /// What is too large, in words.
        what: &'static str,
        /// The bound.
        max: usize,
    },
}

/// A format that spans arrive in. The numbers are stored in the journal: never reuse one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Format {
    /// A JSON list of Zipkin v2 spans.
    JsonV2 = 1,
    /// `zipkin.proto3.ListOfSpans`.
    Proto3 = 2,
}

impl Format {
    /// Returns the format with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::JsonV2),
            2 => Some(Self::Proto3),
            _ => None,
        }
    }
}

/// Decodes `body` into `out`, which is emptied first and keeps the body.
pub fn decode(
    format: Format,
    body: Bytes,
    bounds: &Bounds,
    out: &mut SpanBatch,
) -> Result<(), DecodeError> {
    let _ = (format, body, bounds, out);
    Err(DecodeError::Malformed("not yet".into()))
}
