//! W3C's `traceparent` (Trace Context, level 1) and the `tracestate` that comes with it, which is
//! handed on as it came.
//!
//! ```text
//! traceparent: 00-{32 digits}-{16 digits}-{flags, bit 0: sampled}
//! ```

use http::{HeaderMap, HeaderName, HeaderValue};
use speargun_model::{SpanId, TraceId};

use super::b3::insert;
use super::context::{Sampling, TraceContext, read_hex, write_hex};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Bytes of a `tracestate`; 512 must be handed on, more need not (section 3.3.1.5).
const STATE_BYTES_MAX: usize = 2048;

/// Reads `traceparent`; `None` when there is none or it is malformed.
pub fn extract(headers: &HeaderMap) -> Option<TraceContext> {
    let mut all = headers.get_all(TRACEPARENT).iter();
    let text = all.next()?.to_str().ok()?;
    // More than one is malformed: nobody knows whose it is.
    all.next().is_none().then_some(())?;
    let version = read_hex(text.get(..2)?, 2).filter(|version| *version != 0xff)?;
    let ending = text.get(55..)?;
    // A later version may have more fields, version 0 has none.
    let fits = ending.is_empty() || version > 0 && ending.starts_with('-');
    let hyphens = [2, 35, 52].iter().all(|at| text.as_bytes()[*at] == b'-');
    (fits && hyphens).then_some(())?;
    let trace_id = TraceId::from_u128(read_hex(text.get(3..35)?, 32)?);
    let span_id = read_hex(text.get(36..52)?, 16)? as u64;
    let flags = read_hex(text.get(53..55)?, 2)?;
    (trace_id.as_u128() != 0 && span_id != 0).then_some(())?;
    Some(TraceContext {
        trace_id,
        span_id: SpanId(span_id),
        parent_id: None,
        sampling: if flags & 1 == 1 {
            Sampling::Accept
        } else {
            Sampling::Deny
        },
        carried: None,
    })
}

/// Reads `tracestate`: several headers are one list. Too long ones are left out.
pub(super) fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut all = headers.get_all(TRACESTATE).iter();
    let first = all.next()?;
    let mut joined = first.as_bytes().to_vec();
    for more in all {
        joined.push(b',');
        joined.extend_from_slice(more.as_bytes());
        if joined.len() > STATE_BYTES_MAX {
            break;
        }
    }
    let usable = !joined.is_empty() && joined.len() <= STATE_BYTES_MAX;
    usable
        .then(|| HeaderValue::from_bytes(&joined).ok())
        .flatten()
}

/// Writes `traceparent`, and the state that came with the trace.
pub fn inject(context: &TraceContext, headers: &mut HeaderMap) {
    let mut out = Vec::with_capacity(55);
    out.extend_from_slice(b"00-");
    write_hex(context.trace_id.high, &mut out);
    write_hex(context.trace_id.low, &mut out);
    out.push(b'-');
    write_hex(context.span_id.0, &mut out);
    let kept = context.sampling.is_kept();
    out.extend_from_slice(if kept { b"-01" } else { b"-00" });
    insert(headers, TRACEPARENT, &out);
    let carried = context.carried.as_ref();
    if let Some(state) = carried.and_then(|carried| carried.tracestate.clone()) {
        headers.insert(TRACESTATE, state);
    }
}
