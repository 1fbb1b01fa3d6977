//! What the benchmarks share: the reference workload and the means to measure. The product does
//! not use this crate.
//!
//! # Layout
//!
//! - [`workload`]: the spans that all figures are about; the load harness sends the same.
//! - [`way`]: the ways in; [`otlp`] writes the workload as OpenTelemetry would.
//! - [`load`]: sends prepared requests over many connections and checks every answer.
//! - [`fill`], [`ask`]: much stored chunk by chunk, and what questions about it cost.
//! - [`cold`]: the page cache forgotten, and the disk by itself.
//! - [`skew`]: workloads that differ from the reference.
//! - [`harness`], [`sink`]: the load harness, and a server that costs nothing.
//! - [`process`]: what another process costs: CPU, memory, disk.
//! - [`measure`]: this thread's CPU clock, medians, the words of the command line.
//! - [`zipkin`], [`database`]: Zipkin's own server, to compare with, and a database behind it.
//! - [`report`]: a table with the machine, the commit and the command that made it.

pub mod ask;
pub mod cold;
pub mod database;
pub mod fill;
pub mod harness;
pub mod load;
pub mod measure;
pub mod otlp;
pub mod report;
pub mod sink;
pub mod skew;
pub mod way;
pub mod zipkin;

pub use speargun_loadgen::{process, workload};
