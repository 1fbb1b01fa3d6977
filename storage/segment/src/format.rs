//! The layout of a segment file, version 2. A segment is written once, as a whole, and never
//! changed.
//!
//! ```text
//! header     8 magic "SPEARSEG" | 4 version | 4 zero
//! pages      one after the other; each is read whole, see [`crate::page`]
//! sections   dictionaries and tables, see [`SectionKind`]
//! directory  facts, pages, fences, sections; compressed as one stream
//! footer     8 directory offset | 4 stored length | 4 raw length | 4 directory checksum
//!            4 version | 4 checksum of the 24 bytes before | 8 magic "SPEAREND"
//! ```
//!
//! Integers are little-endian, or variable-length where [`crate::bytes`] says so. Every page,
//! section and chunk carries a CRC-32C of its stored bytes. A trace here is all rows whose trace
//! ids have the same lower half, as Zipkin indexes them; rows are sorted by it, then by arrival,
//! and a trace never spans two pages.

use crate::bytes::{Reader, Writer};
use crate::error::Corrupt;

/// Version 1 had no filters.
pub(crate) const VERSION: u32 = 2;
pub(crate) const HEADER_MAGIC: &[u8; 8] = b"SPEARSEG";
pub(crate) const FOOTER_MAGIC: &[u8; 8] = b"SPEAREND";
pub(crate) const HEADER_BYTES: usize = 16;
pub(crate) const FOOTER_BYTES: usize = 36;
/// Rows behind which a page ends with its trace.
pub(crate) const PAGE_ROWS: usize = 8192;
/// Rows of a page that are believed: a trace is not cut, however long it is.
const PAGE_ROWS_MAX: usize = 1 << 25;
/// Lower halves of trace ids in a chunk of the id table: 4 KiB and a checksum.
pub(crate) const CHUNK_IDS: usize = 512;
/// Values in a chunk of a dictionary.
pub(crate) const CHUNK_VALUES: usize = 4096;
/// A stream or section that claims more is corrupt: nothing writes it.
pub(crate) const RAW_BYTES_MAX: usize = 1 << 30;

/// What a section holds. The numbers are on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum SectionKind {
    /// Services, names, keys, addresses, operations and shapes.
    Meta = 1,
    /// Lower halves of trace ids, in chunks that each end with a checksum. Never compressed.
    Lows = 2,
    /// Upper halves of trace ids, each of its trace's first row.
    Highs = 3,
    /// Values of the dictionary of a column, [`CHUNK_VALUES`] a section.
    Values = 4,
    /// Links of traces, in merged segments: see [`crate::links`]. Where it is missing, links are
    /// found from the rows.
    Links = 5,
    /// Which pages may hold a value of a column, in merged segments: see [`crate::filter`]. Never
    /// compressed. A column that has none may have any value in any page.
    PageFilters = 6,
    /// Which lower halves of trace ids there may be, in merged segments, as one filter. Never
    /// compressed.
    IdFilter = 7,
}

impl SectionKind {
    fn from_number(number: u64) -> Result<Self, Corrupt> {
        match number {
            1 => Ok(Self::Meta),
            2 => Ok(Self::Lows),
            3 => Ok(Self::Highs),
            4 => Ok(Self::Values),
            5 => Ok(Self::Links),
            6 => Ok(Self::PageFilters),
            7 => Ok(Self::IdFilter),
            _ => Err(Corrupt("a section of unknown kind")),
        }
    }
}

/// Where stored bytes lie and how to check and unpack them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) stored: u32,
    pub(crate) raw: u32,
    pub(crate) compressed: bool,
    pub(crate) checksum: u32,
}

impl Extent {
    fn write(&self, out: &mut Writer) {
        out.number(self.offset);
        out.number(u64::from(self.stored) << 1 | u64::from(self.compressed));
        out.number(u64::from(self.raw));
        out.out.extend_from_slice(&self.checksum.to_le_bytes());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let offset = reader.number()?;
        let stored = reader.number()?;
        let length = stored >> 1;
        let extent = Self {
            offset,
            stored: u32::try_from(length).map_err(|_| Corrupt("an extent is too long"))?,
            compressed: stored & 1 == 1,
            raw: reader.number32()?,
            checksum: u32_le(reader.take(4)?),
        };
        if extent.raw as usize > RAW_BYTES_MAX || offset.checked_add(length).is_none() {
            return Err(Corrupt("an extent is too long"));
        }
        Ok(extent)
    }
}

