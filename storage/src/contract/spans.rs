//! Spans and requests drawn in a few words. Not random: property tests bring their own.

use std::net::{Ipv4Addr, Ipv6Addr};

use speargun_model::span::java_order;
use speargun_model::{Annotation, DependencyLink, Endpoint, Kind, Span, SpanId, TraceId};

use crate::request::{TagTerm, TraceRequest, Window};

/// The time around which all cases happen, in milliseconds since the epoch.
pub const NOW_MS: u64 = 1_700_000_000_000;

/// The same in microseconds.
pub const NOW_US: u64 = NOW_MS * 1000;

/// Returns a span at [`NOW_US`] with nothing but its ids.
pub fn span(trace_id: u128, id: u64) -> Span {
    Span {
        trace_id: TraceId::from_u128(trace_id),
        id: SpanId(id),
        timestamp_us: NOW_US,
        ..Span::default()
    }
}

/// Returns a span with something in every field.
pub fn full_span(trace_id: u128, id: u64) -> Span {
    let mut full = span(trace_id, id)
        .under(id + 1000)
        .kind(Kind::Server)
        .named("get /\u{e9}t\u{e9}")
        .lasting(150)
        .by("frontend")
        .to("backend \u{1F600}")
        .note(0, "first")
        .note(2000, "foo")
        .note(2000, "\u{FF5E}")
        .tag("http.path", "/api?a=\"b\"\n")
        .tag("", "")
        .tag("\u{1F600}", "\u{FF5E}");
    full.debug = true;
    full.shared = true;
    if let Some(local) = &mut full.local_endpoint {
        local.ipv4 = Some(Ipv4Addr::new(10, 1, 2, 3));
        local.port = 65_535;
    }
    if let Some(remote) = &mut full.remote_endpoint {
        remote.ipv4 = Some(Ipv4Addr::UNSPECIFIED);
        remote.ipv6 = Some(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xc001));
        remote.port = 1;
    }
    full
}

/// Draws on a span.
pub trait Sketch {
    /// Sets the start to so many microseconds after [`NOW_US`].
    #[must_use]
    fn at(self, offset_us: i64) -> Self;
    /// Takes the start away.
    #[must_use]
    fn timeless(self) -> Self;
    /// Sets the length in microseconds.
    #[must_use]
    fn lasting(self, duration_us: u64) -> Self;
    /// Sets the parent.
    #[must_use]
    fn under(self, parent_id: u64) -> Self;
    /// Sets the role.
    #[must_use]
    fn kind(self, kind: Kind) -> Self;
    /// Marks the half of a shared span.
    #[must_use]
    fn sharing(self) -> Self;
    /// Sets the name.
    #[must_use]
    fn named(self, name: &str) -> Self;
    /// Sets the local service name.
    #[must_use]
    fn by(self, service: &str) -> Self;
    /// Sets the remote service name.
    #[must_use]
    fn to(self, service: &str) -> Self;
    /// Adds a tag.
    #[must_use]
    fn tag(self, key: &str, value: &str) -> Self;
    /// Adds an annotation at so many microseconds since the epoch.
    #[must_use]
    fn note(self, timestamp_us: i64, value: &str) -> Self;
}

impl Sketch for Span {
    fn at(mut self, offset_us: i64) -> Self {
        self.timestamp_us = NOW_US.saturating_add_signed(offset_us);
        self
    }

    fn timeless(mut self) -> Self {
        self.timestamp_us = 0;
        self
    }

    fn lasting(mut self, duration_us: u64) -> Self {
        self.duration_us = duration_us;
        self
    }

    fn under(mut self, parent_id: u64) -> Self {
        self.parent_id = Some(SpanId(parent_id));
        self
    }

    fn kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    fn sharing(mut self) -> Self {
        self.shared = true;
        self
    }

    fn named(mut self, name: &str) -> Self {
        self.name = Some(name.into());
        self
    }

    fn by(mut self, service: &str) -> Self {
        self.local_endpoint = Some(endpoint(service));
        self
    }

    fn to(mut self, service: &str) -> Self {
        self.remote_endpoint = Some(endpoint(service));
        self
    }

    fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.retain(|(k, _)| k != key);
        self.tags.push((key.into(), value.into()));
        self.tags.sort_by(|a, b| java_order(&a.0, &b.0));
        self
    }

    fn note(mut self, timestamp_us: i64, value: &str) -> Self {
        self.annotations.push(Annotation {
            timestamp_us,
            value: value.into(),
        });
        self.annotations.sort_by(|a, b| {
            let by_time = a.timestamp_us.cmp(&b.timestamp_us);
            by_time.then_with(|| java_order(&a.value, &b.value))
        });
        self
    }
}

fn endpoint(service: &str) -> Endpoint {
    Endpoint {
        service_name: Some(service.into()),
        ..Endpoint::default()
    }
}

/// Returns the window of the minute on each side of [`NOW_MS`].
pub fn around_now() -> Window {
    Window {
        end_ms: NOW_MS + 60_000,
        lookback_ms: 120_000,
    }
}

/// Returns a request for everything in [`around_now`].
pub fn everything() -> TraceRequest {
    TraceRequest::everything(around_now(), 1000)
}

/// Returns a request for a service.
pub fn of_service(service: &str) -> TraceRequest {
    TraceRequest {
        service_name: Some(service.into()),
        ..everything()
    }
}

/// Returns a request with terms: `key`, or `key=value`.
pub fn with_terms(terms: &[&str]) -> TraceRequest {
    let term = |text: &&str| {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (*text, None),
        };
        TagTerm {
            key: key.to_owned(),
            value,
        }
    };
    TraceRequest {
        terms: terms.iter().map(term).collect(),
        ..everything()
    }
}

/// Returns a link.
pub fn link(parent: &str, child: &str, call_count: u64) -> DependencyLink {
    DependencyLink {
        parent: parent.into(),
        child: child.into(),
        call_count,
        error_count: 0,
    }
}
