//! Spans in a `ClickHouse` server or cluster, which any number of processes share. The spool that
//! stands in front of it, and the settings' texts, are elsewhere.
//!
//! # Layout
//!
//! - [`config`]: where the server is; the variables that say so.
//! - [`schema`]: the tables, described once and written out for one server or a cluster.
//! - [`server`]: a connection: settings, deadlines, the next server after a failure.
//! - [`fault`]: what went wrong, and what to do about it.
//! - [`prepare`]: makes the tables, or finds out why they can't be used.
//! - `columns`: spans to columns, in the format that `native` writes; `rows`: back again.
//! - `insert`: a list of spans into the tables, once.
//! - `names`: names of services and spans, values of tags.
//! - `fetch`: traces by their ids. `criteria`, `search`: which traces are asked for.
//! - `links`: calls between services, from their table or computed.
//! - [`store`]: [`ClickHouse`], the engine.
//! - [`housekeeping`]: keeps the table of links, in one process of several.
//! - [`mod@check`]: the state of a server in plain words.

#![deny(clippy::indexing_slicing)]

pub mod check;
mod columns;
pub mod config;
mod criteria;
pub mod fault;
mod fetch;
pub mod housekeeping;
mod insert;
mod links;
mod names;
mod native;
pub mod prepare;
mod rows;
pub mod schema;
mod search;
pub mod server;
pub mod store;

pub use check::check;
pub use config::{Config, ConfigError, Secret, TagIndex, VARIABLES, Variable};
pub use housekeeping::Housekeeping;
pub use store::{ClickHouse, LinkAnswers};
