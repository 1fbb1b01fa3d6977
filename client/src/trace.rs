//! Traces: which one a request belongs to, whether it is kept, and the spans that are going on.
//!
//! A context is handed on explicitly ([`TraceContext`], [`ActiveSpan::context`]). Besides that the
//! context of the request that a task works on is a value of the task ([`current()`]), so that
//! handlers need not mention it.
//!
//! # Layout
//!
//! - [`context`]: ids and what was decided.
//! - [`propagation`]: contexts to headers and back, over [`b3`] and [`w3c`].
//! - [`sampler`]: which traces are kept.
//! - [`tracer`]: begins spans. [`span`]: one that is going on.
//! - [`layer`]: client spans for tower clients of any kind.
//! - [`naming`]: names and tags of HTTP spans, as Sleuth has them.

pub mod b3;
pub mod context;
mod current;
pub mod layer;
pub mod naming;
pub mod propagation;
pub mod sampler;
pub mod span;
pub mod tracer;
pub mod w3c;

pub use context::{Sampling, TraceContext};
pub use current::{current, scope};
pub use layer::{ClientTraced, ClientTracedLayer};
pub use propagation::{Extracted, Format, Propagation};
pub use sampler::Sampler;
pub use span::ActiveSpan;
pub use tracer::{Tracer, TracerSettings};
