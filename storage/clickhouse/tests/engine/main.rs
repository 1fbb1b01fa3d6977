//! The engine over a real `ClickHouse`, one server for all tests, a database for each. Servers that
//! are killed have a file of their own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing step fails the test and says which"
)]

mod contract;
mod faults;
mod hostile;
mod links;
mod model;
mod retry;
mod support;
