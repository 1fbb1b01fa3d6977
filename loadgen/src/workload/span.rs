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
    /// Returns the kind with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Client),
            2 => Some(Self::Server),
            3 => Some(Self::Producer),
            4 => Some(Self::Consumer),
            _ => None,
        }
    }

    /// Returns the kind with this name in JSON.
    pub fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Client, Self::Server, Self::Producer, Self::Consumer];
        all.into_iter().find(|kind| kind.name() == name)
    }

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

/// One side of a call. What is empty or zero is absent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Endpoint {
    /// The service.
    pub service_name: Text,
    /// The address.
    pub ipv4: [u8; 4],
    /// The other address; the shop has none, recorded spans may.
    pub ipv6: [u8; 16],
    /// The port.
    pub port: u16,
}

impl Endpoint {
    /// Returns whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A text that is usually one of a table's.
pub type Text = Cow<'static, str>;

/// A span as an instrumented service would report it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Span {
    /// 128 random bits, or 64 when that is asked for.
    pub trace_id: u128,
    /// 0 at the root.
    pub parent_id: u64,
    /// Shared by both sides of a call.
    pub id: u64,
    /// The role; recorded spans may have none.
    pub kind: Option<Kind>,
    /// Lower case.
    pub name: Text,
    /// Microseconds since the epoch; 0 is absent.
    pub timestamp_us: u64,
    /// Microseconds; 0 is absent.
    pub duration_us: u64,
    /// Who reports.
    pub local: Endpoint,
    /// The other side.
    pub remote: Endpoint,
    /// Time and value.
    pub annotations: Vec<(u64, Text)>,
    /// Keys are distinct.
    pub tags: Vec<(Text, Text)>,
    /// True on a server that continues its client's span.
    pub shared: bool,
    /// Overrules samplers.
    pub debug: bool,
    /// Which process reports it: an index over all services' instances.
    pub instance: u16,
}

impl Span {
    /// Returns when it ended, which is when a reporter gets it.
    pub fn end_us(&self) -> u64 {
        self.timestamp_us.saturating_add(self.duration_us)
    }

    /// Adds tags with keys of a table.
    pub(super) fn tag<const N: usize>(&mut self, tags: [(&'static str, Text); N]) {
        let owned = tags.map(|(key, value)| (Text::Borrowed(key), value));
        self.tags.extend(owned);
    }
}
