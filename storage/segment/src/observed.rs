//! Names with counts, for who types a search: rows of the window are counted by the columns that
//! say what is asked, newest segments first, until enough were seen; of the others the
//! dictionaries say which names there are. It makes no spans.

use hashbrown::HashMap;
use speargun_model::SpanView;
use speargun_storage::{Listed, NamesRequest, ObservedNames, ReadContext, ReadError};

use crate::bytes::Reader;
use crate::dictionary::Meta;
use crate::error::{Corrupt, SegmentError};
use crate::format::{CHUNK_VALUES, Directory};
use crate::page::{Page, Value};
use crate::page_encode::Stream;
use crate::read::served;
use crate::rows::{LOOSE, Operation};
use crate::scan::inside;
use crate::segment::{Reading, Segment};
use crate::store::{Shared, Snapshot};

/// Returns the names, counted as far as the time allows.
pub(crate) fn names(
    of: (&Shared, &Snapshot),
    request: &NamesRequest,
    context: &ReadContext,
) -> Result<ObservedNames, ReadError> {
    let mut names = ObservedNames::new();
    match count(of, (request, context), &mut names) {
        Err(ReadError::DeadlineExceeded) => names.is_complete = false,
        counted => counted?,
    }
    Ok(names)
}

fn count(
    (shared, snapshot): (&Shared, &Snapshot),
    (request, context): (&NamesRequest, &ReadContext),
    names: &mut ObservedNames,
) -> Result<(), ReadError> {
    for head in snapshot.heads.iter().rev() {
        context.check()?;
        for view in head.views() {
            of_view(&view, request, names);
        }
    }
    let (window, mut segments) = (request.window, snapshot.segments.to_vec());
    segments.sort_by_key(|segment| std::cmp::Reverse(segment.facts.time_max_us));
    let overlaps = |segment: &Segment| {
        let (least, greatest) = (segment.facts.time_min_us, segment.facts.time_max_us);
        greatest / 1000 >= window.start_ms() && least / 1000 <= window.end_ms
    };
    for segment in &segments {
        context.check()?;
        let is_inside = overlaps(segment);
        if is_inside && names.spans < request.spans_max {
            let counted = served(shared, segment, || {
                Counting::open(segment, request)?.all(context, names)
            });
            counted.unwrap_or(Ok(()))?;
        } else {
            names.is_complete &= !is_inside;
            served(shared, segment, || list(segment, request, is_inside, names));
        }
    }
    Ok(())
}

/// Counts a span of a head, if it is asked for.
fn of_view(view: &SpanView<'_>, request: &NamesRequest, names: &mut ObservedNames) {
    let own = view.local_service_name();
    let wanted = request.service_name.as_deref();
    let time_us = view.record().timestamp_us;
    if time_us == 0
        || !inside(&request.window, time_us)
        || wanted.is_some_and(|wanted| wanted.as_bytes() != own)
    {
        return;
    }
    names.spans += 1;
    match &request.of {
        Listed::Services => add(names, own, 1),
        Listed::Operations => add(names, view.name(), 1),
        Listed::Remotes => add(names, view.remote_service_name(), 1),
        Listed::Keys => {
            let mut keys: Vec<&[u8]> = view.tags().map(|(key, _)| key).collect();
            // Of repeated keys the span has one.
            keys.sort_unstable();
            keys.dedup();
            keys.iter().for_each(|key| add(names, key, 1));
        }
        Listed::Values(key) => {
            let value = view.tags().filter(|(k, _)| *k == key.as_bytes()).last();
            add(names, value.map_or(b"", |(_, value)| value), 1);
        }
    }
}

/// Adds to the count of a name; what is no text is none.
fn add(names: &mut ObservedNames, name: &[u8], spans: u64) {
    names.add(std::str::from_utf8(name).unwrap_or_default(), spans);
}

/// Lists the names in the dictionaries of a segment, uncounted. Values are listed only where some
/// may be of the window: there can be very many.
fn list(
    segment: &Segment,
    request: &NamesRequest,
    is_inside: bool,
    names: &mut ObservedNames,
) -> Result<(), SegmentError> {
    let meta = segment.meta()?;
    match &request.of {
        Listed::Keys if request.service_name.is_none() => {
            meta.keys.iter().for_each(|key| add(names, key, 0));
        }
        Listed::Values(key) if is_inside && request.service_name.is_none() => {
            let directory = segment.directory()?;
            let column = meta.key_column(key.as_bytes());
            let sections = column.map(|column| Segment::value_sections(&directory, column));
            for section in sections.into_iter().flatten() {
                let values = segment.values_by(section, Reading::Passing)?;
                values.iter().for_each(|value| add(names, value, 0));
            }
        }
        Listed::Keys | Listed::Values(_) => {}
        part => {
            let wanted = |operation: &&Operation| is_of(&meta, operation, request);
            for operation in meta.operations.iter().filter(wanted) {
                add(names, name_of(&meta, operation, part), 0);
            }
        }
    }
    Ok(())
}

