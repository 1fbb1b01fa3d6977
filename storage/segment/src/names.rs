//! Names for choosing from: services, span names, remote services, tag values. They come from the
//! dictionaries of segments and the spans of heads; rows of segments are read only for tag values
//! that are in no dictionary.

use std::collections::BTreeSet;
use std::sync::Arc;

use speargun_model::SpanView;
use speargun_model::span::java_order;
use speargun_storage::{ReadContext, ReadError};

use crate::bytes::Reader;
use crate::column::PLAIN_AFTER;
use crate::dictionary::{Meta, text};
use crate::error::{Corrupt, SegmentError};
use crate::format::CHUNK_VALUES;
use crate::page::{Page, Value};
use crate::page_encode::Stream;
use crate::read::served;
use crate::rows::{LOOSE, Operation};
use crate::segment::Segment;
use crate::store::{Shared, Snapshot};

/// Strings kept for one answer: a bound on memory, and on what anyone could look at.
const NAMES_MAX: usize = 1 << 20;
/// Bytes of them.
pub(crate) const NAMES_BYTES_MAX: usize = 16 << 20;
/// A longer string is no name, and is not listed.
pub(crate) const NAME_BYTES_MAX: usize = 64 << 10;

/// The strings of an answer.
#[derive(Default)]
struct Found {
    strings: BTreeSet<Vec<u8>>,
    bytes: usize,
}

impl Found {
    fn add(&mut self, string: &[u8]) {
        let bytes = self.bytes + string.len();
        let fits = self.strings.len() < NAMES_MAX && bytes <= NAMES_BYTES_MAX;
        if fits && string.len() <= NAME_BYTES_MAX && !self.strings.contains(string) {
            self.strings.insert(string.to_vec());
            self.bytes = bytes;
        }
    }

    fn sorted(self) -> Vec<String> {
        let mut strings: Vec<String> = self.strings.iter().map(|string| text(string)).collect();
        strings.sort_by(|a, b| java_order(a, b));
        strings
    }
}

/// Where names are looked for.
type Of<'s> = (&'s Shared, &'s Snapshot);

/// What is listed: how a segment's operation and a head's span name it.
struct Named {
    of_operation: for<'m> fn(&'m Meta, &Operation) -> &'m [u8],
    of_view: for<'v> fn(&SpanView<'v>) -> &'v [u8],
}

const SERVICE: Named = Named {
    of_operation: |meta, operation| meta.services.get(operation.service as usize),
    of_view: |view| view.local_service_name(),
};
const REMOTE_SERVICE: Named = Named {
    of_operation: |meta, operation| meta.services.get(operation.remote as usize),
    of_view: |view| view.remote_service_name(),
};
const SPAN: Named = Named {
    of_operation: |meta, operation| meta.names.get(operation.name as usize),
    of_view: |view| view.name(),
};

/// Returns the local service names.
pub(crate) fn services(of: Of<'_>, context: &ReadContext) -> Result<Vec<String>, ReadError> {
    collect(of, context, None, &SERVICE)
}

/// Returns the span names of a service.
pub(crate) fn span_names(
    of: Of<'_>,
    service: &str,
    context: &ReadContext,
) -> Result<Vec<String>, ReadError> {
    collect(of, context, Some(service), &SPAN)
}

/// Returns the remote services of a service.
pub(crate) fn remote_service_names(
    of: Of<'_>,
    service: &str,
    context: &ReadContext,
) -> Result<Vec<String>, ReadError> {
    collect(of, context, Some(service), &REMOTE_SERVICE)
}

/// Collects one name of each operation of the segments and each span of the heads, of one service
/// if it is given; the empty name is none, and so is the empty service.
fn collect(
    (shared, snapshot): Of<'_>,
    context: &ReadContext,
    service: Option<&str>,
    what: &Named,
) -> Result<Vec<String>, ReadError> {
    if service == Some("") {
        return Ok(vec![]);
    }
    let is_asked_for = |name: &[u8]| service.is_none_or(|service| service.as_bytes() == name);
    let mut names = Found::default();
    let mut add_of = |own: &[u8], name: &[u8]| {
        if is_asked_for(own) && !name.is_empty() {
            names.add(name);
        }
    };
    for segment in snapshot.segments.iter() {
        context.check()?;
        let meta: Option<Arc<Meta>> = served(shared, segment, || segment.meta());
        if let Some(meta) = meta {
            for operation in &meta.operations {
                let own = (SERVICE.of_operation)(&meta, operation);
                add_of(own, (what.of_operation)(&meta, operation));
            }
        }
    }
    for head in &snapshot.heads {
        context.check()?;
        for view in head.views() {
            add_of(view.local_service_name(), (what.of_view)(&view));
        }
    }
    Ok(names.sorted())
}

