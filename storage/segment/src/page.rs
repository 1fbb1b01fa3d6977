//! Reads the pages that [`crate::page_encode`] writes. Streams are unpacked when first asked for,
//! and stay with the page while it is cached.

use std::sync::OnceLock;

use crate::bytes::Reader;
use crate::encode::unpack;
use crate::error::Corrupt;
use crate::format::{RAW_BYTES_MAX, u32_le, u64_le};
use crate::page_encode::{LOOK_BACK, PARENT_RAW, STREAMS, Stream};
use crate::planes::Planes;
use crate::rows::ANNOTATIONS;

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

/// A column of tag values or annotation values of a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnView<'p> {
    pub(crate) codes: Planes<'p>,
    all_plain: bool,
    lengths_present: bool,
    lengths: Planes<'p>,
    bytes: &'p [u8],
}

impl ColumnView<'_> {
    /// Returns whether some values of the page are not in the dictionary.
    pub(crate) fn has_plain(&self) -> bool {
        self.all_plain || self.lengths_present
    }

    /// Returns a cursor that stands before the value of this rank.
    pub(crate) fn cursor(&self, rank: usize) -> ColumnCursor<'_> {
        let mut plain_rank = rank;
        if !self.all_plain {
            plain_rank = (0..rank)
                .filter(|&before| self.codes.get(before) == 0)
                .count();
        }
        let start = (0..plain_rank)
            .map(|before| self.lengths.get(before) as usize)
            .fold(0, usize::saturating_add);
        ColumnCursor {
            column: self,
            unpacked: None,
            rank,
            plain_rank,
            start,
        }
    }

    /// Returns a cursor that stands before the first value and is made to see them all: its
    /// columns are put together once, which costs less than doing it value by value.
    pub(crate) fn walk(&self) -> ColumnCursor<'_> {
        ColumnCursor {
            unpacked: Some((self.codes.to_vec32(), self.lengths.to_vec32())),
            ..self.cursor(0)
        }
    }
}

/// A value of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value<'p> {
    /// Its number in the dictionary.
    Coded(u32),
    /// The value itself.
    Plain(&'p [u8]),
}

/// Walks a column row by row.
#[derive(Debug)]
pub(crate) struct ColumnCursor<'p> {
    column: &'p ColumnView<'p>,
    /// Codes and lengths as integers, if all are going to be seen.
    unpacked: Option<(Vec<u32>, Vec<u32>)>,
    rank: usize,
    plain_rank: usize,
    start: usize,
}

impl<'p> ColumnCursor<'p> {
    /// Returns the next value.
    pub(crate) fn next(&mut self) -> Value<'p> {
        let code = match &self.unpacked {
            Some((codes, _)) => codes.get(self.rank).copied().map_or(0, u64::from),
            None => self.column.codes.get(self.rank),
        };
        self.rank += 1;
        if code != 0 {
            // Codes have 32 bits where they were written; more is in no dictionary.
            return Value::Coded(u32::try_from(code - 1).unwrap_or(u32::MAX));
        }
        let len = match &self.unpacked {
            Some((_, lengths)) => lengths.get(self.plain_rank).copied().map_or(0, u64::from),
            None => self.column.lengths.get(self.plain_rank),
        };
        let len = len as usize;
        self.plain_rank += 1;
        let value = self
            .column
            .bytes
            .get(self.start..)
            .and_then(|rest| rest.get(..len));
        self.start = self.start.saturating_add(len);
        Value::Plain(value.unwrap_or_default())
    }
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
        let bytes = unpack(stored, stream.raw, true)?;
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
        let total = (0..self.rows)
            .map(|row| counts.get(row))
            .fold(0, u64::saturating_add);
        let known = match self.annotation_times()?.len() as u64 {
            0 => self
                .column(ANNOTATIONS)?
                .map_or(0, |view| view.codes.len().max(view.lengths.len()) as u64),
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
        let codes = Planes::of_unknown_length(self.unpacked(first)?)?;
        let lengths = self.unpacked(first + 1)?;
        let lengths_present = !lengths.is_empty();
        let lengths = Planes::of_unknown_length(if lengths.is_empty() { &[0] } else { lengths })?;
        let all_plain = self.unpacked(first)?.first() == Some(&0);
        let bytes = self.unpacked(first + 2)?;
        Ok(Some(ColumnView {
            codes,
            all_plain,
            lengths_present,
            lengths,
            bytes,
        }))
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

    /// Returns id and parent of each row in `rows`, which must be whole traces given by `starts`.
    pub(crate) fn ids(&self, starts: &[usize]) -> Result<Vec<(u64, u64)>, Corrupt> {
        let first = starts.first().copied().unwrap_or_default();
        let (id_refs, parent_refs) = (self.stream(Stream::Id)?, self.stream(Stream::Parent)?);
        let count = |refs: &[u8], raw: u8| {
            refs.get(..first)
                .unwrap_or_default()
                .iter()
                .filter(|&&r| r == raw)
                .count()
        };
        let mut ids = RawIds::new(self.stream(Stream::IdRaw)?, count(id_refs, 0));
        let mut parents = RawIds::new(
            self.stream(Stream::ParentRaw)?,
            count(parent_refs, PARENT_RAW),
        );
        let mut all: Vec<(u64, u64)> = Vec::new();
        for bounds in starts.windows(2) {
            let &[start, end] = bounds else { continue };
            let base = all.len();
            for &reference in id_refs.get(start..end).unwrap_or_default() {
                let back = all
                    .len()
                    .checked_sub(reference as usize)
                    .and_then(|at| all.get(at));
                let id = match (reference, back) {
                    (0, _) => ids.next(),
                    (_, Some(&(id, _))) => id,
                    _ => return Err(Corrupt("an id refers to no row")),
                };
                all.push((id, 0));
            }
            for (row, &reference) in parent_refs
                .get(start..end)
                .unwrap_or_default()
                .iter()
                .enumerate()
            {
                let at = base + row;
                let target = match reference as usize {
                    0 => continue,
                    back if back <= LOOK_BACK => at.checked_sub(back),
                    ahead if reference != PARENT_RAW => Some(at + (ahead - LOOK_BACK)),
                    _ => None,
                };
                let parent = match target {
                    None if reference == PARENT_RAW => parents.next(),
                    target => target
                        .and_then(|target| all.get(target))
                        .map_or(0, |row| row.0),
                };
                if let Some(row) = all.get_mut(at) {
                    row.1 = parent;
                }
            }
        }
        Ok(all)
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

/// Raw ids one after the other.
struct RawIds<'p> {
    rest: std::slice::ChunksExact<'p, u8>,
}

impl<'p> RawIds<'p> {
    fn new(bytes: &'p [u8], skip: usize) -> Self {
        let rest = bytes.get(skip.saturating_mul(8)..).unwrap_or_default();
        Self {
            rest: rest.chunks_exact(8),
        }
    }

    fn next(&mut self) -> u64 {
        self.rest.next().map_or(0, u64_le)
    }
}