/// A section in the directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    /// The column, for [`SectionKind::Values`] and [`SectionKind::PageFilters`].
    pub(crate) column: u32,
    pub(crate) extent: Extent,
}

/// A page in the directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct PageEntry {
    pub(crate) extent: Extent,
    pub(crate) rows: u32,
    /// The index of its first trace among all traces of the segment.
    pub(crate) first_trace: u32,
    pub(crate) traces: u32,
}

/// What is known of a segment without reading its rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Facts {
    /// Numbers of the first and the last sealed head inside; a segment whose interval lies in
    /// another's was merged into it.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The journal position behind its last span.
    pub(crate) end_position: u64,
    /// When its spans arrived, milliseconds since the epoch.
    pub(crate) arrived_min_ms: u64,
    pub(crate) arrived_max_ms: u64,
    pub(crate) rows: u64,
    pub(crate) traces: u64,
    /// The least and the greatest timestamp in microseconds; both 0 when no row has one.
    pub(crate) time_min_us: u64,
    pub(crate) time_max_us: u64,
    /// Rows without timestamp.
    pub(crate) untimed: u64,
    /// Bytes of all pages and compressible sections when unpacked, which bounds what a merge holds
    /// in memory.
    pub(crate) raw_bytes: u64,
}

impl Facts {
    const FIELDS: usize = 11;

    fn to_array(self) -> [u64; Self::FIELDS] {
        [
            self.first,
            self.last,
            self.end_position,
            self.arrived_min_ms,
            self.arrived_max_ms,
            self.rows,
            self.traces,
            self.time_min_us,
            self.time_max_us,
            self.untimed,
            self.raw_bytes,
        ]
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let mut next = || reader.number();
        Ok(Self {
            first: next()?,
            last: next()?,
            end_position: next()?,
            arrived_min_ms: next()?,
            arrived_max_ms: next()?,
            rows: next()?,
            traces: next()?,
            time_min_us: next()?,
            time_max_us: next()?,
            untimed: next()?,
            raw_bytes: next()?,
        })
    }
}

/// The table of contents of a segment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Directory {
    pub(crate) facts: Facts,
    pub(crate) pages: Vec<PageEntry>,
    /// The first lower half of each chunk of the id table.
    pub(crate) fences: Vec<u64>,
    pub(crate) sections: Vec<Section>,
}

impl Directory {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Writer::default();
        self.facts
            .to_array()
            .iter()
            .for_each(|&fact| out.number(fact));
        out.number(self.pages.len() as u64);
        for page in &self.pages {
            page.extent.write(&mut out);
            out.number(u64::from(page.rows));
            out.number(u64::from(page.first_trace));
            out.number(u64::from(page.traces));
        }
        out.number(self.fences.len() as u64);
        for fence in &self.fences {
            out.out.extend_from_slice(&fence.to_le_bytes());
        }
        out.number(self.sections.len() as u64);
        for section in &self.sections {
            out.number(section.kind as u64);
            out.number(u64::from(section.column));
            section.extent.write(&mut out);
        }
        out.out
    }

    pub(crate) fn decode(raw: &[u8]) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(raw);
        let facts = Facts::read(&mut reader)?;
        let count = reader.count(10)?;
        let mut pages = Vec::with_capacity(count);
        for _ in 0..count {
            pages.push(PageEntry {
                extent: Extent::read(&mut reader)?,
                rows: reader.number32()?,
                first_trace: reader.number32()?,
                traces: reader.number32()?,
            });
        }
        let fences = reader.count(8)?;
        let fences = reader
            .take(fences * 8)?
            .chunks_exact(8)
            .map(u64_le)
            .collect();
        let count = reader.count(9)?;
        let mut sections = Vec::with_capacity(count);
        for _ in 0..count {
            sections.push(Section {
                kind: SectionKind::from_number(reader.number()?)?,
                column: reader.number32()?,
                extent: Extent::read(&mut reader)?,
            });
        }
        let directory = Self {
            facts,
            pages,
            fences,
            sections,
        };
        directory.check()?;
        Ok(directory)
    }

    /// Returns how many pages there are.
    pub(crate) fn page_count(&self) -> usize {
        self.pages.len()
    }

    /// Checks that pages, id table and facts speak of the same rows and traces, which all readers
    /// rely on.
    fn check(&self) -> Result<(), Corrupt> {
        let (mut rows, mut traces) = (0, 0);
        for page in &self.pages {
            if u64::from(page.first_trace) != traces || page.rows as usize > PAGE_ROWS_MAX {
                return Err(Corrupt("a page has the wrong place among others"));
            }
            rows += u64::from(page.rows);
            traces += u64::from(page.traces);
        }
        let facts = &self.facts;
        let chunks = traces.div_ceil(CHUNK_IDS as u64);
        let counts = (facts.rows, facts.traces, self.fences.len() as u64);
        if counts != (rows, traces, chunks) || traces > u64::from(u32::MAX) {
            return Err(Corrupt("the directory contradicts itself"));
        }
        Ok(())
    }
}

