//! What the journal keeps: a tag, a body, and the body's checksum. It does not look into either.

use bytes::Bytes;
use crc_fast::CrcAlgorithm;

/// A record: 16 bytes for whoever writes it, and a body. The checksum is made here, on the
/// caller's thread, while the body is warm in its cache.
#[derive(Clone, Debug)]
pub struct Record {
    /// Bytes of the caller's; the journal keeps them.
    pub tag: [u8; 16],
    /// The body, kept as it is. Another one in its place would not match the checksum any more and
    /// would be cut off as corrupt by the next replay.
    pub body: Bytes,
    checksum: u32,
}

// === impl Record ===

impl Record {
    /// Returns the record with its checksum.
    pub fn new(tag: [u8; 16], body: Bytes) -> Self {
        let checksum = checksum(&body);
        Self {
            tag,
            body,
            checksum,
        }
    }

    /// Returns the record if the body is the one that `sum` was made of.
    pub(crate) fn verified(tag: [u8; 16], body: Bytes, sum: u32) -> Option<Self> {
        let record = Self::new(tag, body);
        (record.checksum == sum).then_some(record)
    }

    pub(crate) fn checksum(&self) -> u32 {
        self.checksum
    }
}

/// CRC-32C: all errors of up to 32 bits in a row are found, and it is computed by instructions that
/// every machine of today has.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}
