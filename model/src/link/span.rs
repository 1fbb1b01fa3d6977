//! The little of a span that linking needs, borrowed or interned. Not a span to be answered.

use std::cmp::Ordering;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::endpoint::Endpoint;
use crate::span::{Kind, Span, java_order};
use crate::trace::Fragment;
use crate::trace::{agree, compare_texts, none_last};

/// A service name borrowed from a span, in Java's order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Name<'a>(pub &'a str);

impl Ord for Name<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        java_order(self.0, other.0)
    }
}

impl PartialOrd for Name<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where a span was recorded. With nothing set it is no endpoint at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LinkEndpoint<N> {
    /// The service.
    pub service: Option<N>,
    /// The IPv4 address, in network order.
    pub ipv4: Option<u32>,
    /// The IPv6 address, in network order.
    pub ipv6: Option<u128>,
    /// The port; 0 is absent.
    pub port: u16,
}

impl<N> Default for LinkEndpoint<N> {
    fn default() -> Self {
        Self {
            service: None,
            ipv4: None,
            ipv6: None,
            port: 0,
        }
    }
}

impl<N> LinkEndpoint<N> {
    fn is_none(&self) -> bool {
        self.service.is_none() && self.ipv4.is_none() && self.ipv6.is_none() && self.port == 0
    }
}

/// What the linker knows of a span. `N` names a service: [`Name`], or a number that stands for
/// one name throughout; its order only decides which of several half-reported endpoints of one
/// span go together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkSpan<N> {
    /// The span id.
    pub id: u64,
    /// The parent, not the id itself; 0 is absent.
    pub parent_id: u64,
    /// Microseconds since the epoch; 0 is absent.
    pub timestamp_us: u64,
    /// The role.
    pub kind: Option<Kind>,
    /// The id was made by the client; never on a client.
    pub shared: bool,
    /// Whether there is a tag named `error`, whatever its value.
    pub error: bool,
    /// Who recorded it.
    pub local: LinkEndpoint<N>,
    /// The other side's service.
    pub remote_service: Option<N>,
}

impl<'a> From<&'a Span> for LinkSpan<Name<'a>> {
    fn from(span: &'a Span) -> Self {
        Self {
            id: span.id.0,
            parent_id: span.parent_id.map_or(0, |id| id.0),
            timestamp_us: span.timestamp_us,
            kind: span.kind,
            shared: span.shared,
            error: span.tag("error").is_some(),
            local: span
                .local_endpoint
                .as_ref()
                .map(Into::into)
                .unwrap_or_default(),
            remote_service: span.remote_service_name().map(Name),
        }
    }
}

impl<'a> From<&'a Endpoint> for LinkEndpoint<Name<'a>> {
    fn from(endpoint: &'a Endpoint) -> Self {
        Self {
            service: endpoint.service_name.as_deref().map(Name),
            ipv4: endpoint.ipv4.map(u32::from),
            ipv6: endpoint.ipv6.map(u128::from),
            port: endpoint.port,
        }
    }
}

impl<N: Copy + Ord> Fragment for LinkSpan<N> {
    fn id(&self) -> u64 {
        self.id
    }

    fn parent_id(&self) -> u64 {
        self.parent_id
    }

    fn kind(&self) -> Option<Kind> {
        self.kind
    }

    fn shared(&self) -> bool {
        self.shared
    }

    fn timestamp_us(&self) -> u64 {
        self.timestamp_us
    }

    fn compare_local(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.local, &other.local);
        if a.is_none() || b.is_none() {
            return b.is_none().cmp(&a.is_none());
        }
        none_last(a.service, b.service, N::cmp)
            .then_with(|| {
                let ipv4 = |bits: Option<u32>| bits.map(Ipv4Addr::from);
                none_last(ipv4(a.ipv4), ipv4(b.ipv4), compare_texts)
            })
            .then_with(|| {
                let ipv6 = |bits: Option<u128>| bits.map(Ipv6Addr::from);
                none_last(ipv6(a.ipv6), ipv6(b.ipv6), compare_texts)
            })
    }

    fn identify_local(&self, other: &Self) -> Ordering {
        self.local.cmp(&other.local)
    }

    fn local_agrees(&self, other: &Self) -> bool {
        let (a, b) = (&self.local, &other.local);
        agree(a.service, b.service)
            && agree(a.ipv4, b.ipv4)
            && agree(a.ipv6, b.ipv6)
            && (a.port == b.port || a.port == 0 || b.port == 0)
    }

    fn absorb(&mut self, later: Self) {
        let set = |first, later| if first == 0 { later } else { first };
        self.parent_id = set(self.parent_id, later.parent_id);
        self.timestamp_us = set(self.timestamp_us, later.timestamp_us);
        self.kind = self.kind.or(later.kind);
        self.shared |= later.shared;
        self.error |= later.error;
        self.local = LinkEndpoint {
            service: self.local.service.or(later.local.service),
            ipv4: self.local.ipv4.or(later.local.ipv4),
            ipv6: self.local.ipv6.or(later.local.ipv6),
            port: if self.local.port == 0 {
                later.local.port
            } else {
                self.local.port
            },
        };
        self.remote_service = self.remote_service.or(later.remote_service);
    }

    fn finish(&mut self) {}

    fn set_shared(&mut self) {
        self.shared = true;
    }

    fn set_parent_id(&mut self, parent_id: u64) {
        self.parent_id = parent_id;
    }
}
