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

mod head;

use crate::bytes::Writer;
use crate::pack::Packer;
use crate::planes;

pub(crate) use head::PageEncoder;

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

/// Bytes of a stream whose packing tells something of others.
const TELLS_BYTES: usize = 1024;

/// How the entries of a fixed stream are collected and written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// As they are.
    Bytes,
    /// As they are, and mostly random: one page tells whether packing gains something.
    Random,
    /// As planes, of 32 or of 64 bits.
    Narrow,
    Wide,
}

const FORMS: [Form; STREAMS] = [
    Form::Narrow,
    Form::Wide,
    Form::Bytes,
    Form::Random,
    Form::Bytes,
    Form::Random,
    Form::Narrow,
    Form::Wide,
    Form::Wide,
    Form::Narrow,
    Form::Narrow,
    Form::Narrow,
    Form::Narrow,
    Form::Narrow,
    Form::Wide,
    Form::Wide,
];

/// The values of a column: a code each, and lengths and bytes of those that are plain.
#[derive(Debug, Default)]
pub(crate) struct ColumnStreams {
    codes: Vec<u32>,
    lengths: Vec<u32>,
    bytes: Vec<u8>,
}

impl ColumnStreams {
    /// Appends a value of the dictionary by what stands for it in a page: its number plus one.
    #[inline]
    pub(crate) fn push_code(&mut self, code: u32) {
        self.codes.push(code);
    }

    pub(crate) fn push_plain(&mut self, value: &[u8]) {
        self.codes.push(0);
        self.lengths.push(value.len() as u32);
        self.bytes.extend_from_slice(value);
    }
}

/// The streams of a page that is being collected, trace by trace. Of a fixed stream entries are
/// kept in one of three vectors, by its form.
#[derive(Debug, Default)]
pub(crate) struct PageStreams {
    bytes: [Vec<u8>; STREAMS],
    narrow: [Vec<u32>; STREAMS],
    wide: [Vec<u64>; STREAMS],
    columns: Vec<ColumnStreams>,
    /// A stream that is about to be packed, and all that are.
    scratch: Vec<u8>,
    data: Vec<u8>,
    /// Whether packing random streams has gained nothing.
    is_random: bool,
}

#[expect(clippy::indexing_slicing, reason = "one vector a stream")]
impl PageStreams {
    /// Returns an empty page of so many columns.
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            columns: (0..columns).map(|_| ColumnStreams::default()).collect(),
            ..Self::default()
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, stream: Stream, number: u32) {
        debug_assert!(FORMS[stream as usize] == Form::Narrow);
        self.narrow[stream as usize].push(number);
    }

    #[inline]
    pub(crate) fn push_wide(&mut self, stream: Stream, number: u64) {
        debug_assert!(FORMS[stream as usize] == Form::Wide);
        self.wide[stream as usize].push(number);
    }

    pub(crate) fn extend(&mut self, stream: Stream, numbers: &[u32]) {
        debug_assert!(FORMS[stream as usize] == Form::Narrow);
        self.narrow[stream as usize].extend_from_slice(numbers);
    }

    pub(crate) fn extend_wide(&mut self, stream: Stream, numbers: &[u64]) {
        debug_assert!(FORMS[stream as usize] == Form::Wide);
        self.wide[stream as usize].extend_from_slice(numbers);
    }

    pub(crate) fn extend_bytes(&mut self, stream: Stream, bytes: &[u8]) {
        debug_assert!(matches!(FORMS[stream as usize], Form::Bytes | Form::Random));
        self.bytes[stream as usize].extend_from_slice(bytes);
    }

    /// Returns the last entries of a stream.
    pub(crate) fn last(&self, stream: Stream, count: usize) -> &[u32] {
        let all = self.narrow[stream as usize].as_slice();
        all.get(all.len().saturating_sub(count)..)
            .unwrap_or_default()
    }

    #[inline]
    pub(crate) fn column(&mut self, column: u32) -> Option<&mut ColumnStreams> {
        self.columns.get_mut(column as usize)
    }
}

impl PageStreams {
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

    /// Appends how many rows a trace has, and their times.
    pub(crate) fn put_times(
        &mut self,
        times: impl Iterator<Item = u64> + Clone,
        segment_base: u64,
    ) {
        let present = times.clone().filter(|&time| time != 0);
        let base = present.min().unwrap_or(segment_base);
        self.push_wide(Stream::TraceBase, base.wrapping_sub(segment_base));
        let before = base.wrapping_sub(1);
        let mut rows = 0;
        for time in times {
            let since = if time == 0 {
                0
            } else {
                time.wrapping_sub(before)
            };
            self.push_wide(Stream::Time, since);
            rows += 1;
        }
        self.push(Stream::TraceRows, rows);
    }

