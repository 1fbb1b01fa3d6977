//! The bytes of a journal file, format 1. All numbers are little-endian. Reading files and deciding
//! what a damaged one means happens elsewhere.
//!
//! ```text
//! file     = header (64)  record*  anything
//!
//! header     0  8  magic "SPRGNJRN"
//!            8  4  version, 1
//!           12  4  sequence: the number in the file's name; never used twice
//!           16  8  position behind the last record of the file before
//!           24  8  position up to which the log was synced when this file was begun
//!           32  4  salt of this file's records
//!           36 24  zeros
//!           60  4  CRC-32C of bytes 0..60
//!
//! record     0  4  magic "SgRc"                      starts at a multiple of 8
//!            4  4  length of the body
//!            8  4  sequence of the file
//!           12  4  offset of this record in the file
//!           16  8  position up to which the log was synced when this was written
//!           24 16  tag, the writer's own
//!           40  4  CRC-32C of the body
//!           44  4  CRC-32C of bytes 0..44, xor salt
//!           48  n  body, then zeros up to a multiple of 8
//!
//! position = sequence << 32 | offset behind the record
//! ```
//!
//! Files are recycled: behind the last record lie bytes of an earlier life. They can't be taken for
//! records: each header names its file's sequence, which no two lives share, and its own offset.
//! Bodies come from strangers, and a body of an earlier life may have been made to look like a
//! header; the salt, chosen anew for each life and told to nobody, keeps such a forgery out.
//!
//! The synced position lets a replay tell apart the two kinds of damage: a record that can't be
//! read was promised to somebody if a later one says that the log was synced beyond it.

use crate::record::checksum;

pub(crate) const FILE_HEADER_BYTES: usize = 64;
pub(crate) const RECORD_HEADER_BYTES: usize = 48;
pub(crate) const VERSION: u32 = 1;
/// Records start at multiples of this.
pub(crate) const ALIGNMENT: u64 = 8;
/// Offsets fit 32 bits, and a length read from disk never makes the reader ask for more memory.
pub(crate) const FILE_BYTES_MAX: u64 = 1 << 30;

const FILE_MAGIC: [u8; 8] = *b"SPRGNJRN";
pub(crate) const RECORD_MAGIC: [u8; 4] = *b"SgRc";

/// The first bytes of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileHeader {
    pub(crate) sequence: u32,
    pub(crate) previous_end: u64,
    pub(crate) synced: u64,
    pub(crate) salt: u32,
}

/// What the first bytes of a file are if they are no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoHeader {
    /// Written in part, or damaged.
    Broken,
    /// Something else's file.
    Foreign,
    /// A journal file of another format.
    Version(u32),
}

/// The bytes in front of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordHeader {
    pub(crate) body_bytes: u32,
    pub(crate) sequence: u32,
    pub(crate) offset: u32,
    pub(crate) synced: u64,
    pub(crate) tag: [u8; 16],
    pub(crate) body_checksum: u32,
}

/// Returns the position of `offset` in the file `sequence`.
pub(crate) const fn position(sequence: u32, offset: u64) -> u64 {
    (sequence as u64) << 32 | offset
}

/// Returns the file and the offset of a position.
pub(crate) fn place(position: u64) -> (u32, u64) {
    ((position >> 32) as u32, position & u64::from(u32::MAX))
}

/// Returns the bytes that a record takes in a file.
pub(crate) fn record_bytes(body_bytes: u64) -> u64 {
    (RECORD_HEADER_BYTES as u64 + body_bytes).next_multiple_of(ALIGNMENT)
}

// === impl FileHeader ===

impl FileHeader {
    pub(crate) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(FILE_HEADER_BYTES);
        bytes.extend_from_slice(&FILE_MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&self.previous_end.to_le_bytes());
        bytes.extend_from_slice(&self.synced.to_le_bytes());
        bytes.extend_from_slice(&self.salt.to_le_bytes());
        bytes.resize(FILE_HEADER_BYTES - 4, 0);
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        let mut header = [0; FILE_HEADER_BYTES];
        header.copy_from_slice(&bytes);
        header
    }

    /// Reads the header from the first bytes of a file, which may be too few.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, NoHeader> {
        let begun = bytes.iter().zip(&FILE_MAGIC);
        // A header that was cut short on its way to a new file ends in zeros, and a disk changes
        // one byte, not all.
        let others = begun
            .clone()
            .filter(|(byte, magic)| byte != magic && **byte != 0);
        if others.count() > 1 {
            return Err(NoHeader::Foreign);
        }
        let mut fields = Fields(bytes);
        let header = fields.header().ok_or(NoHeader::Broken)?;
        let summed = bytes.get(..FILE_HEADER_BYTES - 4);
        let sum = Fields(bytes.get(FILE_HEADER_BYTES - 4..).unwrap_or(&[])).u32();
        if begun.clone().any(|(byte, magic)| byte != magic)
            || summed.is_none()
            || summed.map(checksum) != sum
        {
            return Err(NoHeader::Broken);
        }
        match header {
            (VERSION, header) => Ok(header),
            (version, _) => Err(NoHeader::Version(version)),
        }
    }
}

