//! What a Rust service needs to live in a Spring Cloud-like stack: it is traced, calls others by
//! name, and is found. It speaks the wires of Zipkin's reporters, of B3 and W3C headers and of
//! Eureka; it knows no server of this project but by those.
//!
//! # Layout
//!
//! - [`trace`]: contexts, headers, samplers, spans that are going on.
//! - [`report`]: finished spans on their way to Zipkin.
//! - [`call`]: calls by name: balancing, time limits, retries, circuits, fallbacks.
//! - [`discovery`]: Eureka's registries.
//! - [`config`]: settings, from a Spring Cloud Config server too.
//! - [`server`]: the layer that traces requests, health, metrics, connections.
//! - [`app`]: all of that at once, by settings.
//! - [`clock`]: both times as a trait, so that a test owns them. [`exposition`]: metrics as
//!   Prometheus reads them.

pub mod app;
pub mod call;
pub mod clock;
pub mod config;
pub mod discovery;
pub mod exposition;
mod http;
pub mod report;
pub mod server;
mod timing;
pub mod trace;

#[cfg(test)]
mod testing;

pub use app::{App, AppBuilder, AppError};
pub use call::{Call, CallError, CallSettings, ServiceClient};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::Config;
pub use report::{Reporter, ReporterSettings};
pub use trace::{ActiveSpan, TraceContext, Tracer};
