//! The table of a segment's trace ids.

use std::sync::Arc;

use super::{Reading, Segment};
use crate::cache::{Item, Part};
use crate::error::{Corrupt, SegmentError};
use crate::format::{CHUNK_IDS, SectionKind, checksum, u32_le, u64_le};

/// The upper halves of the ids of a segment's traces, each of its trace's first row.
#[derive(Clone, Debug)]
pub(crate) struct Highs(Arc<Vec<u8>>);

impl Highs {
    /// Returns that of a trace, by its index among all of the segment.
    pub(crate) fn get(&self, trace: u32) -> Result<u64, Corrupt> {
        let at = trace as usize * 8;
        let bytes = self.0.get(at..at + 8);
        bytes
            .map(u64_le)
            .ok_or(Corrupt("the id table is too short"))
    }
}

impl Segment {
    /// Returns the upper halves of all trace ids: read as a whole, so asked for once where many are
    /// wanted.
    pub(crate) fn highs(&self, reading: Reading) -> Result<Highs, SegmentError> {
        let load = || {
            let directory = self.directory()?;
            let section = Self::section(&directory, SectionKind::Highs)?;
            Ok(Item::Highs(Arc::new(self.raw(&section.extent)?)))
        };
        match self.part(Part::Highs, reading, load)? {
            Item::Highs(highs) => Ok(Highs(highs)),
            _ => Err(Corrupt("the cache holds another part").into()),
        }
    }

    /// Returns the lower halves of the trace ids of a chunk.
    pub(crate) fn lows(&self, chunk: usize) -> Result<Vec<u64>, SegmentError> {
        let directory = self.directory()?;
        let section = Self::section(&directory, SectionKind::Lows)?;
        let traces = self.facts.traces as usize;
        let first = chunk * CHUNK_IDS;
        let count = traces.saturating_sub(first).min(CHUNK_IDS);
        let len = count * 8 + 4;
        let offset = chunk * (CHUNK_IDS * 8 + 4);
        if offset + len > section.extent.stored as usize {
            return Err(Corrupt("the id table is too short").into());
        }
        let stored = self
            .place
            .read(section.extent.offset + offset as u64, len)?;
        let (ids, sum) = stored.split_at(count * 8);
        if !self.is_in_memory() && checksum(ids) != u32_le(sum) {
            return Err(Corrupt("a checksum of the id table is wrong").into());
        }
        Ok(ids.chunks_exact(8).map(u64_le).collect())
    }

    /// Returns the lower halves of `count` trace ids from the trace with index `first`.
    pub(crate) fn trace_lows(&self, first: u32, count: usize) -> Result<Vec<u64>, SegmentError> {
        let (first, mut all) = (first as usize, Vec::new());
        for chunk in first / CHUNK_IDS..(first + count).div_ceil(CHUNK_IDS) {
            all.extend(self.lows(chunk)?);
        }
        let skip = first % CHUNK_IDS;
        let lows = all
            .get(skip..skip + count)
            .ok_or(Corrupt("the id table is too short"))?;
        Ok(lows.to_vec())
    }
}
