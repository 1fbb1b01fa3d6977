//! Whether the engine answers as the model does, where its answers are defined. It writes nothing.

use std::collections::HashSet;

use speargun_model::{DependencyLink, Span, TraceId};
use speargun_storage::contract::Random;
use speargun_storage::contract::random::NAMES;
use speargun_storage::{ReadContext, SpanReader, TraceRequest, Window};

use crate::random::{Times, request, window};

const CONTEXT: ReadContext = ReadContext { deadline: None };

/// Asserts that both answer every kind of question alike.
pub(crate) fn assert_agree(
    model: &dyn SpanReader,
    engine: &dyn SpanReader,
    random: &mut Random,
    times: Times,
) {
    for low in 0..14 {
        for high in [0, 1, u64::MAX / 2, u64::MAX / 2 * 2] {
            let id = TraceId { high, low };
            assert_eq!(trace(model, id), trace(engine, id), "trace {id}");
        }
    }
    assert_names(model, engine);
    for _ in 0..10 {
        assert_same_found(model, engine, &request(random, times));
    }
    for window in [window(random, times), random.window()] {
        assert_eq!(links(model, window), links(engine, window), "{window:?}");
    }
}

fn assert_names(model: &dyn SpanReader, engine: &dyn SpanReader) {
    assert_eq!(
        model.service_names(&CONTEXT).unwrap(),
        engine.service_names(&CONTEXT).unwrap()
    );
    for name in NAMES {
        let spans = |reader: &dyn SpanReader| reader.span_names(name, &CONTEXT).unwrap();
        assert_eq!(spans(model), spans(engine), "span names of {name}");
        let remotes =
            |reader: &dyn SpanReader| reader.remote_service_names(name, &CONTEXT).unwrap();
        assert_eq!(remotes(model), remotes(engine), "remotes of {name}");
        let values = |reader: &dyn SpanReader| reader.tag_values(name, &CONTEXT).unwrap();
        assert_eq!(values(model), values(engine), "values of {name}");
    }
}

/// Returns the spans of a trace.
pub(crate) fn trace(reader: &dyn SpanReader, id: TraceId) -> Vec<Span> {
    reader.trace(id, &CONTEXT).unwrap()
}

/// Returns the links of a window in an order of their own: engines have none.
pub(crate) fn links(reader: &dyn SpanReader, window: Window) -> Vec<DependencyLink> {
    let mut links = reader.dependencies(window, &CONTEXT).unwrap();
    links.sort_by(|a, b| (&a.parent, &a.child).cmp(&(&b.parent, &b.child)));
    links
}

fn assert_same_found(model: &dyn SpanReader, engine: &dyn SpanReader, request: &TraceRequest) {
    let unlimited = TraceRequest {
        limit: usize::MAX,
        ..request.clone()
    };
    let all = model.search(&unlimited, &CONTEXT).unwrap();
    let found = engine.search(request, &CONTEXT).unwrap();
    let times = |traces: &[Vec<Span>]| -> Vec<u64> {
        traces
            .iter()
            .map(|t| newest_ms(t, request.window))
            .collect()
    };
    let count = request.limit.min(all.len());
    assert_eq!(found.len(), count, "{request:?} of {all:?}");
    let found_times = times(&found);
    assert_eq!(found_times, times(&all[..count]), "{request:?}");
    let all: HashSet<&Vec<Span>> = all.iter().collect();
    let distinct: HashSet<&Vec<Span>> = found.iter().collect();
    assert_eq!(distinct.len(), found.len(), "no trace twice: {request:?}");
    for trace in &found {
        assert!(all.contains(trace), "{request:?} does not match {trace:?}");
    }
}

fn newest_ms(trace: &[Span], window: Window) -> u64 {
    let times = trace.iter().map(|span| span.timestamp_us / 1000);
    let inside = times.filter(|ms| (window.start_ms()..=window.end_ms).contains(ms));
    inside.max().unwrap_or_default()
}
