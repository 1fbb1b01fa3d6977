//! What everyone in Speargun means by a span: ids, spans, endpoints, wire formats, the trace tree
//! and the dependency linker. It does no IO, reads no clock and spawns nothing.
//!
//! # Layout
//!
//! - [`id`]: trace and span ids as integers, with Zipkin's text rules.
//! - [`span`], [`endpoint`]: the owned span, for cold paths and answers.
//! - [`batch`]: the borrowed form the hot path uses: offsets into a body, flat vectors.
//! - [`codec`]: one format a file, the same verbs in each.
//! - [`trace`]: fragments of spans merged, and the tree of calls.
//! - [`link`]: dependency links between services, and the linker that finds them.

#![deny(clippy::indexing_slicing)]

pub mod batch;
pub mod codec;
pub mod endpoint;
pub mod id;
pub mod link;
pub mod span;
pub mod trace;

pub use batch::{Bounds, SpanBatch, SpanView};
pub use endpoint::Endpoint;
pub use id::{SpanId, TraceId};
pub use link::{DependencyLink, merge_links};
pub use span::{Annotation, Kind, Span};
