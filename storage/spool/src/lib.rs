//! The spool in front of a database: spans are acknowledged once an engine on the process's own
//! disk has them, a thread moves them into the database, and queries are answered from both places.
//! It knows neither engine, only what the storage contract says of them.
//!
//! ```text
//! write ─▶ local engine ──portion, oldest first──▶ mover ──named lists──▶ database
//!               │                                                            │
//!               └──────────── view, taken first ──▶ queries ◀────────────────┘
//! ```
//!
//! # Layout
//!
//! - `spool`: [`Spool`], its two ends and its bounds; `config`: how large, how patient.
//! - `mover`, `backoff`: from one place to the other, and what happens when that fails.
//! - `progress`: how it goes, for health, metrics and the log.
//! - `read`, `search`, `dependencies`, `whole`: answers over both places, a span once.
#![deny(clippy::indexing_slicing)]

mod backoff;
mod config;
mod dependencies;
mod mover;
mod progress;
mod read;
mod search;
mod spool;
mod whole;

pub use config::Config;
pub use progress::Stats;
pub use spool::Spool;
