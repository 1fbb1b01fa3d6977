//! The network context of a span: a service and its address.

use std::net::{Ipv4Addr, Ipv6Addr};

pub mod ip;

/// A service name and address. An endpoint with nothing in it is written as no endpoint at all:
/// use `Option<Endpoint>` and [`Endpoint::into_option`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Endpoint {
    /// Lower-case, never empty.
    pub service_name: Option<String>,
    /// The IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// The IPv6 address.
    pub ipv6: Option<Ipv6Addr>,
    /// 1 to 65535; 0 is absent.
    pub port: u16,
}

impl Endpoint {
    /// Returns `None` when nothing is known, as Zipkin does.
    pub fn into_option(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}
