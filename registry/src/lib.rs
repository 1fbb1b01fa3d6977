//! A registry of services that Eureka's clients and servers take for one of theirs.
//!
//! ```text
//! clients ─▶ http ─▶ desk ─▶ book (leases, lists, rules)
//!                     │  ▲
//!                     ▼  │
//!           peers ◀─ peer (outbox, courier)          snapshot ◀─ run
//! ```
//!
//! # Layout
//!
//! - [`model`]: what is registered.
//! - [`codec`]: Eureka's JSON and XML.
//! - [`book`]: leases and their rules, without clock and network.
//! - [`pages`], [`gzip`]: lists in pieces that are written and packed once.
//! - [`desk`]: requests in front of the book.
//! - [`peer`]: other registries.
//! - [`snapshot`]: all leases in one text, for peers and for the next life.
//! - [`http`]: Eureka's operations and ours; [`dashboard`]: a page.
//! - [`mod@run`], [`settings`], [`tls`]: a registry's life and what the operator decides.
//! - [`time`], [`meter`], [`complaint`]: clocks, counters, and troubles told once.

pub mod book;
pub mod codec;
pub mod complaint;
pub mod dashboard;
pub mod desk;
pub mod gzip;
pub mod http;
pub mod meter;
pub mod model;
pub mod pages;
pub mod peer;
pub mod run;
pub mod settings;
pub mod snapshot;
pub mod time;
pub mod tls;

pub use run::run;
pub use settings::{Options, Settings};
