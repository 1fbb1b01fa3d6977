//! How much one file may make of what it writes once: an alias costs a few bytes wherever it
//! stands, so what merge keys and keys make of it is counted when it is made.

use crate::document::{Bounds, Broken, Place};

/// What is left.
#[derive(Debug)]
pub(super) struct Room {
    merged: usize,
    key_bytes: usize,
}

impl Room {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            merged: bounds.entries_max.saturating_mul(2),
            key_bytes: bounds.text_bytes_max,
        }
    }

    /// Takes room for entries that a merge key looks at, whether they count in the end or not.
    pub(super) fn merge(&mut self, count: usize, at: Place) -> Result<(), Broken> {
        self.merged = take(self.merged, count, at)?;
        Ok(())
    }

    /// Takes room for a copy of a key.
    pub(super) fn key(&mut self, key: &str, at: Place) -> Result<(), Broken> {
        self.key_bytes = take(self.key_bytes, key.len(), at)?;
        Ok(())
    }
}

/// Takes from what is left.
pub(super) fn take(left: usize, count: usize, at: Place) -> Result<usize, Broken> {
    let left = left.checked_sub(count);
    left.ok_or_else(|| Broken::new(at, "more than one file may hold"))
}
