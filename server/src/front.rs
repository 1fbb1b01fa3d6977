//! The front: sockets, HTTP and routes. What the routes do lies elsewhere.
//!
//! # Layout, from the socket inwards
//!
//! - [`accept`]: one acceptor hands connections to the shards in turn.
//! - [`shard`]: a thread with its own runtime, connections and way in.
//! - [`connection`], [`socket`]: HTTP/1.1 or HTTP/2 on one socket, within its bounds.
//! - [`unread`], [`stream`]: answers that clients have not read yet, and those still being made.
//! - [`traced`]: traces of the own requests, when they are on.
//! - [`service`]: one request: which route, which answer.
//! - [`path`], [`cors`], [`reply`], [`report`], [`traces`]: Zipkin's path forms, its headers for
//!   browsers, answers, those of gRPC and those of OTLP.

pub(crate) mod accept;
pub(crate) mod connection;
pub(crate) mod cors;
pub(crate) mod path;
pub(crate) mod reply;
pub(crate) mod report;
pub(crate) mod service;
pub(crate) mod shard;
pub(crate) mod socket;
pub(crate) mod stream;
mod traced;
pub(crate) mod traces;
pub(crate) mod unread;
