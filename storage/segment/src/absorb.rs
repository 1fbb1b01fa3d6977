//! Rows of a sealed segment into [`Rows`], for merging: dictionaries are numbered anew once, rows
//! only have their numbers translated.

use crate::dictionary::Meta;
use crate::error::{Corrupt, SegmentError};
use crate::format::{CHUNK_VALUES, Directory, SectionKind};
use crate::page::{ColumnCursor, Page, Value};
use crate::page_encode::Stream;
use crate::planes::{Planes, unzigzag};
use crate::rows::{ANNOTATIONS, LOOSE, Operation, Row, Rows};
use crate::segment::{Highs, Reading, Segment};

/// Numbers of one segment's dictionaries in the merged ones.
struct Translation {
    operations: Vec<u32>,
    addresses: Vec<u32>,
    /// New column of each old one; `None` when the merged segment has no room for the key.
    columns: Vec<Option<u32>>,
    /// Chunks of each old column's dictionary, as indexes of sections.
    sections: Vec<Vec<usize>>,
    /// New codes of each old column's dictionary.
    values: Vec<Vec<u32>>,
    /// New shape of each old one, which has one operation.
    shapes: Vec<NewShape>,
}

/// What is known of a shape in the merged segment.
#[derive(Clone, Copy, Debug)]
enum NewShape {
    /// No row had it yet.
    Unmet,
    /// Its number; `None` when there is no room for it.
    Met(Option<u32>),
}

/// Appends all rows of the segment, in order of arrival within each trace.
pub(crate) fn absorb(rows: &mut Rows, segment: &Segment) -> Result<(), SegmentError> {
    let meta = segment.meta()?;
    let mut translation = translate(rows, segment, &meta)?;
    let directory = segment.directory()?;
    let highs = segment.highs(Reading::Passing)?;
    for (index, entry) in directory.pages.iter().enumerate() {
        let page = segment.read_page(index)?;
        let mut absorber = Absorber {
            rows,
            segment,
            highs: &highs,
            meta: &meta,
            translation: &mut translation,
        };
        absorber.page(&page, entry.first_trace)?;
    }
    Ok(())
}

fn translate(rows: &mut Rows, segment: &Segment, meta: &Meta) -> Result<Translation, SegmentError> {
    let services: Vec<u32> = meta
        .services
        .iter()
        .map(|s| rows.services.intern(s))
        .collect();
    let names: Vec<u32> = meta
        .names
        .iter()
        .map(|name| rows.names.intern(name))
        .collect();
    let addresses = meta
        .addresses
        .iter()
        .map(|address| rows.addresses.intern(address))
        .collect();
    let at = |codes: &[u32], code: u32| {
        codes
            .get(code as usize)
            .copied()
            .ok_or(Corrupt("a number is not in its dictionary"))
    };
    let mut operations = Vec::with_capacity(meta.operations.len());
    for operation in &meta.operations {
        operations.push(rows.operation(Operation {
            service: at(&services, operation.service)?,
            remote: at(&services, operation.remote)?,
            name: at(&names, operation.name)?,
            flags: operation.flags,
        }));
    }
    let mut columns = vec![Some(ANNOTATIONS), Some(LOOSE)];
    columns.extend(meta.keys.iter().map(|key| rows.key_column(key)));
    let directory = segment.directory()?;
    let mut values = Vec::with_capacity(columns.len());
    let sections = value_sections(&directory, columns.len());
    for (new, sections) in columns.iter().zip(&sections) {
        let mut codes = Vec::new();
        for &section in sections {
            let chunk = segment.read_values(section)?;
            if let Some(new) = new {
                codes.extend(
                    chunk
                        .iter()
                        .map(|value| rows.column(*new).values.intern(value)),
                );
            }
        }
        values.push(codes);
    }
    Ok(Translation {
        operations,
        addresses,
        columns,
        sections,
        values,
        shapes: vec![NewShape::Unmet; meta.shapes.len()],
    })
}

/// Returns the chunks of all columns' dictionaries, as indexes of sections.
fn value_sections(directory: &Directory, columns: usize) -> Vec<Vec<usize>> {
    let mut sections = vec![vec![]; columns];
    for (index, section) in directory.sections.iter().enumerate() {
        if section.kind == SectionKind::Values
            && let Some(of_column) = sections.get_mut(section.column as usize)
        {
            of_column.push(index);
        }
    }
    sections
}

