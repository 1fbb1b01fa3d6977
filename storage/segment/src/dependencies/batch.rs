//! Traces whose rows are needed, planned while ids are walked and then read source by source, so
//! that one page and a bounded number of rows are held however many sources there are. A batch
//! that turns out to be too large is cut in half: the rest of its plan comes with the next one.

use std::ops::Range;

use speargun_storage::{ReadContext, ReadError};

use super::Row;
use super::reader::{Own, RowReader};
use super::source::Source;
use super::walk::Found;
use crate::intern::Interner;
use crate::store::Shared;

/// Parts of traces of a plan.
const PARTS_MAX: usize = 65_536;

/// A trace whose rows are needed.
pub(super) struct Group {
    /// The lower half of its id.
    pub(super) low: u64,
    /// How many of its sources are summed before the first that is not.
    pub(super) prefix: usize,
    pub(super) any_summed: bool,
    /// Whether what its sources beyond the narrow ones need is recalled.
    pub(super) is_wide_known: bool,
}

/// The part of a trace that lies in one source.
struct Part {
    group: u32,
    source: u32,
    place: usize,
}

/// Traces in the order of their ids.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) groups: Vec<Group>,
    parts: Vec<Part>,
    /// About how many rows they have.
    rows: usize,
    rows_max: usize,
    sorted: bool,
}

impl Plan {
    /// Returns a plan for batches of so many rows; a trace of more is a batch of its own.
    pub(super) fn new(rows_max: usize) -> Self {
        Self {
            rows_max,
            ..Self::default()
        }
    }

    /// Adds a trace with these parts.
    pub(super) fn push(&mut self, group: Group, parts: &[Found], sources: &[Source<'_>]) {
        let number = self.groups.len() as u32;
        self.groups.push(group);
        self.sorted = false;
        for &Found { source, place, .. } in parts {
            let rows = sources.get(source as usize).map(|it| it.rows_of(place));
            self.rows += rows.unwrap_or_default();
            self.parts.push(Part {
                group: number,
                source,
                place,
            });
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= self.rows_max / 2 || self.parts.len() >= PARTS_MAX
    }

    pub(super) fn clear(&mut self) {
        self.groups.clear();
        self.parts.clear();
        self.rows = 0;
    }
}

/// What was read of one part: indexes in the rows and the own links of the batch.
#[derive(Clone)]
pub(super) struct Piece {
    pub(super) group: u32,
    pub(super) source: usize,
    rows: Range<usize>,
    own: Range<usize>,
}

/// The rows of some groups of a plan.
#[derive(Default)]
pub(super) struct Batch {
    rows: Vec<Row>,
    own: Vec<Own>,
    /// By group, then source.
    pub(super) pieces: Vec<Piece>,
}

/// What reading needs besides the plan.
pub(super) struct From<'a> {
    pub(super) shared: &'a Shared,
    pub(super) sources: &'a [Source<'a>],
    pub(super) services: &'a Interner,
    pub(super) context: &'a ReadContext,
}

impl Batch {
    pub(super) fn rows(&self, piece: &Piece) -> &[Row] {
        self.rows.get(piece.rows.clone()).unwrap_or_default()
    }

    /// Returns what the summary of the source, if it is summed, says of the trace.
    pub(super) fn own(&self, piece: &Piece) -> &[Own] {
        self.own.get(piece.own.clone()).unwrap_or_default()
    }

    /// Reads groups of the plan from the one numbered `first`; returns the number of the group
    /// behind the last.
    pub(super) fn read(
        &mut self,
        plan: &mut Plan,
        first: usize,
        from: &From<'_>,
    ) -> Result<usize, ReadError> {
        if !plan.sorted {
            let order = |part: &Part| (part.source, part.group);
            plan.parts.sort_unstable_by_key(order);
            plan.sorted = true;
        }
        self.clear(plan.rows_max);
        let mut end = plan.groups.len();
        for parts in plan.parts.chunk_by(|a, b| a.source == b.source) {
            let start = parts.partition_point(|part| (part.group as usize) < first);
            let parts = parts.get(start..).unwrap_or_default();
            let Some(source) = parts
                .first()
                .and_then(|part| from.sources.get(part.source as usize))
            else {
                continue;
            };
            let mut reader = RowReader::new(source, from.services, from.shared);
            for part in parts {
                if part.group as usize >= end {
                    break;
                }
                from.context.check()?;
                self.push(&mut reader, part, from.shared);
                while self.rows.len() + self.own.len() > plan.rows_max && end > first + 1 {
                    end = first + (end - first) / 2;
                    self.cut(end);
                }
            }
        }
        self.pieces
            .sort_unstable_by_key(|piece| (piece.group, piece.source));
        Ok(end)
    }

    fn push(&mut self, reader: &mut RowReader<'_>, part: &Part, shared: &Shared) {
        let (rows, own) = (self.rows.len(), self.own.len());
        reader.append(shared, part.place, &mut self.rows, &mut self.own);
        self.pieces.push(Piece {
            group: part.group,
            source: part.source as usize,
            rows: rows..self.rows.len(),
            own: own..self.own.len(),
        });
    }

    fn clear(&mut self, rows_max: usize) {
        self.rows.clear();
        self.own.clear();
        self.pieces.clear();
        // A trace of very many rows does not keep its memory.
        self.rows.shrink_to(rows_max);
        self.own.shrink_to(rows_max);
    }

    /// Drops what belongs to the groups from `end` on.
    fn cut(&mut self, end: usize) {
        let (rows, own) = (
            std::mem::take(&mut self.rows),
            std::mem::take(&mut self.own),
        );
        self.pieces.retain(|piece| (piece.group as usize) < end);
        for piece in &mut self.pieces {
            let kept = rows.get(piece.rows.clone()).unwrap_or_default();
            piece.rows = self.rows.len()..self.rows.len() + kept.len();
            self.rows.extend_from_slice(kept);
            let kept = own.get(piece.own.clone()).unwrap_or_default();
            piece.own = self.own.len()..self.own.len() + kept.len();
            self.own.extend_from_slice(kept);
        }
    }
}
