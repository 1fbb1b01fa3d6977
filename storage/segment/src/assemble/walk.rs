//! One walk over a page from front to back that stops at the traces that are wanted. Coded values
//! are noted as blanks: dictionaries are not read here.

use std::ops::Range;

use speargun_model::{Annotation, Span, SpanId, TraceId};

use super::{AtHand, Blank, Wanted};
use crate::bytes::Reader;
use crate::dictionary::{Meta, endpoint, text};
use crate::error::Corrupt;
use crate::page::{ColumnCursor, IdCursor, Page, Value};
use crate::page_encode::Stream;
use crate::planes::{Planes, unzigzag};
use crate::rows::{ANNOTATIONS, LOOSE};

/// The walk.
pub(super) struct PageWalk<'p> {
    page: &'p Page,
    meta: &'p Meta,
    starts: Vec<usize>,
    bases: Planes<'p>,
    segment_base: u64,
    columns: FixedColumns<'p>,
    id_cursor: IdCursor<'p>,
    /// Id and parent of each row of the trace at hand.
    ids: Vec<(u64, u64)>,
    /// The next row.
    row: usize,
    /// Annotations and values of each column before the next row.
    annotations: usize,
    ranks: Vec<usize>,
    /// Rows of each shape that were passed and are not yet in `ranks`.
    passed: Vec<usize>,
    /// Those of columns that were needed; boxed, since a segment may have many more.
    cursors: Vec<Option<Box<ColumnCursor<'p>>>>,
    at_hand: Option<&'p AtHand>,
    traces: u32,
    blanks: Vec<Blank>,
}

impl<'p> PageWalk<'p> {
    /// Returns a walk that has seen nothing. With dictionaries at hand it is made for seeing most
    /// of the page.
    pub(super) fn new(
        page: &'p Page,
        meta: &'p Meta,
        segment_base: u64,
        at_hand: Option<&'p AtHand>,
    ) -> Result<Self, Corrupt> {
        Ok(Self {
            at_hand,
            page,
            meta,
            starts: page.trace_starts()?,
            bases: page.numbers(Stream::TraceBase)?,
            segment_base,
            columns: FixedColumns::new(page)?,
            id_cursor: page.id_cursor()?,
            ids: vec![],
            row: 0,
            annotations: 0,
            ranks: vec![0; meta.columns()],
            passed: vec![0; meta.shapes.len()],
            cursors: (0..meta.columns()).map(|_| None).collect(),
            traces: 0,
            blanks: vec![],
        })
    }

    /// Returns the spans of a trace that stands behind those asked for before, blanks empty; `high`
    /// is the upper half of its first row's id.
    pub(super) fn trace(&mut self, wanted: &Wanted, high: u64) -> Result<Vec<Span>, Corrupt> {
        let bounds = self.starts.get(wanted.trace..wanted.trace + 2);
        let Some(&[first, end]) = bounds else {
            return Err(Corrupt("a trace is missing"));
        };
        self.pass(self.row..first);
        self.ids.clear();
        self.id_cursor.trace(first..end, &mut self.ids)?;
        let base = self.segment_base.wrapping_add(self.bases.get(wanted.trace));
        let base = base.wrapping_sub(1);
        let mut spans = Vec::with_capacity(end - first);
        for (index, row) in (first..end).enumerate() {
            let mut span = self.columns.span(row, base, self.meta)?;
            let &(id, parent) = self.ids.get(index).ok_or(Corrupt("an id is missing"))?;
            span.id = SpanId(id);
            span.parent_id = (parent != 0).then_some(SpanId(parent));
            span.trace_id = TraceId {
                high: high ^ self.columns.highs.get(row),
                low: wanted.low,
            };
            self.add_annotations(row, &mut span, index)?;
            self.add_tags(row, &mut span, index)?;
            spans.push(span);
        }
        self.row = end;
        self.traces += 1;
        Ok(spans)
    }

    /// Returns what is to be filled in.
    pub(super) fn into_blanks(self) -> Vec<Blank> {
        self.blanks
    }

    /// Counts the values of rows that are not wanted.
    fn pass(&mut self, rows: Range<usize>) {
        let mut met = Vec::new();
        self.columns.shapes.each(rows.clone(), |shape| {
            // A shape that is not there has no values.
            if let Some(passed) = self.passed.get_mut(shape as usize) {
                if *passed == 0 {
                    met.push(shape as usize);
                }
                *passed += 1;
            }
        });
        for shape in met {
            let passed = self.passed.get_mut(shape).map(std::mem::take);
            let columns = self.meta.shapes.get(shape);
            for &column in columns.into_iter().flatten() {
                if let Some(rank) = self.ranks.get_mut(column as usize) {
                    *rank += passed.unwrap_or_default();
                }
            }
        }
        let annotations = self.columns.annotation_counts.sum(rows);
        self.annotations += annotations as usize;
    }

