//! One connection to the target: a body goes out, what the server made of it comes back. Which
//! body and when is not decided here.

mod grpc;
mod http;
mod socket;
mod stream;

use std::io;
use std::time::Duration;

pub use http::{Http, Reply};

use crate::pool::Filled;
use crate::target::Target;
use crate::workload::Format;

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// How bodies travel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// A POST over HTTP/1.1.
    Http {
        /// How bodies are written, which decides path and type.
        format: Format,
        /// Whether they are gzip.
        gzip: bool,
    },
    /// `zipkin.proto3.SpanService/Report` over HTTP/2.
    Grpc,
}

/// What a server made of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It took it.
    Accepted,
    /// It said that it is busy or limited (429, 503; gRPC 8, 14), and when to come again.
    Refused {
        /// The status of HTTP or gRPC.
        status: u16,
        /// What `Retry-After` says.
        retry_after: Option<Duration>,
    },
    /// It answered something else.
    Failed {
        /// The status of HTTP or gRPC.
        status: u16,
        /// The beginning of what it said.
        text: String,
    },
}

/// A connection that is opened when it is needed.
#[derive(Debug)]
pub enum Line {
    /// Over HTTP/1.1.
    Http(Box<Http>),
    /// Over HTTP/2.
    Grpc(Box<grpc::Grpc>),
}

impl Line {
    /// Returns a connection that is not yet open; `patience` bounds each exchange, from the first
    /// byte out to the last one in, to a sixteenth.
    pub fn new(transport: &Transport, target: &Target, patience: Duration) -> io::Result<Self> {
        Ok(match transport {
            Transport::Http { format, gzip } => {
                let mut http = Http::new(target, patience);
                http.post(*format, *gzip);
                Self::Http(Box::new(http))
            }
            Transport::Grpc => Self::Grpc(Box::new(grpc::Grpc::new(target, patience)?)),
        })
    }

    /// Opens the connection before the first body.
    pub fn open(&mut self) -> io::Result<()> {
        match self {
            Self::Http(http) => http.open(),
            Self::Grpc(grpc) => grpc.open(),
        }
    }

    /// Sends a body and waits for the answer.
    pub fn send(&mut self, body: &Filled) -> io::Result<Outcome> {
        match self {
            Self::Http(http) => http.send(&body.bytes),
            Self::Grpc(grpc) => grpc.send(&body.bytes),
        }
    }
}

/// Returns what a server said without what a terminal would obey.
fn printable(text: &str) -> String {
    let text = text.replace(char::is_control, " ");
    text.trim().to_owned()
}
