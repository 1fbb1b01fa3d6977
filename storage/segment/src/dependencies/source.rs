//! The rows of one segment or head as the linker wants them, trace by trace.

use std::sync::Arc;

use speargun_model::SpanView;
use speargun_model::link::LinkEndpoint;
use speargun_storage::Window;

use super::{Row, row};
use crate::bytes::Reader;
use crate::dictionary::{Meta, endpoint};
use crate::error::{Corrupt, SegmentError};
use crate::format::{CHUNK_IDS, Facts};
use crate::head::Head;
use crate::intern::Interner;
use crate::links::{Link, LinkSets};
use crate::page::{Page, Value};
use crate::page_encode::Stream;
use crate::planes::Planes;
use crate::read::served;
use crate::rows::LOOSE;
use crate::segment::Segment;
use crate::store::Shared;

pub(crate) const ERROR: &[u8] = b"error";

/// A source of traces in ascending order of the lower half of their ids.
pub(super) enum Source<'s> {
    Segment(Box<SegmentSource<'s>>),
    Head(HeadSource<'s>),
}

impl Source<'_> {
    /// Returns whether spans of the source may lie in the window. A source of which none do only
    /// completes traces of others; its rows are read for those alone.
    pub(super) fn is_touched(&self) -> bool {
        match self {
            Self::Segment(source) => source.touched,
            Self::Head(_) => true,
        }
    }

    /// Returns the lower half of the next trace's id.
    pub(super) fn peek(&mut self, shared: &Shared) -> Option<u64> {
        match self {
            Self::Segment(source) => source.peek_undamaged(shared),
            Self::Head(source) => source.views.get(source.next).map(|&(low, _)| low),
        }
    }

    /// Returns the summary of the source and the numbers of its services, if it is summed.
    pub(super) fn summary(&self) -> Option<(&LinkSets, &[u32])> {
        match self {
            Self::Segment(source) => Some((source.summed.as_deref()?, &source.names)),
            Self::Head(_) => None,
        }
    }

    /// Returns whether the links of the source's traces, as it alone sees them, are summed.
    pub(super) fn is_summed(&self) -> bool {
        self.summary().is_some()
    }

    /// Returns the number of the segment if it is summed.
    pub(super) fn summed_number(&self) -> Option<u64> {
        match self {
            Self::Segment(source) if source.summed.is_some() => Some(source.segment.number()),
            _ => None,
        }
    }

    /// Returns what the summary says of the next trace.
    pub(super) fn own_links(&self) -> Option<(&[Link], &[u32])> {
        match self {
            Self::Segment(source) => {
                let (links, names) = self.summary()?;
                Some((links.of(source.next), names))
            }
            Self::Head(_) => None,
        }
    }

    /// Appends the rows of the next trace.
    pub(super) fn append(&mut self, shared: &Shared, rows: &mut Vec<Row>, services: &mut Interner) {
        match self {
            Self::Segment(source) => {
                let segment = source.segment;
                served(shared, segment, || source.append(rows));
            }
            Self::Head(source) => source.append(rows, services),
        }
    }

    /// Goes on behind the next trace.
    pub(super) fn skip(&mut self) {
        match self {
            Self::Segment(source) => source.next += 1,
            Self::Head(source) => source.skip(),
        }
    }
}

/// The spans of a head, sorted by the lower half of their trace ids, then arrival.
pub(super) struct HeadSource<'s> {
    views: Vec<(u64, SpanView<'s>)>,
    next: usize,
}

impl<'s> HeadSource<'s> {
    pub(super) fn new(head: &'s Arc<Head>) -> Self {
        let mut views: Vec<_> = head
            .views()
            .map(|view| (view.record().trace_id.low, view))
            .collect();
        views.sort_by_key(|&(low, _)| low);
        Self { views, next: 0 }
    }

