//! Reads the pages that [`crate::page_encode`] writes. Streams are unpacked when first asked for,
//! and stay with the page while it is cached.

mod column;
mod ids;

use std::sync::OnceLock;

use crate::bytes::Reader;
use crate::error::Corrupt;
use crate::format::{RAW_BYTES_MAX, u32_le};
use crate::pack::unpack;
use crate::page_encode::{STREAMS, Stream};
use crate::planes::Planes;
use crate::rows::ANNOTATIONS;

pub(crate) use column::{ColumnCursor, ColumnView, Value};
pub(crate) use ids::{ID_RAW, IdCursor};

/// Annotations of a page without text and time that are believed.
const EMPTY_ANNOTATIONS_MAX: u64 = 1 << 22;

#[derive(Debug)]
struct Packed {
    start: usize,
    stored: usize,
    raw: usize,
    compressed: bool,
    unpacked: OnceLock<Vec<u8>>,
}

/// A page of a segment.
#[derive(Debug)]
pub(crate) struct Page {
    rows: usize,
    traces: usize,
    stored: Vec<u8>,
    streams: Vec<Packed>,
    /// Columns present, ascending; column `i` has streams `STREAMS + 3 * i` and the two behind.
    columns: Vec<u32>,
}

impl Page {
    /// Returns the page in `stored`, whose checksum the caller has checked.
    pub(crate) fn open(stored: Vec<u8>, rows: usize, traces: usize) -> Result<Self, Corrupt> {
        let table_len = u32_le(&stored) as usize;
        let table = stored
            .get(4..4 + table_len)
            .ok_or(Corrupt("a page has no table"))?;
        let mut reader = Reader::new(table);
        let mut start = 4 + table_len;
        let mut streams = Vec::with_capacity(STREAMS);
        let present = reader.count(7)?;
        for _ in 0..STREAMS {
            streams.push(Packed::read(&mut reader, &mut start)?);
        }
        let mut columns = Vec::with_capacity(present);
        for _ in 0..present {
            columns.push(reader.number32()?);
            for _ in 0..3 {
                streams.push(Packed::read(&mut reader, &mut start)?);
            }
        }
        if start != stored.len() {
            return Err(Corrupt("a page has another length than its streams"));
        }
        let page = Self {
            rows,
            traces,
            stored,
            streams,
            columns,
        };
        // Ids have a byte a row: more rows than that would be memory nobody wrote.
        if page.stream(Stream::Id)?.len() != rows || traces > rows {
            return Err(Corrupt("a page has other rows than its directory says"));
        }
        Ok(page)
    }

