//! The filters of a segment's columns while its pages are written. A column has them if it may have
//! plain values: another one's dictionary is small, and says all.

use crate::column::PLAIN_AFTER;
use crate::filter::{self, Builder};
use crate::page_encode::PageStreams;
use crate::rows::{FIXED_COLUMNS, Rows};

/// The filters of all columns that have them.
#[derive(Debug)]
pub(crate) struct PageFilters {
    columns: Vec<OfColumn>,
    hashes: Vec<u64>,
}

#[derive(Debug)]
struct OfColumn {
    column: u32,
    /// The hash of each value of its dictionary.
    known: Vec<u64>,
    filters: Builder,
}

impl PageFilters {
    /// Returns filters of no page yet; the dictionaries are those of all pages to come.
    pub(crate) fn new(rows: &Rows) -> Self {
        let columns = rows.columns.iter().enumerate();
        let columns = columns
            .skip(FIXED_COLUMNS as usize)
            .filter(|(_, column)| column.values.len() > PLAIN_AFTER as usize)
            .map(|(number, column)| OfColumn {
                column: number as u32,
                known: column.values.iter().map(filter::of_value).collect(),
                filters: Builder::default(),
            });
        Self {
            columns: columns.collect(),
            hashes: vec![],
        }
    }

    /// Adds the values of a page that is about to be written.
    pub(crate) fn page(&mut self, page: &PageStreams) {
        for column in &mut self.columns {
            self.hashes.clear();
            if let Some((codes, plain)) = page.values(column.column) {
                let known = |code: u32| column.known.get(code as usize).copied();
                self.hashes.extend(codes.filter_map(known));
                self.hashes.extend(plain.map(filter::of_value));
            }
            column.filters.part(&mut self.hashes);
        }
    }

    /// Returns the filters of each column as they are stored.
    pub(crate) fn finish(self) -> impl Iterator<Item = (u32, Vec<u8>)> {
        let columns = self.columns.into_iter();
        columns.map(|column| (column.column, column.filters.finish()))
    }
}
