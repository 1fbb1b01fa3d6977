//! Why a query has no answer. `Display` is the body that the client sees: Zipkin's own texts,
//! since its clients may depend on them. No log lines.

use speargun_model::id::IdError;
use speargun_storage::ReadError;

/// Why a query has no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum QueryError {
    /// The client's fault: 400.
    #[error("{0}")]
    Refused(String),
    /// No such trace: 404.
    #[error("{0} not found")]
    NotFound(String),
    /// The deadline passed: 500, under the name that Zipkin's clients know.
    #[error("RequestTimeoutException")]
    TimedOut,
    /// Storage could not be read: 500.
    #[error("{0}")]
    Failed(String),
}

impl QueryError {
    /// Returns a 400 with this text.
    pub fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Refused(_) => 400,
            Self::NotFound(_) => 404,
            Self::TimedOut | Self::Failed(_) => 500,
        }
    }
}

impl From<ReadError> for QueryError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::DeadlineExceeded => Self::TimedOut,
            ReadError::TooMuch(_) => Self::Refused(error.to_string()),
            ReadError::Unwritable(_) | ReadError::Failed(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<IdError> for QueryError {
    fn from(error: IdError) -> Self {
        Self::Refused(error.to_string())
    }
}