    fn add_annotations(
        &mut self,
        row: usize,
        span: &mut Span,
        index: usize,
    ) -> Result<(), Corrupt> {
        for place in 0..self.columns.annotation_counts.get(row) as usize {
            let delta = unzigzag(self.columns.annotation_times.get(self.annotations));
            let value = self.next(ANNOTATIONS, self.annotations)?;
            self.annotations += 1;
            let value = self.text(ANNOTATIONS, value, (index, place));
            let timestamp_us = span.timestamp_us.cast_signed().wrapping_add(delta);
            span.annotations.push(Annotation {
                timestamp_us,
                value,
            });
        }
        Ok(())
    }

    fn add_tags(&mut self, row: usize, span: &mut Span, index: usize) -> Result<(), Corrupt> {
        let meta = self.meta;
        let shape = meta.shapes.get(self.columns.shapes.get(row) as usize);
        let shape = shape.ok_or(Corrupt("a shape is missing"))?;
        span.tags.reserve_exact(shape.len());
        for &column in shape {
            let rank = self.ranks.get_mut(column as usize);
            let rank = rank.ok_or(Corrupt("a column is missing"))?;
            *rank += 1;
            let rank = *rank - 1;
            let value = self.next(column, rank)?;
            if let (LOOSE, Value::Plain(tags)) = (column, value) {
                push_loose(span, tags)?;
            } else {
                let value = self.text(column, value, (index, span.tags.len()));
                span.tags.push((text(meta.key(column)), value));
            }
        }
        Ok(())
    }

    /// Returns the value of a column that has this rank.
    fn next(&mut self, column: u32, rank: usize) -> Result<Value<'p>, Corrupt> {
        let missing = Corrupt("a column is missing");
        let cursor = self.cursors.get_mut(column as usize).ok_or(missing)?;
        let cursor = match cursor {
            Some(cursor) => cursor,
            None => {
                let view = self.page.column(column)?.ok_or(missing)?;
                cursor.insert(Box::new(match self.at_hand {
                    Some(_) => view.walk(),
                    None => view.cursor(),
                }))
            }
        };
        cursor.advance(rank);
        Ok(cursor.next())
    }

    /// Returns the text of a value; for now none where it is a blank of this span at this place.
    fn text(&mut self, column: u32, value: Value<'_>, (span, place): (usize, usize)) -> String {
        match value {
            Value::Plain(bytes) => text(bytes),
            Value::Coded(code) => {
                if let Some(value) = self.at_hand.and_then(|known| known.get(column, code)) {
                    return text(value);
                }
                self.blanks.push(Blank {
                    column,
                    code,
                    trace: self.traces,
                    span: span as u32,
                    place: place as u32,
                });
                String::new()
            }
        }
    }
}

/// The columns of a page with one integer a row.
struct FixedColumns<'p> {
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

impl<'p> FixedColumns<'p> {
    fn new(page: &'p Page) -> Result<Self, Corrupt> {
        Ok(Self {
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

    /// Returns the scalars of the row but for its ids; `base` is that of its trace's times.
    fn span(&self, row: usize, base: u64, meta: &Meta) -> Result<Span, Corrupt> {
        let operation = meta.operations.get(self.operations.get(row) as usize);
        let operation = operation.ok_or(Corrupt("an operation is missing"))?;
        let service = |code: u32| meta.services.get(code as usize);
        let address = |code: u64| meta.addresses.get(code as usize);
        let name = meta.names.get(operation.name as usize);
        let time = self.times.get(row);
        Ok(Span {
            kind: operation.kind(),
            name: (!name.is_empty()).then(|| text(name)),
            timestamp_us: if time == 0 {
                0
            } else {
                time.wrapping_add(base)
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
            debug: operation.debug(),
            shared: operation.shared(),
            ..Span::default()
        })
    }
}

/// Appends the tags of a loose value.
fn push_loose(span: &mut Span, tags: &[u8]) -> Result<(), Corrupt> {
    let mut reader = Reader::new(tags);
    while reader.remaining() > 0 {
        let key = text(reader.string()?);
        span.tags.push((key, text(reader.string()?)));
    }
    Ok(())
}
