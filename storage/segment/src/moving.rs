//! Moving segments away, into a database: the oldest first, as lists of spans whose names are the
//! same after an error, a restart and a crash. It knows no database.
//!
//! A segment's lists are named by its first head and the row they begin at, under the name of the
//! folder; so from its first list on a segment must not be merged, and no number may be given
//! twice. Both follow from a file that says which segment is being moved, written before its first
//! list is read. It stays when the segment went: the numbers of heads go on behind it.
//!
//! ```text
//! MOVING  8 magic "SPEARMOV" | 4 version | 4 checksum of version and body | body to the end
//! body    16 name of the folder | rule of cutting into lists, first and last head of the segment
//! ```

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use speargun_model::Span;
use speargun_runtime::Disk;
use speargun_storage::{ListName, NamedList, Portion, ReadError};

use crate::assemble::{Assembler, Wanted};
use crate::bytes::{Reader, Writer};
use crate::error::{Corrupt, SegmentError};
use crate::format::{Facts, checksum, u32_le};
use crate::manifest::write_file;
use crate::page::Page;
use crate::segment::Segment;
use crate::store::{Change, Shared};

const MAGIC: &[u8; 8] = b"SPEARMOV";
const VERSION: u32 = 1;
const NAME: &str = "MOVING";
/// A longer file is not one.
const BYTES_MAX: u64 = 1 << 10;

/// How a segment is cut into lists. Another number whenever the same segment would be cut
/// otherwise: what was moved in part then comes again under another name.
const RULE: u64 = 1;
/// Rows behind which a list ends.
const LIST_ROWS: usize = 1 << 15;
/// Bytes of spans behind which a list ends.
const LIST_BYTES: usize = 48 << 20;
/// Rows of whole traces that are put together at a time: lists end between them.
const PART_ROWS: usize = 4096;
/// Bits of a list's number for the row it begins at.
const ROW_BITS: u32 = 28;

/// Which segment is being moved away, and the name of the folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ticket {
    origin: [u8; 16],
    pub(crate) first: u64,
    pub(crate) last: u64,
}

impl Ticket {
    /// Returns whether this is the segment.
    pub(crate) fn is_of(&self, facts: &Facts) -> bool {
        (self.first, self.last) == (facts.first, facts.last)
    }

    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join(NAME)
    }

    /// Reads the file of a folder. Where it is damaged the folder gets another name, and what was
    /// moved in part comes again under it.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> io::Result<Option<Self>> {
        let path = Self::path(dir);
        let file = match disk.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let len = file.len()?.min(BYTES_MAX);
        let mut bytes = vec![0; len as usize];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Self::decode(&bytes).unwrap_or_else(|error| {
            tracing::error!(path = %path.display(), %error, "spans may be moved twice");
            None
        }))
    }

    /// Returns the ticket; `None` when it was made under another rule.
    fn decode(bytes: &[u8]) -> Result<Option<Self>, Corrupt> {
        let mut reader = Reader::new(bytes);
        if reader.take(8)? != MAGIC {
            return Err(Corrupt("the file is no ticket"));
        }
        let version = u32_le(reader.take(4)?);
        let expected = u32_le(reader.take(4)?);
        let body = reader.take(reader.remaining())?;
        if sum(version, body) != expected {
            return Err(Corrupt("the ticket's checksum is wrong"));
        }
        if version != VERSION {
            return Ok(None);
        }
        let mut reader = Reader::new(body);
        let origin = reader.take(16)?.try_into();
        let origin = origin.map_err(|_| Corrupt("the folder has no name"))?;
        let rule = reader.number()?;
        let (first, last) = (reader.number()?, reader.number()?);
        let ticket = Self {
            origin,
            first,
            last,
        };
        Ok((rule == RULE).then_some(ticket))
    }

    fn encode(&self) -> Vec<u8> {
        let mut body = Writer::default();
        body.out.extend_from_slice(&self.origin);
        body.number(RULE);
        body.number(self.first);
        body.number(self.last);
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&sum(VERSION, &body.out).to_le_bytes());
        out.extend_from_slice(&body.out);
        out
    }
}

fn sum(version: u32, body: &[u8]) -> u32 {
    checksum(body) ^ checksum(&version.to_le_bytes())
}

