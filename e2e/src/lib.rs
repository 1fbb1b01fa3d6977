//! The harness of the black-box tests: starts the real binary, speaks to it over sockets, kills it.
//! It uses no crate of the product; what it knows of the server is its command line and its wire.
//!
//! # Layout
//!
//! - [`server`]: one server process with its own port and data folder.
//! - [`http`]: an HTTP/1.1 client that can also send what no client should.
//! - [`grpc`]: one unary call over HTTP/2, written by hand.
//! - [`golden`]: recorded requests and the answers they must get.
//! - [`kit`]: Maven over the tests of other makers, and what they reported.
//! - [`browser`]: a real browser, and what a page does in it.
//! - [`metrics`]: counters as the server tells them.
//! - [`registry`]: a registry of services that notes what it is asked.
//! - [`spans`]: small spans with ids that say where they come from.
//! - [`chance`]: seeded random numbers.

pub mod browser;
pub mod chance;
pub mod golden;
pub mod grpc;
pub mod http;
pub mod kit;
pub mod metrics;
pub mod registry;
pub mod server;
pub mod spans;

pub use chance::Chance;
pub use http::{Answer, Connection, Request};
pub use server::{Options, Server};
