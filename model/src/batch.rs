//! Decoded spans that still lie in the body they came in: offsets and flat vectors, so that
//! decoding allocates nothing per span. This is the form in which spans travel from the socket to
//! the store. It is not the form in which they are answered: that is [`crate::Span`].
//!
//! ```text
//! body    raw request body after inflating, shared with the journal, never changed
//! extra   strings that differ from their bytes in the body: unescaped, lower-cased, mended UTF-8
//! spans   fixed-size records ─┬─▶ tags[first..first+count]        (key, value) as received
//!                             └─▶ annotations[first..first+count] (time, value) as received
//! ```

use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;

use crate::endpoint::Endpoint;
use crate::id::{SpanId, TraceId};
use crate::span::{Annotation, Kind, Span};

/// A string of a batch: a range of `body`, or of `extra` when the top bit of `start` is set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Text {
    start: u32,
    len: u32,
}

const IN_EXTRA: u32 = 1 << 31;

impl Text {
    /// Returns a text of `body`. Bodies are shorter than 2 GiB ([`Bounds::body_bytes_max`]).
    pub fn in_body(start: usize, len: usize) -> Self {
        debug_assert!(start < IN_EXTRA as usize, "bodies are bounded");
        Self {
            start: start as u32,
            len: len as u32,
        }
    }

    /// Returns a text of `extra`.
    pub fn in_extra(start: usize, len: usize) -> Self {
        debug_assert!(start < IN_EXTRA as usize, "extra is bounded by the body");
        Self {
            start: start as u32 | IN_EXTRA,
            len: len as u32,
        }
    }

    /// Returns the length in bytes.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Returns whether the bytes lie in `extra`, not in `body`.
    pub fn is_in_extra(self) -> bool {
        self.start & IN_EXTRA != 0
    }

    /// Returns where the bytes lie in `body` or `extra`.
    pub fn range(self) -> std::ops::Range<usize> {
        let start = (self.start & !IN_EXTRA) as usize;
        start..start + self.len()
    }

    /// Returns whether there is nothing in it, which for names means absent.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// A slice of one of the batch's flat vectors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Slice {
    /// Index of the first element.
    pub first: u32,
    /// How many follow.
    pub count: u32,
}

/// An endpoint of a record. An empty name, no flag and port 0 are absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct EndpointRecord {
    /// Lower-case service name.
    pub service_name: Text,
    /// The IPv4 address in network order, when `has_ipv4`.
    pub ipv4: u32,
    /// One more than the index in [`SpanBatch::ipv6`]; 0 is absent.
    pub ipv6: u32,
    /// The port; 0 is absent.
    pub port: u16,
    /// Whether `ipv4` is present (0.0.0.0 is an address).
    pub has_ipv4: bool,
}

/// A span of a batch: normalised scalars (lower-cased names, parent 0 when absent or equal to the
/// id, `shared` cleared on clients), tags and annotations as received.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpanRecord {
    /// The trace.
    pub trace_id: TraceId,
    /// The parent; 0 is absent.
    pub parent_id: u64,
    /// The span id.
    pub id: u64,
    /// Microseconds since the epoch, at most `i64::MAX`; 0 is absent.
    pub timestamp_us: u64,
    /// Microseconds, at most `i64::MAX`; 0 is absent.
    pub duration_us: u64,
    /// Lower-case name; empty is absent.
    pub name: Text,
    /// Who recorded it.
    pub local: EndpointRecord,
    /// The other side.
    pub remote: EndpointRecord,
    /// In [`SpanBatch::tags`]; keys may repeat, the last one wins.
    pub tags: Slice,
    /// In [`SpanBatch::annotations`]; in the order received.
    pub annotations: Slice,
    /// The role.
    pub kind: Option<Kind>,
    /// Overrules samplers.
    pub debug: bool,
    /// The id was made by the client.
    pub shared: bool,
}

/// Limits of what one body may hold; a body beyond one is refused as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Bytes of a body after inflating; below 2 GiB.
    pub body_bytes_max: usize,
    /// Spans of one body.
    pub spans_max: usize,
    /// Nesting of unknown fields.
    pub depth_max: usize,
    /// Bytes of [`SpanBatch::more_bytes`].
    pub more_bytes_max: usize,
}

/// Tags of one body, and annotations of one: more are refused whatever the bounds say. What was
/// acknowledged is decoded again after a restart, so this may grow and never shrink.
pub(crate) const FIELDS_MAX: usize = 1 << 22;