struct Absorber<'a> {
    rows: &'a mut Rows,
    segment: &'a Segment,
    highs: &'a Highs,
    meta: &'a Meta,
    translation: &'a mut Translation,
}

/// The columns of a page, as far as they are copied row by row.
struct PageColumns<'p> {
    ids: Vec<(u64, u64)>,
    highs: Vec<u64>,
    times: Vec<u64>,
    durations: Vec<u64>,
    operations: Vec<u32>,
    locals: Vec<u32>,
    remotes: Vec<u32>,
    ports: Vec<u32>,
    shapes: Vec<u32>,
    annotation_counts: Vec<u32>,
    annotation_times: Planes<'p>,
}

impl<'p> PageColumns<'p> {
    fn read(page: &'p Page, base: u64, starts: &[usize]) -> Result<Self, Corrupt> {
        let numbers = |stream| page.numbers(stream).map(Planes::to_vec32);
        Ok(Self {
            ids: page.ids(starts)?,
            highs: page.numbers(Stream::High)?.to_vec(),
            times: page.times(base, starts)?,
            durations: page.numbers(Stream::Duration)?.to_vec(),
            operations: numbers(Stream::Operation)?,
            locals: numbers(Stream::Local)?,
            remotes: numbers(Stream::Remote)?,
            ports: numbers(Stream::RemotePort)?,
            shapes: numbers(Stream::Shape)?,
            annotation_counts: page.annotation_counts()?.to_vec32(),
            annotation_times: page.annotation_times()?,
        })
    }

    /// Returns the row with everything but its trace, tags and annotations, numbers untranslated;
    /// `high` is what sets it apart from the trace's first row.
    fn row(&self, row: usize) -> Option<Row> {
        let &(id, parent) = self.ids.get(row)?;
        Some(Row {
            high: *self.highs.get(row)?,
            id,
            parent,
            timestamp: *self.times.get(row)?,
            duration: *self.durations.get(row)?,
            operation: *self.operations.get(row)?,
            shape: *self.shapes.get(row)?,
            local: *self.locals.get(row)?,
            remote: *self.remotes.get(row)?,
            remote_port: *self.ports.get(row)? as u16,
            annotation_count: *self.annotation_counts.get(row)?,
            ..Row::default()
        })
    }
}

