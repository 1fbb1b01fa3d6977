//! Zipkin's JSON v2, both ways. Decoding is one pass over the body that leaves texts where they
//! are; what it takes and refuses is what Zipkin's own reader does, so it is no general JSON
//! reader. Encoding writes Zipkin's bytes. What knows JSON and no version serves `json_v1` too.
//!
//! ```text
//! cursor ─▶ punctuation, plain strings, values to skip     escape ─▶ strings with escapes
//! value  ─▶ texts, ids, whole numbers                      span   ─▶ the objects and their fields
//! fault  ─▶ why a body is refused, in Zipkin's words       encode ─▶ owned spans to bytes
//! ```

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::batch::{Bounds, SpanBatch};
use crate::codec::{DecodeError, text};

pub(super) mod cursor;
mod encode;
mod escape;
pub(super) mod fault;
mod span;
pub(super) mod value;

pub(super) use encode::write_escaped;
pub use encode::{encode_span, encode_spans, encode_traces};

use cursor::Cursor;
use fault::Fault;

/// The end of a key that only JSON v1 has (`binaryAnnotations`), by which Zipkin tells the two.
static VERSION_1: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("yAnnotations\""));

/// Decodes a body that [`crate::codec::decode`] has checked, into a batch that holds the body and
/// nothing else.
pub(super) fn decode(body: &[u8], bounds: &Bounds, out: &mut SpanBatch) -> Result<(), DecodeError> {
    if matches!(body, b"" | b"[]") {
        return Ok(());
    }
    let mut cursor = Cursor::new(body, out, bounds.depth_max);
    let read = read_list(&mut cursor, bounds.spans_max);
    // What Zipkin looks for anywhere in the body ends a string, or stands behind the list.
    let is_whole = cursor.at == body.len();
    if (read.is_err() || cursor.may_be_version_1 || !is_whole) && VERSION_1.find(body).is_some() {
        return Err(DecodeError::NotAList {
            expected: "JSON_V2",
            received: Some("JSON_V1"),
        });
    }
    read.map_err(|fault| fault::explain(fault, body))?;
    if simdutf8::basic::from_utf8(body).is_err() {
        text::mend_all(out)?;
    }
    Ok(())
}

/// Reads the list; what follows its end is nobody's business.
fn read_list(cursor: &mut Cursor<'_>, max: usize) -> Result<(), Fault> {
    let mut more = cursor.open(b'[', b']')?;
    while more {
        if cursor.out.spans.len() >= max {
            return Err(DecodeError::TooLarge { what: "spans", max }.into());
        }
        cursor.span()?;
        more = cursor.more(b']')?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
