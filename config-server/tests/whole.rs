//! The server as a whole, over real repositories and sockets.
//!
//! # Layout
//!
//! - [`sources`]: repositories and folders, and what may happen to them.
//! - [`answers`]: what is told to whom, over HTTP.
//! - [`good`]: which commits and folders are good enough to be served.
//! - [`labels`]: which label is served.
//! - [`recorded`]: conversations with Spring's server, held again.
//! - [`secure`]: git over HTTP with a password, and TLS of our own.
//! - [`refresh`]: a webhook that reaches applications.
//! - [`standing`]: what health says of all that.
//! - [`repository`]: a repository to work with, and git's own server.

#![expect(clippy::unwrap_used, reason = "a test ends where its helper fails")]

#[path = "whole/answers.rs"]
mod answers;
#[path = "whole/good.rs"]
mod good;
#[path = "whole/labels.rs"]
mod labels;
#[path = "whole/recorded.rs"]
mod recorded;
#[path = "whole/refresh.rs"]
mod refresh;
#[path = "whole/repository.rs"]
mod repository;
#[path = "whole/secure.rs"]
mod secure;
#[path = "whole/sources.rs"]
mod sources;
#[path = "whole/standing.rs"]
mod standing;
