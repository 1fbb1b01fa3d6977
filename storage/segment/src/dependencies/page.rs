//! Reads of a segment's pages what linking needs, and makes the summary of a segment whose file has
//! none.

use std::sync::Arc;

use super::reader::{ERROR, has_key};
use crate::dictionary::Meta;
use crate::error::{Corrupt, SegmentError};
use crate::links::{LinkRow, LinkSets, Summary};
use crate::page::{Page, Value};
use crate::page_encode::Stream;
use crate::planes::Planes;
use crate::rows::LOOSE;
use crate::segment::Segment;

/// Returns the summary of a segment's links. One that was never merged has none in its file: then
/// it is made of its rows, once as long as the cache keeps it.
pub(super) fn summary(segment: &Segment) -> Result<Arc<LinkSets>, SegmentError> {
    segment.links(|| make(segment))
}

fn make(segment: &Segment) -> Result<Vec<u8>, SegmentError> {
    let meta = segment.meta()?;
    let mut summary = Summary::new(
        meta.services.iter(),
        &meta.operations,
        meta.addresses.iter(),
    );
    let pages = PageReader::new(segment, &meta);
    let is_known = |row: &LinkRow| {
        let (operation, local) = (row.operation as usize, row.local as usize);
        operation < meta.operations.len() && local < meta.addresses.len()
    };
    for page in 0..segment.directory()?.page_count() {
        let rows = pages.read(page)?;
        for trace in rows.starts.windows(2) {
            let &[start, end] = trace else { continue };
            for at in start..end {
                let row = rows.get(at).filter(is_known);
                summary.push(row.ok_or(Corrupt("a row is missing"))?);
            }
            summary.end_trace();
        }
    }
    Ok(summary.encode())
}

/// The columns of a page that linking needs: a third of the memory of its rows.
#[derive(Default)]
pub(super) struct PageRows {
    /// Where each trace starts, and where the last one ends.
    pub(super) starts: Vec<usize>,
    ids: Vec<(u64, u64)>,
    times: Vec<u64>,
    operations: Vec<u32>,
    locals: Vec<u32>,
    errors: Vec<bool>,
}

impl PageRows {
    /// Returns a row.
    pub(super) fn get(&self, at: usize) -> Option<LinkRow> {
        let &(id, parent) = self.ids.get(at)?;
        Some(LinkRow {
            id,
            parent,
            timestamp: *self.times.get(at)?,
            operation: *self.operations.get(at)?,
            local: *self.locals.get(at)?,
            error: *self.errors.get(at)?,
        })
    }
}

pub(super) struct PageReader<'s> {
    segment: &'s Segment,
    /// For each shape: whether it has a tag named error, and whether its tags are loose.
    errors: Vec<(bool, bool)>,
}

impl<'s> PageReader<'s> {
    pub(super) fn new(segment: &'s Segment, meta: &Meta) -> Self {
        let error = meta.key_column(ERROR);
        let is_error = |shape: &Vec<u32>| error.is_some_and(|error| shape.contains(&error));
        let errors = meta
            .shapes
            .iter()
            .map(|shape| (is_error(shape), shape.as_slice() == [LOOSE]));
        Self {
            segment,
            errors: errors.collect(),
        }
    }

    pub(super) fn read(&self, index: usize) -> Result<PageRows, SegmentError> {
        // Past the cache: each page is read once, and what other queries need stays there.
        let page = self.segment.read_page(index)?;
        let starts = page.trace_starts()?;
        let numbers = |stream| page.numbers(stream).map(Planes::to_vec32);
        Ok(PageRows {
            ids: page.ids(&starts)?,
            times: page.times(self.segment.facts.time_min_us, &starts)?,
            operations: numbers(Stream::Operation)?,
            locals: numbers(Stream::Local)?,
            errors: self.errors(&page, &numbers(Stream::Shape)?)?,
            starts,
        })
    }

    fn errors(&self, page: &Page, shapes: &[u32]) -> Result<Vec<bool>, SegmentError> {
        let of_shape = |shape: u32| self.errors.get(shape as usize).copied().unwrap_or_default();
        let mut errors: Vec<bool> = shapes.iter().map(|&shape| of_shape(shape).0).collect();
        if let Some(view) = page.column(LOOSE)? {
            let mut values = view.walk();
            for (error, &shape) in errors.iter_mut().zip(shapes) {
                if of_shape(shape).1
                    && let Value::Plain(tags) = values.next()
                {
                    *error = has_key(tags, ERROR)?;
                }
            }
        }
        Ok(errors)
    }
}
