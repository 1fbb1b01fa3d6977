//! Whether two engines that were told the same answer the same. It writes nothing.

use std::collections::HashSet;

use speargun_model::{Span, TraceId};

use super::random::{NAMES, Random};
use super::{Asked, services};
use crate::order::millisecond;
use crate::read::SpanReader;
use crate::request::{TraceRequest, Window};
use crate::summary::{FoundTraces, SummaryRequest, TraceFilter};

/// Asserts that an engine answers every kind of question as the model does: all traces that
/// [`Random`] knows, all names, and some random searches and windows.
pub fn assert_agree(model: &dyn SpanReader, engine: &dyn SpanReader, random: &mut Random) {
    let (model, engine) = (Asked(model), Asked(engine));
    for low in 0..14 {
        for high in 0..2 {
            let id = TraceId { high, low }.as_u128();
            assert_eq!(model.trace(id), engine.trace(id), "trace {id:x}");
        }
    }
    assert_eq!(services(&model), services(&engine));
    for name in NAMES {
        assert_eq!(model.span_names(name), engine.span_names(name), "{name}");
        assert_eq!(
            model.remote_services(name),
            engine.remote_services(name),
            "{name}"
        );
        assert_eq!(model.tag_values(name), engine.tag_values(name), "{name}");
    }
    for _ in 0..20 {
        let request = random.request();
        assert_same_found(&model, &engine, &request);
        assert_same_pages(&model, &engine, request);
    }
    for _ in 0..5 {
        let window = random.window();
        assert_eq!(model.links(window), engine.links(window), "{window:?}");
    }
}

/// Asserts that the same traces are found, newest first. Of traces of one millisecond any may come
/// first, or be cut off by the limit.
fn assert_same_found(model: &Asked<'_>, engine: &Asked<'_>, request: &TraceRequest) {
    let all = model.search(&TraceRequest {
        limit: usize::MAX,
        ..request.clone()
    });
    let found = engine.search(request);
    let times = |traces: &[Vec<Span>]| -> Vec<_> {
        traces
            .iter()
            .map(|t| newest_ms(t, request.window))
            .collect()
    };
    let expected = &all[..request.limit.min(all.len())];
    assert_eq!(times(expected), times(&found), "{request:?}");
    let all: HashSet<&Vec<Span>> = all.iter().collect();
    let distinct: HashSet<&Vec<Span>> = found.iter().collect();
    assert_eq!(distinct.len(), found.len(), "no trace twice: {request:?}");
    for trace in &found {
        assert!(
            all.contains(trace),
            "{request:?} is not matched by {trace:?}"
        );
    }
}

/// Asserts that pages of the engine have what the model has on one.
fn assert_same_pages(model: &Asked<'_>, engine: &Asked<'_>, request: TraceRequest) {
    let shown = |found: &FoundTraces| -> Vec<_> {
        let traces = found.traces.iter();
        traces
            .map(|t| (t.place.newest_ms, t.place.id.low, t.summary.clone()))
            .collect()
    };
    let mut page = SummaryRequest {
        request,
        filter: TraceFilter::default(),
        after: None,
    };
    let mut all = page.clone();
    all.request.limit = usize::MAX;
    let expected = shown(&model.summaries(&all));
    let mut found = Vec::new();
    loop {
        let next = engine.summaries(&page);
        assert!(next.traces.len() <= page.request.limit, "{page:?}");
        found.extend(shown(&next));
        let Some(last) = next.traces.last() else {
            break;
        };
        page.after = Some(last.place);
    }
    assert_eq!(expected, found, "{page:?}");
}

fn newest_ms(trace: &[Span], window: Window) -> Option<u64> {
    let inside = |ms: &u64| window.contains_ms(*ms);
    trace.iter().map(millisecond).filter(inside).max()
}
