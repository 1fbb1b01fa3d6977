//! Which traces of a segment meet which criteria: by its dictionaries first, then page by page over
//! the columns that the criteria need.

use std::cell::OnceCell;

use hashbrown::HashMap;
use speargun_model::TraceId;
use speargun_storage::{TagTerm, Window};

use crate::bytes::Reader;
use crate::criteria::{Bits, CANDIDATE, Criteria, DURATION};
use crate::dictionary::Meta;
use crate::error::{Corrupt, SegmentError};
use crate::filter;
use crate::format::{CHUNK_VALUES, Directory};
use crate::page::{Page, Value};
use crate::page_encode::Stream;
use crate::rows::{ANNOTATIONS, LOOSE};
use crate::segment::{Highs, Reading, Segment};

/// A trace of a segment that meets some criteria there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Match {
    pub(crate) id: TraceId,
    pub(crate) bits: Bits,
    /// The newest timestamp inside the window among its rows here; 0 when none is.
    pub(crate) newest_us: u64,
}

/// A term in the numbers of a segment.
struct Term<'r> {
    term: &'r TagTerm,
    bit: Bits,
    /// The column of its key.
    column: Option<u32>,
    /// Its value's number in that column, or the bare key's among annotation values.
    code: Option<u32>,
}

/// Returns for each page whether it may have a row that matters, as far as that is known without
/// reading pages; `None` when nothing is.
pub(crate) fn pages_that_may_matter(
    segment: &Segment,
    meta: &Meta,
    criteria: &Criteria<'_>,
) -> Result<Option<Vec<bool>>, SegmentError> {
    let Some((key, value)) = criteria.only_value() else {
        return Ok(None);
    };
    if meta.has_loose() {
        return Ok(None);
    }
    let directory = segment.directory()?;
    let pages = 0..directory.page_count();
    let none = || Ok(Some(vec![false; directory.page_count()]));
    let Some(column) = meta.key_column(key.as_bytes()) else {
        return none();
    };
    if let Some(filters) = segment.page_filters(column)? {
        let hash = filter::of_value(value.as_bytes());
        return Ok(Some(
            pages.map(|page| filters.may_hold(page, hash)).collect(),
        ));
    }
    // Where there are filters, a column without has all its values in its dictionary.
    let has_filters = segment.id_filter()?.is_some();
    if has_filters && find(segment, &directory, column, value)?.is_none() {
        return none();
    }
    Ok(None)
}

/// A segment's answer to a search.
pub(crate) struct Scan<'s> {
    segment: &'s Segment,
    meta: &'s Meta,
    criteria: Criteria<'s>,
    window: Window,
    /// The bits that names decide, for each operation.
    operations: Vec<Bits>,
    terms: Vec<Term<'s>>,
    /// Whether some spans have their tags in one loose value.
    loose: Vec<bool>,
    /// Once a page has matched.
    highs: OnceCell<Highs>,
}

impl<'s> Scan<'s> {
    /// Returns the scan; `None` when no row can meet anything.
    pub(crate) fn new(
        segment: &'s Segment,
        meta: &'s Meta,
        criteria: Criteria<'s>,
    ) -> Result<Option<Self>, SegmentError> {
        let operations: Vec<Bits> = meta
            .operations
            .iter()
            .map(|operation| {
                criteria.of_names(
                    meta.services.get(operation.service as usize),
                    meta.services.get(operation.remote as usize),
                    meta.names.get(operation.name as usize),
                )
            })
            .collect();
        let possible = operations.iter().fold(0, |all, bits| all | bits);
        if possible & CANDIDATE == 0 {
            return Ok(None);
        }
        let directory = segment.directory()?;
        let mut terms = Vec::new();
        for (term, bit) in criteria.terms() {
            let column = meta.key_column(term.key.as_bytes());
            let code = match (&term.value, column) {
                (Some(value), Some(column)) => find(segment, &directory, column, value)?,
                (Some(_), None) => None,
                (None, _) => find(segment, &directory, ANNOTATIONS, &term.key)?,
            };
            terms.push(Term {
                term,
                bit,
                column,
                code,
            });
        }
        let loose = meta
            .shapes
            .iter()
            .map(|shape| shape.as_slice() == [LOOSE])
            .collect();
        let window = criteria.request.window;
        Ok(Some(Self {
            segment,
            meta,
            criteria,
            window,
            operations,
            terms,
            loose,
            highs: OnceCell::new(),
        }))
    }

