//! Dictionaries as read back: strings by number, and what the numbers of rows stand for.

use std::net::{Ipv4Addr, Ipv6Addr};

use speargun_model::Endpoint;

use crate::bytes::Reader;
use crate::error::Corrupt;
use crate::rows::{FIXED_COLUMNS, LOOSE, Operation, SHAPE_KEYS_MAX};

/// Byte strings by number.
#[derive(Debug, Default)]
pub(crate) struct Strings {
    ends: Vec<u32>,
    bytes: Vec<u8>,
}

impl Strings {
    /// Reads a count, then each string with its length.
    fn read(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let count = reader.count(1)?;
        let mut strings = Self {
            ends: Vec::with_capacity(count),
            bytes: vec![],
        };
        for _ in 0..count {
            strings.bytes.extend_from_slice(reader.string()?);
            strings.ends.push(strings.bytes.len() as u32);
        }
        Ok(strings)
    }

    /// Reads a chunk of a column's dictionary: `count` lengths, then the bytes of all.
    pub(crate) fn read_chunk(raw: &[u8]) -> Result<Self, Corrupt> {
        // Lengths end where their sum is what is left.
        let mut reader = Reader::new(raw);
        let (mut ends, mut end) = (vec![], 0_u64);
        while end < reader.remaining() as u64 || ends.is_empty() {
            end = end.saturating_add(reader.number()?);
            ends.push(u32::try_from(end).map_err(|_| Corrupt("a dictionary is too long"))?);
        }
        Self::finish_chunk(reader, ends, end)
    }

    fn finish_chunk(mut reader: Reader<'_>, ends: Vec<u32>, end: u64) -> Result<Self, Corrupt> {
        if end != reader.remaining() as u64 {
            return Err(Corrupt("a dictionary has another length than its strings"));
        }
        let bytes = reader.take(reader.remaining())?.to_vec();
        Ok(Self { ends, bytes })
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the string with this number; empty for an unknown one.
    pub(crate) fn get(&self, code: usize) -> &[u8] {
        let start = code
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied();
        let end = self.ends.get(code).copied().unwrap_or_default() as usize;
        self.bytes
            .get(start.unwrap_or_default() as usize..end)
            .unwrap_or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|code| self.get(code))
    }

    /// Returns the number of a string.
    pub(crate) fn find(&self, string: &[u8]) -> Option<u32> {
        self.iter()
            .position(|other| other == string)
            .map(|code| code as u32)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.ends.len() * 4 + self.bytes.len()
    }
}

/// What all pages of a segment share.
#[derive(Debug, Default)]
pub(crate) struct Meta {
    pub(crate) services: Strings,
    pub(crate) names: Strings,
    pub(crate) addresses: Strings,
    pub(crate) keys: Strings,
    pub(crate) operations: Vec<Operation>,
    /// The columns of each shape.
    pub(crate) shapes: Vec<Vec<u32>>,
}

impl Meta {
    pub(crate) fn decode(raw: &[u8]) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(raw);
        let services = Strings::read(&mut reader)?;
        let names = Strings::read(&mut reader)?;
        let addresses = Strings::read(&mut reader)?;
        let keys = Strings::read(&mut reader)?;
        let count = reader.count(4)?;
        let mut operations = Vec::with_capacity(count);
        for _ in 0..count {
            operations.push(Operation {
                service: reader.number32()?,
                remote: reader.number32()?,
                name: reader.number32()?,
                flags: u8::try_from(reader.number()?).map_err(|_| Corrupt("unknown flags"))?,
            });
        }
        let count = reader.count(1)?;
        let mut shapes = Vec::with_capacity(count);
        for _ in 0..count {
            let count = reader.count(1)?;
            if count > SHAPE_KEYS_MAX {
                return Err(Corrupt("a shape has too many columns"));
            }
            let columns = (0..count)
                .map(|_| reader.number32())
                .collect::<Result<Vec<_>, _>>()?;
            if columns
                .iter()
                .any(|&column| column as usize >= keys.len() + 2)
            {
                return Err(Corrupt("a shape names a column that is not there"));
            }
            shapes.push(columns);
        }
        Ok(Self {
            services,
            names,
            addresses,
            keys,
            operations,
            shapes,
        })
    }

    /// Returns whether some spans have all their tags as one value, whatever their keys.
    pub(crate) fn has_loose(&self) -> bool {
        self.shapes.iter().any(|shape| shape.as_slice() == [LOOSE])
    }

    /// Returns how many columns the segment has.
    pub(crate) fn columns(&self) -> usize {
        self.keys.len() + FIXED_COLUMNS as usize
    }

    /// Returns the column of a tag key.
    pub(crate) fn key_column(&self, key: &[u8]) -> Option<u32> {
        self.keys.find(key).map(|code| code + FIXED_COLUMNS)
    }

    /// Returns the tag key of a column.
    pub(crate) fn key(&self, column: u32) -> &[u8] {
        self.keys.get(column.wrapping_sub(FIXED_COLUMNS) as usize)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        [&self.services, &self.names, &self.addresses, &self.keys]
            .iter()
            .map(|strings| strings.memory_bytes())
            .sum::<usize>()
            + self.operations.len() * size_of::<Operation>()
            + self
                .shapes
                .iter()
                .map(|shape| 24 + shape.len() * 4)
                .sum::<usize>()
    }
}

/// Returns the endpoint with this name and address key; the port of a remote endpoint is given
/// beside, a local one's lies in the key.
pub(crate) fn endpoint(service: &[u8], key: &[u8], remote_port: Option<u16>) -> Option<Endpoint> {
    let mut reader = Reader::new(key);
    let flags = reader
        .take(1)
        .ok()
        .and_then(|flags| flags.first().copied())
        .unwrap_or_default();
    let mut endpoint = Endpoint {
        service_name: (!service.is_empty()).then(|| text(service)),
        port: remote_port.unwrap_or_default(),
        ..Endpoint::default()
    };
    if flags & 1 != 0
        && let Ok(&[a, b, c, d]) = reader.take(4)
    {
        endpoint.ipv4 = Some(Ipv4Addr::new(a, b, c, d));
    }
    if flags & 2 != 0
        && let Some(address) = reader.take(16).ok().and_then(<[u8]>::first_chunk::<16>)
    {
        endpoint.ipv6 = Some(Ipv6Addr::from(*address));
    }
    if remote_port.is_none()
        && let Ok(&[low, high]) = reader.take(2)
    {
        endpoint.port = u16::from_le_bytes([low, high]);
    }
    endpoint.into_option()
}

/// Returns the text of bytes that were checked when they came in; what a disk made of them since is
/// shown with replacement characters.
pub(crate) fn text(bytes: &[u8]) -> String {
    // Looking at it as a whole first is faster.
    std::str::from_utf8(bytes).map_or_else(
        |_| String::from_utf8_lossy(bytes).into_owned(),
        str::to_owned,
    )
}
