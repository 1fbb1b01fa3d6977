//! Rows of a page back into spans.

use std::sync::Arc;

use hashbrown::HashMap;
use speargun_model::{Annotation, Span, SpanId, TraceId};

use crate::bytes::Reader;
use crate::dictionary::{Meta, Strings, endpoint, text};
use crate::error::{Corrupt, SegmentError};
use crate::format::{CHUNK_VALUES, Directory};
use crate::page::{ColumnCursor, ColumnView, Page, Value};
use crate::page_encode::Stream;
use crate::planes::{Planes, unzigzag};
use crate::rows::{ANNOTATIONS, LOOSE, Operation};
use crate::segment::Segment;

/// Chunks of dictionaries that one answer has touched.
struct Dictionaries<'s> {
    segment: &'s Segment,
    directory: Arc<Directory>,
    sections: HashMap<u32, Vec<usize>>,
    chunks: HashMap<usize, Arc<Strings>>,
}

impl Dictionaries<'_> {
    fn text(&mut self, column: u32, value: Value<'_>) -> Result<String, SegmentError> {
        let code = match value {
            Value::Plain(bytes) => return Ok(text(bytes)),
            Value::Coded(code) => code as usize,
        };
        let directory = &self.directory;
        let sections = self
            .sections
            .entry(column)
            .or_insert_with(|| Segment::value_sections(directory, column));
        let section = sections.get(code / CHUNK_VALUES).copied();
        let section = section.ok_or(Corrupt("a value is not in its dictionary"))?;
        let chunk = match self.chunks.get(&section) {
            Some(chunk) => chunk,
            None => self
                .chunks
                .entry(section)
                .or_insert(self.segment.values(section)?),
        };
        Ok(text(chunk.get(code % CHUNK_VALUES)))
    }
}

/// Returns the spans whose trace ids have this lower half, in order of arrival; none when there is
/// no such trace in the segment.
pub(crate) fn spans(segment: &Segment, low: u64) -> Result<Vec<Span>, SegmentError> {
    let Some(located) = segment.locate(low)? else {
        return Ok(vec![]);
    };
    let high = segment.high(located)?;
    let (page_index, trace) = segment.page_of(located)?;
    let page = segment.page(page_index)?;
    let meta = segment.meta()?;
    let starts = page.trace_starts()?;
    let bounds = starts
        .get(trace..trace + 2)
        .ok_or(Corrupt("a trace is missing"))?;
    let &[first, end] = bounds else {
        return Ok(vec![]);
    };
    let mut dictionaries = Dictionaries {
        segment,
        directory: segment.directory()?,
        sections: HashMap::default(),
        chunks: HashMap::default(),
    };
    let columns = columns_of(&page, &meta, first, end)?;
    let mut cursors: HashMap<u32, ColumnCursor<'_>> = columns
        .iter()
        .map(|(&column, (view, rank))| (column, view.cursor(*rank)))
        .collect();
    let rows = RowReader::new(&page, segment.facts.time_min_us, (trace, bounds))?;
    let mut annotation = (0..first)
        .map(|row| rows.annotation_counts.get(row) as usize)
        .sum();
    let mut spans = Vec::with_capacity(end - first);
    for (index, row) in (first..end).enumerate() {
        let mut span = rows.span(index, row, &meta)?;
        span.trace_id = TraceId {
            high: high ^ rows.highs.get(row),
            low,
        };
        for _ in 0..rows.annotation_counts.get(row) {
            let delta = unzigzag(rows.annotation_times.get(annotation));
            let value = next(&mut cursors, ANNOTATIONS)?;
            let value = dictionaries.text(ANNOTATIONS, value)?;
            let timestamp_us = span.timestamp_us.cast_signed().wrapping_add(delta);
            span.annotations.push(Annotation {
                timestamp_us,
                value,
            });
            annotation += 1;
        }
        for &column in shape(&meta, rows.shapes.get(row))? {
            let value = next(&mut cursors, column)?;
            if let (LOOSE, Value::Plain(tags)) = (column, value) {
                push_loose(&mut span, tags)?;
            } else {
                let value = dictionaries.text(column, value)?;
                span.tags.push((text(meta.key(column)), value));
            }
        }
        span.normalise();
        spans.push(span);
    }
    Ok(spans)
}

fn next<'c>(
    cursors: &mut HashMap<u32, ColumnCursor<'c>>,
    column: u32,
) -> Result<Value<'c>, Corrupt> {
    Ok(cursors
        .get_mut(&column)
        .ok_or(Corrupt("a column is missing"))?
        .next())
}

fn shape(meta: &Meta, shape: u64) -> Result<&[u32], Corrupt> {
    let shape = meta
        .shapes
        .get(shape as usize)
        .ok_or(Corrupt("a shape is missing"))?;
    Ok(shape)
}

