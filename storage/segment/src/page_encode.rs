//! A page: the rows of some whole traces as streams, one a column. This file writes pages;
//! [`crate::page`] reads them.
//!
//! ```text
//! table    number of columns present, then two numbers a stream: raw length, stored length
//!          times two plus whether packed. First the fixed streams in the order of [`Stream`],
//!          then for each column present its number and three streams: codes, lengths and
//!          bytes of plain values
//! streams  one after the other
//! ```
//!
//! A trace's rows stand in order of arrival. Span ids and parents are written as distances to other
//! rows of the trace where they can be:
//!
//! ```text
//! id      0 raw id follows in IdRaw | k same id as the row k before
//! parent  0 none | 1..=200 id of the row k before | 201..=254 id of the row k-200 behind | 255 raw
//! time    0 absent | microseconds since the trace's base, plus one
//! code    0 plain value follows | number in the dictionary, plus one
//! ```

use crate::bytes::Writer;
use crate::column::PLAIN;
use crate::encode::Packer;
use crate::planes;
use crate::rows::{ANNOTATIONS, Row, Rows};

/// The fixed streams of a page, in the order of its table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(crate) enum Stream {
    /// Rows a trace.
    TraceRows,
    /// The base of a trace's times, microseconds since the segment's least timestamp.
    TraceBase,
    Id,
    IdRaw,
    Parent,
    ParentRaw,
    Operation,
    Time,
    Duration,
    Local,
    Remote,
    RemotePort,
    Shape,
    /// Annotations a row.
    AnnotationCount,
    /// Microseconds from the row's timestamp, zigzag.
    AnnotationTime,
    /// What sets the upper half of the row's trace id apart from that of the trace's first row, by
    /// exclusive or: almost always nothing, and then a column of zeros takes one byte.
    High,
}

pub(crate) const STREAMS: usize = 16;
/// Rows that are looked back for an id.
pub(crate) const LOOK_BACK: usize = 200;
/// Rows that are looked ahead for a parent.
const LOOK_AHEAD: usize = 54;
pub(crate) const PARENT_RAW: u8 = 255;

#[derive(Debug, Default)]
struct ColumnPage {
    codes: Vec<u32>,
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

/// Collects traces until the page is full.
#[derive(Debug)]
pub(crate) struct PageEncoder<'r> {
    rows: &'r Rows,
    segment_base: u64,
    raw: [Vec<u8>; 4],
    numbers: [Vec<u64>; STREAMS],
    columns: Vec<ColumnPage>,
    ids: Vec<u64>,
}

/// Which of `raw` holds a byte stream.
const RAW_STREAMS: [Stream; 4] = [Stream::Id, Stream::IdRaw, Stream::Parent, Stream::ParentRaw];

impl<'r> PageEncoder<'r> {
    pub(crate) fn new(rows: &'r Rows, segment_base: u64) -> Self {
        Self {
            rows,
            segment_base,
            raw: Default::default(),
            numbers: Default::default(),
            columns: rows.columns.iter().map(|_| ColumnPage::default()).collect(),
            ids: vec![],
        }
    }

