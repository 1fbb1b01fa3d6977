//! OTLP, OpenTelemetry's own protocol, over HTTP and gRPC. It hands bodies to the same inlet as
//! Zipkin's ways in and says the outcome as OTLP specifies it: whoever may try again is told when.

pub mod answer;
pub mod grpc;
pub mod http;
