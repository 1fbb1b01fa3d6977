//! Ids and parents of the rows of a page, trace by trace from front to back: distances to other
//! rows as [`crate::page_encode`] draws them, back into ids. No other column.

use std::ops::Range;

use crate::error::Corrupt;
use crate::format::u64_le;
use crate::page_encode::{LOOK_BACK, PARENT_RAW};
use crate::planes::count_of;

/// Bytes of a raw id.
const RAW_BYTES: usize = 8;
/// The distance of an id that stands raw.
pub(crate) const ID_RAW: u8 = 0;

/// Walks the ids of a page.
#[derive(Debug)]
pub(crate) struct IdCursor<'p> {
    row: usize,
    ids: References<'p>,
    parents: References<'p>,
}

/// Distances of rows, and the raw ids of those that have none.
#[derive(Debug)]
struct References<'p> {
    all: &'p [u8],
    raw: &'p [u8],
}

impl<'p> References<'p> {
    fn of(&self, rows: Range<usize>) -> &'p [u8] {
        self.all.get(rows).unwrap_or_default()
    }

    /// Leaves out the raw ids of these rows.
    fn skip(&mut self, rows: Range<usize>, marker: u8) {
        let passed = count_of(self.of(rows), marker);
        let raw = self.raw.get(passed.saturating_mul(RAW_BYTES)..);
        self.raw = raw.unwrap_or_default();
    }

    /// Returns the next raw id; 0 behind the last.
    fn next_raw(&mut self) -> u64 {
        let (id, rest) = self.raw.split_at_checked(RAW_BYTES).unwrap_or_default();
        self.raw = rest;
        u64_le(id)
    }
}

impl<'p> IdCursor<'p> {
    /// Returns the cursor over ids and parents, each given by its distances and its raw ids.
    pub(crate) fn new(ids: (&'p [u8], &'p [u8]), parents: (&'p [u8], &'p [u8])) -> Self {
        let references = |(all, raw)| References { all, raw };
        Self {
            row: 0,
            ids: references(ids),
            parents: references(parents),
        }
    }

    /// Appends id and parent of each of these rows, which are a whole trace that stands behind
    /// those asked for before.
    pub(crate) fn trace(
        &mut self,
        rows: Range<usize>,
        out: &mut Vec<(u64, u64)>,
    ) -> Result<(), Corrupt> {
        self.ids.skip(self.row..rows.start, ID_RAW);
        self.parents.skip(self.row..rows.start, PARENT_RAW);
        self.row = rows.end;
        let first = out.len();
        for &reference in self.ids.of(rows.clone()) {
            let back = out.len().checked_sub(reference as usize);
            let id = match back.filter(|&at| at >= first).and_then(|at| out.get(at)) {
                _ if reference == ID_RAW => self.ids.next_raw(),
                Some(&(id, _)) => id,
                None => return Err(Corrupt("an id refers to no row")),
            };
            out.push((id, 0));
        }
        for (at, &reference) in (first..).zip(self.parents.of(rows)) {
            let target = match reference as usize {
                0 => continue,
                back if back <= LOOK_BACK => at.checked_sub(back).filter(|&at| at >= first),
                ahead => Some(at + (ahead - LOOK_BACK)),
            };
            let parent = if reference == PARENT_RAW {
                self.parents.next_raw()
            } else {
                let target = target.and_then(|target| out.get(target));
                target.map_or(0, |&(id, _)| id)
            };
            if let Some(row) = out.get_mut(at) {
                row.1 = parent;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_that_are_left_out_do_not_change_those_that_follow() {
        // Three traces of two rows: a raw id each, then one that is raw or the same.
        let ids = [0, 1, 0, 0, 0, 1];
        let raw_ids: Vec<u8> = [11_u64, 21, 22, 31].map(u64::to_le_bytes).concat();
        // None and raw; the row behind and raw; none and the row before.
        let parents = [0, PARENT_RAW, LOOK_BACK as u8 + 1, PARENT_RAW, 0, 1];
        let raw_parents: Vec<u8> = [91_u64, 92].map(u64::to_le_bytes).concat();
        let expected = [(11, 0), (11, 91), (21, 22), (22, 92), (31, 0), (31, 31)];
        for asked in 1..8 {
            let mut cursor = IdCursor::new((&ids, &raw_ids), (&parents, &raw_parents));
            for trace in (0..3).filter(|trace| asked >> trace & 1 == 1) {
                let rows = trace * 2..trace * 2 + 2;
                let mut out = vec![];
                cursor.trace(rows.clone(), &mut out).unwrap();
                assert_eq!(out, expected[rows], "trace {trace} of {asked:b}");
            }
        }
    }

    #[test]
    fn an_id_that_refers_to_another_trace_is_corrupt() {
        let mut cursor = IdCursor::new((&[0, 1], &[7; 8]), (&[0, 0], &[]));
        let mut out = vec![];
        cursor.trace(0..1, &mut out).unwrap();
        assert!(cursor.trace(1..2, &mut out).is_err());
    }
}
