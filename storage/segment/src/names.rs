//! Names for choosing from: services, span names, remote services, tag values. They come from the
//! dictionaries of segments and the spans of heads; rows of segments are not read.

use std::collections::BTreeSet;
use std::sync::Arc;

use speargun_model::SpanView;
use speargun_model::span::java_order;
use speargun_storage::{ReadContext, ReadError};

use crate::bytes::Reader;
use crate::dictionary::{Meta, text};
use crate::error::SegmentError;
use crate::page::Value;
use crate::page_encode::Stream;
use crate::read::served;
use crate::rows::{LOOSE, Operation};
use crate::segment::Segment;
use crate::store::Shared;

/// Strings kept for one answer: a bound on memory, and on what anyone could look at.
const NAMES_MAX: usize = 1 << 20;

/// Returns the local service names.
pub(crate) fn services(shared: &Shared, context: &ReadContext) -> Result<Vec<String>, ReadError> {
    collect(
        shared,
        context,
        |meta, operation| Some(meta.services.get(operation.service as usize)),
        |view| Some(view.local_service_name()),
    )
}

/// Returns the span names of a service.
pub(crate) fn span_names(
    shared: &Shared,
    service: &str,
    context: &ReadContext,
) -> Result<Vec<String>, ReadError> {
    let service = service.as_bytes();
    if service.is_empty() {
        return Ok(vec![]);
    }
    collect(
        shared,
        context,
        |meta, operation| {
            (meta.services.get(operation.service as usize) == service)
                .then(|| meta.names.get(operation.name as usize))
        },
        |view| (view.local_service_name() == service).then(|| view.name()),
    )
}

/// Returns the remote services of a service.
pub(crate) fn remote_service_names(
    shared: &Shared,
    service: &str,
    context: &ReadContext,
) -> Result<Vec<String>, ReadError> {
    let service = service.as_bytes();
    if service.is_empty() {
        return Ok(vec![]);
    }
    collect(
        shared,
        context,
        |meta, operation| {
            (meta.services.get(operation.service as usize) == service)
                .then(|| meta.services.get(operation.remote as usize))
        },
        |view| (view.local_service_name() == service).then(|| view.remote_service_name()),
    )
}

/// Collects one name of each operation of the segments and each span of the heads; the empty name
/// is none.
fn collect(
    shared: &Shared,
    context: &ReadContext,
    of_operation: impl for<'m> Fn(&'m Meta, &Operation) -> Option<&'m [u8]>,
    of_view: impl for<'v> Fn(&SpanView<'v>) -> Option<&'v [u8]>,
) -> Result<Vec<String>, ReadError> {
    let snapshot = shared.snapshot();
    let mut names: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut add = |name: Option<&[u8]>| {
        if let Some(name) = name
            && !name.is_empty()
            && !names.contains(name)
            && names.len() < NAMES_MAX
        {
            names.insert(name.to_vec());
        }
    };
    for segment in snapshot.segments.iter() {
        context.check()?;
        let meta: Option<Arc<Meta>> = served(shared, segment, || segment.meta());
        if let Some(meta) = meta {
            meta.operations
                .iter()
                .for_each(|operation| add(of_operation(&meta, operation)));
        }
    }
    for head in &snapshot.heads {
        context.check()?;
        head.views().for_each(|view| add(of_view(&view)));
    }
    Ok(sorted(&names))
}

fn sorted(names: &BTreeSet<Vec<u8>>) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| text(name)).collect();
    names.sort_by(|a, b| java_order(a, b));
    names
}

/// Returns the values seen of a tag key; none unless the key was configured.
pub(crate) fn tag_values(
    shared: &Shared,
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
    let snapshot = shared.snapshot();
    let mut values: BTreeSet<Vec<u8>> = BTreeSet::new();
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
                add(&mut values, value);
            }
        }
    }
    Ok(sorted(&values))
}

fn add(values: &mut BTreeSet<Vec<u8>>, value: &[u8]) {
    if values.len() < NAMES_MAX && !values.contains(value) {
        values.insert(value.to_vec());
    }
}

fn values_of(
    segment: &Segment,
    key: &[u8],
    values: &mut BTreeSet<Vec<u8>>,
) -> Result<(), SegmentError> {
    let meta = segment.meta()?;
    let directory = segment.directory()?;
    let column = meta.key_column(key);
    if let Some(column) = column {
        for section in Segment::value_sections(&directory, column) {
            segment
                .values(section)?
                .iter()
                .for_each(|value| add(values, value));
        }
    }
    let loose = meta.shapes.iter().any(|shape| shape.as_slice() == [LOOSE]);
    if column.is_none() && !loose {
        return Ok(());
    }
    for index in 0..directory.pages.len() {
        let page = segment.page(index)?;
        if let Some(view) = column
            .map(|column| page.column(column))
            .transpose()?
            .flatten()
        {
            view.each_plain(|value| add(values, value));
        }
        let Some(view) = page.column(LOOSE)? else {
            continue;
        };
        let mut tags = view.cursor(0);
        for shape in page.numbers(Stream::Shape)?.to_vec32() {
            if meta.shapes.get(shape as usize).map(Vec::as_slice) != Some(&[LOOSE]) {
                continue;
            }
            let Value::Plain(tags) = tags.next() else {
                continue;
            };
            let mut reader = Reader::new(tags);
            while reader.remaining() > 0 {
                let (other, value) = (reader.string()?, reader.string()?);
                if other == key {
                    add(values, value);
                }
            }
        }
    }
    Ok(())
}
