//! A registry of services that Eureka's clients and servers take for one of theirs.
//!
//! # Layout
//!
//! - [`model`]: what is registered.
//! - [`codec`]: Eureka's JSON and XML.
//! - [`book`]: leases and their rules, without clock and network.
//! - [`pages`], [`gzip`]: lists in pieces that are written and packed once.

pub mod book;
pub mod codec;
pub mod gzip;
pub mod model;
pub mod pages;
