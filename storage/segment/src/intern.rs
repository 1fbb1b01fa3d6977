//! A dictionary under construction: byte strings numbered in the order first seen. The hash is
//! seeded at random, so that nobody can send strings that collide.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

use crate::bytes::same;

/// A string of a dictionary: its number and where it lies, so that it is compared at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) code: u32,
    start: u32,
    end: u32,
}

impl Known {
    /// No string.
    pub(crate) const NONE: Self = Self {
        code: 0,
        start: 1,
        end: 0,
    };
}

/// Byte strings with their numbers.
#[derive(Debug)]
pub(crate) struct Interner {
    /// Numbers, each with the hash of its string, so that growing looks at no string again.
    table: HashTable<(u64, u32)>,
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
        let hash = self.hash_of(string);
        match self.lookup(hash, string) {
            Some(code) => code,
            None => self.add(hash, string),
        }
    }

    /// Returns the number of the string if it was seen before.
    pub(crate) fn find(&self, string: &[u8]) -> Option<u32> {
        self.lookup(self.hash_of(string), string)
    }

    /// Returns the string with this number, or none.
    #[inline]
    pub(crate) fn known(&self, code: u32) -> Known {
        let Some(&end) = self.ends.get(code as usize) else {
            return Known {
                code,
                ..Known::NONE
            };
        };
        let before = (code as usize).checked_sub(1);
        let start = before.and_then(|before| self.ends.get(before));
        let start = start.copied().unwrap_or_default();
        Known { code, start, end }
    }

    /// Returns whether a string of this dictionary is this one.
    #[inline]
    pub(crate) fn is(&self, known: &Known, string: &[u8]) -> bool {
        let bytes = self.bytes.get(known.start as usize..known.end as usize);
        bytes.is_some_and(|bytes| same(bytes, string))
    }

    #[inline]
    fn hash_of(&self, string: &[u8]) -> u64 {
        let mut hasher = self.hash.build_hasher();
        hasher.write(string);
        hasher.finish()
    }

    #[inline]
    fn lookup(&self, hash: u64, string: &[u8]) -> Option<u32> {
        let is_it = |&(of, code): &(u64, u32)| of == hash && same(self.get(code), string);
        self.table.find(hash, is_it).map(|&(_, code)| code)
    }

    #[inline(never)]
    fn add(&mut self, hash: u64, string: &[u8]) -> u32 {
        let code = self.ends.len() as u32;
        self.bytes.extend_from_slice(string);
        self.ends.push(self.bytes.len() as u32);
        self.table
            .insert_unique(hash, (hash, code), |&(hash, _)| hash);
        code
    }
}

/// Strings of a dictionary that were met of late, found without a hash that is worth its name: one
/// for each place, whatever it was.
#[derive(Debug)]
pub(crate) struct Near {
    known: [Known; NEAR],
}

const NEAR: usize = 64;

impl Default for Near {
    fn default() -> Self {
        Self {
            known: [Known::NONE; NEAR],
        }
    }
}

impl Near {
    /// Returns the number of a string as [`Interner::intern`] does; always of the same dictionary.
    #[inline]
    pub(crate) fn intern(&mut self, strings: &mut Interner, string: &[u8]) -> u32 {
        let byte = |at: usize| string.get(at).map_or(0, |&byte| usize::from(byte));
        let (middle, last) = (string.len() / 2, string.len().saturating_sub(1));
        let place = (string.len() + 5 * byte(middle) + 3 * byte(last)) % NEAR;
        let Some(known) = self.known.get_mut(place) else {
            return strings.intern(string);
        };
        if !strings.is(known, string) {
            let code = strings.intern(string);
            *known = strings.known(code);
        }
        known.code
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
    }

    #[test]
    fn strings_met_of_late_have_the_numbers_they_had() {
        let (mut strings, mut near) = (Interner::new(), Near::default());
        let texts: Vec<String> = (0..500)
            .map(|n| "x".repeat(n % 7) + &n.to_string())
            .collect();
        let all = || texts.iter().map(String::as_str).chain(["", "a"]);
        let codes: Vec<u32> = all().map(|text| strings.intern(text.as_bytes())).collect();
        for _ in 0..2 {
            for (text, &code) in all().zip(&codes) {
                for _ in 0..2 {
                    assert_eq!(near.intern(&mut strings, text.as_bytes()), code);
                }
            }
        }
        assert!(strings.is(&strings.known(codes[7]), b"7"));
        assert!(!strings.is(&strings.known(codes[7]), b""));
        assert!(!strings.is(&strings.known(9999), b"") && !strings.is(&Known::NONE, b""));
    }
}