    /// Returns how much memory the page takes once all of it is unpacked.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.stored.len()
            + self
                .streams
                .iter()
                .map(|stream| stream.raw + size_of::<Packed>())
                .sum::<usize>()
    }

    fn unpacked(&self, index: usize) -> Result<&[u8], Corrupt> {
        let stream = self
            .streams
            .get(index)
            .ok_or(Corrupt("a stream is missing"))?;
        let stored = self.stored.get(stream.start..stream.start + stream.stored);
        let stored = stored.ok_or(Corrupt("a stream is cut"))?;
        if !stream.compressed {
            return Ok(stored);
        }
        if let Some(bytes) = stream.unpacked.get() {
            return Ok(bytes);
        }
        let bytes = unpack(stored.into(), stream.raw, true)?;
        Ok(stream.unpacked.get_or_init(|| bytes))
    }

    pub(crate) fn stream(&self, stream: Stream) -> Result<&[u8], Corrupt> {
        self.unpacked(stream as usize)
    }

    /// Returns a fixed column with one integer a row.
    pub(crate) fn numbers(&self, stream: Stream) -> Result<Planes<'_>, Corrupt> {
        let count = match stream {
            Stream::TraceRows | Stream::TraceBase => self.traces,
            _ => self.rows,
        };
        Planes::new(self.stream(stream)?, count)
    }

    /// Returns the number of annotations of each row. As many are in the page, but for the empty
    /// ones at the time of their span, which take no bytes: of those some are believed.
    pub(crate) fn annotation_counts(&self) -> Result<Planes<'_>, Corrupt> {
        let counts = self.numbers(Stream::AnnotationCount)?;
        let total = counts.sum(0..self.rows);
        let known = match self.annotation_times()?.len() as u64 {
            0 => self
                .column(ANNOTATIONS)?
                .map_or(0, |view| view.len() as u64),
            known => known,
        };
        if total == known || known == 0 && total <= EMPTY_ANNOTATIONS_MAX {
            return Ok(counts);
        }
        Err(Corrupt("a page has other annotations than its rows"))
    }

    /// Returns the times of all annotations of the page.
    pub(crate) fn annotation_times(&self) -> Result<Planes<'_>, Corrupt> {
        Planes::of_unknown_length(self.stream(Stream::AnnotationTime)?)
    }

    /// Returns a value column; `None` when no row of the page has it.
    pub(crate) fn column(&self, column: u32) -> Result<Option<ColumnView<'_>>, Corrupt> {
        let Ok(index) = self.columns.binary_search(&column) else {
            return Ok(None);
        };
        let first = STREAMS + index * 3;
        let (codes, lengths) = (self.unpacked(first)?, self.unpacked(first + 1)?);
        ColumnView::new(codes, lengths, self.unpacked(first + 2)?).map(Some)
    }

    /// Returns the first row of each trace, and the number of rows behind the last.
    pub(crate) fn trace_starts(&self) -> Result<Vec<usize>, Corrupt> {
        let counts = self.numbers(Stream::TraceRows)?.to_vec();
        let mut starts = Vec::with_capacity(self.traces + 1);
        let mut start = 0_usize;
        starts.push(0);
        for count in counts {
            start = start.saturating_add(count as usize);
            starts.push(start);
        }
        if start == self.rows {
            Ok(starts)
        } else {
            Err(Corrupt("traces do not fill a page"))
        }
    }

    /// Returns the timestamps of the rows in microseconds, 0 where absent.
    pub(crate) fn times(&self, segment_base: u64, starts: &[usize]) -> Result<Vec<u64>, Corrupt> {
        let bases = self.numbers(Stream::TraceBase)?;
        let mut times = self.numbers(Stream::Time)?.to_vec();
        for (trace, bounds) in starts.windows(2).enumerate() {
            let &[start, end] = bounds else { continue };
            let base = segment_base.wrapping_add(bases.get(trace)).wrapping_sub(1);
            for time in times.get_mut(start..end).unwrap_or_default() {
                if *time != 0 {
                    *time = time.wrapping_add(base);
                }
            }
        }
        Ok(times)
    }

    /// Returns id and parent of each row; `starts` are those of [`Page::trace_starts`].
    pub(crate) fn ids(&self, starts: &[usize]) -> Result<Vec<(u64, u64)>, Corrupt> {
        let mut cursor = self.id_cursor()?;
        let mut all = Vec::with_capacity(self.rows);
        for bounds in starts.windows(2) {
            let &[start, end] = bounds else { continue };
            cursor.trace(start..end, &mut all)?;
        }
        Ok(all)
    }

    /// Returns a cursor over ids and parents that stands before the first row.
    pub(crate) fn id_cursor(&self) -> Result<IdCursor<'_>, Corrupt> {
        Ok(IdCursor::new(
            (self.stream(Stream::Id)?, self.stream(Stream::IdRaw)?),
            (
                self.stream(Stream::Parent)?,
                self.stream(Stream::ParentRaw)?,
            ),
        ))
    }
}

impl Packed {
    fn read(reader: &mut Reader<'_>, start: &mut usize) -> Result<Self, Corrupt> {
        let raw = reader.size()?;
        let stored = reader.size()?;
        let packed = Self {
            start: *start,
            stored: stored >> 1,
            raw,
            compressed: stored & 1 == 1,
            unpacked: OnceLock::new(),
        };
        *start = start
            .checked_add(packed.stored)
            .ok_or(Corrupt("a stream is too long"))?;
        let fits = packed.compressed || packed.raw == packed.stored;
        if raw > RAW_BYTES_MAX || !fits {
            return Err(Corrupt("a stream is too long"));
        }
        Ok(packed)
    }
}
