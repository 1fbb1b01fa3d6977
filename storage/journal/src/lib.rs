//! The log of opaque records that stands in front of every engine: appended, synced, replayed on
//! start, recycled once the engine holds what is in it. It knows nothing of spans.
//!
//! # Layout
//!
//! - [`Record`]: what is appended, with its checksum.
//! - [`Journal`]: append, sync, release; replay in a file of its own.
//! - `format`: the bytes of format 1, drawn; also in `docs/journal-format.md`.
//! - `folder`: which file has which name.
//! - `scan`: whole records out of one file.
//! - [`copy`]: a copy of a journal that another process may be writing.

#![deny(clippy::indexing_slicing)]

mod backup;
mod config;
mod error;
mod folder;
mod format;
mod journal;
mod record;
mod replay;
mod scan;
mod tail;

pub use backup::{Copied, copy};
pub use config::Config;
pub use error::JournalError;
pub use journal::Journal;
pub use record::Record;
pub use replay::{Replay, Tail};
