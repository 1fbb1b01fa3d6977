//! The registry over sockets: what clients, peers and strangers send, and what they get.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

mod api;
mod life;
mod node;
mod page;
mod proxy;
mod recorded;
mod ring;
mod strangers;
