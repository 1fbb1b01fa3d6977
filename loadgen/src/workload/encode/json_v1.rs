//! JSON v1: what a span did is said by annotations, tags are binary annotations, and the other
//! side is an address. It is how tracers reported before v2.

use super::Marks;
use super::json::Body;
use crate::workload::span::{Endpoint, Kind, Span};

pub(super) fn encode(spans: &[Span]) -> (Vec<u8>, Marks) {
    let mut body = Body::default();
    body.list(spans, write_span);
    (body.out, body.marks)
}

/// How a kind begins, ends, and calls the other side.
fn words(kind: Kind) -> (&'static str, &'static str, &'static str) {
    match kind {
        Kind::Client => ("cs", "cr", "sa"),
        Kind::Server => ("sr", "ss", "ca"),
        Kind::Producer => ("ms", "ws", "ma"),
        Kind::Consumer => ("wr", "mr", "ma"),
    }
}

fn write_span(body: &mut Body, span: &Span) {
    body.ids(span);
    // A v1 span has a name, if only an empty one.
    if span.name.is_empty() {
        body.out.extend_from_slice(b",\"name\":\"\"");
    } else {
        body.name(span);
    }
    // The client owns the times of a span that is shared.
    if !span.shared {
        body.times(span.timestamp_us, span.duration_us);
    }
    body.out.extend_from_slice(b",\"annotations\":");
    body.list(&annotations(span), |body, (at, value)| {
        body.out.extend_from_slice(b"{\"timestamp\":");
        body.time(*at);
        body.out.extend_from_slice(b",\"value\":");
        body.text(value);
        body.out.extend_from_slice(b",\"endpoint\":");
        body.endpoint(&span.local);
        body.out.push(b'}');
    });
    body.out.extend_from_slice(b",\"binaryAnnotations\":");
    body.list(&binary_annotations(span), |body, (key, value, endpoint)| {
        body.out.extend_from_slice(b"{\"key\":");
        body.text(key);
        body.out.extend_from_slice(b",\"value\":");
        match value {
            Some(text) => {
                body.marks.value((key, text), body.out.len() + 1);
                value_text(body, text);
            }
            None => body.out.extend_from_slice(b"true"),
        }
        body.out.extend_from_slice(b",\"endpoint\":");
        body.endpoint(endpoint);
        body.out.push(b'}');
    });
    if span.debug {
        body.out.extend_from_slice(b",\"debug\":true");
    }
    body.out.push(b'}');
}

/// Zipkin tells the versions apart by searching the body for `Endpoint"`, so a value that ends like
/// that has its last letter escaped.
fn value_text(body: &mut Body, text: &str) {
    body.text(text);
    if body.out.ends_with(b"Endpoint\"") {
        body.out.truncate(body.out.len() - 2);
        body.out.extend_from_slice(b"\\u0074\"");
    }
}

fn annotations(span: &Span) -> Vec<(u64, &str)> {
    let mut all: Vec<(u64, &str)> = Vec::with_capacity(span.annotations.len() + 2);
    if let (Some(kind), true) = (span.kind, span.timestamp_us != 0) {
        let (start, end, _) = words(kind);
        all.push((span.timestamp_us, start));
        if span.duration_us != 0 {
            all.push((span.end_us(), end));
        }
    }
    all.extend(span.annotations.iter().map(|(at, value)| (*at, &**value)));
    all
}

type Binary<'a> = (&'a str, Option<&'a str>, &'a Endpoint);

fn binary_annotations(span: &Span) -> Vec<Binary<'_>> {
    let tags = span.tags.iter();
    let mut all: Vec<Binary<'_>> = tags
        .map(|(key, value)| (&**key, Some(&**value), &span.local))
        .collect();
    match span.kind {
        Some(kind) if !span.remote.is_empty() => all.push((words(kind).2, None, &span.remote)),
        // Local work is told by its component alone.
        None if all.is_empty() => all.push(("lc", Some(""), &span.local)),
        _ => {}
    }
    all
}