/// The last bytes of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Footer {
    pub(crate) directory: Extent,
    pub(crate) version: u32,
}

impl Footer {
    pub(crate) fn encode(&self) -> [u8; FOOTER_BYTES] {
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        out.extend_from_slice(&self.directory.offset.to_le_bytes());
        out.extend_from_slice(&self.directory.stored.to_le_bytes());
        out.extend_from_slice(&self.directory.raw.to_le_bytes());
        out.extend_from_slice(&self.directory.checksum.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&checksum(&out).to_le_bytes());
        out.extend_from_slice(FOOTER_MAGIC);
        let mut footer = [0; FOOTER_BYTES];
        footer.copy_from_slice(&out);
        footer
    }

    pub(crate) fn decode(bytes: &[u8; FOOTER_BYTES]) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(bytes);
        let body = reader.take(24)?;
        let sum = u32_le(reader.take(4)?);
        if reader.take(8)? != FOOTER_MAGIC || sum != checksum(body) {
            return Err(Corrupt("the footer is not one"));
        }
        let mut reader = Reader::new(body);
        let directory = Extent {
            offset: u64_le(reader.take(8)?),
            stored: u32_le(reader.take(4)?),
            raw: u32_le(reader.take(4)?),
            checksum: u32_le(reader.take(4)?),
            compressed: true,
        };
        if directory.raw as usize > RAW_BYTES_MAX {
            return Err(Corrupt("the directory is too long"));
        }
        Ok(Self {
            directory,
            version: u32_le(reader.take(4)?),
        })
    }
}

/// Returns the CRC-32C of the bytes.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Returns the little-endian number in the first 4 bytes; missing bytes count as 0.
pub(crate) fn u32_le(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .rev()
        .fold(0, |value, &byte| value << 8 | u32::from(byte))
}

/// Returns the little-endian number in the first 8 bytes; missing bytes count as 0.
pub(crate) fn u64_le(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => bytes
            .iter()
            .rev()
            .fold(0, |value, &byte| value << 8 | u64::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_comes_back() {
        let extent = Extent {
            offset: 1 << 33,
            stored: 7,
            raw: 300,
            compressed: true,
            checksum: 0xdead,
        };
        let directory = Directory {
            facts: Facts {
                first: 3,
                last: 9,
                rows: 8192,
                traces: 600,
                time_max_us: 1 << 40,
                ..Facts::default()
            },
            pages: vec![PageEntry {
                extent,
                rows: 8192,
                first_trace: 0,
                traces: 600,
            }],
            fences: vec![5, u64::MAX],
            sections: vec![Section {
                kind: SectionKind::Values,
                column: 12,
                extent,
            }],
        };
        let raw = directory.encode();
        assert_eq!(Directory::decode(&raw).unwrap(), directory);
        for len in 0..raw.len() {
            assert!(Directory::decode(&raw[..len]).is_err(), "cut at {len}");
        }
    }

    #[test]
    fn any_flipped_bit_of_a_footer_is_seen() {
        let footer = Footer {
            directory: Extent {
                offset: 77,
                stored: 5,
                raw: 9,
                compressed: true,
                checksum: 1,
            },
            version: VERSION,
        };
        let bytes = footer.encode();
        assert_eq!(Footer::decode(&bytes).unwrap(), footer);
        for bit in 0..FOOTER_BYTES * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Footer::decode(&bad).is_err(), "bit {bit}");
        }
    }
}