    /// Appends ids and parents of the rows of a trace.
    pub(crate) fn put_ids(&mut self, rows: &[(u64, u64)]) {
        // By the numbers of the streams.
        let [_, _, ids, raw_ids, parents, raw_parents, ..] = &mut self.bytes;
        for (index, &(id, parent)) in rows.iter().enumerate() {
            let from = index.saturating_sub(LOOK_BACK);
            let before = rows.get(from..index).unwrap_or_default();
            let behind = || rows.get(index + 1..).unwrap_or_default();
            let distance = back(before, id);
            ids.push(distance.unwrap_or_default());
            if distance.is_none() {
                raw_ids.extend_from_slice(&id.to_le_bytes());
            }
            let reference = if parent == 0 {
                0
            } else {
                let reference = back(before, parent).or_else(|| ahead(behind(), parent));
                reference.unwrap_or(PARENT_RAW)
            };
            parents.push(reference);
            if reference == PARENT_RAW {
                raw_parents.extend_from_slice(&parent.to_le_bytes());
            }
        }
    }

    /// Appends the page to `out` and empties it; returns its length unpacked.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>, packer: &mut Packer) -> usize {
        let mut page = Finished {
            table: Writer::default(),
            data: std::mem::take(&mut self.data),
            raw_bytes: 0,
            packer,
        };
        let present = self.columns.iter().filter(|c| !c.codes.is_empty()).count();
        page.table.number(present as u64);
        let scratch = &mut self.scratch;
        let numbers = self.narrow.iter_mut().zip(&mut self.wide);
        for ((form, bytes), (narrow, wide)) in FORMS.iter().zip(&mut self.bytes).zip(numbers) {
            scratch.clear();
            match form {
                Form::Bytes => {
                    page.append(bytes);
                }
                Form::Random if self.is_random => page.store(bytes),
                Form::Random => self.is_random = !page.append(bytes) && bytes.len() > TELLS_BYTES,
                Form::Narrow => planes::write32(scratch, narrow),
                Form::Wide => planes::write(scratch, wide),
            }
            if !scratch.is_empty() {
                page.append_planes(scratch);
            }
            bytes.clear();
            narrow.clear();
            wide.clear();
        }
        for (number, column) in self.columns.iter_mut().enumerate() {
            if column.codes.is_empty() {
                continue;
            }
            page.table.number(number as u64);
            scratch.clear();
            planes::write32(scratch, &column.codes);
            page.append_planes(scratch);
            scratch.clear();
            if !column.lengths.is_empty() {
                planes::write32(scratch, &column.lengths);
            }
            page.append_planes(scratch);
            page.append(&column.bytes);
            column.codes.clear();
            column.lengths.clear();
            column.bytes.clear();
        }
        out.extend_from_slice(&(page.table.out.len() as u32).to_le_bytes());
        out.extend_from_slice(&page.table.out);
        out.extend_from_slice(&page.data);
        let raw_bytes = page.raw_bytes;
        self.data = page.data;
        self.data.clear();
        raw_bytes
    }
}

/// Streams that are packed one after the other.
struct Finished<'p> {
    table: Writer,
    data: Vec<u8>,
    raw_bytes: usize,
    packer: &'p mut Packer,
}

impl Finished<'_> {
    /// Appends a stream; returns whether it is packed.
    fn append(&mut self, raw: &[u8]) -> bool {
        let start = self.data.len();
        let is_packed = self.packer.append(&mut self.data, raw);
        self.put(start, raw, is_packed)
    }

    fn append_planes(&mut self, raw: &[u8]) {
        let start = self.data.len();
        let is_packed = self.packer.append_planes(&mut self.data, raw);
        self.put(start, raw, is_packed);
    }

    /// Appends a stream as it is.
    fn store(&mut self, raw: &[u8]) {
        let start = self.data.len();
        self.data.extend_from_slice(raw);
        self.put(start, raw, false);
    }

    fn put(&mut self, start: usize, raw: &[u8], is_packed: bool) -> bool {
        self.table.number(raw.len() as u64);
        let stored = (self.data.len() - start) as u64;
        self.table.number(stored << 1 | u64::from(is_packed));
        self.raw_bytes += raw.len();
        is_packed
    }
}

/// Returns how many rows back an id stands, at most [`LOOK_BACK`].
#[inline]
fn back(before: &[(u64, u64)], id: u64) -> Option<u8> {
    let mut nearest = before.iter().rev();
    let place = nearest.position(|&(other, _)| other == id);
    place.map(|distance| distance as u8 + 1)
}

/// Returns what refers to an id that stands at most [`LOOK_AHEAD`] rows behind.
#[inline]
fn ahead(behind: &[(u64, u64)], id: u64) -> Option<u8> {
    let mut nearest = behind.iter().take(LOOK_AHEAD);
    let place = nearest.position(|&(other, _)| other == id);
    place.map(|distance| (LOOK_BACK + 1 + distance) as u8)
}
