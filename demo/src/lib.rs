//! A small stack that shows what Speargun is for: `speargun demo` starts a pair of registries, a
//! configuration server over a git repository of its own, the backend, services and traffic, each
//! as a process of the same binary, and ends them all. Nothing here is part of a product that
//! serves: services do imitated work.
//!
//! ```text
//! command ─▶ stack ─▶ process (one child each)     services, by `speargun demo-service NAME`:
//!    │         │                                   traffic ─▶ storefront ─▶ cart, orders, …
//!    ▼         ▼                                           └▶ service-2 ─▶ service-1 (twice)
//! scenes    repository (git, without git)
//! ```
//!
//! # Layout
//!
//! - [`command`]: what the command line asks for, and the life of a demo.
//! - `stack`: which processes there are, `launch`: with what they are started. `process`: one of
//!   them. [`part`]: its end of the bargain.
//! - `repository`: the git repository that settings come from. `files`: what is in it.
//! - `scenes`: stories that are played and checked.
//! - [`service`]: a service's process. `shop`: who calls whom, as a table. `steps`: how that is
//!   done. `queue`: messages. `greeting`: service-1 and service-2. `traffic`: visitors.
//! - `ask`: one HTTP request. `say`: lines for whoever watches.

mod ask;
pub mod command;
mod files;
mod greeting;
mod launch;
pub mod part;
mod process;
mod queue;
mod repository;
mod say;
mod scenes;
pub mod service;
mod shop;
mod stack;
mod steps;
mod traffic;

pub use command::{Options, run};