fn is_of(meta: &Meta, operation: &Operation, request: &NamesRequest) -> bool {
    let own = meta.services.get(operation.service as usize);
    let wanted = request.service_name.as_deref();
    wanted.is_none_or(|wanted| wanted.as_bytes() == own)
}

/// Returns what an operation says of services, names or remote services.
fn name_of<'m>(meta: &'m Meta, operation: &Operation, of: &Listed) -> &'m [u8] {
    match of {
        Listed::Services => meta.services.get(operation.service as usize),
        Listed::Operations => meta.names.get(operation.name as usize),
        Listed::Remotes => meta.services.get(operation.remote as usize),
        Listed::Keys | Listed::Values(_) => &[],
    }
}

/// The counting of one segment.
struct Counting<'s> {
    segment: &'s Segment,
    request: &'s NamesRequest,
    meta: std::sync::Arc<Meta>,
    directory: std::sync::Arc<Directory>,
    /// Whether spans of each operation are asked for.
    wanted: Vec<bool>,
    /// The column of the key whose values are asked for.
    column: Option<u32>,
    /// Rows by operation, or by shape, or by the value's number.
    rows: HashMap<u32, u64>,
}

impl<'s> Counting<'s> {
    fn open(segment: &'s Segment, request: &'s NamesRequest) -> Result<Self, SegmentError> {
        let meta = segment.meta()?;
        let operations = meta.operations.iter();
        let wanted = operations.map(|operation| is_of(&meta, operation, request));
        Ok(Self {
            segment,
            request,
            wanted: wanted.collect(),
            column: match &request.of {
                Listed::Values(key) => meta.key_column(key.as_bytes()),
                _ => None,
            },
            directory: segment.directory()?,
            meta,
            rows: HashMap::default(),
        })
    }

    /// Counts page by page; what was counted is added in the end, also when the time is up.
    fn all(
        mut self,
        context: &ReadContext,
        names: &mut ObservedNames,
    ) -> Result<Result<(), ReadError>, SegmentError> {
        if !self.wanted.contains(&true) {
            return Ok(Ok(()));
        }
        let mut in_time = Ok(());
        for index in 0..self.directory.pages.len() {
            in_time = context.check();
            if in_time.is_err() {
                break;
            }
            let page = self.segment.page_by(index, Reading::Passing)?;
            self.page(&page, names)?;
        }
        self.finish(names)?;
        Ok(in_time)
    }

    fn page(&mut self, page: &Page, names: &mut ObservedNames) -> Result<(), SegmentError> {
        let operations = page.numbers(Stream::Operation)?.to_vec32();
        let mut wanted: Vec<bool> = operations
            .iter()
            .map(|operation| self.wanted.get(*operation as usize) == Some(&true))
            .collect();
        self.leave_inside(page, &mut wanted)?;
        names.spans += wanted.iter().filter(|wanted| **wanted).count() as u64;
        match &self.request.of {
            Listed::Services | Listed::Operations | Listed::Remotes => {
                self.by(&operations, &wanted);
            }
            Listed::Keys => {
                let shapes = page.numbers(Stream::Shape)?.to_vec32();
                self.by(&shapes, &wanted);
                self.loose(page, (&shapes, &wanted), &mut |tags| {
                    keys_of(tags).iter().for_each(|key| add(names, key, 1));
                })?;
            }
            Listed::Values(key) => {
                let shapes = page.numbers(Stream::Shape)?.to_vec32();
                self.values(page, (&shapes, &wanted), names)?;
                self.loose(page, (&shapes, &wanted), &mut |tags| {
                    add(names, last_of(tags, key.as_bytes()), 1);
                })?;
            }
        }
        Ok(())
    }

    /// Leaves only rows whose time lies in the window.
    fn leave_inside(&self, page: &Page, wanted: &mut [bool]) -> Result<(), SegmentError> {
        let (facts, window) = (&self.segment.facts, &self.request.window);
        let is_all = inside(window, facts.time_min_us) && inside(window, facts.time_max_us);
        if is_all && facts.untimed == 0 {
            return Ok(());
        }
        let times = page.times(facts.time_min_us, &page.trace_starts()?)?;
        for (wanted, time) in wanted.iter_mut().zip(times) {
            *wanted &= time != 0 && inside(window, time);
        }
        Ok(())
    }

