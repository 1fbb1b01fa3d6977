//! A segment that is being merged, walked trace by trace: its pages one after the other.

use std::ops::Range;

use crate::absorb::{Merged, Tags, Translation};
use crate::error::{Corrupt, SegmentError};
use crate::page::{ID_RAW, IdCursor};
use crate::page_encode::{PARENT_RAW, PageStreams, Stream};
use crate::rows::{LOOSE, Rows};
use crate::segment::{Highs, Reading, Segment};
use crate::weave::page::{COLUMN_MISSING, OpenPage, ROW_MISSING, part};
use crate::weave::{Share, Trace};

/// A segment that is being merged, and where it stands.
#[derive(Debug)]
pub(super) struct Source<'s> {
    segment: &'s Segment,
    translation: Translation,
    highs: Highs,
    pages: usize,
    next_page: usize,
    page: OpenPage,
    /// The trace in hand, by its index in the page.
    trace: usize,
    last_low: Option<u64>,
}

impl<'s> Source<'s> {
    /// Returns the segment standing before its first trace; its dictionaries are added.
    pub(super) fn open(segment: &'s Segment, merged: &mut Merged) -> Result<Self, SegmentError> {
        Ok(Self {
            segment,
            translation: merged.absorb(segment)?,
            highs: segment.highs(Reading::Passing)?,
            pages: segment.directory()?.pages.len(),
            next_page: 0,
            page: OpenPage::default(),
            trace: 0,
            last_low: None,
        })
    }

    /// Returns the lower half of the id of the trace in hand; `None` behind the last.
    pub(super) fn next_low(&mut self) -> Result<Option<u64>, SegmentError> {
        while self.trace >= self.page.lows.len() {
            if self.next_page == self.pages {
                return Ok(None);
            }
            // The page before is given back first.
            self.page = OpenPage::default();
            self.page = OpenPage::read(self.segment, self.next_page, &self.translation)?;
            self.trace = 0;
            self.next_page += 1;
        }
        let low = self.page.lows.get(self.trace).copied();
        if self.last_low.is_some() && self.last_low >= low {
            return Err(Corrupt("trace ids are not in order").into());
        }
        self.last_low = low;
        Ok(low)
    }

    /// Goes to the next trace.
    pub(super) fn skip(&mut self) {
        self.trace += 1;
    }

    fn rows(&self) -> Result<Range<usize>, Corrupt> {
        match self.page.starts.get(self.trace..self.trace + 2) {
            Some(&[start, end]) => Ok(start..end),
            _ => Err(ROW_MISSING),
        }
    }

    /// Appends the columns of the trace in hand, and to `trace` what in them refers to other rows,
    /// which goes into columns here only if this is all of the trace.
    pub(super) fn copy(
        &mut self,
        merged: &Rows,
        share: Share,
        out: &mut PageStreams,
        trace: &mut Trace,
    ) -> Result<(), SegmentError> {
        let rows = self.rows()?;
        let page = &mut self.page;
        for (stream, numbers) in &page.numbers {
            out.extend(*stream, part(numbers, &rows)?);
        }
        out.extend_wide(Stream::Duration, part(&page.durations, &rows)?);
        page.copy_annotations(&rows, out)?;
        let high = self.highs.get(page.first_trace + self.trace as u32)?;
        let highs = part(&page.highs, &rows)?.iter();
        trace.highs.extend(highs.map(|other| other ^ high));
        trace.times.extend_from_slice(part(&page.times, &rows)?);
        let ids = page.ids.take(&rows, ID_RAW)?;
        let parents = page.parents.take(&rows, PARENT_RAW)?;
        if share == Share::Whole {
            out.extend_bytes(Stream::Id, ids.0);
            out.extend_bytes(Stream::IdRaw, ids.1);
            out.extend_bytes(Stream::Parent, parents.0);
            out.extend_bytes(Stream::ParentRaw, parents.1);
        }
        IdCursor::new(ids, parents).trace(0..rows.len(), &mut trace.ids)?;
        self.copy_tags(rows, merged, out, &mut trace.errors)
    }

    fn copy_tags(
        &mut self,
        rows: Range<usize>,
        merged: &Rows,
        out: &mut PageStreams,
        errors: &mut Vec<bool>,
    ) -> Result<(), SegmentError> {
        let Self {
            segment,
            translation,
            page,
            ..
        } = self;
        for row in rows {
            let old = *page.shapes.get(row).ok_or(ROW_MISSING)? as usize;
            let columns = translation.meta.shapes.get(old);
            let (Some(shape), Some(columns)) = (translation.shapes.get(old), columns) else {
                return Err(Corrupt("a shape is missing").into());
            };
            let has_error = match shape.tags {
                Tags::Kept => {
                    for &column in columns {
                        page.column(column)?.copy_next(out)?;
                    }
                    shape.has_error
                }
                Tags::Loose => page.column(LOOSE)?.copy_loose(out)?,
                Tags::Loosened => {
                    let tags = page.loosened(columns, segment, translation, merged)?;
                    let column = out.column(LOOSE).ok_or(COLUMN_MISSING)?;
                    column.push_plain(&tags);
                    shape.has_error
                }
            };
            out.push(Stream::Shape, shape.number);
            errors.push(has_error);
        }
        Ok(())
    }
}