impl Bounds {
    /// The bounds of what was accepted before, whatever the bounds were then.
    pub const WIDEST: Self = Self {
        body_bytes_max: i32::MAX as usize,
        spans_max: usize::MAX,
        depth_max: usize::MAX,
        more_bytes_max: usize::MAX,
    };
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            body_bytes_max: 64 << 20,
            spans_max: 1 << 18,
            depth_max: 128,
            more_bytes_max: 128 << 20,
        }
    }
}

/// Spans of a body that are none: in formats whose senders are told so, the others are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeftOut {
    /// How many.
    pub spans: u32,
    /// What is wrong with the first.
    pub why: Option<&'static str>,
}

/// Spans decoded from one body.
#[derive(Clone, Debug, Default)]
pub struct SpanBatch {
    /// The body after inflating.
    pub body: Bytes,
    /// Strings that differ from the body's bytes.
    pub extra: Vec<u8>,
    /// The spans, in the order received.
    pub spans: Vec<SpanRecord>,
    /// Tags of all spans.
    pub tags: Vec<(Text, Text)>,
    /// Annotations of all spans: microseconds and value.
    pub annotations: Vec<(i64, Text)>,
    /// IPv6 addresses of all spans.
    pub ipv6: Vec<[u8; 16]>,
    /// What is not among the spans.
    pub left_out: LeftOut,
    /// Bytes that it costs beyond what it holds: long texts that are here once and that each of its
    /// spans has, for stored by itself each span takes them; what else its body takes elsewhere.
    pub more_bytes: usize,
}

impl SpanBatch {
    /// Counts texts of so many bytes together that a span has in common with others. So many are
    /// free: what an honest resource has, all but the longest command lines included.
    #[inline(always)]
    pub(crate) fn count_shared(&mut self, bytes: usize) {
        const FREE: usize = 8192;
        self.more_bytes = self.more_bytes.saturating_add(bytes.saturating_sub(FREE));
    }

    /// Empties the batch for another body, keeping its memory.
    pub fn clear(&mut self) {
        self.body = Bytes::new();
        self.extra.clear();
        self.spans.clear();
        self.tags.clear();
        self.annotations.clear();
        self.ipv6.clear();
        self.left_out = LeftOut::default();
        self.more_bytes = 0;
    }

    /// Returns the spans in vectors of just their size, and empties this batch, which keeps its
    /// memory for another body unless that was an unusually large one.
    #[must_use = "the spans are no longer in the batch"]
    pub fn take_exact(&mut self) -> Self {
        let taken = Self {
            body: std::mem::take(&mut self.body),
            extra: self.extra.as_slice().into(),
            spans: self.spans.as_slice().into(),
            tags: self.tags.as_slice().into(),
            annotations: self.annotations.as_slice().into(),
            ipv6: self.ipv6.as_slice().into(),
            left_out: self.left_out,
            more_bytes: self.more_bytes,
        };
        self.empty();
        taken
    }

    /// Empties the batch, which keeps its memory unless that is unusually much.
    pub(crate) fn empty(&mut self) {
        /// Bytes of memory beyond which all of it is given back.
        const KEEP_BYTES_MAX: usize = 8 << 20;
        self.clear();
        if self.memory_bytes() > KEEP_BYTES_MAX {
            *self = Self::default();
        }
    }

    /// Returns the bytes of a text of this batch; empty when it does not belong here.
    #[inline]
    pub fn bytes(&self, text: Text) -> &[u8] {
        let source: &[u8] = if text.is_in_extra() {
            &self.extra
        } else {
            &self.body
        };
        source.get(text.range()).unwrap_or_default()
    }

    /// Returns the spans with access to their strings.
    pub fn views(&self) -> impl ExactSizeIterator<Item = SpanView<'_>> {
        self.spans.iter().map(|record| SpanView {
            batch: self,
            record,
        })
    }

    /// Returns the span at `index`.
    pub fn view(&self, index: usize) -> Option<SpanView<'_>> {
        self.spans.get(index).map(|record| SpanView {
            batch: self,
            record,
        })
    }

    /// Returns roughly how much memory the batch costs, for bounds and metrics.
    pub fn memory_bytes(&self) -> usize {
        self.body.len().saturating_add(self.more_bytes)
            + self.extra.capacity()
            + self.spans.capacity() * size_of::<SpanRecord>()
            + self.tags.capacity() * size_of::<(Text, Text)>()
            + self.annotations.capacity() * size_of::<(i64, Text)>()
            + self.ipv6.capacity() * size_of::<[u8; 16]>()
    }
}

