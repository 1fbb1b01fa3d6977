//! B3 headers, the one and the many. Reading follows Brave: headers that make no sense are as good
//! as none.
//!
//! ```text
//! b3: {trace}-{span}[-{0|1|d}[-{parent}]]  or a decision alone
//! X-B3-TraceId 16 or 32 digits · X-B3-SpanId · X-B3-ParentSpanId (not at the root)
//! X-B3-Sampled 0 or 1 (absent: the receiver decides) · X-B3-Flags 1 (debug; then no Sampled)
//! ```

use http::{HeaderMap, HeaderName, HeaderValue};
use speargun_model::{SpanId, TraceId};

use super::context::{Sampling, TraceContext, read_hex, write_hex, write_trace_id};

const B3: HeaderName = HeaderName::from_static("b3");
const TRACE_ID: HeaderName = HeaderName::from_static("x-b3-traceid");
const SPAN_ID: HeaderName = HeaderName::from_static("x-b3-spanid");
const PARENT_SPAN_ID: HeaderName = HeaderName::from_static("x-b3-parentspanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const FLAGS: HeaderName = HeaderName::from_static("x-b3-flags");

/// What B3 headers say: a context, or a decision alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum B3 {
    /// The caller's span.
    Context(TraceContext),
    /// No ids, but whether to keep the trace.
    Decision(Sampling),
}

/// Reads the headers in either form; the one wins.
pub fn extract(headers: &HeaderMap) -> Option<B3> {
    extract_single(headers).or_else(|| extract_multi(headers))
}

/// Reads `b3`.
pub fn extract_single(headers: &HeaderMap) -> Option<B3> {
    let text = text(headers, &B3)?;
    if let Some(decision) = decision(text) {
        return Some(B3::Decision(decision));
    }
    let mut parts = text.split('-');
    let trace_id = parts.next().filter(|id| matches!(id.len(), 16 | 32))?;
    let span_id = fixed_span_id(parts.next()?)?;
    let mut third = parts.next();
    let sampling = third.and_then(decision);
    if sampling.is_some() {
        third = parts.next();
    }
    let parent_id = match third {
        Some(parent) => Some(fixed_span_id(parent)?),
        None => None,
    };
    parts.next().is_none().then_some(())?;
    Some(B3::Context(TraceContext {
        trace_id: TraceId::parse(trace_id).ok()?,
        span_id,
        parent_id,
        sampling: sampling.unwrap_or_default(),
        carried: None,
    }))
}

/// Reads the `X-B3-` headers.
pub fn extract_multi(headers: &HeaderMap) -> Option<B3> {
    let sampled = match text(headers, &SAMPLED) {
        None => Sampling::Deferred,
        Some("0") => Sampling::Deny,
        Some("1") => Sampling::Accept,
        Some(word) if word.eq_ignore_ascii_case("true") => Sampling::Accept,
        Some(word) if word.eq_ignore_ascii_case("false") => Sampling::Deny,
        Some(_) => return None,
    };
    let debug = text(headers, &FLAGS) == Some("1");
    let sampling = if debug { Sampling::Debug } else { sampled };
    let Some(trace_id) = text(headers, &TRACE_ID) else {
        return (sampling != Sampling::Deferred).then_some(B3::Decision(sampling));
    };
    Some(B3::Context(TraceContext {
        trace_id: TraceId::parse(trace_id).ok()?,
        span_id: span_id(text(headers, &SPAN_ID)?)?,
        parent_id: match text(headers, &PARENT_SPAN_ID) {
            Some(parent) => Some(span_id(parent)?),
            None => None,
        },
        sampling,
        carried: None,
    }))
}

/// Writes `b3`.
pub fn inject_single(context: &TraceContext, headers: &mut HeaderMap) {
    let mut out = Vec::with_capacity(32 + 1 + 16 + 2 + 17);
    write_trace_id(context.trace_id, &mut out);
    out.push(b'-');
    write_hex(context.span_id.0, &mut out);
    match context.sampling {
        Sampling::Deferred => {}
        Sampling::Deny => out.extend_from_slice(b"-0"),
        Sampling::Accept => out.extend_from_slice(b"-1"),
        Sampling::Debug => out.extend_from_slice(b"-d"),
    }
    if let Some(parent) = context.parent_id {
        out.push(b'-');
        write_hex(parent.0, &mut out);
    }
    insert(headers, B3, &out);
}

/// Writes the `X-B3-` headers.
pub fn inject_multi(context: &TraceContext, headers: &mut HeaderMap) {
    let mut digits = Vec::with_capacity(32);
    let mut id = |name, write: &dyn Fn(&mut Vec<u8>)| {
        digits.clear();
        write(&mut digits);
        insert(headers, name, &digits);
    };
    id(TRACE_ID, &|out| write_trace_id(context.trace_id, out));
    id(SPAN_ID, &|out| write_hex(context.span_id.0, out));
    if let Some(parent) = context.parent_id {
        id(PARENT_SPAN_ID, &|out| write_hex(parent.0, out));
    }
    let (name, value) = match context.sampling {
        Sampling::Deferred => return,
        Sampling::Deny => (SAMPLED, "0"),
        Sampling::Accept => (SAMPLED, "1"),
        Sampling::Debug => (FLAGS, "1"),
    };
    headers.insert(name, HeaderValue::from_static(value));
}

/// Inserts digits and hyphens, which are a header's value by nature.
pub(super) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(name, value);
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn decision(text: &str) -> Option<Sampling> {
    match text {
        "0" => Some(Sampling::Deny),
        "1" => Some(Sampling::Accept),
        "d" => Some(Sampling::Debug),
        _ => None,
    }
}

fn fixed_span_id(text: &str) -> Option<SpanId> {
    (text.len() == 16).then(|| span_id(text)).flatten()
}

/// Reads 1 to 16 lower-hex digits that are not all zero.
fn span_id(text: &str) -> Option<SpanId> {
    let known = (1..=16).contains(&text.len());
    let id = known.then(|| read_hex(text, text.len())).flatten()? as u64;
    (id != 0).then_some(SpanId(id))
}

#[cfg(test)]
mod tests;