/// Returns the value columns that rows `first..end` need, each with the number of its values before
/// them.
fn columns_of<'p>(
    page: &'p Page,
    meta: &Meta,
    first: usize,
    end: usize,
) -> Result<HashMap<u32, (ColumnView<'p>, usize)>, SegmentError> {
    let shapes = page.numbers(Stream::Shape)?;
    let annotations = page.numbers(Stream::AnnotationCount)?;
    let mut columns = HashMap::default();
    let mut add = |column: u32| -> Result<(), Corrupt> {
        if let Some(view) = page.column(column)? {
            columns.entry(column).or_insert((view, 0_usize));
        }
        Ok(())
    };
    for row in first..end {
        if annotations.get(row) != 0 {
            add(ANNOTATIONS)?;
        }
        shape(meta, shapes.get(row))?
            .iter()
            .try_for_each(|&column| add(column))?;
    }
    let mut before = vec![0_usize; meta.shapes.len()];
    for row in 0..first {
        if let Some(count) = before.get_mut(shapes.get(row) as usize) {
            *count += 1;
        }
    }
    for (columns_of_shape, count) in meta.shapes.iter().zip(before) {
        for column in columns_of_shape {
            if let Some((_, rank)) = columns.get_mut(column) {
                *rank += count;
            }
        }
    }
    if let Some((_, rank)) = columns.get_mut(&ANNOTATIONS) {
        *rank = (0..first).map(|row| annotations.get(row) as usize).sum();
    }
    Ok(columns)
}

/// The fixed columns of one trace of a page.
struct RowReader<'p> {
    ids: Vec<(u64, u64)>,
    base: u64,
    highs: Planes<'p>,
    times: Planes<'p>,
    durations: Planes<'p>,
    operations: Planes<'p>,
    locals: Planes<'p>,
    remotes: Planes<'p>,
    remote_ports: Planes<'p>,
    shapes: Planes<'p>,
    annotation_counts: Planes<'p>,
    annotation_times: Planes<'p>,
}

impl<'p> RowReader<'p> {
    fn new(
        page: &'p Page,
        segment_base: u64,
        (trace, bounds): (usize, &[usize]),
    ) -> Result<Self, Corrupt> {
        let base = page.numbers(Stream::TraceBase)?.get(trace);
        Ok(Self {
            ids: page.ids(bounds)?,
            base: segment_base.wrapping_add(base).wrapping_sub(1),
            highs: page.numbers(Stream::High)?,
            times: page.numbers(Stream::Time)?,
            durations: page.numbers(Stream::Duration)?,
            operations: page.numbers(Stream::Operation)?,
            locals: page.numbers(Stream::Local)?,
            remotes: page.numbers(Stream::Remote)?,
            remote_ports: page.numbers(Stream::RemotePort)?,
            shapes: page.numbers(Stream::Shape)?,
            annotation_counts: page.annotation_counts()?,
            annotation_times: page.annotation_times()?,
        })
    }

    /// Returns the scalars of the row, which is the trace's `index`-th.
    fn span(&self, index: usize, row: usize, meta: &Meta) -> Result<Span, Corrupt> {
        let operation = meta
            .operations
            .get(self.operations.get(row) as usize)
            .copied();
        let operation: Operation = operation.ok_or(Corrupt("an operation is missing"))?;
        let (id, parent) = self
            .ids
            .get(index)
            .copied()
            .ok_or(Corrupt("an id is missing"))?;
        let service = |code: u32| meta.services.get(code as usize);
        let address = |code: u64| meta.addresses.get(code as usize);
        let name = meta.names.get(operation.name as usize);
        let time = self.times.get(row);
        Ok(Span {
            trace_id: TraceId::default(),
            parent_id: (parent != 0).then_some(SpanId(parent)),
            id: SpanId(id),
            kind: operation.kind(),
            name: (!name.is_empty()).then(|| text(name)),
            timestamp_us: if time == 0 {
                0
            } else {
                time.wrapping_add(self.base)
            },
            duration_us: self.durations.get(row),
            local_endpoint: endpoint(
                service(operation.service),
                address(self.locals.get(row)),
                None,
            ),
            remote_endpoint: endpoint(
                service(operation.remote),
                address(self.remotes.get(row)),
                Some(self.remote_ports.get(row) as u16),
            ),
            annotations: vec![],
            tags: vec![],
            debug: operation.debug(),
            shared: operation.shared(),
        })
    }
}

/// Appends the tags of a loose value.
pub(crate) fn push_loose(span: &mut Span, tags: &[u8]) -> Result<(), Corrupt> {
    let mut reader = Reader::new(tags);
    while reader.remaining() > 0 {
        let key = text(reader.string()?);
        span.tags.push((key, text(reader.string()?)));
    }
    Ok(())
}