    /// Returns the upper halves of the trace ids, read at most once in a scan.
    fn highs(&self) -> Result<&Highs, SegmentError> {
        if let Some(highs) = self.highs.get() {
            return Ok(highs);
        }
        let highs = self.segment.highs(Reading::Keeping)?;
        Ok(self.highs.get_or_init(|| highs))
    }

    /// Calls `visit` with each trace of a page that meets some criteria.
    pub(crate) fn page(
        &self,
        index: usize,
        directory: &Directory,
        visit: &mut impl FnMut(Match),
    ) -> Result<(), SegmentError> {
        let page = self.segment.page(index)?;
        let bits = self.bits(&page)?;
        if !bits.iter().any(|&bits| self.criteria.matter(bits)) {
            return Ok(());
        }
        let first_trace = directory
            .pages
            .get(index)
            .map_or(0, |entry| entry.first_trace);
        let starts = page.trace_starts()?;
        let times = page.times(self.segment.facts.time_min_us, &starts)?;
        let highs = page.numbers(Stream::High)?;
        let trace_highs = self.highs()?;
        let lows = self.segment.trace_lows(first_trace, starts.len() - 1)?;
        for ((trace, bounds), low) in starts.windows(2).enumerate().zip(lows) {
            let &[start, end] = bounds else { continue };
            let of_trace = bits.get(start..end).unwrap_or_default();
            let all = of_trace.iter().fold(0, |all, bits| all | bits);
            if !self.criteria.matter(all) {
                continue;
            }
            let times = times.get(start..end).unwrap_or_default();
            let high = trace_highs.get(first_trace + trace as u32)?;
            let rows = (start..end).zip(of_trace).zip(times);
            let rows = rows.map(|((row, &bits), &time)| (highs.get(row), bits, time));
            for (other, bits, newest_us) in by_high(&self.window, rows) {
                let high = high ^ other;
                visit(Match {
                    id: TraceId { high, low },
                    bits,
                    newest_us,
                });
            }
        }
        Ok(())
    }

    /// Returns the bits of each row of a page.
    fn bits(&self, page: &Page) -> Result<Vec<Bits>, SegmentError> {
        let operations = page.numbers(Stream::Operation)?.to_vec32();
        let mut bits: Vec<Bits> = operations
            .iter()
            .map(|&operation| {
                self.operations
                    .get(operation as usize)
                    .copied()
                    .unwrap_or_default()
            })
            .collect();
        if bits.iter().all(|&bits| bits == 0) {
            return Ok(bits);
        }
        if self.criteria.all & DURATION != 0 {
            let durations = page.numbers(Stream::Duration)?.to_vec();
            for (bits, duration) in bits.iter_mut().zip(durations) {
                if *bits != 0 && self.criteria.duration_is_met(duration) {
                    *bits |= DURATION;
                }
            }
        }
        if !self.terms.is_empty() {
            let shapes = page.numbers(Stream::Shape)?.to_vec32();
            for term in &self.terms {
                self.tags(page, term, &shapes, &mut bits)?;
                if term.term.value.is_none() {
                    annotations(page, term, &mut bits)?;
                }
            }
            if self.loose.iter().any(|&loose| loose) {
                self.loose_tags(page, &shapes, &mut bits)?;
            }
        }
        Ok(bits)
    }

    fn tags(
        &self,
        page: &Page,
        term: &Term<'_>,
        shapes: &[u32],
        bits: &mut [Bits],
    ) -> Result<(), SegmentError> {
        let Some(column) = term.column else {
            return Ok(());
        };
        // How often each shape has the key: usually once or never.
        let times: Vec<usize> = self
            .meta
            .shapes
            .iter()
            .map(|shape| shape.iter().filter(|&&other| other == column).count())
            .collect();
        let times = |shape: u32| times.get(shape as usize).copied().unwrap_or_default();
        let Some(value) = &term.term.value else {
            for (bits, &shape) in bits.iter_mut().zip(shapes) {
                if *bits != 0 && times(shape) > 0 {
                    *bits |= term.bit;
                }
            }
            return Ok(());
        };
        let Some(view) = page.column(column)? else {
            return Ok(());
        };
        if term.code.is_none() && !view.has_plain() {
            return Ok(());
        }
        let mut values = view.walk();
        for (bits, &shape) in bits.iter_mut().zip(shapes) {
            for _ in 0..times(shape) {
                let met = is(values.next(), term.code, value.as_bytes());
                if met && *bits != 0 {
                    *bits |= term.bit;
                }
            }
        }
        Ok(())
    }

