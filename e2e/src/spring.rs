//! Applications and servers of Spring, compiled by the Maven module `e2e/spring` against three
//! release trains, each process with its own port and log.
//!
//! # Layout
//!
//! - [`train`]: what the trains call the same things.
//! - [`application`]: one process of Java.
//! - [`report`]: what was run and what came of it, as a table.

pub mod application;
pub mod report;
pub mod train;

pub use application::Application;
pub use report::Report;
pub use train::Train;