    /// Appends a trace: indexes of its rows, and the upper half of its first row's id.
    pub(crate) fn push_trace(&mut self, trace: &[u32], high: u64) {
        let all = &self.rows.rows;
        let rows = || trace.iter().filter_map(|&row| all.get(row as usize));
        let base = rows()
            .map(|row| row.timestamp)
            .filter(|&time| time != 0)
            .min();
        let base = base.unwrap_or(self.segment_base);
        self.put(Stream::TraceRows, trace.len() as u64);
        self.put(Stream::TraceBase, base - self.segment_base);
        self.ids.clear();
        self.ids.extend(rows().map(|row| row.id));
        for (index, row) in rows().enumerate() {
            self.put_ids(index, row);
            let time = if row.timestamp == 0 {
                0
            } else {
                row.timestamp - base + 1
            };
            self.put(Stream::Time, time);
            self.put(Stream::High, row.high ^ high);
            self.put_row(row);
        }
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "one vector a stream")]
    fn put(&mut self, stream: Stream, value: u64) {
        self.numbers[stream as usize].push(value);
    }

    fn put_ids(&mut self, index: usize, row: &Row) {
        let from = index.saturating_sub(LOOK_BACK);
        let before = self.ids.get(from..index).unwrap_or_default();
        let behind = self.ids.get(index + 1..).unwrap_or_default();
        let [id, id_raw, parent, parent_raw] = &mut self.raw;
        match back(before, row.id) {
            Some(distance) => id.push(distance),
            None => {
                id.push(0);
                id_raw.extend_from_slice(&row.id.to_le_bytes());
            }
        }
        if row.parent == 0 {
            parent.push(0);
        } else if let Some(distance) = back(before, row.parent) {
            parent.push(distance);
        } else if let Some(ahead) = behind
            .iter()
            .take(LOOK_AHEAD)
            .position(|&id| id == row.parent)
        {
            parent.push((LOOK_BACK + 1 + ahead) as u8);
        } else {
            parent.push(PARENT_RAW);
            parent_raw.extend_from_slice(&row.parent.to_le_bytes());
        }
    }

    fn put_row(&mut self, row: &Row) {
        let rows = self.rows;
        self.put(Stream::Operation, u64::from(row.operation));
        self.put(Stream::Duration, row.duration);
        self.put(Stream::Local, u64::from(row.local));
        self.put(Stream::Remote, u64::from(row.remote));
        self.put(Stream::RemotePort, u64::from(row.remote_port));
        self.put(Stream::Shape, u64::from(row.shape));
        self.put(Stream::AnnotationCount, u64::from(row.annotation_count));
        let first = row.annotations as usize;
        let annotations = rows
            .annotations
            .get(first..first + row.annotation_count as usize);
        for &(time, code) in annotations.unwrap_or_default() {
            let delta = time.wrapping_sub(row.timestamp.cast_signed());
            self.put(Stream::AnnotationTime, planes::zigzag(delta));
            self.put_value(ANNOTATIONS, code);
        }
        let shape = rows
            .shapes
            .get(row.shape as usize)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let codes = rows.codes.get(row.codes as usize..).unwrap_or_default();
        for (&column, &code) in shape.iter().zip(codes) {
            self.put_value(column, code);
        }
    }

    #[inline]
    fn put_value(&mut self, column: u32, code: u32) {
        let Some(page) = self.columns.get_mut(column as usize) else {
            return;
        };
        if code & PLAIN == 0 {
            page.codes.push(code + 1);
            return;
        }
        page.codes.push(0);
        let Some(column) = self.rows.columns.get(column as usize) else {
            return;
        };
        let value = column.plain_value(code);
        page.lengths.push(value.len() as u32);
        page.bytes.extend_from_slice(value);
    }

    /// Returns the values that the page has of a column so far: the numbers of those in its
    /// dictionary, and the others.
    pub(crate) fn values(
        &self,
        column: u32,
    ) -> Option<(impl Iterator<Item = u32>, impl Iterator<Item = &[u8]>)> {
        let column = self.columns.get(column as usize)?;
        let codes = column.codes.iter().filter_map(|code| code.checked_sub(1));
        let mut rest = column.bytes.as_slice();
        let plain = column.lengths.iter().map_while(move |&length| {
            let (value, behind) = rest.split_at_checked(length as usize)?;
            rest = behind;
            Some(value)
        });
        Some((codes, plain))
    }

    /// Appends the page to `out` and empties it; returns its length unpacked.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>, packer: &mut Packer) -> usize {
        let mut table = Writer::default();
        let mut data = Vec::new();
        let mut scratch = Vec::new();
        let mut raw_bytes = 0;
        let present = self
            .columns
            .iter()
            .filter(|column| !column.codes.is_empty())
            .count();
        table.number(present as u64);
        let mut append = |table: &mut Writer, raw: &[u8]| {
            let start = data.len();
            let is_packed = packer.append(&mut data, raw);
            table.number(raw.len() as u64);
            table.number(((data.len() - start) as u64) << 1 | u64::from(is_packed));
            raw_bytes += raw.len();
        };
        for (stream, numbers) in self.numbers.iter_mut().enumerate() {
            if let Some(raw) = RAW_STREAMS.iter().position(|&raw| raw as usize == stream) {
                let bytes = self
                    .raw
                    .get_mut(raw)
                    .map(std::mem::take)
                    .unwrap_or_default();
                append(&mut table, &bytes);
            } else {
                scratch.clear();
                planes::write(&mut scratch, numbers);
                append(&mut table, &scratch);
                numbers.clear();
            }
        }
        for (number, column) in self.columns.iter_mut().enumerate() {
            if column.codes.is_empty() {
                continue;
            }
            table.number(number as u64);
            scratch.clear();
            planes::write32(&mut scratch, &column.codes);
            append(&mut table, &scratch);
            scratch.clear();
            planes::write32(&mut scratch, &column.lengths);
            append(
                &mut table,
                if column.lengths.is_empty() {
                    &[]
                } else {
                    &scratch
                },
            );
            append(&mut table, &column.bytes);
            column.codes.clear();
            column.lengths.clear();
            column.bytes.clear();
        }
        out.extend_from_slice(&(table.out.len() as u32).to_le_bytes());
        out.extend_from_slice(&table.out);
        out.extend_from_slice(&data);
        raw_bytes
    }
}

/// Returns how many rows back an id stands, at most [`LOOK_BACK`].
#[inline]
fn back(before: &[u64], id: u64) -> Option<u8> {
    before
        .iter()
        .rev()
        .position(|&other| other == id)
        .map(|distance| distance as u8 + 1)
}
