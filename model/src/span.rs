//! The owned span: what answers, tests and cold paths hold. The hot path uses [`crate::batch`].

use std::cmp::Ordering;

use crate::endpoint::Endpoint;
use crate::id::{SpanId, TraceId};

/// The role of a span in a call. Absent for local work.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Started the call.
    Client = 1,
    /// Answered the call.
    Server = 2,
    /// Sent a message to a broker.
    Producer = 3,
    /// Took a message from a broker.
    Consumer = 4,
}

impl Kind {
    /// Returns the kind numbered as in `zipkin.proto`, or `None` for 0 and unknown numbers.
    pub fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Client),
            2 => Some(Self::Server),
            3 => Some(Self::Producer),
            4 => Some(Self::Consumer),
            _ => None,
        }
    }

    /// Returns the name on the wire, upper case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "CLIENT",
            Self::Server => "SERVER",
            Self::Producer => "PRODUCER",
            Self::Consumer => "CONSUMER",
        }
    }
}

/// An event inside a span.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Annotation {
    /// Microseconds since the epoch. May be 0 or negative: Zipkin keeps those from JSON.
    pub timestamp_us: i64,
    /// What happened.
    pub value: String,
}

/// One unit of work of a trace, normalised: annotations sorted by (time, value) without exact
/// duplicates, tags sorted by key in Java's `String` order (UTF-16 code units) with one value a
/// key, `shared` never on a client. Two spans are duplicates when they are equal.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Span {
    /// The trace this belongs to.
    pub trace_id: TraceId,
    /// The calling span; never equal to `id`, never zero.
    pub parent_id: Option<SpanId>,
    /// Unique in the trace, but for the halves of a shared span.
    pub id: SpanId,
    /// The role in a call.
    pub kind: Option<Kind>,
    /// The operation, lower-case, never empty.
    pub name: Option<String>,
    /// Start in microseconds since the epoch, at most `i64::MAX`; 0 is absent, as on the wire.
    pub timestamp_us: u64,
    /// Length in microseconds, at most `i64::MAX`; 0 is absent, as on the wire.
    pub duration_us: u64,
    /// Who recorded the span.
    pub local_endpoint: Option<Endpoint>,
    /// The other side of the call.
    pub remote_endpoint: Option<Endpoint>,
    /// Events, sorted.
    pub annotations: Vec<Annotation>,
    /// Key and value, sorted by key.
    pub tags: Vec<(String, String)>,
    /// Whether samplers were overruled.
    pub debug: bool,
    /// Whether the span id was made by the client of the call.
    pub shared: bool,
}

impl Span {
    /// Returns about how much memory the span takes.
    pub fn memory_bytes(&self) -> usize {
        let endpoint = |endpoint: &Option<Endpoint>| {
            let name = endpoint.as_ref().and_then(|e| e.service_name.as_deref());
            name.map_or(0, str::len)
        };
        let tags = self.tags.iter().map(|(key, value)| key.len() + value.len());
        let annotations = self.annotations.iter().map(|a| a.value.len());
        size_of::<Self>()
            + self.name.as_deref().map_or(0, str::len)
            + endpoint(&self.local_endpoint)
            + endpoint(&self.remote_endpoint)
            + self.tags.len() * size_of::<(String, String)>()
            + self.annotations.len() * size_of::<Annotation>()
            + tags.chain(annotations).sum::<usize>()
    }

    /// Sorts annotations and tags as this struct promises. Of equal tag keys the last one wins, so
    /// tags must still be in the order received.
    pub fn normalise(&mut self) {
        self.annotations.sort_by(|a, b| {
            a.timestamp_us
                .cmp(&b.timestamp_us)
                .then_with(|| java_order(&a.value, &b.value))
        });
        self.annotations.dedup();
        // Stable, so that of equal keys the last received is the last of its run.
        self.tags.sort_by(|a, b| java_order(&a.0, &b.0));
        self.tags.dedup_by(|later, kept| {
            let same = later.0 == kept.0;
            if same {
                std::mem::swap(later, kept);
            }
            same
        });
    }

    /// Returns the local service name.
    pub fn local_service_name(&self) -> Option<&str> {
        self.local_endpoint.as_ref()?.service_name.as_deref()
    }

    /// Returns the remote service name.
    pub fn remote_service_name(&self) -> Option<&str> {
        self.remote_endpoint.as_ref()?.service_name.as_deref()
    }

    /// Returns the value of the tag with this key.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }
}

/// Compares two strings as Java's `String.compareTo` does: by UTF-16 code units. Zipkin sorts
/// tags and names that way, so characters beyond the BMP come before U+E000 to U+FFFF.
pub fn java_order(a: &str, b: &str) -> Ordering {
    if a.is_ascii() || b.is_ascii() {
        a.cmp(b)
    } else {
        java_order_of_utf8(a.as_bytes(), b.as_bytes())
    }
}

/// Does the same for UTF-8 that is not known to be a string: characters beyond the BMP, whose first
/// byte is 0xf0 or more, come before those whose first byte is 0xee or 0xef. No other byte is as
/// high.
pub(crate) fn java_order_of_utf8(a: &[u8], b: &[u8]) -> Ordering {
    let differ = a.iter().zip(b).find(|(a, b)| a != b);
    match differ {
        Some((a, b)) if *a >= 0xee && *b >= 0xee && (*a < 0xf0) != (*b < 0xf0) => b.cmp(a),
        Some((a, b)) => a.cmp(b),
        None => a.len().cmp(&b.len()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn java_order_is_by_utf16_code_unit() {
        assert_eq!(java_order("\u{1F600}", "\u{FF5E}"), Ordering::Less);
        assert_eq!(java_order("a", "b"), Ordering::Less);
    }

    proptest! {
        #[test]
        fn texts_are_ordered_by_utf16_code_unit_in_either_form(
            a in "[a\u{7ff}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}]{0,4}",
            b in "[a\u{7ff}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}]{0,4}",
        ) {
            let expected = a.encode_utf16().cmp(b.encode_utf16());
            prop_assert_eq!(java_order(&a, &b), expected);
            prop_assert_eq!(java_order_of_utf8(a.as_bytes(), b.as_bytes()), expected);
        }
    }
}
