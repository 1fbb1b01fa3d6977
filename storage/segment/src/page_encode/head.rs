//! Rows of a head into the streams of pages, trace by trace.

use super::{PageStreams, Stream};
use crate::column::PLAIN;
use crate::planes;
use crate::rows::{ANNOTATIONS, Row, Rows};

/// Makes pages of the rows of a head.
#[derive(Debug)]
pub(crate) struct PageEncoder<'r> {
    rows: &'r Rows,
    segment_base: u64,
    ids: Vec<(u64, u64)>,
}

impl<'r> PageEncoder<'r> {
    pub(crate) fn new(rows: &'r Rows, segment_base: u64) -> Self {
        Self {
            rows,
            segment_base,
            ids: vec![],
        }
    }

    /// Appends a trace: indexes of its rows, and the upper half of its first row's id.
    pub(crate) fn push_trace(&mut self, page: &mut PageStreams, trace: &[u32], high: u64) {
        let all = &self.rows.rows;
        let rows = || trace.iter().filter_map(|&row| all.get(row as usize));
        page.put_times(rows().map(|row| row.timestamp), self.segment_base);
        self.ids.clear();
        self.ids.extend(rows().map(|row| (row.id, row.parent)));
        page.put_ids(&self.ids);
        for row in rows() {
            page.push_wide(Stream::High, row.high ^ high);
            self.put_row(page, row);
        }
    }

    fn put_row(&self, page: &mut PageStreams, row: &Row) {
        let rows = self.rows;
        page.push(Stream::Operation, row.operation);
        page.push_wide(Stream::Duration, row.duration);
        page.push(Stream::Local, row.local);
        page.push(Stream::Remote, row.remote);
        page.push(Stream::RemotePort, u32::from(row.remote_port));
        page.push(Stream::Shape, row.shape);
        page.push(Stream::AnnotationCount, row.annotation_count);
        let first = row.annotations as usize;
        let annotations = rows
            .annotations
            .get(first..first + row.annotation_count as usize);
        for &(time, code) in annotations.unwrap_or_default() {
            let delta = time.wrapping_sub(row.timestamp.cast_signed());
            page.push_wide(Stream::AnnotationTime, planes::zigzag(delta));
            self.put_value(page, ANNOTATIONS, code);
        }
        let shape = rows
            .shapes
            .get(row.shape as usize)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let codes = rows.codes.get(row.codes as usize..).unwrap_or_default();
        for (&column, &code) in shape.iter().zip(codes) {
            self.put_value(page, column, code);
        }
    }

    #[inline]
    fn put_value(&self, page: &mut PageStreams, column: u32, code: u32) {
        let Some(streams) = page.column(column) else {
            return;
        };
        if code & PLAIN == 0 {
            streams.push_code(code + 1);
        } else if let Some(column) = self.rows.columns.get(column as usize) {
            streams.push_plain(column.plain_value(code));
        }
    }
}
