//! Traces of a segment put back together, all that are wanted of a page at once: a page is opened
//! once and walked once, and each chunk of a dictionary is read once for it. What is held beside
//! the answer is a page, the chunks in hand and one more. Traces that lie in several segments are
//! joined by [`crate::read`].

mod walk;

use std::sync::Arc;

use hashbrown::HashMap;
use speargun_model::Span;

use crate::dictionary::{Meta, Strings, text};
use crate::error::{Corrupt, SegmentError};
use crate::filter;
use crate::format::{CHUNK_IDS, CHUNK_VALUES, Directory};
use crate::page::Page;
use crate::rows::ANNOTATIONS;
use crate::segment::{Highs, Reading, Segment};
use walk::PageWalk;

/// Bytes of dictionaries that are kept from page to page; the rest is read again for each.
const HELD_BYTES_MAX: usize = 16 << 20;

/// A trace of a segment that is to be put together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Wanted {
    pub(crate) page: usize,
    /// Its index in the page.
    pub(crate) trace: usize,
    pub(crate) low: u64,
}

/// Returns where the traces are whose ids have one of these lower halves, which are sorted; page by
/// page. A part of the id table that can't be read is reported, and its traces are left out.
pub(crate) fn locate(
    segment: &Segment,
    lows: &[u64],
    report: &mut impl FnMut(SegmentError),
) -> Result<Vec<Wanted>, SegmentError> {
    // Without it the id table is read, which says the same.
    let filter = segment.id_filter().unwrap_or_else(|error| {
        report(error);
        None
    });
    let is_here = |low: &u64| {
        let filter = filter.as_ref();
        filter.is_none_or(|filter| filter.may_hold(0, filter::of_id(*low)))
    };
    let lows: Vec<u64> = lows.iter().copied().filter(is_here).collect();
    let directory = segment.directory()?;
    let chunk_of = |low: u64| {
        let behind = directory.fences.partition_point(|&fence| fence <= low);
        behind.checked_sub(1)
    };
    let mut all = Vec::new();
    for lows in lows.chunk_by(|&one, &other| chunk_of(one) == chunk_of(other)) {
        let Some(chunk) = lows.first().and_then(|&low| chunk_of(low)) else {
            continue;
        };
        let ids = match segment.lows(chunk) {
            Ok(ids) => ids,
            Err(error) => {
                report(error);
                continue;
            }
        };
        for &low in lows {
            if let Ok(place) = ids.binary_search(&low) {
                let (page, trace) = segment.page_of((chunk * CHUNK_IDS + place) as u32)?;
                all.push(Wanted { page, trace, low });
            }
        }
    }
    // They are in order already, unless what is on the disk is not.
    all.sort_unstable();
    Ok(all)
}

/// A coded value whose place in a span is still empty.
#[derive(Clone, Copy, Debug)]
struct Blank {
    column: u32,
    code: u32,
    /// Which of the traces of the page, which of its spans, and which tag or annotation of it.
    trace: u32,
    span: u32,
    place: u32,
}

impl Blank {
    fn chunk(&self) -> (u32, usize) {
        (self.column, self.code as usize / CHUNK_VALUES)
    }

    fn fill(&self, traces: &mut [Vec<Span>], values: &Strings) {
        let trace = traces.get_mut(self.trace as usize);
        let Some(span) = trace.and_then(|trace| trace.get_mut(self.span as usize)) else {
            return;
        };
        let place = self.place as usize;
        let value = if self.column == ANNOTATIONS {
            let annotation = span.annotations.get_mut(place);
            annotation.map(|annotation| &mut annotation.value)
        } else {
            span.tags.get_mut(place).map(|(_, value)| value)
        };
        if let Some(value) = value {
            *value = text(values.get(self.code as usize % CHUNK_VALUES));
        }
    }
}

/// Dictionaries that were read before, so that nothing has to be filled in later.
#[derive(Debug, Default)]
pub(crate) struct AtHand {
    /// The chunks of each column.
    columns: Vec<Vec<Option<Strings>>>,
}

impl AtHand {
    /// Reads the dictionaries of a segment, as far as they take no more than is kept; the rest, and
    /// what can't be read, is read when it is needed.
    fn read(segment: &Segment, directory: &Directory, columns: usize) -> Self {
        let (mut all, mut bytes) = (Self::default(), 0);
        for column in 0..columns as u32 {
            let sections = Segment::value_sections(directory, column).into_iter();
            let chunks = sections.map(|section| {
                let has_room = bytes <= HELD_BYTES_MAX;
                let values = has_room.then(|| segment.read_values(section).ok());
                let values = values.flatten();
                bytes += values.as_ref().map_or(0, Strings::memory_bytes);
                values
            });
            all.columns.push(chunks.collect());
        }
        all
    }

    fn get(&self, column: u32, code: u32) -> Option<&[u8]> {
        let chunks = self.columns.get(column as usize)?;
        let values = chunks.get(code as usize / CHUNK_VALUES)?.as_ref()?;
        Some(values.get(code as usize % CHUNK_VALUES))
    }
}