/// Returns the values seen of a tag key; none unless the key was configured.
pub(crate) fn tag_values(
    (shared, snapshot): Of<'_>,
    key: &str,
    context: &ReadContext,
) -> Result<Vec<String>, ReadError> {
    if !shared
        .config
        .autocomplete_keys
        .iter()
        .any(|configured| configured == key)
    {
        return Ok(vec![]);
    }
    let mut values = Found::default();
    for segment in snapshot.segments.iter() {
        context.check()?;
        served(shared, segment, || {
            values_of(segment, key.as_bytes(), &mut values)
        });
    }
    for head in &snapshot.heads {
        context.check()?;
        for view in head.views() {
            // Of repeated keys the last one is the span's.
            let value = view.tags().filter(|(k, _)| *k == key.as_bytes()).last();
            if let Some((_, value)) = value {
                values.add(value);
            }
        }
    }
    Ok(values.sorted())
}

/// Adds the values of a key in a segment: those of its dictionary, and what pages hold beside it
/// where there can be such.
fn values_of(segment: &Segment, key: &[u8], values: &mut Found) -> Result<(), SegmentError> {
    let meta = segment.meta()?;
    let directory = segment.directory()?;
    let column = meta.key_column(key);
    let (mut numbered, mut repeated) = (0, false);
    if let Some(column) = column {
        let times = |shape: &Vec<u32>| shape.iter().filter(|&&other| other == column).count();
        repeated = meta.shapes.iter().any(|shape| times(shape) > 1);
        for section in Segment::value_sections(&directory, column) {
            let chunk = segment.values(section)?;
            numbered += chunk.len();
            if !repeated {
                chunk.iter().for_each(|value| values.add(value));
            }
        }
    }
    let loose = meta.shapes.iter().any(|shape| shape.as_slice() == [LOOSE]);
    if !loose && !repeated && numbered <= PLAIN_AFTER as usize {
        return Ok(());
    }
    let mut codes = BTreeSet::new();
    for index in 0..directory.pages.len() {
        let page = segment.page(index)?;
        if let Some(column) = column {
            of_rows(&page, &meta, column, |value| match value {
                Value::Plain(value) => values.add(value),
                Value::Coded(code) => {
                    codes.insert(code as usize);
                }
            })?;
        }
        of_rows(&page, &meta, LOOSE, |tags| {
            let Value::Plain(tags) = tags else { return };
            if let Some(value) = last_of(tags, key) {
                values.add(value);
            }
        })?;
    }
    let sections = column.map(|column| Segment::value_sections(&directory, column));
    for code in codes {
        let section = sections.iter().flatten().nth(code / CHUNK_VALUES);
        let section = section.ok_or(Corrupt("a value is not in its dictionary"))?;
        values.add(segment.values(*section)?.get(code % CHUNK_VALUES));
    }
    Ok(())
}

/// Calls `visit` with the value that each row of a page has in a column: where a key is repeated,
/// the last one is the span's.
fn of_rows(
    page: &Page,
    meta: &Meta,
    column: u32,
    mut visit: impl FnMut(Value<'_>),
) -> Result<(), SegmentError> {
    let Some(view) = page.column(column)? else {
        return Ok(());
    };
    let times: Vec<usize> = meta
        .shapes
        .iter()
        .map(|shape| shape.iter().filter(|&&other| other == column).count())
        .collect();
    let mut cursor = view.walk();
    for shape in page.numbers(Stream::Shape)?.to_vec32() {
        let times = times.get(shape as usize).copied().unwrap_or_default();
        if let Some(value) = (0..times).map(|_| cursor.next()).last() {
            visit(value);
        }
    }
    Ok(())
}

/// Returns the last value of a key in a loose value.
fn last_of<'t>(tags: &'t [u8], key: &[u8]) -> Option<&'t [u8]> {
    let mut reader = Reader::new(tags);
    let mut last = None;
    while let (Ok(other), Ok(value)) = (reader.string(), reader.string()) {
        if other == key {
            last = Some(value);
        }
    }
    last
}
