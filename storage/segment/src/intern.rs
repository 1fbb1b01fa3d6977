//! A dictionary under construction: byte strings numbered in the order first seen. The hash is
//! seeded at random, so that nobody can send strings that collide.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// Byte strings with their numbers.
#[derive(Debug)]
pub(crate) struct Interner {
    table: HashTable<u32>,
    ends: Vec<u32>,
    bytes: Vec<u8>,
    hash: RandomState,
}

impl Interner {
    pub(crate) fn new() -> Self {
        Self {
            table: HashTable::new(),
            ends: Vec::new(),
            bytes: Vec::new(),
            hash: RandomState::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the string with this number; empty for an unknown one.
    #[inline]
    pub(crate) fn get(&self, code: u32) -> &[u8] {
        lookup(&self.ends, &self.bytes, code)
    }

    /// Returns the strings in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len() as u32).map(|code| self.get(code))
    }

    /// Returns the number of the string, a new one if it was not seen before.
    #[inline]
    pub(crate) fn intern(&mut self, string: &[u8]) -> u32 {
        let hash = self.hash.hash_one(string);
        let (ends, bytes) = (&self.ends, &self.bytes);
        if let Some(&code) = self
            .table
            .find(hash, |&code| lookup(ends, bytes, code) == string)
        {
            return code;
        }
        self.add(hash, string)
    }

    /// Returns the number of the string if it was seen before.
    pub(crate) fn find(&self, string: &[u8]) -> Option<u32> {
        let hash = self.hash.hash_one(string);
        self.table
            .find(hash, |&code| self.get(code) == string)
            .copied()
    }

    /// Returns the number of the string; `last` is tried first and updated.
    #[inline]
    pub(crate) fn intern_near(&mut self, last: &mut u32, string: &[u8]) -> u32 {
        if (*last as usize) < self.len() && self.get(*last) == string {
            return *last;
        }
        *last = self.intern(string);
        *last
    }

    #[inline(never)]
    fn add(&mut self, hash: u64, string: &[u8]) -> u32 {
        let code = self.ends.len() as u32;
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len() as u32);
        let Self {
            table,
            ends,
            bytes,
            hash: state,
        } = self;
        table.insert_unique(hash, code, |&code| {
            state.hash_one(lookup(ends, bytes, code))
        });
        code
    }
}

#[inline]
fn lookup<'a>(ends: &[u32], bytes: &'a [u8], code: u32) -> &'a [u8] {
    let code = code as usize;
    let start = match code.checked_sub(1) {
        Some(before) => ends.get(before).copied().unwrap_or_default() as usize,
        None => 0,
    };
    let end = ends.get(code).copied().unwrap_or_default() as usize;
    bytes.get(start..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_have_one_number() {
        let mut strings = Interner::new();
        let codes: Vec<u32> = ["a", "", "b", "a", ""]
            .iter()
            .map(|s| strings.intern(s.as_bytes()))
            .collect();
        assert_eq!(codes, [0, 1, 2, 0, 1]);
        assert_eq!(strings.get(2), b"b");
        assert_eq!(strings.get(9), b"");
        let mut last = 0;
        assert_eq!(strings.intern_near(&mut last, b"b"), 2);
        assert_eq!(last, 2);
    }
}
