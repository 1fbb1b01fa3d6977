//! Zipkin's library and ours, asked the same: bodies to decode, traces to link, searches. What
//! they may answer differently is in [`differences`] and in docs/compatibility.md, and nothing
//! else.
//!
//! A failure prints the seed; `E2E_SEED` repeats it. Bodies and traces are shrunk first.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failing step fails the test and says which"
)]

mod chance;
mod corpus;
mod decode;
mod differences;
mod json;
mod json_v1;
mod link;
mod proto3;
mod search;
mod spans;
mod thrift;
