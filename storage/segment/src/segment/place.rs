//! Where the bytes of a segment are: in its file, or in memory until they are written.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use speargun_runtime::{Disk, DiskFile};

use crate::error::{Corrupt, SegmentError};
use crate::manifest::write_file;

pub(super) const BEYOND: Corrupt = Corrupt("an extent lies beyond the file");

/// Where the bytes of a segment are.
#[derive(Debug)]
pub(super) enum Place {
    File(Arc<dyn DiskFile>),
    /// In memory alone: what they say is in the journal as well.
    Memory {
        bytes: Vec<u8>,
        head_bytes: u64,
    },
}

impl Place {
    pub(super) fn len(&self) -> Result<u64, SegmentError> {
        match self {
            Self::File(file) => Ok(file.len()?),
            Self::Memory { bytes, .. } => Ok(bytes.len() as u64),
        }
    }

    /// Returns the bytes of the head that is in memory alone, if it is.
    pub(super) fn head_bytes(&self) -> Option<u64> {
        match self {
            Self::File(_) => None,
            Self::Memory { head_bytes, .. } => Some(*head_bytes),
        }
    }

    /// Returns `len` bytes from `offset`.
    pub(super) fn read(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>, SegmentError> {
        match self {
            Self::File(file) => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, offset)?;
                Ok(bytes.into())
            }
            Self::Memory { bytes, .. } => {
                let part = bytes
                    .get(offset as usize..)
                    .and_then(|rest| rest.get(..len));
                Ok(part.ok_or(BEYOND)?.into())
            }
        }
    }

    /// Writes what is in memory alone into the file `path`; returns the file.
    pub(super) fn to_disk(&self, disk: &dyn Disk, path: &Path) -> Result<Self, SegmentError> {
        if let Self::Memory { bytes, .. } = self {
            write_file(disk, path, bytes)?;
        }
        Ok(Self::File(disk.open(path)?))
    }
}
