//! Zipkin's own library as an oracle: a Java program beside this crate, started once, asked over
//! a pipe. It knows nothing of our decoders, linker or engines; the tests compare.
//!
//! # Layout
//!
//! - [`Oracle`]: the running program and its questions.
//! - `build`: makes the program with Maven when it is not there or older than its source.
//! - [`shrink`]: the smallest question over which two still differ.

mod build;
mod process;
pub mod shrink;

pub use process::{Format, Oracle, Verdict};
