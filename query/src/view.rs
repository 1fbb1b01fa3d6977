//! Answers to bytes, as Zipkin writes them. Which codec writes which answer is decided here; the
//! formats themselves live in the model.

use speargun_model::codec::{answer, json_v2};
use speargun_model::{DependencyLink, Span};

/// Returns a list of names.
pub fn names(names: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    answer::encode_names(names, &mut body);
    body
}

/// Returns a list of spans.
pub fn spans(spans: &[Span]) -> Vec<u8> {
    let mut body = Vec::new();
    json_v2::encode_spans(spans, &mut body);
    body
}

/// Returns a list of traces.
pub fn traces(traces: &[Vec<Span>]) -> Vec<u8> {
    let mut body = Vec::new();
    json_v2::encode_traces(traces, &mut body);
    body
}

/// Returns a list of dependency links.
pub fn links(links: &[DependencyLink]) -> Vec<u8> {
    let mut body = Vec::new();
    answer::encode_links(links, &mut body);
    body
}
