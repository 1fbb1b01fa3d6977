//! The workload's own span: plain fields, so that what is measured does not make its own input.
//! It is not the product's span.

use std::borrow::Cow;

/// The role of a span, numbered as in `zipkin.proto`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Started a call.
    Client = 1,
    /// Answered a call.
    Server = 2,
    /// Sent a message.
    Producer = 3,
    /// Took a message.
    Consumer = 4,
}

impl Kind {
    /// Returns the name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "CLIENT",
            Self::Server => "SERVER",
            Self::Producer => "PRODUCER",
            Self::Consumer => "CONSUMER",
        }
    }
}

/// One side of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// The service; empty is absent.
    pub service_name: &'static str,
    /// The address.
    pub ipv4: [u8; 4],
    /// The port; 0 is absent.
    pub port: u16,
}

/// A text that is usually one of a table's.
pub type Text = Cow<'static, str>;

/// A span as an instrumented service would report it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// 128 random bits.
    pub trace_id: u128,
    /// 0 at the root.
    pub parent_id: u64,
    /// Shared by both sides of a call.
    pub id: u64,
    /// The role.
    pub kind: Kind,
    /// Lower case.
    pub name: Text,
    /// Microseconds since the epoch.
    pub timestamp_us: u64,
    /// Microseconds, at least 1.
    pub duration_us: u64,
    /// Who reports.
    pub local: Endpoint,
    /// The other side.
    pub remote: Endpoint,
    /// Time and value.
    pub annotations: Vec<(u64, &'static str)>,
    /// Keys are distinct.
    pub tags: Vec<(&'static str, Text)>,
    /// True on a server that continues its client's span.
    pub shared: bool,
    /// Which process reports it: an index over all services' instances.
    pub instance: u16,
}

impl Span {
    /// Returns when it ended, which is when a reporter gets it.
    pub fn end_us(&self) -> u64 {
        self.timestamp_us + self.duration_us
    }
}
