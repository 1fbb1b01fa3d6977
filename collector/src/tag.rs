//! What the journal keeps beside a body, so that a replay reads it and decides as the first run
//! did, whatever the settings are by then.
//!
//! ```text
//! byte 0      version, 1
//! byte 1      format, see `speargun_model::codec::Format`
//! byte 2      encoding of the body: 0 none, 1 gzip, 2 zstd
//! byte 3..8   zero
//! byte 8..16  the sampler's boundary, little-endian
//! ```

use speargun_model::codec::Format;

use crate::inflate::Encoding;
use crate::sample::Sampler;

const VERSION: u8 = 1;

/// How to read a body, and which of its spans were kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tag {
    /// The format of the body.
    pub format: Format,
    /// How it is compressed.
    pub encoding: Encoding,
    /// Which spans were kept.
    pub sampler: Sampler,
}

impl Tag {
    /// Returns the tag as the journal keeps it.
    pub fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (head, boundary) = bytes.split_at_mut(8);
        head[0] = VERSION;
        head[1] = self.format as u8;
        head[2] = self.encoding as u8;
        boundary.copy_from_slice(&self.sampler.boundary().to_le_bytes());
        bytes
    }

    /// Returns the tag, or `None` when this version does not know it.
    pub fn decode(bytes: [u8; 16]) -> Option<Self> {
        let [version, format, encoding, _, _, _, _, _, boundary @ ..] = bytes;
        if version != VERSION {
            return None;
        }
        Some(Self {
            format: Format::from_number(format)?,
            encoding: Encoding::from_number(encoding)?,
            sampler: Sampler::from_boundary(i64::from_le_bytes(boundary)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_back() {
        for format in [
            Format::JsonV2,
            Format::Proto3,
            Format::JsonV1,
            Format::Thrift,
            Format::OtlpProto,
            Format::OtlpJson,
        ] {
            let tag = Tag {
                format,
                encoding: Encoding::Zstd,
                sampler: Sampler::new(0.1).unwrap(),
            };
            assert_eq!(Tag::decode(tag.encode()), Some(tag));
        }
    }

    #[test]
    fn an_unknown_version_format_or_encoding_is_no_tag() {
        let good = Tag {
            format: Format::JsonV2,
            encoding: Encoding::Identity,
            sampler: Sampler::new(1.0).unwrap(),
        }
        .encode();
        for index in 0..3 {
            let mut bad = good;
            bad[index] = 250;
            assert_eq!(Tag::decode(bad), None);
        }
    }
}
