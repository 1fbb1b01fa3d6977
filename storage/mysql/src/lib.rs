//! The engine over MySQL or MariaDB, in the tables of Zipkin's schema v1: Zipkin's server and ours
//! can share one database, each reading what the other wrote. No spool: what lies in front of a
//! database that is away is another crate's business.
//!
//! # Layout
//!
//! - [`config`]: where the server is, read from Zipkin's `MYSQL_*` variables.
//! - [`store`]: [`MySqlStore`], the engine's face.
//! - `link`: the pool of connections, deadlines, and which thread waits for what.
//! - `schema`: the tables, made or looked at; columns that older schemas lack.
//! - `row`, `text`: a span as rows, cut to what columns hold. `insert` sends lists of them.
//! - `fetch`, `decode`: rows of traces, and spans again.
//! - `search`, `names`, `dependencies`: the questions.
//! - [`housekeeping`]: links of days and retention, under a lease. `relink`: days to link again.
//! - [`mod@check`]: findings in words.
#![deny(clippy::indexing_slicing)]

pub mod check;
pub mod config;
mod decode;
mod dependencies;
mod error;
mod fetch;
pub mod housekeeping;
mod insert;
mod link;
mod names;
mod relink;
mod row;
mod schema;
mod search;
pub mod store;
mod text;

pub use check::check;
pub use config::{Config, ConfigError};
pub use housekeeping::Housekeeping;
pub use store::MySqlStore;