// === impl RecordHeader ===

impl RecordHeader {
    /// Appends the 48 bytes to `out`.
    pub(crate) fn encode(&self, salt: u32, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&RECORD_MAGIC);
        out.extend_from_slice(&self.body_bytes.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.synced.to_le_bytes());
        out.extend_from_slice(&self.tag);
        out.extend_from_slice(&self.body_checksum.to_le_bytes());
        let sum = out.get(start..).map_or(0, checksum) ^ salt;
        out.extend_from_slice(&sum.to_le_bytes());
    }

    /// Returns the header if the bytes are one, written with this salt.
    pub(crate) fn decode(bytes: &[u8], salt: u32) -> Option<Self> {
        let summed = bytes.get(..RECORD_HEADER_BYTES - 4)?;
        let mut fields = Fields(bytes);
        if fields.array::<4>()? != RECORD_MAGIC {
            return None;
        }
        let header = Self {
            body_bytes: fields.u32()?,
            sequence: fields.u32()?,
            offset: fields.u32()?,
            synced: fields.u64()?,
            tag: fields.array()?,
            body_checksum: fields.u32()?,
        };
        (fields.u32()? == checksum(summed) ^ salt).then_some(header)
    }

    /// Returns whether bytes that are no header seem to have been meant as the one at this place:
    /// of magic, sequence and offset, two are right. A smaller sequence is an earlier life's.
    pub(crate) fn seems_meant(bytes: &[u8], sequence: u32, offset: u64) -> bool {
        let mut fields = Fields(bytes);
        let magic = fields.array() == Some(RECORD_MAGIC);
        fields.u32();
        let claimed = fields.u32().unwrap_or(0);
        let offset = fields.u32().map(u64::from) == Some(offset);
        (claimed == sequence && (magic || offset)) || (claimed > sequence && magic && offset)
    }
}

/// Takes fields off the front of bytes that may be too few.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*array)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn header(&mut self) -> Option<(u32, FileHeader)> {
        self.array::<8>()?;
        let version = self.u32()?;
        let header = FileHeader {
            sequence: self.u32()?,
            previous_end: self.u64()?,
            synced: self.u64()?,
            salt: self.u32()?,
        };
        Some((version, header))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: FileHeader = FileHeader {
        sequence: 7,
        previous_end: position(6, 4096),
        synced: position(6, 64),
        salt: 0xDEAD_BEEF,
    };

    #[test]
    fn file_header_comes_back_and_every_flipped_bit_is_seen() {
        let bytes = HEADER.encode();
        assert_eq!(FileHeader::decode(&bytes), Ok(HEADER));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(FileHeader::decode(&damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn file_header_cut_short_is_broken_not_foreign() {
        let bytes = HEADER.encode();
        for len in 0..bytes.len() {
            let cut = bytes.get(..len).unwrap();
            assert_eq!(FileHeader::decode(cut), Err(NoHeader::Broken), "{len}");
            let mut zeros = cut.to_vec();
            zeros.resize(4096, 0);
            // The last byte of the checksum may itself be zero.
            assert_eq!(FileHeader::decode(&zeros).is_err(), zeros[..64] != bytes);
        }
        assert_eq!(FileHeader::decode(b"{\"a\":1}"), Err(NoHeader::Foreign));
        let mut flipped = bytes;
        flipped[3] ^= 1;
        assert_eq!(FileHeader::decode(&flipped), Err(NoHeader::Broken));
    }

    #[test]
    fn another_version_is_told_by_its_number() {
        let mut bytes = HEADER.encode();
        bytes[8] = 2;
        let sum = checksum(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(FileHeader::decode(&bytes), Err(NoHeader::Version(2)));
    }

    #[test]
    fn record_header_comes_back_with_its_own_salt_alone() {
        let header = RecordHeader {
            body_bytes: 583,
            sequence: 7,
            offset: 64,
            synced: position(6, 64),
            tag: *b"0123456789abcdef",
            body_checksum: 42,
        };
        let mut bytes = Vec::new();
        header.encode(99, &mut bytes);
        assert_eq!(bytes.len(), RECORD_HEADER_BYTES);
        assert_eq!(RecordHeader::decode(&bytes, 99), Some(header));
        assert_eq!(RecordHeader::decode(&bytes, 98), None);
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(RecordHeader::decode(&bytes, 99), None, "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
