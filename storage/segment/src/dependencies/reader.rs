//! Reads the rows of a source's traces as the linker wants them, and what its summary says of
//! them. One page is held at a time, so traces are best asked for in the order of their ids.

use std::sync::Arc;

use speargun_model::link::LinkEndpoint;

use super::page::{PageReader, PageRows};
use super::source::{HeadSource, SegmentSource, Source};
use super::{Row, row};
use crate::bytes::Reader;
use crate::dictionary::{Meta, endpoint};
use crate::error::{Corrupt, SegmentError};
use crate::intern::Interner;
use crate::links::LinkSets;
use crate::read::served;
use crate::segment::Segment;
use crate::store::Shared;

pub(crate) const ERROR: &[u8] = b"error";

/// Calls and errors by the numbers of parent and child among all services.
pub(super) type Own = ((u32, u32), i64, i64);

/// Reads traces of one source.
pub(super) enum RowReader<'s> {
    Segment(Option<Box<SegmentReader<'s>>>),
    Head(&'s HeadSource),
}

impl<'s> RowReader<'s> {
    pub(super) fn new(source: &'s Source<'s>, services: &'s Interner, shared: &Shared) -> Self {
        match source {
            Source::Segment(inner) => {
                let reader = served(shared, inner.segment, || {
                    SegmentReader::new(inner, source.is_summed(), services)
                });
                Self::Segment(reader.map(Box::new))
            }
            Source::Head(head) => Self::Head(head),
        }
    }

    /// Appends the rows of the trace at `place`, and its links as the summary says them.
    pub(super) fn append(
        &mut self,
        shared: &Shared,
        place: usize,
        rows: &mut Vec<Row>,
        own: &mut Vec<Own>,
    ) {
        match self {
            Self::Segment(Some(reader)) => {
                let segment = reader.segment;
                served(shared, segment, || reader.append(place, rows));
                reader.append_own(place, own);
            }
            Self::Head(source) => rows.extend(source.rows(place)),
            Self::Segment(None) => {}
        }
    }
}

/// Returns the number among all services of each service of the segment.
pub(super) fn names(meta: &Meta, services: &Interner) -> Vec<u32> {
    let number = |name: &[u8]| services.find(name).unwrap_or(u32::MAX);
    meta.services.iter().map(number).collect()
}

pub(super) struct SegmentReader<'s> {
    segment: &'s Segment,
    summary: Option<Arc<LinkSets>>,
    /// The number of each of its services among all.
    names: Vec<u32>,
    /// What each operation and each local address is to the linker.
    operations: Vec<Row>,
    addresses: Vec<LinkEndpoint<u32>>,
    pages: PageReader<'s>,
    /// The page read last, its rows, and where each of its traces starts.
    page: Option<usize>,
    rows: PageRows,
}

impl<'s> SegmentReader<'s> {
    fn new(
        source: &SegmentSource<'s>,
        is_summed: bool,
        services: &Interner,
    ) -> Result<Self, SegmentError> {
        let segment = source.segment;
        let meta = segment.meta()?;
        let summary = is_summed.then(|| source.summary()).transpose()?;
        Ok(Self {
            segment,
            summary,
            names: names(&meta, services),
            operations: operations(&meta, services),
            addresses: meta.addresses.iter().map(address).collect(),
            pages: PageReader::new(segment, &meta),
            page: None,
            rows: PageRows::default(),
        })
    }

    fn append_own(&self, trace: usize, own: &mut Vec<Own>) {
        let Some(summary) = &self.summary else {
            return;
        };
        let name = |code: u32| self.names.get(code as usize).copied().unwrap_or(u32::MAX);
        own.extend(summary.of(trace).map(|link| {
            let pair = (name(link.parent), name(link.child));
            (pair, link.calls.cast_signed(), link.errors.cast_signed())
        }));
    }

    fn append(&mut self, trace: usize, rows: &mut Vec<Row>) -> Result<(), SegmentError> {
        let (page, trace) = self.segment.page_of(trace as u32)?;
        if self.page != Some(page) {
            // First, so that a damaged page is met once.
            self.page = Some(page);
            self.rows = PageRows::default();
            self.rows = self.pages.read(page)?;
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
        let read = self.rows.get(at)?;
        let row = self.operations.get(read.operation as usize)?;
        let address = self.addresses.get(read.local as usize);
        Some(Row {
            id: read.id,
            parent_id: read.parent,
            timestamp_us: read.timestamp,
            error: read.error,
            local: LinkEndpoint {
                service: row.local.service,
                ..address.copied().unwrap_or_default()
            },
            ..*row
        })
    }
}

/// Returns what each operation is to the linker.
fn operations(meta: &Meta, services: &Interner) -> Vec<Row> {
    let named = |code: u32| {
        let name = meta.services.get(code as usize);
        services.find(name).filter(|_| !name.is_empty())
    };
    let rows = meta.operations.iter();
    rows.map(|operation| row(*operation, named)).collect()
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