/// A span of a batch together with the batch its strings lie in. Strings are bytes here: decoders
/// have checked that they are UTF-8, and the hot path never needs to know.
#[derive(Clone, Copy, Debug)]
pub struct SpanView<'a> {
    batch: &'a SpanBatch,
    record: &'a SpanRecord,
}

impl<'a> SpanView<'a> {
    /// Returns the scalars.
    pub fn record(&self) -> &'a SpanRecord {
        self.record
    }

    /// Returns the batch.
    pub fn batch(&self) -> &'a SpanBatch {
        self.batch
    }

    /// Returns the name; empty is absent.
    pub fn name(&self) -> &'a [u8] {
        self.batch.bytes(self.record.name)
    }

    /// Returns the local service name; empty is absent.
    pub fn local_service_name(&self) -> &'a [u8] {
        self.batch.bytes(self.record.local.service_name)
    }

    /// Returns the remote service name; empty is absent.
    pub fn remote_service_name(&self) -> &'a [u8] {
        self.batch.bytes(self.record.remote.service_name)
    }

    /// Returns the tags as received: keys may repeat, the last one wins.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let batch = self.batch;
        slice(&batch.tags, self.record.tags)
            .iter()
            .map(|&(k, v)| (batch.bytes(k), batch.bytes(v)))
    }

    /// Returns the annotations as received.
    pub fn annotations(&self) -> impl ExactSizeIterator<Item = (i64, &'a [u8])> + use<'a> {
        let batch = self.batch;
        slice(&batch.annotations, self.record.annotations)
            .iter()
            .map(|&(t, v)| (t, batch.bytes(v)))
    }

    /// Returns the address of an endpoint of this span.
    pub fn ipv6(&self, endpoint: &EndpointRecord) -> Option<[u8; 16]> {
        let index = (endpoint.ipv6 as usize).checked_sub(1)?;
        self.batch.ipv6.get(index).copied()
    }

    /// Returns the owned, normalised span.
    pub fn to_span(&self) -> Span {
        let r = self.record;
        let mut span = Span {
            trace_id: r.trace_id,
            parent_id: (r.parent_id != 0).then_some(SpanId(r.parent_id)),
            id: SpanId(r.id),
            kind: r.kind,
            name: non_empty(self.name()),
            timestamp_us: r.timestamp_us,
            duration_us: r.duration_us,
            local_endpoint: self.endpoint(&r.local),
            remote_endpoint: self.endpoint(&r.remote),
            annotations: self
                .annotations()
                .map(|(timestamp_us, value)| Annotation {
                    timestamp_us,
                    value: text(value),
                })
                .collect(),
            tags: self
                .tags()
                .map(|(key, value)| (text(key), text(value)))
                .collect(),
            debug: r.debug,
            shared: r.shared,
        };
        span.normalise();
        span
    }

    fn endpoint(&self, e: &EndpointRecord) -> Option<Endpoint> {
        Endpoint {
            service_name: non_empty(self.batch.bytes(e.service_name)),
            ipv4: e.has_ipv4.then(|| Ipv4Addr::from(e.ipv4)),
            ipv6: self.ipv6(e).map(Ipv6Addr::from),
            port: e.port,
        }
        .into_option()
    }
}

fn slice<T>(all: &[T], range: Slice) -> &[T] {
    let first = range.first as usize;
    all.get(first..first + range.count as usize)
        .unwrap_or_default()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn non_empty(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| text(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_equal_tag_keys_wins() {
        let mut batch = SpanBatch {
            body: Bytes::from_static(b"ka1b2"),
            ..Default::default()
        };
        let t = |at| Text::in_body(at, 1);
        batch.tags = vec![(t(0), t(2)), (t(1), t(2)), (t(0), t(4))];
        batch.spans.push(SpanRecord {
            tags: Slice { first: 0, count: 3 },
            id: 1,
            trace_id: TraceId { high: 0, low: 1 },
            ..Default::default()
        });
        let span = batch.view(0).unwrap().to_span();
        assert_eq!(
            span.tags,
            [("a".into(), "1".into()), ("k".into(), "2".into())]
        );
    }
}
