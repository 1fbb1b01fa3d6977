//! What one process tells the next about a trace: ids, and whether somebody decided to keep it.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use speargun_model::{SpanId, TraceId};

/// Whether a trace is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sampling {
    /// Nobody decided yet: the receiver does.
    #[default]
    Deferred,
    /// It is not.
    Deny,
    /// It is.
    Accept,
    /// It is, whatever samplers say, here and later.
    Debug,
}

impl Sampling {
    /// Returns whether spans are recorded.
    pub fn is_kept(self) -> bool {
        matches!(self, Self::Accept | Self::Debug)
    }
}

/// One span's place in its trace. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span that callees are children of.
    pub span_id: SpanId,
    /// Its parent; `None` at the root.
    pub parent_id: Option<SpanId>,
    /// Whether the trace is kept.
    pub sampling: Sampling,
    /// What came with the request and goes on with every call, when there is such.
    pub carried: Option<Arc<Carried>>,
}

/// Headers that are handed on as they came: W3C's `tracestate`, and the fields that
/// [`Propagation`](super::Propagation) lists.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Carried {
    /// Other tracers' state; goes with a `traceparent` only.
    pub tracestate: Option<HeaderValue>,
    /// Names and values.
    pub fields: Vec<(HeaderName, HeaderValue)>,
}

impl Carried {
    /// Returns `None` when nothing is carried.
    pub(super) fn into_option(self) -> Option<Arc<Self>> {
        let empty = self.tracestate.is_none() && self.fields.is_empty();
        (!empty).then(|| Arc::new(self))
    }
}

impl TraceContext {
    /// Returns the context of a child with this id.
    #[must_use]
    pub fn child(&self, span_id: SpanId) -> Self {
        Self {
            span_id,
            parent_id: Some(self.span_id),
            ..self.clone()
        }
    }

    /// Returns the value of a field that is handed on.
    pub fn field(&self, name: &HeaderName) -> Option<&HeaderValue> {
        let fields = &self.carried.as_ref()?.fields;
        fields.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }
}

/// Writes lower-hex digits of a fixed width.
pub(super) fn write_hex(value: u64, out: &mut Vec<u8>) {
    for shift in (0..16).rev() {
        let nibble = (value >> (4 * shift) & 0xf) as u8;
        out.push(nibble + if nibble < 10 { b'0' } else { b'a' - 10 });
    }
}

/// Writes 16 digits, or 32 when the id has an upper half.
pub(super) fn write_trace_id(id: TraceId, out: &mut Vec<u8>) {
    if id.high != 0 {
        write_hex(id.high, out);
    }
    write_hex(id.low, out);
}

/// Returns the value of exactly `digits` lower-hex digits, or `None`.
pub(super) fn read_hex(text: &str, digits: usize) -> Option<u128> {
    let lower_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (text.len() == digits && lower_hex).then_some(())?;
    u128::from_str_radix(text, 16).ok()
}
