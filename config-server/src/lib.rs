//! A configuration server that speaks Spring Cloud Config's API: what services are to know, read
//! from git repositories or folders, merged for an application and its profiles. It knows nothing
//! of spans.
//!
//! # Layout
//!
//! In the order in which a file becomes an answer:
//!
//! - [`settings`]: what the operator decides.
//! - [`source`]: where files come from, with [`snapshot`]: the files of one commit.
//! - [`document`]: a file read, with `yaml`, `properties`, [`value`] and [`profile`].
//! - [`cipher`]: values that are encrypted.
//! - [`environment`]: what an application with its profiles is to know.
//! - [`api`]: the HTTP face.
//! - `secret`: what must not be shown. `calendar`: times as texts.
//! - [`refresh`]: telling applications that something changed.
//! - [`server`]: all of it together.

pub mod api;
mod calendar;
pub mod cipher;
pub mod document;
pub mod environment;
pub mod profile;
mod properties;
pub mod refresh;
mod secret;
pub mod server;
pub mod settings;
pub mod snapshot;
pub mod source;
pub mod value;
mod yaml;