impl Absorber<'_> {
    fn page(&mut self, page: &Page, first_trace: u32) -> Result<(), SegmentError> {
        let starts = page.trace_starts()?;
        let columns = PageColumns::read(page, self.segment.facts.time_min_us, &starts)?;
        let views = (0..self.meta.columns() as u32)
            .map(|column| page.column(column))
            .collect::<Result<Vec<_>, _>>()?;
        let mut cursors: Vec<Option<ColumnCursor<'_>>> = views
            .iter()
            .map(|view| view.as_ref().map(|view| view.walk()))
            .collect();
        let lows = self.segment.trace_lows(first_trace, starts.len() - 1)?;
        let mut annotation = 0;
        for (trace, bounds) in starts.windows(2).enumerate() {
            let &[start, end] = bounds else { continue };
            let high = self.highs.get(first_trace + trace as u32)?;
            let low = lows
                .get(trace)
                .copied()
                .ok_or(Corrupt("a trace id is missing"))?;
            for row in start..end {
                let row = columns.row(row).ok_or(Corrupt("a row is missing"))?;
                let times = (&columns.annotation_times, &mut annotation);
                let high = high ^ row.high;
                self.row(Row { low, high, ..row }, &mut cursors, times)?;
            }
        }
        Ok(())
    }

    fn row<'p>(
        &mut self,
        mut row: Row,
        cursors: &mut [Option<ColumnCursor<'p>>],
        (times, annotation): (&Planes<'p>, &mut usize),
    ) -> Result<(), SegmentError> {
        let translated = |codes: &[u32], code: u32| codes.get(code as usize).copied();
        let missing = Corrupt("a number is not in its dictionary");
        let old_shape = row.shape;
        row.operation = translated(&self.translation.operations, row.operation).ok_or(missing)?;
        row.local = translated(&self.translation.addresses, row.local).ok_or(missing)?;
        row.remote = translated(&self.translation.addresses, row.remote).ok_or(missing)?;
        row.annotations = self.rows.annotations.len() as u32;
        for _ in 0..row.annotation_count {
            let delta = unzigzag(times.get(*annotation));
            *annotation += 1;
            let value = next(cursors, ANNOTATIONS)?;
            let code = self.put(ANNOTATIONS, ANNOTATIONS, value)?;
            self.rows
                .annotations
                .push((row.timestamp.cast_signed().wrapping_add(delta), code));
        }
        row.codes = self.rows.codes.len() as u32;
        row.shape = self.tags(row.operation, old_shape, cursors)?;
        self.rows.rows.push(row);
        Ok(())
    }

    /// Appends the codes of the row's tags; returns its new shape.
    fn tags(
        &mut self,
        operation: u32,
        old_shape: u32,
        cursors: &mut [Option<ColumnCursor<'_>>],
    ) -> Result<u32, SegmentError> {
        let meta = self.meta;
        let columns = meta
            .shapes
            .get(old_shape as usize)
            .ok_or(Corrupt("a shape is missing"))?;
        if columns.as_slice() == [LOOSE] {
            let Value::Plain(tags) = next(cursors, LOOSE)? else {
                return Err(Corrupt("a loose value is in a dictionary").into());
            };
            return Ok(self.rows.push_loose_value(operation, tags));
        }
        let Some(shape) = self.shape(operation, old_shape, columns) else {
            return self.tags_to_loose(operation, columns, cursors);
        };
        for &column in columns {
            let value = next(cursors, column)?;
            let new = self
                .translation
                .columns
                .get(column as usize)
                .copied()
                .flatten();
            let new = new.ok_or(Corrupt("a column is missing"))?;
            let code = self.put(column, new, value)?;
            self.rows.codes.push(code);
        }
        Ok(shape)
    }

    fn shape(&mut self, operation: u32, old_shape: u32, columns: &[u32]) -> Option<u32> {
        if let Some(NewShape::Met(shape)) = self.translation.shapes.get(old_shape as usize) {
            return *shape;
        }
        let new: Option<Vec<u32>> = columns
            .iter()
            .map(|&column| {
                self.translation
                    .columns
                    .get(column as usize)
                    .copied()
                    .flatten()
            })
            .collect();
        let shape = new.and_then(|columns| self.rows.shape(operation, &columns));
        if let Some(known) = self.translation.shapes.get_mut(old_shape as usize) {
            *known = NewShape::Met(shape);
        }
        shape
    }

    fn tags_to_loose(
        &mut self,
        operation: u32,
        columns: &[u32],
        cursors: &mut [Option<ColumnCursor<'_>>],
    ) -> Result<u32, SegmentError> {
        let mut tags: Vec<(Vec<u8>, Vec<u8>)> = Vec::with_capacity(columns.len());
        for &column in columns {
            let value = match next(cursors, column)? {
                Value::Plain(value) => value.to_vec(),
                Value::Coded(code) => self.old_value(column, code as usize)?,
            };
            tags.push((self.meta.key(column).to_vec(), value));
        }
        let tags = tags
            .iter()
            .map(|(key, value)| (key.as_slice(), value.as_slice()));
        Ok(self.rows.push_loose(operation, tags))
    }

    fn old_value(&self, column: u32, code: usize) -> Result<Vec<u8>, SegmentError> {
        let sections = self.translation.sections.get(column as usize);
        let section = sections.and_then(|sections| sections.get(code / CHUNK_VALUES));
        let section = section.copied();
        let section = section.ok_or(Corrupt("a value is not in its dictionary"))?;
        Ok(self
            .segment
            .values(section)?
            .get(code % CHUNK_VALUES)
            .to_vec())
    }

    /// Returns the code in the merged column `new` of a value of the segment's column `old`.
    fn put(&mut self, old: u32, new: u32, value: Value<'_>) -> Result<u32, Corrupt> {
        match value {
            Value::Plain(value) => Ok(self.rows.column(new).put_plain(value)),
            Value::Coded(code) => {
                let codes = self.translation.values.get(old as usize);
                let code = codes.and_then(|codes| codes.get(code as usize)).copied();
                code.ok_or(Corrupt("a value is not in its dictionary"))
            }
        }
    }
}

fn next<'p>(cursors: &mut [Option<ColumnCursor<'p>>], column: u32) -> Result<Value<'p>, Corrupt> {
    let cursor = cursors.get_mut(column as usize).and_then(Option::as_mut);
    Ok(cursor.ok_or(Corrupt("a column is missing"))?.next())
}
