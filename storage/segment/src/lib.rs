//! The durable default engine: columnar segments sorted by trace, with fresh spans searchable at
//! once. It knows no HTTP and no other engine.
//!
//! # Layout, in the order data flows
//!
//! - `store`, `head`: what takes writes; `stats`: how it goes; `config`, `error`: how and why not.
//! - `rows`, `column`, `intern`: spans as rows over dictionaries.
//! - `encode`, `page_encode`, `pack`, `format`, `planes`, `bytes`: rows into a segment file;
//!   `filter`, `page_filters`: what a merged one can't hold.
//! - `seal`, `compact`, `absorb`, `weave`: heads into segments, segments into larger ones;
//!   `unwritten`: those in between that are in memory alone.
//! - `manifest`, `recover`: which segments count, after a crash too.
//! - [`backup`]: copies of a store that is in use.
//! - `moving`, `view`: segments that go into a database.
//! - `segment`, `page`, `dictionary`, `cache`, `assemble`: segments back into spans.
//! - `read`, `search`, `scan`, `names`, `observed`, `dependencies`, `links`: what the query API
//!   asks.
#![deny(clippy::indexing_slicing)]

mod absorb;
mod assemble;
pub mod backup;
mod bytes;
mod cache;
mod column;
mod compact;
mod config;
mod criteria;
mod dependencies;
mod dictionary;
mod encode;
mod error;
mod filter;
mod format;
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod intern;
mod links;
mod manifest;
mod moving;
mod names;
mod observed;
mod pack;
mod page;
mod page_encode;
mod page_filters;
mod planes;
mod read;
mod recover;
mod rows;
mod scan;
mod seal;
mod search;
mod segment;
mod stats;
mod store;
mod unwritten;
mod view;
mod weave;

pub use config::Config;
pub use error::OpenError;
pub use stats::Stats;
pub use store::SegmentStore;
