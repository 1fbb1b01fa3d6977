//! What a caller of the journal must tell apart: try later, never again, this record never. It is
//! not about damaged records: a replay reports those.

/// Why the journal did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// No space on the disk, or `bytes_max` reached: nothing was appended; try later.
    #[error("the journal is full: {0}")]
    Full(String),
    /// A sync or a write failed in a way that leaves the disk's content unknown: no append will
    /// succeed until the journal is opened anew.
    #[error("the journal failed and takes no more records: {0}")]
    Failed(String),
    /// The files can't be opened or read.
    #[error("the journal can't be opened: {0}")]
    Open(String),
    /// A record is larger than a file may hold: nothing was appended, and trying again is no use.
    #[error("the record is too large for the journal: {0}")]
    TooLarge(String),
}