    fn by(&mut self, numbers: &[u32], wanted: &[bool]) {
        for (number, _) in numbers.iter().zip(wanted).filter(|(_, wanted)| **wanted) {
            *self.rows.entry(*number).or_default() += 1;
        }
    }

    /// Counts the values of the column: of a repeated key the last one is the span's.
    fn values(
        &mut self,
        page: &Page,
        (shapes, wanted): (&[u32], &[bool]),
        names: &mut ObservedNames,
    ) -> Result<(), SegmentError> {
        let Some(column) = self.column else {
            return Ok(());
        };
        let Some(view) = page.column(column)? else {
            return Ok(());
        };
        let all = self.meta.shapes.iter();
        let times: Vec<usize> = all
            .map(|shape| shape.iter().filter(|other| **other == column).count())
            .collect();
        let mut cursor = view.walk();
        for (shape, wanted) in shapes.iter().zip(wanted) {
            let times = times.get(*shape as usize).copied().unwrap_or_default();
            match (0..times).map(|_| cursor.next()).last() {
                Some(Value::Coded(code)) if *wanted => *self.rows.entry(code).or_default() += 1,
                Some(Value::Plain(value)) if *wanted => add(names, value, 1),
                _ => {}
            }
        }
        Ok(())
    }

    /// Calls `visit` with the tags of each wanted row that has them in one value.
    fn loose(
        &self,
        page: &Page,
        (shapes, wanted): (&[u32], &[bool]),
        visit: &mut dyn FnMut(&[u8]),
    ) -> Result<(), SegmentError> {
        let Some(view) = page.column(LOOSE)? else {
            return Ok(());
        };
        let mut cursor = view.walk();
        for (shape, wanted) in shapes.iter().zip(wanted) {
            let columns = self.meta.shapes.get(*shape as usize);
            if columns.is_none_or(|columns| columns.as_slice() != [LOOSE]) {
                continue;
            }
            if let (Value::Plain(tags), true) = (cursor.next(), *wanted) {
                visit(tags);
            }
        }
        Ok(())
    }

    /// Adds what was counted by numbers.
    fn finish(self, names: &mut ObservedNames) -> Result<(), SegmentError> {
        let meta = &self.meta;
        match &self.request.of {
            Listed::Keys => {
                for (shape, count) in self.rows {
                    let mut columns = meta.shapes.get(shape as usize).cloned().unwrap_or_default();
                    columns.sort_unstable();
                    columns.dedup();
                    let keys = columns.iter().map(|column| meta.key(*column));
                    keys.for_each(|key| add(names, key, count));
                }
            }
            Listed::Values(_) => {
                let column = self.column.unwrap_or(LOOSE);
                let sections = Segment::value_sections(&self.directory, column);
                let mut rows: Vec<(u32, u64)> = self.rows.into_iter().collect();
                rows.sort_unstable();
                let chunk = |code: u32| code as usize / CHUNK_VALUES;
                for of_chunk in rows.chunk_by(|a, b| chunk(a.0) == chunk(b.0)) {
                    let first = of_chunk.first().map_or(0, |row| row.0);
                    let section = sections.get(chunk(first));
                    let section = section.ok_or(Corrupt("a value is not in its dictionary"))?;
                    // What searches keep is not pushed out by what is read once.
                    let values = self.segment.values_by(*section, Reading::Passing)?;
                    for &(code, count) in of_chunk {
                        add(names, values.get(code as usize % CHUNK_VALUES), count);
                    }
                }
            }
            part => {
                for (operation, count) in self.rows {
                    if let Some(operation) = meta.operations.get(operation as usize) {
                        add(names, name_of(meta, operation, part), count);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the keys of tags that lie in one value, each once.
fn keys_of(tags: &[u8]) -> Vec<&[u8]> {
    let mut reader = Reader::new(tags);
    let mut keys = Vec::new();
    while let (Ok(key), Ok(_)) = (reader.string(), reader.string()) {
        keys.push(key);
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// Returns the last value of a key in such a value; empty when there is none.
fn last_of<'t>(tags: &'t [u8], key: &[u8]) -> &'t [u8] {
    let mut reader = Reader::new(tags);
    let mut last: &[u8] = &[];
    while let (Ok(other), Ok(value)) = (reader.string(), reader.string()) {
        if other == key {
            last = value;
        }
    }
    last
}