/// Puts traces of one segment together.
#[derive(Debug)]
pub(crate) struct Assembler<'s> {
    segment: &'s Segment,
    reading: Reading,
    directory: Arc<Directory>,
    meta: Arc<Meta>,
    highs: Highs,
    dictionaries: Dictionaries<'s>,
    at_hand: Option<AtHand>,
}

impl<'s> Assembler<'s> {
    /// Returns one that has read what all pages need.
    pub(crate) fn open(segment: &'s Segment, reading: Reading) -> Result<Self, SegmentError> {
        let directory = segment.directory()?;
        Ok(Self {
            segment,
            reading,
            meta: segment.meta()?,
            highs: segment.highs(reading)?,
            dictionaries: Dictionaries {
                segment,
                reading,
                directory: directory.clone(),
                sections: HashMap::default(),
                held: HashMap::default(),
                held_bytes: 0,
            },
            directory,
            at_hand: None,
        })
    }

    /// Returns one for who puts all traces together, one after the other, once.
    pub(crate) fn open_whole(segment: &'s Segment) -> Result<Self, SegmentError> {
        let mut assembler = Self::open(segment, Reading::Passing)?;
        let columns = assembler.meta.columns();
        assembler.at_hand = Some(AtHand::read(segment, &assembler.directory, columns));
        Ok(assembler)
    }

    /// Returns the spans of each of these traces, which lie in one page, in order of arrival. Those
    /// of a trace whose dictionary can't be read, which is reported, are none.
    pub(crate) fn page(
        &mut self,
        wanted: &[Wanted],
        report: &mut impl FnMut(SegmentError),
    ) -> Result<Vec<Vec<Span>>, SegmentError> {
        let Some(&Wanted { page: index, .. }) = wanted.first() else {
            return Ok(vec![]);
        };
        let page = self.segment.page_by(index, self.reading)?;
        self.traces_of(&page, wanted, report)
    }

    /// Returns the spans of traces of a page that was read already, as [`Assembler::page`] does.
    pub(crate) fn traces_of(
        &mut self,
        page: &Page,
        wanted: &[Wanted],
        report: &mut impl FnMut(SegmentError),
    ) -> Result<Vec<Vec<Span>>, SegmentError> {
        let entry = wanted
            .first()
            .and_then(|first| self.directory.pages.get(first.page));
        let first_trace = entry.map_or(0, |entry| entry.first_trace);
        let mut walk = PageWalk::new(
            page,
            &self.meta,
            self.segment.facts.time_min_us,
            self.at_hand.as_ref(),
        )?;
        let mut traces = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let high = self.highs.get(first_trace + wanted.trace as u32)?;
            traces.push(walk.trace(wanted, high)?);
        }
        self.fill(walk.into_blanks(), &mut traces, report);
        traces.iter_mut().flatten().for_each(Span::normalise);
        Ok(traces)
    }

    /// Fills blanks in, chunk by chunk.
    fn fill(
        &mut self,
        mut blanks: Vec<Blank>,
        traces: &mut [Vec<Span>],
        report: &mut impl FnMut(SegmentError),
    ) {
        blanks.sort_unstable_by_key(Blank::chunk);
        for blanks in blanks.chunk_by(|one, other| one.chunk() == other.chunk()) {
            let Some(first) = blanks.first() else {
                continue;
            };
            match self.dictionaries.chunk(first.chunk()) {
                Ok(values) => blanks.iter().for_each(|blank| blank.fill(traces, &values)),
                Err(error) => {
                    report(error);
                    for blank in blanks {
                        if let Some(spans) = traces.get_mut(blank.trace as usize) {
                            spans.clear();
                        }
                    }
                }
            }
        }
    }
}

/// Chunks of dictionaries that the pages so far have needed.
#[derive(Debug)]
struct Dictionaries<'s> {
    segment: &'s Segment,
    reading: Reading,
    directory: Arc<Directory>,
    sections: HashMap<u32, Vec<usize>>,
    held: HashMap<usize, Arc<Strings>>,
    held_bytes: usize,
}

impl Dictionaries<'_> {
    /// Returns a chunk of a column's dictionary.
    fn chunk(&mut self, (column, chunk): (u32, usize)) -> Result<Arc<Strings>, SegmentError> {
        let sections = self
            .sections
            .entry(column)
            .or_insert_with(|| Segment::value_sections(&self.directory, column));
        let section = sections.get(chunk).copied();
        let section = section.ok_or(Corrupt("a value is not in its dictionary"))?;
        if let Some(values) = self.held.get(&section) {
            return Ok(values.clone());
        }
        let values = self.segment.values_by(section, self.reading)?;
        let bytes = values.memory_bytes();
        if bytes <= HELD_BYTES_MAX - self.held_bytes {
            self.held_bytes += bytes;
            self.held.insert(section, values.clone());
        }
        Ok(values)
    }
}
