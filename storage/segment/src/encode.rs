//! Rows into the bytes of a segment file: sorted by trace, cut into pages, each column of a page a
//! stream of its own, packed where that helps. Writes nothing to disk.

use crate::bytes::Writer;
use crate::filter::{self, Builder};
use crate::format::{
    CHUNK_IDS, CHUNK_VALUES, Directory, Extent, Facts, Footer, HEADER_MAGIC, PAGE_ROWS, PageEntry,
    Section, SectionKind, VERSION, checksum,
};
use crate::links::Summary;
use crate::pack::{Packer, ZSTD_LEVEL};
use crate::page_encode::{PageEncoder, PageStreams};
use crate::page_filters::PageFilters;
use crate::rows::{Row, Rows};

/// Room for what does not depend on rows, and for packing the last sections.
const ROOM_BYTES: usize = 256 << 10;
/// About as many rows as a trace has.
const ROWS_A_BUCKET: usize = 16;

/// A segment ready to be written.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) directory: Directory,
}

/// Encodes the rows of a head. `facts` says what only the caller knows: numbers, journal position,
/// arrival. Without a summary of links: heads are soon merged, and it would not be worth it.
pub(crate) fn encode(rows: &Rows, facts: Facts, packer: &mut Packer) -> Encoded {
    let order = order_by_trace(&rows.rows);
    let facts = with_times(facts, &rows.rows);
    let mut encoder = Encoder::new(facts, rows.columns.len(), packer);
    let mut page = PageEncoder::new(rows, facts.time_min_us);
    for trace in order.chunk_by(|&a, &b| same_trace(&rows.rows, a, b)) {
        let first = trace.first().and_then(|&row| rows.rows.get(row as usize));
        let (low, high) = first.map_or((0, 0), |row| (row.low, row.high));
        page.push_trace(&mut encoder.page, trace, high);
        encoder.end_trace(low, high, trace.len());
    }
    encoder.finish(rows, None)
}

/// A segment that is being encoded, trace by trace in the order of their ids.
pub(crate) struct Encoder<'p> {
    /// Takes the rows of the next trace.
    pub(crate) page: PageStreams,
    out: Vec<u8>,
    directory: Directory,
    lows: Vec<u64>,
    highs: Vec<u64>,
    /// Merged segments have them: they stay, and are not read again for values that they do not
    /// have.
    filters: Option<PageFilters>,
    /// Rows in the page, and the number of its first trace.
    rows_in_page: usize,
    first_trace: u32,
    packer: &'p mut Packer,
}

