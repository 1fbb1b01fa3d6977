//! Load for any Zipkin-compatible server, and the truth about what it accepted: `speargun load`.
//! It knows servers by their wire alone, ours too.
//!
//! # Layout
//!
//! - [`options`], [`plan`]: the command line, and what it means.
//! - [`workload`], [`replay`]: the spans, made or recorded.
//! - [`pool`]: their bodies, made before the run and renewed in it.
//! - [`target`], [`tls`], [`mod@line`]: where bodies go, and a connection there.
//! - [`schedule`], [`run`], [`stop`]: when they are sent, by whom, and until when.
//! - [`record`], [`meter`], [`accepted`]: what is counted.
//! - [`queries`]: questions beside the spans.
//! - [`truth`]: reading back, and the server's counters.
//! - [`process`]: what a process costs.
//! - [`search`], [`judge`]: the highest rate, and whether targets were met.
//! - [`session`], [`report`], [`output`], [`command`]: a whole run, what it gave, where that goes.

pub mod accepted;
pub mod command;
pub mod judge;
pub mod line;
pub mod meter;
pub mod options;
pub mod output;
pub mod plan;
pub mod pool;
pub mod process;
pub mod queries;
pub mod record;
pub mod replay;
pub mod report;
pub mod run;
pub mod schedule;
pub mod search;
pub mod session;
pub mod stop;
pub mod target;
pub mod tls;
pub mod truth;
pub mod workload;

pub use command::load;
pub use options::Options;
