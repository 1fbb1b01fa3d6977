//! Why a call has no answer. Variants say what the caller can do next.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use super::breaker::NotPermitted;
use super::bulkhead::Full;

/// Why a call has no answer that can be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The call can't be made of what was given: a mistake in the program.
    #[error("no request can be made: {0}")]
    Request(String),
    /// Nobody of this name is known. The text is Spring Cloud's.
    #[error("Load balancer does not contain an instance for the service {0}")]
    NoInstance(String),
    /// The circuit is open.
    #[error(transparent)]
    NotPermitted(#[from] NotPermitted),
    /// Too many calls are going on.
    #[error(transparent)]
    Full(#[from] Full),
    /// There is no connection: the request did not leave.
    #[error("{0} can't be reached: {1}")]
    Unreachable(String, String),
    /// The connection broke: the request may have been answered.
    #[error("{0} broke off: {1}")]
    Broken(String, String),
    /// There was no answer in time.
    #[error("{0} did not answer within {1:?}")]
    TooSlow(String, Duration),
    /// The answer has more bytes than are read.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The answer is not 2xx.
    #[error("{service} answered {status}")]
    Status {
        /// Who.
        service: String,
        /// What.
        status: StatusCode,
        /// The answer's body.
        body: Bytes,
    },
    /// The answer is not what was expected.
    #[error("the answer can't be read: {0}")]
    Unreadable(String),
}

impl CallError {
    /// Returns the status that was answered, when that is the error.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Returns a short name for metrics and spans.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Request(_) => "request",
            Self::NoInstance(_) => "no_instance",
            Self::NotPermitted(_) => "not_permitted",
            Self::Full(_) => "bulkhead_full",
            Self::Unreachable(..) => "unreachable",
            Self::Broken(..) => "broken",
            Self::TooSlow(..) => "timeout",
            Self::TooLarge(_) => "too_large",
            Self::Status { .. } => "status",
            Self::Unreadable(_) => "unreadable",
        }
    }
}
