//! Which values and ids a part of a segment may hold: split block Bloom filters, one a page, so
//! that a search for a value that is rare or nowhere reads few pages or none. What was put in is
//! always found; of anything else about one in two hundred is found too.
//!
//! ```text
//! filters  for each part: number of its blocks | the blocks of all parts
//! block    8 words of 32 bits, one bit of each set for a hash
//! ```
//!
//! The form of a block is that of Parquet's split block Bloom filter, with XXH3 for the hash.

use twox_hash::XxHash3_64;

use crate::bytes::{Reader, Writer};
use crate::error::Corrupt;

/// Bits for each hash, of which eight are set.
const BITS: usize = 12;
const WORDS: usize = 8;
const BLOCK_BYTES: usize = WORDS * 4;
const BLOCK_BITS: usize = BLOCK_BYTES * 8;
/// Odd numbers that spread a hash over the words, as Parquet's specification has them.
const SALT: [u32; WORDS] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// Returns the hash of a value, the same for ever.
pub(crate) fn of_value(value: &[u8]) -> u64 {
    XxHash3_64::oneshot(value)
}

/// Returns the hash of the lower half of a trace id. Ids may be no random numbers.
pub(crate) fn of_id(low: u64) -> u64 {
    of_value(&low.to_le_bytes())
}

/// Returns which block of so many a hash belongs to.
fn block_of(hash: u64, blocks: usize) -> usize {
    ((u128::from(hash >> 32) * blocks as u128) >> 32) as usize
}

/// Returns the bits of a hash, one a word.
fn mask(hash: u64) -> [u32; WORDS] {
    SALT.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27))
}

/// Filters under construction, a part after the other.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    counts: Writer,
    blocks: Vec<u8>,
}

impl Builder {
    /// Adds the filter of the next part. The hashes are left without those that came twice.
    pub(crate) fn part(&mut self, hashes: &mut Vec<u64>) {
        hashes.sort_unstable();
        hashes.dedup();
        let count = (hashes.len() * BITS).div_ceil(BLOCK_BITS);
        self.counts.number(count as u64);
        let start = self.blocks.len();
        self.blocks.resize(start + count * BLOCK_BYTES, 0);
        let part = self.blocks.get_mut(start..).unwrap_or_default();
        for &hash in &*hashes {
            let block = block_of(hash, count) * BLOCK_BYTES;
            let block = part.get_mut(block..block + BLOCK_BYTES);
            let (words, _) = block.unwrap_or_default().as_chunks_mut::<4>();
            for (word, bit) in words.iter_mut().zip(mask(hash)) {
                *word = (u32::from_le_bytes(*word) | bit).to_le_bytes();
            }
        }
    }

    /// Returns the filters as they are stored.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.counts.out.append(&mut self.blocks);
        self.counts.out
    }
}

/// Filters as read back.
#[derive(Debug)]
pub(crate) struct Filters {
    /// Where the blocks of each part begin, and where all end.
    starts: Vec<u32>,
    blocks: Vec<u8>,
}

impl Filters {
    /// Reads the filters of so many parts.
    pub(crate) fn decode(raw: &[u8], parts: usize) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(raw);
        let mut starts = vec![0];
        let mut start = 0_u32;
        for _ in 0..parts {
            let behind = start.checked_add(reader.number32()?);
            start = behind.ok_or(Corrupt("a filter is too long"))?;
            starts.push(start);
        }
        let blocks = reader.take(reader.remaining())?.to_vec();
        if blocks.len() as u64 != u64::from(start) * BLOCK_BYTES as u64 {
            return Err(Corrupt("filters have another length than they say"));
        }
        Ok(Self { starts, blocks })
    }

    /// Returns whether a part may hold what has this hash. Of a part that is not there nothing is
    /// known.
    pub(crate) fn may_hold(&self, part: usize, hash: u64) -> bool {
        let bounds = self.starts.get(part).zip(self.starts.get(part + 1));
        let Some((&start, &end)) = bounds else {
            return true;
        };
        let count = (end - start) as usize;
        if count == 0 {
            return false;
        }
        let at = (start as usize + block_of(hash, count)) * BLOCK_BYTES;
        let Some(block) = self.blocks.get(at..at + BLOCK_BYTES) else {
            return true;
        };
        let (words, _) = block.as_chunks::<4>();
        let mut bits = words.iter().zip(mask(hash));
        bits.all(|(word, bit)| u32::from_le_bytes(*word) & bit != 0)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.blocks.len() + self.starts.len() * 4
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filters(parts: &[Vec<u64>]) -> Filters {
        let mut builder = Builder::default();
        for part in parts {
            builder.part(&mut part.clone());
        }
        Filters::decode(&builder.finish(), parts.len()).unwrap()
    }

    proptest! {
        #[test]
        fn what_was_put_in_is_found(parts: Vec<Vec<u64>>) {
            let filters = filters(&parts);
            for (part, hashes) in parts.iter().enumerate() {
                for &hash in hashes {
                    prop_assert!(filters.may_hold(part, hash));
                }
                prop_assert!(!hashes.is_empty() || !filters.may_hold(part, 7));
            }
        }

        #[test]
        fn any_bytes_are_filters_or_an_error(raw: Vec<u8>, parts in 0_usize..9, hash: u64) {
            if let Ok(filters) = Filters::decode(&raw, parts) {
                (0..=parts).for_each(|part| {
                    filters.may_hold(part, hash);
                });
            }
        }
    }

    #[test]
    fn little_else_is_found() {
        let hashes = (0..3000).map(of_id).collect();
        let filters = filters(&[hashes]);
        let found = (3000..103_000).filter(|&id| filters.may_hold(0, of_id(id)));
        let found = found.count();
        assert!(found < 1_000, "{found} of 100,000");
    }

    #[test]
    fn hashes_and_blocks_stay_as_they_are() {
        assert_eq!(of_value(b""), 0x2d06_8005_38d3_94c2);
        let mut builder = Builder::default();
        builder.part(&mut vec![of_value(b"a"), of_value(b"a")]);
        builder.part(&mut vec![]);
        let stored = builder.finish();
        assert_eq!((stored.len(), &stored[..2]), (2 + BLOCK_BYTES, &[1, 0][..]));
        let sum = crate::format::checksum(&stored);
        assert_eq!(sum, 0x6dbb_1943, "{sum:#x}");
    }
}
