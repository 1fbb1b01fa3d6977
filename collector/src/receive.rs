//! The transports. Each reads a body within its bounds, hands it to the [`crate::Inlet`], and says
//! the outcome in its own words. Sockets and routing are the server's.

pub mod body;
pub mod grpc;
pub mod http;
pub mod otlp;
pub mod queue;
