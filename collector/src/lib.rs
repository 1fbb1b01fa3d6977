//! Spans in: from the bytes of a request to spans that are durable and visible. It knows neither
//! sockets nor engines: requests come as headers and a body, spans leave through a `SpanWriter`.
//!
//! # Layout, in the order a span meets it
//!
//! - [`receive`]: the transports: Zipkin's HTTP and gRPC, OpenTelemetry's OTLP over both.
//! - [`inflate`]: compressed bodies, capped.
//! - [`detect`]: what is answered without decoding.
//! - [`sample`]: which traces are kept.
//! - [`tag`]: what the journal keeps beside a body, so that a replay decides as the first run did.
//! - [`inlet`]: the stages above in order, on the thread of a shard.
//! - [`handover`]: the bounded queue from the shards to the one committer.
//! - [`commit`]: journal, sync, store, answer: a group at a time.
//! - [`reply`]: the way back from the committer to the waiting requests.
//! - [`replay`]: what the journal holds and the engine does not, on start.
//! - [`ledger`]: where every span went.

pub mod commit;
pub mod detect;
pub mod handover;
pub mod inflate;
pub mod inlet;
pub mod ledger;
pub mod receive;
pub mod replay;
pub mod reply;
pub mod sample;
pub mod tag;

pub use commit::{Committer, Condition, Log, Pace, SyncMode};
pub use handover::{Handover, HandoverConfig};
pub use inflate::Encoding;
pub use inlet::{Inlet, Refusal};
pub use ledger::{Ledger, Transport};
pub use reply::{Mailbox, Outcome};
pub use sample::{Dial, Sampler};
