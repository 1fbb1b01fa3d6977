//! A page of a segment that is being merged, walked from front to back. Its columns are put
//! together and their numbers translated when it is opened, all at once.

use std::ops::Range;

use crate::absorb::{Translation, UNKNOWN};
use crate::bytes::Writer;
use crate::dependencies::{ERROR, has_key};
use crate::error::{Corrupt, SegmentError};
use crate::page::{ColumnView, Page};
use crate::page_encode::{ColumnStreams, PageStreams, Stream};
use crate::planes::Planes;
use crate::rows::{ANNOTATIONS, Rows};
use crate::segment::Segment;

pub(super) const ROW_MISSING: Corrupt = Corrupt("a row is missing");
/// A column that is not there.
const NO_COLUMN: u32 = u32::MAX;
pub(super) const COLUMN_MISSING: Corrupt = Corrupt("a column is missing");

/// A page whose columns are put together and translated.
#[derive(Debug, Default)]
pub(super) struct OpenPage {
    /// The first row of each trace, and the number of rows.
    pub(super) starts: Vec<usize>,
    pub(super) lows: Vec<u64>,
    pub(super) first_trace: u32,
    pub(super) ids: References,
    pub(super) parents: References,
    pub(super) times: Vec<u64>,
    pub(super) highs: Vec<u64>,
    pub(super) durations: Vec<u64>,
    /// Columns that are copied as they are.
    pub(super) numbers: Vec<(Stream, Vec<u32>)>,
    pub(super) shapes: Vec<u32>,
    annotation_counts: Vec<u32>,
    annotation_times: Vec<u64>,
    /// Annotations of the traces that are done.
    annotations: usize,
    columns: Vec<Column>,
}

/// How rows refer to others, and the raw ids of those that do not.
#[derive(Debug, Default)]
pub(super) struct References {
    all: Vec<u8>,
    raw: Vec<u8>,
    /// Bytes of raw ids of the traces that are done.
    passed: usize,
}

/// A column of values.
#[derive(Debug)]
pub(super) struct Column {
    /// Its number in the merged segment; [`NO_COLUMN`] where that has no room for it.
    new: u32,
    /// Whether rows of the page have it.
    is_present: bool,
    codes: std::vec::IntoIter<u32>,
    lengths: std::vec::IntoIter<u32>,
    bytes: Vec<u8>,
    /// Bytes of plain values that are done.
    passed: usize,
}

impl OpenPage {
    pub(super) fn read(
        segment: &Segment,
        index: usize,
        translation: &Translation,
    ) -> Result<Self, SegmentError> {
        let page = segment.read_page(index)?;
        let directory = segment.directory()?;
        let first_trace = directory.pages.get(index).map(|entry| entry.first_trace);
        let first_trace = first_trace.ok_or(Corrupt("a page is missing"))?;
        let starts = page.trace_starts()?;
        let numbers = |stream| page.numbers(stream).map(Planes::to_vec32);
        let translated = |stream, new: &[u32]| translate(numbers(stream)?, new);
        Ok(Self {
            lows: segment.trace_lows(first_trace, starts.len() - 1)?,
            first_trace,
            ids: References::of(&page, Stream::Id, Stream::IdRaw)?,
            parents: References::of(&page, Stream::Parent, Stream::ParentRaw)?,
            times: page.times(segment.facts.time_min_us, &starts)?,
            highs: page.numbers(Stream::High)?.to_vec(),
            durations: page.numbers(Stream::Duration)?.to_vec(),
            numbers: vec![
                (
                    Stream::Operation,
                    translated(Stream::Operation, &translation.operations)?,
                ),
                (
                    Stream::Local,
                    translated(Stream::Local, &translation.addresses)?,
                ),
                (
                    Stream::Remote,
                    translated(Stream::Remote, &translation.addresses)?,
                ),
                (Stream::RemotePort, numbers(Stream::RemotePort)?),
            ],
            shapes: numbers(Stream::Shape)?,
            annotation_counts: page.annotation_counts()?.to_vec32(),
            annotation_times: page.annotation_times()?.to_vec(),
            annotations: 0,
            columns: columns(&page, translation)?,
            starts,
        })
    }

    #[inline]
    pub(super) fn column(&mut self, column: u32) -> Result<&mut Column, Corrupt> {
        self.columns.get_mut(column as usize).ok_or(COLUMN_MISSING)
    }

    pub(super) fn copy_annotations(
        &mut self,
        rows: &Range<usize>,
        out: &mut PageStreams,
    ) -> Result<(), Corrupt> {
        let counts = part(&self.annotation_counts, rows)?;
        out.extend(Stream::AnnotationCount, counts);
        let count = counts.iter().map(|&count| count as usize).sum::<usize>();
        for at in self.annotations..self.annotations + count {
            let time = self.annotation_times.get(at).copied();
            out.push_wide(Stream::AnnotationTime, time.unwrap_or_default());
            self.column(ANNOTATIONS)?.copy_next(out)?;
        }
        self.annotations += count;
        Ok(())
    }

