//! Errors of the engine, by what the caller does next.

use std::path::PathBuf;

use crate::format::VERSION;

/// Bytes on disk are not what was written. The section they belong to is not served; the rest is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("corrupt: {0}")]
pub(crate) struct Corrupt(pub(crate) &'static str);

/// A segment could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SegmentError {
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A newer program wrote it, with this version.
    #[error("the segment has format {0}, and this version reads up to {VERSION}")]
    TooNew(u32),
}

impl From<SegmentError> for std::io::Error {
    fn from(error: SegmentError) -> Self {
        match error {
            SegmentError::Io(error) => error,
            other => Self::other(other),
        }
    }
}

/// Why the store does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk refused.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data was written by a newer version.
    #[error("{path} has format {found}, and this version reads up to {known}")]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        known: u32,
    },
}
