//! Errors of engines, by what the caller does next.

/// Why a write did not happen. Nothing of the group was stored.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The engine is full or slow: answer 503 and try later.
    #[error("storage is busy: {0}")]
    Busy(String),
    /// The engine can't be trusted with writes any more: refuse all until a restart.
    #[error("storage failed: {0}")]
    Failed(String),
}

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The query's deadline passed.
    #[error("the query took longer than its deadline")]
    DeadlineExceeded,
    /// The answer would take more memory than one may.
    #[error("the answer takes more than {0} bytes: ask for fewer traces")]
    TooMuch(usize),
    /// The engine reads, but can't write what it was given.
    #[error("storage could not be written: {0}")]
    Unwritable(String),
    /// The engine could not read; other queries may succeed.
    #[error("storage could not be read: {0}")]
    Failed(String),
}

/// Why a database did not store a list of spans.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be reached, is overloaded, full or read-only: the list comes again later.
    #[error("the database can't be reached or takes nothing: {0}")]
    Unavailable(String),
    /// Somebody has to change something (rights, schema, settings): the list comes again, less
    /// often.
    #[error("the database refuses: {0}")]
    Refused(String),
}
