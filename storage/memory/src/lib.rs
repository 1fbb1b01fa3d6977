//! The engine that keeps the newest spans in memory, bounded by their number, with the behaviour
//! of Zipkin's own memory store. It is also the model that other engines are compared with. It is
//! not durable: a restart forgets everything.
//!
//! # Layout
//!
//! - [`MemoryStore`]: the contract's two halves over one lock.
//! - `traces`: spans by trace and by millisecond, and eviction of the oldest trace.
//! - `names`: what is offered to choose from.

#![deny(clippy::indexing_slicing)]

mod names;
mod store;
mod traces;

pub use store::{Config, MemoryStore};