/// Returns a name that no other folder has: the hashes of the standard library are keyed by the
/// system's randomness.
fn new_origin() -> [u8; 16] {
    let random = |half: u8| RandomState::new().hash_one(half).to_le_bytes();
    let (low, high) = (random(0), random(1));
    std::array::from_fn(|at| low.iter().chain(&high).nth(at).copied().unwrap_or_default())
}

/// Returns the oldest segment, which is neither merged nor deleted from now on.
pub(crate) fn oldest(shared: &Arc<Shared>) -> io::Result<Option<Moving>> {
    // No merge that has begun may end with this segment in it.
    let _one_at_a_time = shared.housekeeping.lock();
    let segments = shared.snapshot().segments;
    let known = shared.ticket();
    let begun = known
        .as_ref()
        .and_then(|ticket| segments.iter().find(|s| ticket.is_of(&s.facts)));
    let Some(segment) = begun.or(segments.first()) else {
        return Ok(None);
    };
    let ticket = match known {
        Some(ticket) if begun.is_some() => ticket,
        known => {
            let ticket = Ticket {
                origin: known.map_or_else(new_origin, |ticket| ticket.origin),
                first: segment.facts.first,
                last: segment.facts.last,
            };
            let path = Ticket::path(&shared.config.dir);
            write_file(&*shared.disk, &path, &ticket.encode())?;
            shared.set_ticket(ticket.clone());
            ticket
        }
    };
    let origin = ticket.origin.iter().map(|byte| format!("{byte:02x}"));
    Ok(Some(Moving {
        shared: shared.clone(),
        segment: segment.clone(),
        origin: origin.collect(),
        place: Place::default(),
        page: None,
        is_damaged: false,
    }))
}

/// A segment that is being moved.
#[derive(Debug)]
pub(crate) struct Moving {
    shared: Arc<Shared>,
    segment: Arc<Segment>,
    origin: String,
    /// Where the next list begins.
    place: Place,
    page: Option<OpenPage>,
    is_damaged: bool,
}

/// A place between two traces.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    page: usize,
    /// The trace in the page.
    trace: usize,
    /// The row of the segment at which the page begins, and the row at which the trace does.
    page_row: u64,
    row: u64,
}

impl Place {
    fn next_page(&mut self, rows: u32) {
        self.page += 1;
        self.trace = 0;
        self.page_row += u64::from(rows);
        self.row = self.page_row;
    }
}

/// The page in hand; nothing of it where it is damaged.
#[derive(Debug)]
struct OpenPage {
    index: usize,
    page: Option<Page>,
    /// Where its traces begin and the last one ends.
    starts: Vec<usize>,
    lows: Vec<u64>,
}

impl Portion for Moving {
    fn next_list(&mut self) -> Result<Option<NamedList>, ReadError> {
        let listed = match self.list() {
            // What all of its pages need is damaged: the segment holds up none behind it, and its
            // file is kept aside.
            Err(error @ SegmentError::Corrupt(_)) => self.leave_out(vec![error]).map(|()| None),
            listed => listed,
        };
        listed.map_err(|error| {
            self.shared.report_damage(&self.segment.path, &error);
            ReadError::Failed(error.to_string())
        })
    }

    fn forget(&mut self) -> Result<(), ReadError> {
        let change = Change {
            remove: vec![self.segment.facts.first],
            aside: self.is_damaged,
            ..Change::default()
        };
        self.shared
            .commit(&change)
            .map_err(|error| ReadError::Unwritable(error.to_string()))
    }
}

impl Moving {
    fn list(&mut self) -> Result<Option<NamedList>, SegmentError> {
        let segment = self.segment.clone();
        let mut assembler = None;
        let (begin, mut place, mut bytes) = (self.place, self.place, 0);
        let left = segment.facts.rows.saturating_sub(begin.row) as usize;
        let mut spans: Vec<Span> = Vec::with_capacity(left.min(LIST_ROWS + PART_ROWS));
        while spans.len() < LIST_ROWS && bytes < LIST_BYTES {
            let Some(part) = self.part(&mut place, &segment, &mut assembler)? else {
                break;
            };
            for trace in part {
                bytes += trace.iter().map(weight).sum::<usize>();
                spans.extend(trace);
            }
        }
        self.place = place;
        if spans.is_empty() {
            return Ok(None);
        }
        Ok(Some(NamedList {
            name: ListName {
                origin: self.origin.clone(),
                number: segment.facts.first << ROW_BITS | begin.row,
            },
            spans,
        }))
    }

