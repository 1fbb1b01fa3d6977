//! Weaves the rows of several segments into those of one, trace by trace in the order of their ids:
//! a page of each is in hand, and no more. What a trace consists of is copied as it lies, with its
//! numbers translated. Only of a trace that lies in several segments the references between its
//! rows are made anew. Dictionaries are the business of [`crate::absorb`].

mod page;
mod source;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::absorb::Merged;
use crate::encode::{Encoded, Encoder};
use crate::error::SegmentError;
use crate::format::Facts;
use crate::links::{LinkRow, Summary};
use crate::pack::Packer;
use crate::page_encode::Stream;
use crate::rows::Rows;
use crate::segment::Segment;
use source::Source;

/// A segment that can't be read, by its place among those that are merged.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) place: usize,
    pub(crate) error: SegmentError,
}

/// How much of a trace a segment has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Share {
    Whole,
    Part,
}

/// The rows of a trace, as far as they refer to one another or links are found from them.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    /// Ids and parents.
    pub(crate) ids: Vec<(u64, u64)>,
    pub(crate) highs: Vec<u64>,
    pub(crate) times: Vec<u64>,
    /// Whether each has a tag named error.
    pub(crate) errors: Vec<bool>,
}

impl Trace {
    fn clear(&mut self) {
        self.ids.clear();
        self.highs.clear();
        self.times.clear();
        self.errors.clear();
    }
}

/// Returns the segment that holds what these do, in their order of arrival. `facts` says what the
/// rows do not.
pub(crate) fn weave(
    segments: &[Arc<Segment>],
    facts: Facts,
    packer: &mut Packer,
) -> Result<Encoded, Failed> {
    let mut merged = Merged::new();
    let mut sources = Vec::with_capacity(segments.len());
    for (place, segment) in segments.iter().enumerate() {
        let source = Source::open(segment, &mut merged);
        sources.push(source.map_err(|error| Failed { place, error })?);
    }
    let rows = merged.rows;
    let facts = with_rows(facts, segments);
    let mut weaver = Weaver {
        rows: &rows,
        encoder: Encoder::new(facts, rows.columns.len(), packer).with_filters(&rows),
        segment_base: facts.time_min_us,
        links: Summary::new(
            rows.services.iter(),
            &rows.operations,
            rows.addresses.iter(),
        ),
        trace: Trace::default(),
    };
    weaver.all(&mut sources)?;
    Ok(weaver.encoder.finish(&rows, Some(weaver.links)))
}

/// Adds what is known of the rows of all segments without reading them.
fn with_rows(facts: Facts, segments: &[Arc<Segment>]) -> Facts {
    let all = || segments.iter().map(|segment| &segment.facts);
    let timed = || all().filter(|facts| facts.rows > facts.untimed);
    let least = timed().map(|facts| facts.time_min_us).min();
    let greatest = timed().map(|facts| facts.time_max_us).max();
    Facts {
        rows: all().map(|facts| facts.rows).sum(),
        untimed: all().map(|facts| facts.untimed).sum(),
        time_min_us: least.unwrap_or_default(),
        time_max_us: greatest.unwrap_or_default(),
        ..facts
    }
}

struct Weaver<'r, 'p> {
    rows: &'r Rows,
    encoder: Encoder<'p>,
    segment_base: u64,
    links: Summary,
    trace: Trace,
}

impl Weaver<'_, '_> {
    fn all(&mut self, sources: &mut [Source<'_>]) -> Result<(), Failed> {
        let mut queue = BinaryHeap::with_capacity(sources.len());
        let mut members = Vec::with_capacity(sources.len());
        for (place, source) in sources.iter_mut().enumerate() {
            let low = source.next_low();
            let low = low.map_err(|error| Failed { place, error })?;
            queue.extend(low.map(|low| Reverse((low, place))));
        }
        while let Some(Reverse((low, place))) = queue.pop() {
            // Sources are in order of arrival, and so are equal ids in the queue.
            members.push(place);
            if queue.peek().is_some_and(|Reverse((next, _))| *next == low) {
                continue;
            }
            let share = match members.as_slice() {
                [_] => Share::Whole,
                _ => Share::Part,
            };
            self.trace.clear();
            for place in members.drain(..) {
                let Some(source) = sources.get_mut(place) else {
                    continue;
                };
                let next = self.part(source, share);
                let next = next.map_err(|error| Failed { place, error })?;
                queue.extend(next.map(|low| Reverse((low, place))));
            }
            self.end_trace(low, share);
        }
        Ok(())
    }

    /// Appends what a source has of the trace, which is all of it or not; returns the source's
    /// next trace.
    fn part(&mut self, source: &mut Source<'_>, share: Share) -> Result<Option<u64>, SegmentError> {
        source.copy(self.rows, share, &mut self.encoder.page, &mut self.trace)?;
        source.skip();
        source.next_low()
    }

    fn end_trace(&mut self, low: u64, share: Share) {
        let count = self.trace.ids.len();
        let Some(&high) = self.trace.highs.first() else {
            return;
        };
        let page = &mut self.encoder.page;
        if share == Share::Part {
            page.put_ids(&self.trace.ids);
        }
        page.put_times(self.trace.times.iter().copied(), self.segment_base);
        for other in &mut self.trace.highs {
            *other ^= high;
        }
        page.extend_wide(Stream::High, &self.trace.highs);
        let operations = page.last(Stream::Operation, count);
        let locals = page.last(Stream::Local, count);
        let numbers = operations.iter().zip(locals);
        let rows = self.trace.ids.iter().zip(&self.trace.times);
        let rows = rows.zip(&self.trace.errors).zip(numbers);
        for (((&(id, parent), &timestamp), &error), (&operation, &local)) in rows {
            self.links.push(LinkRow {
                id,
                parent,
                timestamp,
                operation,
                local,
                error,
            });
        }
        self.links.end_trace();
        self.encoder.end_trace(low, high, count);
    }
}