    fn loose_tags(
        &self,
        page: &Page,
        shapes: &[u32],
        bits: &mut [Bits],
    ) -> Result<(), SegmentError> {
        let Some(view) = page.column(LOOSE)? else {
            return Ok(());
        };
        let mut values = view.walk();
        for (bits, &shape) in bits.iter_mut().zip(shapes) {
            if !self.loose.get(shape as usize).copied().unwrap_or_default() {
                continue;
            }
            let Value::Plain(tags) = values.next() else {
                continue;
            };
            if *bits == 0 {
                continue;
            }
            let mut reader = Reader::new(tags);
            while reader.remaining() > 0 {
                let (key, value) = (reader.string()?, reader.string()?);
                for Term { term, bit, .. } in &self.terms {
                    let value_is_met = term
                        .value
                        .as_ref()
                        .is_none_or(|wanted| wanted.as_bytes() == value);
                    if term.key.as_bytes() == key && value_is_met {
                        *bits |= bit;
                    }
                }
            }
        }
        Ok(())
    }
}

fn annotations(page: &Page, term: &Term<'_>, bits: &mut [Bits]) -> Result<(), SegmentError> {
    let Some(view) = page.column(ANNOTATIONS)? else {
        return Ok(());
    };
    if term.code.is_none() && !view.has_plain() {
        return Ok(());
    }
    let counts = page.annotation_counts()?.to_vec32();
    let mut values = view.walk();
    for (bits, count) in bits.iter_mut().zip(counts) {
        for _ in 0..count {
            let met = is(values.next(), term.code, term.term.key.as_bytes());
            if met && *bits != 0 {
                *bits |= term.bit;
            }
        }
    }
    Ok(())
}

/// Returns for each upper half among the rows of one lower half what its rows meet, and their
/// newest time inside the window; rows come as upper half, bits and time. Nearly always there is
/// one.
fn by_high(
    window: &Window,
    rows: impl Iterator<Item = (u64, Bits, u64)>,
) -> impl Iterator<Item = (u64, Bits, u64)> {
    let mut one: Option<(u64, Bits, u64)> = None;
    let mut others: HashMap<u64, (Bits, u64)> = HashMap::default();
    for (high, bits, time) in rows {
        let time = if inside(window, time) { time } else { 0 };
        let (known, newest) = match &mut one {
            Some((first, known, newest)) if *first == high => (known, newest),
            Some(_) => {
                let (known, newest) = others.entry(high).or_default();
                (known, newest)
            }
            None => {
                one = Some((high, bits, time));
                continue;
            }
        };
        *known |= bits;
        *newest = time.max(*newest);
    }
    let others = others.into_iter();
    one.into_iter()
        .chain(others.map(|(high, (bits, newest))| (high, bits, newest)))
}

/// Returns whether the millisecond of a time lies in the window.
pub(crate) fn inside(window: &Window, time_us: u64) -> bool {
    window.contains_ms(time_us / 1000)
}

fn is(value: Value<'_>, code: Option<u32>, wanted: &[u8]) -> bool {
    match value {
        Value::Coded(value) => code == Some(value),
        Value::Plain(value) => value == wanted,
    }
}

/// Returns the number of a value in a column's dictionary.
fn find(
    segment: &Segment,
    directory: &Directory,
    column: u32,
    value: &str,
) -> Result<Option<u32>, SegmentError> {
    for (chunk, section) in Segment::value_sections(directory, column)
        .into_iter()
        .enumerate()
    {
        if let Some(code) = segment.values(section)?.find(value.as_bytes()) {
            let base = u32::try_from(chunk * CHUNK_VALUES);
            let base = base.map_err(|_| Corrupt("a dictionary is too long"))?;
            return Ok(Some(base + code));
        }
    }
    Ok(None)
}