    fn next_trace(&self) -> &[(u64, SpanView<'s>)] {
        let rest = self.views.get(self.next..).unwrap_or_default();
        rest.chunk_by(|a, b| a.0 == b.0).next().unwrap_or_default()
    }

    fn append(&self, rows: &mut Vec<Row>, services: &mut Interner) {
        let views = self.next_trace().iter();
        rows.extend(views.map(|(_, view)| row_of(view, services)));
    }

    fn skip(&mut self) {
        self.next += self.next_trace().len();
    }
}

fn row_of(view: &SpanView<'_>, services: &mut Interner) -> Row {
    let record = view.record();
    let mut service = |name: &[u8]| (!name.is_empty()).then(|| services.intern(name));
    Row {
        id: record.id,
        parent_id: record.parent_id,
        timestamp_us: record.timestamp_us,
        kind: record.kind,
        shared: record.shared,
        error: view.tags().any(|(key, _)| key == ERROR),
        local: LinkEndpoint {
            service: service(view.local_service_name()),
            ipv4: record.local.has_ipv4.then_some(record.local.ipv4),
            ipv6: view.ipv6(&record.local).map(u128::from_be_bytes),
            port: record.local.port,
        },
        remote_service: service(view.remote_service_name()),
    }
}

/// The traces of a segment: ids chunk by chunk, rows page by page where they are asked for.
pub(super) struct SegmentSource<'s> {
    segment: &'s Segment,
    /// Whether spans of the segment may lie in the window.
    touched: bool,
    /// Its links, if all its spans lie in the window and it has a summary.
    summed: Option<Arc<LinkSets>>,
    /// The number of each of its services among all.
    names: Vec<u32>,
    /// What each operation and each local address is to the linker.
    operations: Vec<Row>,
    addresses: Vec<LinkEndpoint<u32>>,
    /// For each shape: whether it has a tag named error, and whether its tags are loose.
    errors: Vec<(bool, bool)>,
    /// The next trace, and the ids of the chunk it is in.
    next: usize,
    chunk: Option<usize>,
    lows: Vec<u64>,
    /// The page read last, its rows, and where each of its traces starts.
    page: Option<usize>,
    rows: PageRows,
}

/// The columns of a page that linking needs: a third of the memory of its rows, and all sources
/// hold a page at a time.
#[derive(Default)]
struct PageRows {
    starts: Vec<usize>,
    ids: Vec<(u64, u64)>,
    times: Vec<u64>,
    operations: Vec<u32>,
    locals: Vec<u32>,
    errors: Vec<bool>,
}

impl<'s> SegmentSource<'s> {
    pub(super) fn new(
        segment: &'s Segment,
        window: &Window,
        services: &mut Interner,
    ) -> Result<Self, SegmentError> {
        let meta = segment.meta()?;
        let (touched, whole) = lies_in(&segment.facts, window);
        let summed = if whole { segment.links()? } else { None };
        let names = meta
            .services
            .iter()
            .map(|name| services.intern(name))
            .collect();
        let error = meta.key_column(ERROR);
        let is_error = |shape: &Vec<u32>| error.is_some_and(|error| shape.contains(&error));
        let errors = meta
            .shapes
            .iter()
            .map(|shape| (is_error(shape), shape.as_slice() == [LOOSE]));
        Ok(Self {
            segment,
            touched,
            summed,
            names,
            operations: operations(&meta, services),
            addresses: meta.addresses.iter().map(address).collect(),
            errors: errors.collect(),
            next: 0,
            chunk: None,
            lows: vec![],
            page: None,
            rows: PageRows::default(),
        })
    }

    /// Returns the lower half of the next trace's id, leaving out damaged chunks of the id table.
    fn peek_undamaged(&mut self, shared: &Shared) -> Option<u64> {
        let segment = self.segment;
        loop {
            if let Some(low) = served(shared, segment, || self.peek()) {
                return low;
            }
            self.next = (self.next / CHUNK_IDS + 1) * CHUNK_IDS;
        }
    }

    fn peek(&mut self) -> Result<Option<u64>, SegmentError> {
        if self.next >= self.segment.facts.traces as usize {
            return Ok(None);
        }
        let chunk = self.next / CHUNK_IDS;
        if self.chunk != Some(chunk) {
            self.lows = self.segment.lows(chunk)?;
            self.chunk = Some(chunk);
        }
        Ok(self.lows.get(self.next % CHUNK_IDS).copied())
    }

