//! Calls to services by name, in the manner of Feign: an interface is a plain struct with typed
//! methods over a [`ServiceClient`]. What happens to a call, from the outside in:
//!
//! ```text
//! time limit ▶ breaker ▶ bulkhead ▶ tries, within a budget ▶ balancer ▶ span, headers ▶ HTTP
//! ```
//!
//! ```no_run
//! use speargun_client::call::{CallError, ServiceClient};
//!
//! struct Greeter(ServiceClient);
//!
//! impl Greeter {
//!     async fn hi(&self, name: &str) -> Result<String, CallError> {
//!         self.0.get("/hi/{name}").path("name", name).text().await
//!     }
//!
//!     /// With a fallback, this can't fail.
//!     async fn hi_or_sorry(&self, name: &str) -> String {
//!         let call = self.0.get("/hi/{name}").path("name", name);
//!         call.text_or(|error| format!("sorry, {name}: {error}")).await
//!     }
//! }
//! ```
//!
//! # Layout
//!
//! - `service`: a service by name. `request`: one call. `error`: why there is no answer.
//! - `operation`: what calls of one kind share. `attempt`: one try. `metrics`: what was counted.
//! - [`layer`]: the circuit for tower services of any kind.
//! - [`breaker`], [`bulkhead`], [`retry`], [`balance`], [`instance`]: each by itself.

mod attempt;
pub mod balance;
pub mod breaker;
pub mod bulkhead;
mod error;
pub mod instance;
pub mod layer;
mod metrics;
mod operation;
mod request;
pub mod retry;
mod service;

pub use error::CallError;
pub use instance::{FixedInstances, Instance, Instances, Place};
pub use request::Call;
pub use service::{CallSettings, ServiceClient, ServiceClientBuilder};

#[cfg(test)]
mod tests;
