//! The side of a service that is called: a layer that traces and counts requests, health and what
//! else `/actuator` tells, and an accept loop with limits and a graceful end.
//!
//! # Layout
//!
//! - [`traced`]: the layer. [`requests`]: its figures.
//! - [`health`]: how the service is. [`actuator`]: what it answers about itself.
//! - [`listen`][]: connections.

pub mod actuator;
pub mod health;
pub mod listen;
pub mod requests;
pub mod traced;

pub use health::{Health, HealthState};
pub use requests::Requests;
pub use traced::{Traced, TracedLayer};