    fn append(&mut self, rows: &mut Vec<Row>) -> Result<(), SegmentError> {
        let (page, trace) = self.segment.page_of(self.next as u32)?;
        if self.page != Some(page) {
            // First, so that a damaged page is met once.
            self.page = Some(page);
            self.rows = PageRows::default();
            self.rows = self.read(page)?;
        }
        let Some(&[start, end]) = self.rows.starts.get(trace..trace + 2) else {
            return Ok(());
        };
        for at in start..end {
            rows.push(self.row(at).ok_or(Corrupt("a row is missing"))?);
        }
        Ok(())
    }

    /// Returns a row of the page read last.
    fn row(&self, at: usize) -> Option<Row> {
        let page = &self.rows;
        let &(id, parent_id) = page.ids.get(at)?;
        let row = self.operations.get(*page.operations.get(at)? as usize)?;
        let address = self.addresses.get(*page.locals.get(at)? as usize);
        Some(Row {
            id,
            parent_id,
            timestamp_us: *page.times.get(at)?,
            error: *page.errors.get(at)?,
            local: LinkEndpoint {
                service: row.local.service,
                ..address.copied().unwrap_or_default()
            },
            ..*row
        })
    }

    fn read(&self, index: usize) -> Result<PageRows, SegmentError> {
        // Past the cache: each page is read once, and what other queries need stays there.
        let page = self.segment.read_page(index)?;
        let starts = page.trace_starts()?;
        let numbers = |stream| page.numbers(stream).map(Planes::to_vec32);
        Ok(PageRows {
            ids: page.ids(&starts)?,
            times: page.times(self.segment.facts.time_min_us, &starts)?,
            operations: numbers(Stream::Operation)?,
            locals: numbers(Stream::Local)?,
            errors: self.errors(&page, &numbers(Stream::Shape)?)?,
            starts,
        })
    }

    fn errors(&self, page: &Page, shapes: &[u32]) -> Result<Vec<bool>, SegmentError> {
        let of_shape = |shape: u32| self.errors.get(shape as usize).copied().unwrap_or_default();
        let mut errors: Vec<bool> = shapes.iter().map(|&shape| of_shape(shape).0).collect();
        if let Some(view) = page.column(LOOSE)? {
            let mut values = view.walk();
            for (error, &shape) in errors.iter_mut().zip(shapes) {
                if of_shape(shape).1
                    && let Value::Plain(tags) = values.next()
                {
                    *error = has_key(tags, ERROR)?;
                }
            }
        }
        Ok(errors)
    }
}

/// Returns whether some of a segment's spans may lie in the window, and whether all do. A span
/// without a timestamp counts as time 0.
fn lies_in(facts: &Facts, window: &Window) -> (bool, bool) {
    let (least, greatest) = (facts.time_min_us / 1000, facts.time_max_us / 1000);
    let (start, end) = (window.start_ms(), window.end_ms);
    let timed = facts.rows > facts.untimed;
    let touched = timed && greatest >= start && least <= end || facts.untimed > 0 && start == 0;
    let whole = (!timed || least >= start && greatest <= end) && (facts.untimed == 0 || start == 0);
    (touched, touched && whole)
}

/// Returns what each operation is to the linker.
fn operations(meta: &Meta, services: &mut Interner) -> Vec<Row> {
    let mut named = |code: u32| {
        let name = meta.services.get(code as usize);
        (!name.is_empty()).then(|| services.intern(name))
    };
    let rows = meta
        .operations
        .iter()
        .map(|operation| row(*operation, &mut named));
    rows.collect()
}

pub(crate) fn has_key(tags: &[u8], wanted: &[u8]) -> Result<bool, Corrupt> {
    let mut reader = Reader::new(tags);
    while reader.remaining() > 0 {
        if reader.string()? == wanted {
            return Ok(true);
        }
        reader.string()?;
    }
    Ok(false)
}

pub(crate) fn address(key: &[u8]) -> LinkEndpoint<u32> {
    let endpoint = endpoint(b"", key, None).unwrap_or_default();
    LinkEndpoint {
        service: None,
        ipv4: endpoint.ipv4.map(u32::from),
        ipv6: endpoint.ipv6.map(u128::from),
        port: endpoint.port,
    }
}
