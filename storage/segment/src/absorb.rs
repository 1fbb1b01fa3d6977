//! Dictionaries of segments that are merged: all numbered anew once, before the first row is read,
//! so that rows only have their numbers translated. Rows are the business of [`crate::weave`].

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::dependencies::ERROR;
use crate::dictionary::{Meta, Strings};
use crate::error::{Corrupt, SegmentError};
use crate::format::{CHUNK_VALUES, Directory, SectionKind};
use crate::rows::{ANNOTATIONS, LOOSE, Operation, Rows};
use crate::segment::Segment;

/// Shapes of a merged segment; a span whose shape is one more is loose.
const SHAPES_MAX: usize = 1 << 16;
/// What a number that was damaged is told.
pub(crate) const UNKNOWN: Corrupt = Corrupt("a number is not in its dictionary");

/// The dictionaries of the merged segment.
#[derive(Debug)]
pub(crate) struct Merged {
    /// Without rows.
    pub(crate) rows: Rows,
    shapes: HashMap<Vec<u32>, u32, RandomState>,
}

/// What is done with the tags of a shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tags {
    /// Each value goes into the new column of its key.
    Kept,
    /// They are loose, and stay so.
    Loose,
    /// They become loose: the merged segment has no room for a key or for the shape.
    Loosened,
}

/// A shape in the merged segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewShape {
    pub(crate) number: u32,
    pub(crate) tags: Tags,
    /// Whether a key of it is `error`; those of loose tags are not known here.
    pub(crate) has_error: bool,
}

/// Numbers of one segment's dictionaries in the merged ones.
#[derive(Debug)]
pub(crate) struct Translation {
    pub(crate) meta: Arc<Meta>,
    pub(crate) operations: Vec<u32>,
    pub(crate) addresses: Vec<u32>,
    /// New column of each old one; `None` when the merged segment has no room for the key.
    pub(crate) columns: Vec<Option<u32>>,
    /// For each old column what stands in pages for a value in the new one, by what stood for it:
    /// numbers plus one, and 0 for plain values. Of a column without room it is empty.
    pub(crate) values: Vec<Vec<u32>>,
    /// New shape of each old one.
    pub(crate) shapes: Vec<NewShape>,
    /// Chunks of each old column's dictionary, as indexes of sections.
    sections: Vec<Vec<usize>>,
}

impl Merged {
    pub(crate) fn new() -> Self {
        Self {
            rows: Rows::new(),
            shapes: HashMap::default(),
        }
    }

    /// Adds the dictionaries of a segment.
    pub(crate) fn absorb(&mut self, segment: &Segment) -> Result<Translation, SegmentError> {
        let meta = segment.meta()?;
        let rows = &mut self.rows;
        let mut columns = vec![Some(ANNOTATIONS), Some(LOOSE)];
        columns.extend(meta.keys.iter().map(|key| rows.key_column(key)));
        let directory = segment.directory()?;
        let sections = value_sections(&directory, columns.len());
        let mut values = Vec::with_capacity(columns.len());
        for (new, sections) in columns.iter().zip(&sections) {
            let mut codes = vec![0];
            for &section in sections {
                let chunk = segment.read_values(section)?;
                if let Some(new) = new {
                    let known = &mut rows.column(*new).values;
                    codes.extend(chunk.iter().map(|value| known.intern(value) + 1));
                }
            }
            values.push(codes);
        }
        let addresses = meta.addresses.iter();
        Ok(Translation {
            operations: operations(rows, &meta)?,
            addresses: addresses.map(|key| rows.addresses.intern(key)).collect(),
            shapes: self.new_shapes(&meta, &columns),
            columns,
            values,
            sections,
            meta,
        })
    }

    fn new_shapes(&mut self, meta: &Meta, columns: &[Option<u32>]) -> Vec<NewShape> {
        let error = meta.key_column(ERROR);
        let shapes = meta.shapes.iter().map(|old| {
            let is_loose = old.as_slice() == [LOOSE];
            let new = |column: &u32| columns.get(*column as usize).copied().flatten();
            let kept: Option<Vec<u32>> = old.iter().map(new).collect();
            let kept = kept.and_then(|columns| self.shape(columns));
            let tags = match kept {
                Some(_) if is_loose => Tags::Loose,
                Some(_) => Tags::Kept,
                None => Tags::Loosened,
            };
            NewShape {
                number: kept.unwrap_or_else(|| self.loose_shape()),
                tags,
                has_error: error.is_some_and(|error| old.contains(&error)),
            }
        });
        shapes.collect()
    }

    /// Returns the number of a shape, or `None` when there is no room for it.
    fn shape(&mut self, columns: Vec<u32>) -> Option<u32> {
        if let Some(number) = self.shapes.get(&columns) {
            return Some(*number);
        }
        let is_loose = columns.as_slice() == [LOOSE];
        (is_loose || self.shapes.len() < SHAPES_MAX).then(|| self.add_shape(columns))
    }

    fn loose_shape(&mut self) -> u32 {
        let known = self.shapes.get([LOOSE].as_slice()).copied();
        known.unwrap_or_else(|| self.add_shape(vec![LOOSE]))
    }

    fn add_shape(&mut self, columns: Vec<u32>) -> u32 {
        let number = self.rows.shapes.len() as u32;
        self.rows.shapes.push(columns.clone());
        self.shapes.insert(columns, number);
        number
    }
}

fn operations(rows: &mut Rows, meta: &Meta) -> Result<Vec<u32>, Corrupt> {
    let numbers = |strings: &Strings, new: &mut crate::intern::Interner| -> Vec<u32> {
        strings.iter().map(|string| new.intern(string)).collect()
    };
    let services = numbers(&meta.services, &mut rows.services);
    let names = numbers(&meta.names, &mut rows.names);
    let at = |codes: &[u32], code: u32| codes.get(code as usize).copied().ok_or(UNKNOWN);
    let operations = meta.operations.iter().map(|old| {
        Ok(rows.operation(Operation {
            service: at(&services, old.service)?,
            remote: at(&services, old.remote)?,
            name: at(&names, old.name)?,
            flags: old.flags,
        }))
    });
    operations.collect()
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

impl Translation {
    /// Returns a value of a column for which the merged segment has no room, by what stands for it
    /// in pages.
    pub(crate) fn old_value(
        &self,
        segment: &Segment,
        column: u32,
        code: u32,
    ) -> Result<Vec<u8>, SegmentError> {
        let code = code.wrapping_sub(1) as usize;
        let sections = self.sections.get(column as usize);
        let section = sections.and_then(|sections| sections.get(code / CHUNK_VALUES));
        let section = *section.ok_or(UNKNOWN)?;
        let values = segment.values(section)?;
        Ok(values.get(code % CHUNK_VALUES).to_vec())
    }
}
