//! What the benchmarks share: the reference workload and the means to measure. The product does
//! not use this crate.
//!
//! # Layout
//!
//! - [`workload`]: the spans that all figures are about, as JSON and proto3 bodies.

pub mod workload;