impl<'p> Encoder<'p> {
    /// Returns a segment with so many columns and no trace yet; `facts` says how many rows will
    /// come and which times they have.
    pub(crate) fn new(facts: Facts, columns: usize, packer: &'p mut Packer) -> Self {
        let mut out = Vec::with_capacity(facts.rows as usize * packer.bytes_a_row() + ROOM_BYTES);
        out.extend_from_slice(HEADER_MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        Self {
            page: PageStreams::new(columns),
            out,
            directory: Directory {
                facts,
                ..Directory::default()
            },
            lows: vec![],
            highs: vec![],
            filters: None,
            rows_in_page: 0,
            first_trace: 0,
            packer,
        }
    }

    /// Has filters made, of columns with these dictionaries.
    pub(crate) fn with_filters(mut self, rows: &Rows) -> Self {
        self.filters = Some(PageFilters::new(rows));
        self
    }

    /// Ends a trace, whose rows are in the page, and the page if it is full.
    pub(crate) fn end_trace(&mut self, low: u64, high: u64, rows: usize) {
        self.lows.push(low);
        self.highs.push(high);
        self.rows_in_page += rows;
        if self.rows_in_page >= PAGE_ROWS {
            self.end_page();
        }
    }

    fn end_page(&mut self) {
        if let Some(filters) = &mut self.filters {
            filters.page(&self.page);
        }
        let offset = self.out.len();
        let raw_bytes = self.page.finish(&mut self.out, self.packer);
        self.directory.facts.raw_bytes += raw_bytes as u64;
        let traces_end = self.lows.len() as u32;
        self.directory.pages.push(PageEntry {
            extent: self.extent(offset, self.out.len() - offset, false),
            rows: self.rows_in_page as u32,
            first_trace: self.first_trace,
            traces: traces_end - self.first_trace,
        });
        self.first_trace = traces_end;
        self.rows_in_page = 0;
    }

    /// Ends the segment, whose dictionaries are those of `rows`.
    pub(crate) fn finish(mut self, rows: &Rows, links: Option<Summary>) -> Encoded {
        if self.rows_in_page > 0 {
            self.end_page();
        }
        self.meta(rows);
        self.ids();
        self.values(rows);
        if let Some(filters) = self.filters.take() {
            for (column, filters) in filters.finish() {
                self.stored_section(SectionKind::PageFilters, column, &filters);
            }
        }
        if let Some(links) = links {
            self.section(SectionKind::Links, 0, &links.encode());
        }
        self.end()
    }

    fn meta(&mut self, rows: &Rows) {
        let mut meta = Writer::default();
        for dictionary in [&rows.services, &rows.names, &rows.addresses, &rows.keys] {
            meta.number(dictionary.len() as u64);
            dictionary.iter().for_each(|value| meta.string(value));
        }
        meta.number(rows.operations.len() as u64);
        for operation in &rows.operations {
            meta.number(u64::from(operation.service));
            meta.number(u64::from(operation.remote));
            meta.number(u64::from(operation.name));
            meta.number(u64::from(operation.flags));
        }
        meta.number(rows.shapes.len() as u64);
        for shape in &rows.shapes {
            meta.number(shape.len() as u64);
            shape
                .iter()
                .for_each(|&column| meta.number(u64::from(column)));
        }
        self.section(SectionKind::Meta, 0, &meta.out);
    }

    fn ids(&mut self) {
        let lows = std::mem::take(&mut self.lows);
        let highs = std::mem::take(&mut self.highs);
        self.directory.facts.traces = lows.len() as u64;
        let offset = self.out.len();
        for chunk in lows.chunks(CHUNK_IDS) {
            self.directory.fences.extend(chunk.first());
            let start = self.out.len();
            chunk
                .iter()
                .for_each(|low| self.out.extend_from_slice(&low.to_le_bytes()));
            let sum = checksum(self.out.get(start..).unwrap_or_default());
            self.out.extend_from_slice(&sum.to_le_bytes());
        }
        let extent = self.extent(offset, self.out.len() - offset, false);
        self.directory.sections.push(Section {
            kind: SectionKind::Lows,
            column: 0,
            extent,
        });
        if self.filters.is_some() {
            let mut filter = Builder::default();
            filter.part(&mut lows.iter().map(|&low| filter::of_id(low)).collect());
            self.stored_section(SectionKind::IdFilter, 0, &filter.finish());
        }
        let mut raw = Vec::with_capacity(highs.len() * 8);
        highs
            .iter()
            .for_each(|high| raw.extend_from_slice(&high.to_le_bytes()));
        self.section(SectionKind::Highs, 0, &raw);
    }

    fn values(&mut self, rows: &Rows) {
        let mut chunk = Writer::default();
        for (column, values) in rows.columns.iter().enumerate() {
            let codes: Vec<u32> = (0..values.values.len() as u32).collect();
            for codes in codes.chunks(CHUNK_VALUES) {
                chunk.out.clear();
                codes
                    .iter()
                    .for_each(|&code| chunk.number(values.values.get(code).len() as u64));
                for &code in codes {
                    chunk.out.extend_from_slice(values.values.get(code));
                }
                self.section(SectionKind::Values, column as u32, &chunk.out);
            }
        }
    }

    fn section(&mut self, kind: SectionKind, column: u32, raw: &[u8]) {
        let offset = self.out.len();
        let compressed = self.packer.append(&mut self.out, raw);
        self.directory.facts.raw_bytes += raw.len() as u64;
        let extent = Extent {
            compressed,
            ..self.extent(offset, raw.len(), compressed)
        };
        self.directory.sections.push(Section {
            kind,
            column,
            extent,
        });
    }

    /// Adds what can't be made smaller, and what merges do not read.
    fn stored_section(&mut self, kind: SectionKind, column: u32, raw: &[u8]) {
        let offset = self.out.len();
        self.out.extend_from_slice(raw);
        let extent = self.extent(offset, raw.len(), false);
        self.directory.sections.push(Section {
            kind,
            column,
            extent,
        });
    }

    fn extent(&self, offset: usize, raw: usize, compressed: bool) -> Extent {
        let stored = self.out.get(offset..).unwrap_or_default();
        Extent {
            offset: offset as u64,
            stored: stored.len() as u32,
            raw: raw as u32,
            compressed,
            checksum: checksum(stored),
        }
    }

    fn end(mut self) -> Encoded {
        let raw = self.directory.encode();
        let offset = self.out.len();
        // The directory is always packed: its footer has no place to say otherwise.
        let packed = zstd::bulk::compress(&raw, ZSTD_LEVEL).unwrap_or_default();
        self.out.extend_from_slice(&packed);
        let directory = self.extent(offset, raw.len(), true);
        let footer = Footer {
            directory,
            version: VERSION,
        };
        self.out.extend_from_slice(&footer.encode());
        Encoded {
            bytes: self.out,
            directory: self.directory,
        }
    }
}

/// Returns the rows sorted by the lower half of their trace ids, then by arrival.
fn order_by_trace(rows: &[Row]) -> Vec<u32> {
    // First into buckets by the upper bits of ids, which are mostly random: then a bucket has few
    // rows, and the whole is sorted in one pass. What sorts a bucket takes any ids.
    let bits = (rows.len() / ROWS_A_BUCKET).max(2).ilog2();
    let bucket = |row: &Row| (row.low >> (u64::BITS - bits)) as usize;
    let mut ends = vec![0_usize; 1 << bits];
    for row in rows {
        if let Some(count) = ends.get_mut(bucket(row)) {
            *count += 1;
        }
    }
    let mut end = 0;
    for place in &mut ends {
        (*place, end) = (end, end + *place);
    }
    let mut keys = vec![(0, 0); rows.len()];
    for (index, row) in rows.iter().enumerate() {
        if let Some(end) = ends.get_mut(bucket(row)) {
            if let Some(key) = keys.get_mut(*end) {
                *key = (row.low, index as u32);
            }
            *end += 1;
        }
    }
    let mut start = 0;
    for end in ends {
        keys.get_mut(start..end).unwrap_or_default().sort_unstable();
        start = end;
    }
    keys.into_iter().map(|(_, index)| index).collect()
}

fn same_trace(rows: &[Row], a: u32, b: u32) -> bool {
    match (rows.get(a as usize), rows.get(b as usize)) {
        (Some(a), Some(b)) => a.low == b.low,
        _ => false,
    }
}

fn with_times(facts: Facts, rows: &[Row]) -> Facts {
    let timed = || {
        rows.iter()
            .map(|row| row.timestamp)
            .filter(|&time| time != 0)
    };
    Facts {
        rows: rows.len() as u64,
        time_min_us: timed().min().unwrap_or_default(),
        time_max_us: timed().max().unwrap_or_default(),
        untimed: (rows.len() - timed().count()) as u64,
        ..facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_ordered_by_trace_and_then_by_arrival() {
        let spread = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let few = |n: u64| spread(n % 40);
        let low = |n: u64| spread(n) >> 50;
        let ends = |n: u64| [0, u64::MAX, 1][n as usize % 3];
        let all: [&dyn Fn(u64) -> u64; 4] = [&few, &low, &ends, &spread];
        for ids in all {
            for count in [0, 1, 2, 17, 1000] {
                let row = |n| Row {
                    low: ids(n),
                    ..Row::default()
                };
                let rows: Vec<Row> = (0..count).map(row).collect();
                let mut expected: Vec<u32> = (0..count as u32).collect();
                expected.sort_by_key(|&row| rows[row as usize].low);
                assert_eq!(order_by_trace(&rows), expected, "{count}");
            }
        }
    }
}
