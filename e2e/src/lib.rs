//! The harness of the black-box tests: starts the real binary, speaks to it over sockets, kills it.
//! It uses no crate of the product; what it knows of the server is its command line and its wire.
//!
//! # Layout
//!
//! - [`server`]: one server process with its own port and data folder.
//! - [`clickhouse`]: a real `ClickHouse` server to store in.
//! - [`config`]: a configuration server over a repository of its own.
//! - [`demo`]: `speargun demo` and its processes.
//! - [`http`]: an HTTP/1.1 client that can also send what no client should.
//! - [`grpc`]: one unary call over HTTP/2, written by hand.
//! - [`otlp`]: requests of OTLP in protobuf.
//! - [`eureka`]: one process of the registry.
//! - [`golden`]: recorded requests and the answers they must get.
//! - [`kit`]: Maven over the tests of other makers, and what they reported.
//! - [`mariadb`]: a MariaDB in a folder of its own.
//! - [`browser`]: a real browser, and what a page does in it.
//! - [`metrics`]: counters as the server tells them.
//! - [`registry`]: a registry of services that notes what it is asked.
//! - [`spans`]: small spans with ids that say where they come from.
//! - [`spring`]: applications and servers of Spring, of three release trains.
//! - [`tap`]: what a client and a server say to each other.
//! - [`zipkin`]: Zipkin's own server.
//! - [`broker`]: brokers of messages, and what sends to them.
//! - [`chance`]: seeded random numbers.

pub mod broker;
pub mod browser;
pub mod chance;
pub mod clickhouse;
pub mod config;
pub mod demo;
pub mod eureka;
pub mod golden;
pub mod grpc;
pub mod http;
pub mod kit;
pub mod mariadb;
pub mod metrics;
pub mod otlp;
pub mod registry;
pub mod server;
pub mod spans;
pub mod spring;
pub mod tap;
pub mod zipkin;

pub use chance::Chance;
pub use http::{Answer, Connection, Request};
pub use server::{Options, Server};
pub use tap::{Exchange, Tap};
