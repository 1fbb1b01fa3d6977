//! The storage contract: what an engine takes and what it answers. No engine lives here.
//!
//! # Layout
//!
//! - [`mod@write`]: [`SpanWriter`], what comes out of the journal.
//! - [`request`]: [`TraceRequest`], a search that is already valid, and the test a trace passes.
//! - [`read`]: [`SpanReader`], everything the query API asks.
//! - [`summary`]: searches that keep summaries, and go on where an earlier one ended.
//! - [`observed`]: names and values seen, with counts.
//! - [`database`]: [`Database`], what an engine over a server offers.
//! - [`local`]: [`Local`], what the engine in front of such a server offers.
//! - [`order`]: the order of the spans of a trace, and equal spans once.
//! - [`retention`]: how long and how much an engine keeps.
//! - [`error`]: what the caller does next.
//! - `contract` (feature `contract`): the suite that every engine passes.

#[cfg(feature = "contract")]
pub mod contract;
pub mod database;
pub mod error;
pub mod local;
pub mod observed;
pub mod order;
pub mod read;
pub mod request;
pub mod retention;
pub mod summary;
pub mod write;

pub use database::{Database, Finding, Inspect, ListName, Stored, Verdict};
pub use error::{ReadError, StoreError, WriteError};
pub use local::{Backlog, Local, LocalView, NamedList, Portion, Recent};
pub use observed::{Listed, NamesRequest, ObservedNames};
pub use read::{Extent, IdMode, ReadContext, SpanReader};
pub use request::{TagTerm, TraceRequest, Window};
pub use retention::Retention;
pub use summary::{Edge, FoundTrace, FoundTraces, Place, Root, SummaryRequest, TraceFilter};
pub use write::{Position, SpanWriter};