    /// Returns the tags of a row, which has these columns, as one loose value.
    pub(super) fn loosened(
        &mut self,
        columns: &[u32],
        segment: &Segment,
        translation: &Translation,
        merged: &Rows,
    ) -> Result<Vec<u8>, SegmentError> {
        let mut tags = Writer::default();
        for &column in columns {
            tags.string(translation.meta.key(column));
            let values = self.column(column)?;
            if !values.is_present {
                return Err(COLUMN_MISSING.into());
            }
            match (values.next_code(), values.new) {
                (0, _) => tags.string(values.next_plain()),
                (code, NO_COLUMN) => tags.string(&translation.old_value(segment, column, code)?),
                (code, new) => {
                    let known = merged.columns.get(new as usize);
                    let value = known.map(|known| known.values.get(code - 1));
                    tags.string(value.unwrap_or_default());
                }
            }
        }
        Ok(tags.out)
    }
}

impl References {
    fn of(page: &Page, all: Stream, raw: Stream) -> Result<Self, Corrupt> {
        Ok(Self {
            all: page.stream(all)?.to_vec(),
            raw: page.stream(raw)?.to_vec(),
            passed: 0,
        })
    }

    /// Takes the references of the next rows, and the raw ids of those that have this one instead.
    pub(super) fn take(
        &mut self,
        rows: &Range<usize>,
        marker: u8,
    ) -> Result<(&[u8], &[u8]), Corrupt> {
        let all = part(&self.all, rows)?;
        let count = all.iter().filter(|&&reference| reference == marker).count();
        let start = self.passed;
        self.passed += count * size_of::<u64>();
        Ok((all, part(&self.raw, &(start..self.passed))?))
    }
}

impl Column {
    fn of(view: ColumnView<'_>, new: Option<u32>, values: &[u32]) -> Result<Self, Corrupt> {
        let (codes, lengths, bytes) = view.to_vecs();
        // Where there is no room the values go elsewhere, by the numbers they have here.
        let codes = match new {
            Some(_) => translate(codes, values)?,
            None => codes,
        };
        Ok(Self {
            new: new.unwrap_or(NO_COLUMN),
            is_present: true,
            codes: codes.into_iter(),
            lengths: lengths.into_iter(),
            bytes,
            passed: 0,
        })
    }

    /// Returns the column that no row has.
    fn absent() -> Self {
        Self {
            new: NO_COLUMN,
            is_present: false,
            codes: vec![].into_iter(),
            lengths: vec![].into_iter(),
            bytes: vec![],
            passed: 0,
        }
    }

    /// Returns what stands for the next value: 0 for a plain one.
    #[inline]
    fn next_code(&mut self) -> u32 {
        // Where all are plain there are no codes.
        self.codes.next().unwrap_or_default()
    }

    fn next_plain(&mut self) -> &[u8] {
        let len = self.lengths.next().unwrap_or_default() as usize;
        let start = self.passed;
        self.passed = start.saturating_add(len);
        self.bytes.get(start..self.passed).unwrap_or_default()
    }

    /// Appends the next value to the column in the merged segment.
    #[inline]
    pub(super) fn copy_next(&mut self, out: &mut PageStreams) -> Result<(), Corrupt> {
        let out = out.column(self.new).ok_or(COLUMN_MISSING)?;
        match self.next_code() {
            0 => self.copy_plain(out),
            code => out.push_code(code),
        }
        Ok(())
    }

    /// By itself, so that what is usual is small.
    #[inline(never)]
    fn copy_plain(&mut self, out: &mut ColumnStreams) {
        out.push_plain(self.next_plain());
    }

    /// Appends the next value, which is all tags of a span; returns whether one is an error.
    pub(super) fn copy_loose(&mut self, out: &mut PageStreams) -> Result<bool, Corrupt> {
        let out = out.column(self.new).ok_or(COLUMN_MISSING)?;
        if self.next_code() != 0 {
            return Err(Corrupt("a loose value is in a dictionary"));
        }
        let tags = self.next_plain();
        out.push_plain(tags);
        Ok(has_key(tags, ERROR).unwrap_or_default())
    }
}

fn columns(page: &Page, translation: &Translation) -> Result<Vec<Column>, Corrupt> {
    let news = translation.columns.iter().zip(&translation.values);
    let columns = (0..)
        .zip(news)
        .map(|(old, (new, values))| match page.column(old)? {
            Some(view) => Column::of(view, *new, values),
            None => Ok(Column::absent()),
        });
    columns.collect()
}

pub(super) fn part<'v, T>(all: &'v [T], rows: &Range<usize>) -> Result<&'v [T], Corrupt> {
    all.get(rows.clone()).ok_or(ROW_MISSING)
}

fn translate(mut numbers: Vec<u32>, new: &[u32]) -> Result<Vec<u32>, Corrupt> {
    for number in &mut numbers {
        *number = *new.get(*number as usize).ok_or(UNKNOWN)?;
    }
    Ok(numbers)
}
