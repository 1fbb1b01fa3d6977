//! Traces out: the nine endpoints of Zipkin's query API and those of our page, from a path and a
//! query string to a status and a body. It knows no HTTP library and no engine, and it blocks:
//! callers run it on query threads.
//!
//! # Layout
//!
//! - [`api`]: [`QueryApi`], routes, one file per group of endpoints.
//! - [`api::ui`]: [`UiApi`], what our own page asks besides.
//! - [`params`]: parameters as Zipkin binds them, with its texts for what it refuses.
//! - [`search`]: parameters to a valid [`TraceRequest`](speargun_storage::TraceRequest).
//! - [`view`]: answers to bytes.
//! - [`error`]: why there is no answer, and what the client sees of it.

pub mod api;
pub mod error;
pub mod params;
pub mod search;
pub mod view;

pub use api::ui::{Lines, UiAnswer, UiApi};
pub use api::{Answer, Config, QueryApi};
pub use error::QueryError;
