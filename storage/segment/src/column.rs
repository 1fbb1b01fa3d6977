//! A column of values under construction: numbered while they repeat, kept plain once they rarely
//! do.

use crate::intern::{Interner, Known};

/// Set in a code that numbers a plain value instead of a dictionary entry.
pub(crate) const PLAIN: u32 = 1 << 31;
/// Values in the dictionary of a column before it may turn plain. Readers rely on it: a column with
/// fewer has no plain values, merged or not.
pub(crate) const PLAIN_AFTER: u32 = 1024;

/// A column of values.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) values: Interner,
    pub(crate) plain: bool,
    seen: u32,
    plain_ends: Vec<u32>,
    plain_bytes: Vec<u8>,
}

impl Column {
    pub(crate) fn new(plain: bool) -> Self {
        Self {
            values: Interner::new(),
            plain,
            seen: 0,
            plain_ends: vec![],
            plain_bytes: vec![],
        }
    }

    /// Returns the code of a value: its number in the dictionary, or a plain one. `last`, a value
    /// of the column, is tried first and updated.
    #[inline]
    pub(crate) fn put(&mut self, last: &mut Known, value: &[u8]) -> u32 {
        self.seen += 1;
        if !self.values.is(last, value) {
            let code = self.put_other(value);
            // A plain one is in no dictionary, and so never met again.
            *last = self.values.known(code);
        }
        last.code
    }

    fn put_other(&mut self, value: &[u8]) -> u32 {
        if self.plain {
            return self.put_plain(value);
        }
        let before = self.values.len();
        let code = self.values.intern(value);
        // More than half of the values were new: numbering them only costs.
        if self.values.len() > before && code >= PLAIN_AFTER && code > self.seen / 2 {
            self.plain = true;
        }
        code
    }

    /// Returns the code of a value that is kept as it is.
    pub(crate) fn put_plain(&mut self, value: &[u8]) -> u32 {
        self.plain_bytes.extend_from_slice(value);
        self.plain_ends.push(self.plain_bytes.len() as u32);
        PLAIN | (self.plain_ends.len() as u32 - 1)
    }

    /// Returns the plain value with this code.
    pub(crate) fn plain_value(&self, code: u32) -> &[u8] {
        let index = (code & !PLAIN) as usize;
        let start = index
            .checked_sub(1)
            .and_then(|i| self.plain_ends.get(i))
            .copied();
        let end = self.plain_ends.get(index).copied().unwrap_or_default();
        self.plain_bytes
            .get(start.unwrap_or_default() as usize..end as usize)
            .unwrap_or_default()
    }
}