    /// Returns the spans of some traces and goes on behind them; `None` at the end. What is
    /// damaged is reported and left out, and what comes behind it keeps its name.
    fn part<'s>(
        &mut self,
        place: &mut Place,
        segment: &'s Segment,
        assembler: &mut Option<Assembler<'s>>,
    ) -> Result<Option<Vec<Vec<Span>>>, SegmentError> {
        let directory = segment.directory()?;
        while let Some(entry) = directory.pages.get(place.page) {
            self.open_page(place.page, entry.first_trace)?;
            let Some(OpenPage {
                page: Some(page),
                starts,
                lows,
                ..
            }) = &self.page
            else {
                place.next_page(entry.rows);
                continue;
            };
            let begin = starts.get(place.trace).copied().unwrap_or_default();
            let behind = starts.partition_point(|&start| start < begin + PART_ROWS);
            let end = behind.min(lows.len());
            if place.trace >= end {
                place.next_page(entry.rows);
                continue;
            }
            let wanted: Vec<Wanted> = (place.trace..end)
                .zip(lows.get(place.trace..end).unwrap_or_default())
                .map(|(trace, &low)| Wanted {
                    page: place.page,
                    trace,
                    low,
                })
                .collect();
            let assembler = match assembler {
                Some(assembler) => assembler,
                none => none.insert(Assembler::open_whole(segment)?),
            };
            let mut met: Vec<SegmentError> = Vec::new();
            let spans = assembler.traces_of(page, &wanted, &mut |error| met.push(error));
            let spans = spans.unwrap_or_else(|error| {
                met.push(error);
                vec![]
            });
            place.trace = end;
            place.row = place.page_row + starts.get(end).copied().unwrap_or_default() as u64;
            self.leave_out(met)?;
            return Ok(Some(spans));
        }
        Ok(None)
    }

    /// Takes a page in hand.
    fn open_page(&mut self, index: usize, first_trace: u32) -> Result<(), SegmentError> {
        if self.page.as_ref().is_some_and(|open| open.index == index) {
            return Ok(());
        }
        let read = || -> Result<OpenPage, SegmentError> {
            let page = self.segment.read_page(index)?;
            let starts = page.trace_starts()?;
            let lows = self.segment.trace_lows(first_trace, starts.len() - 1)?;
            Ok(OpenPage {
                index,
                page: Some(page),
                starts,
                lows,
            })
        };
        self.page = match read() {
            Ok(page) => Some(page),
            Err(error) => {
                self.leave_out(vec![error])?;
                Some(OpenPage {
                    index,
                    page: None,
                    starts: vec![],
                    lows: vec![],
                })
            }
        };
        Ok(())
    }

    /// Reports damage, of which the rest is moved; what the disk refused is tried again.
    fn leave_out(&mut self, met: Vec<SegmentError>) -> Result<(), SegmentError> {
        for error in met {
            if !matches!(error, SegmentError::Corrupt(_)) {
                return Err(error);
            }
            self.is_damaged = true;
            self.segment.damaged.store(true, Ordering::Relaxed);
            self.shared.report_damage(&self.segment.path, &error);
        }
        Ok(())
    }
}

/// Returns about how many bytes of memory a span takes: part of the rule by which lists are cut.
fn weight(span: &Span) -> usize {
    const SPAN: usize = 256;
    const STRING: usize = 24;
    let endpoints = [&span.local_endpoint, &span.remote_endpoint].into_iter();
    let services = endpoints
        .flatten()
        .filter_map(|e| e.service_name.as_deref());
    let annotations = span.annotations.iter().map(|a| a.value.as_str());
    let tags = span
        .tags
        .iter()
        .flat_map(|(key, value)| [key.as_str(), value]);
    let texts = services
        .chain(annotations)
        .chain(tags)
        .chain(span.name.as_deref());
    SPAN + texts.map(|text| text.len() + STRING).sum::<usize>()
}
