//! Summaries: of the same traces as a search finds, page by page, and what only they are asked for.

use speargun_model::trace::TraceSummary;
use speargun_model::{Kind, Span};

use super::spans::{NOW_MS, Sketch, everything, of_service, span};
use super::{Asked, Harness, Store};
use crate::request::{TagTerm, TraceRequest, Window};
use crate::summary::{Edge, FoundTraces, Root, SummaryRequest, TraceFilter};

fn plain(request: TraceRequest) -> SummaryRequest {
    SummaryRequest {
        request,
        filter: TraceFilter::default(),
        after: None,
    }
}

fn ids(found: &FoundTraces) -> Vec<u128> {
    let ids = found.traces.iter().map(|found| found.summary.id.as_u128());
    ids.collect()
}

/// Returns the ids of all traces that are asked for, page after page.
fn paged(ask: &Asked<'_>, request: &SummaryRequest, limit: usize) -> Vec<u128> {
    let mut page = request.clone();
    page.request.limit = limit;
    let mut all = Vec::new();
    loop {
        let found = ask.summaries(&page);
        assert!(found.is_complete && found.traces.len() <= limit);
        all.extend(ids(&found));
        let Some(last) = found.traces.last() else {
            return all;
        };
        page.after = Some(last.place);
    }
}

/// A summary says what the spans of the search say.
pub fn summaries_are_of_what_is_found<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).by("a").named("get").lasting(500),
        span(1, 2).by("b").under(1).at(100).tag("error", ""),
        span(2, 1).by("a").at(5000),
        span(3, 1).by("b").at(9000),
    ]);
    let wanted = of_service("a");
    store.expect(&(vec![2, 1], 1, 500, 2), |ask| {
        let found = ask.summaries(&plain(wanted.clone()));
        let traces = ask.search(&wanted).into_iter().map(TraceSummary::of);
        let summaries = found.traces.iter().map(|found| found.summary.clone());
        assert!(traces.eq(summaries));
        let first = &found.traces[1].summary;
        let measures = (first.errors, first.duration_us, first.spans);
        (ids(&found), measures.0, measures.1, measures.2)
    });
}

/// Pages of any size have every trace once, those of one millisecond too.
pub fn pages_have_no_gaps_and_nothing_twice<H: Harness>() {
    let mut store = Store::<H>::strict();
    let half = |id: u128| (id % 5 + 1) << 64 | id;
    let all = |at: i64| (1..8).map(move |id| span(half(id), 1).at(at));
    store.write(&all(0).collect::<Vec<_>>());
    store.write(&[span(21, 1).at(2000), span(22, 1).at(-2000)]);
    store.settle();
    // Other spans of the same traces, written later.
    let more = all(300).map(|s| Span {
        id: speargun_model::SpanId(9),
        ..s
    });
    store.write(&more.collect::<Vec<_>>());
    let mut expected = vec![21];
    expected.extend((1..8).map(half));
    expected.push(22);
    for limit in [1, 2, 3, 7, 8, 9, 100] {
        store.expect(&expected, |ask| paged(ask, &plain(everything()), limit));
    }
}

/// A trace stands where its newest span in the window stands, wherever the others lie.
pub fn a_trace_in_many_writes_is_on_one_page<H: Harness>() {
    let mut store = Store::<H>::lenient();
    for minute in 0..4_i64 {
        let at = minute * 60_000_000;
        // The first one's spans go on through all writes; the root is the oldest.
        store.write(&[
            span(1, 100 + minute.unsigned_abs())
                .by("a")
                .under(100)
                .at(at + 1000),
            span(10 + u128::from(minute.unsigned_abs()), 1)
                .by("a")
                .at(at),
        ]);
        store.settle();
    }
    store.write(&[span(1, 100).by("a").tag("k", "v")]);
    let window = Window {
        end_ms: NOW_MS + 10 * 60_000,
        lookback_ms: 20 * 60_000,
    };
    let request = TraceRequest {
        window,
        ..everything()
    };
    for limit in [1, 2, 5] {
        let wanted = plain(request.clone());
        store.expect(&vec![1, 13, 12, 11, 10], |ask| paged(ask, &wanted, limit));
    }
}

/// A trace lasts from its first start to its last end.
pub fn lengths_of_traces_are_filtered<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).lasting(100),
        span(2, 1).lasting(10).at(1000),
        span(2, 2).lasting(10).under(1).at(1090),
        span(3, 1).lasting(101).at(2000),
        span(4, 1).at(3000),
    ]);
    let lasting = |min_duration_us, max_duration_us| SummaryRequest {
        filter: TraceFilter {
            min_duration_us,
            max_duration_us,
            ..TraceFilter::default()
        },
        ..plain(everything())
    };
    for (request, expected) in [
        (lasting(Some(100), None), vec![3, 2, 1]),
        (lasting(Some(100), Some(100)), vec![2, 1]),
        (lasting(None, Some(99)), vec![4]),
    ] {
        for limit in [1, 100] {
            store.expect(&expected, |ask| paged(ask, &request, limit));
        }
    }
}

/// A trace is left out for what any span of it has, whoever recorded that.
pub fn traces_are_left_out_by_their_tags<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).by("a").tag("k", "v"),
        span(2, 1).by("a").at(1000),
        span(2, 2).by("b").under(1).at(1000).tag("k", "w"),
        span(3, 1).by("a").at(2000).note(1, "k"),
        span(4, 1).by("a").at(3000),
    ]);
    let term = |value: Option<&str>| TagTerm {
        key: "k".into(),
        value: value.map(str::to_owned),
    };
    let without = |without: Vec<TagTerm>| SummaryRequest {
        filter: TraceFilter {
            without,
            ..TraceFilter::default()
        },
        ..plain(TraceRequest {
            service_name: Some("a".into()),
            ..everything()
        })
    };
    for (terms, expected) in [
        (vec![], vec![4, 3, 2, 1]),
        (vec![term(Some("v"))], vec![4, 3, 2]),
        (vec![term(Some("v")), term(Some("w"))], vec![4, 3]),
        (vec![term(None)], vec![4]),
    ] {
        for limit in [1, 100] {
            let request = without(terms.clone());
            store.expect(&expected, |ask| paged(ask, &request, limit));
        }
    }
}

/// A call is found as the dependency linker counts it.
pub fn calls_of_traces_are_filtered<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).by("a").kind(Kind::Client).to("b"),
        span(2, 1).by("a").kind(Kind::Server).at(1000),
        span(2, 2)
            .by("b")
            .kind(Kind::Server)
            .under(1)
            .at(1000)
            .tag("error", "x"),
        span(3, 1).by("b").kind(Kind::Client).to("a").at(2000),
        span(4, 1).by("a").at(3000),
        span(4, 2).by("b").at(3000),
    ]);
    let calling = |failed| SummaryRequest {
        filter: TraceFilter {
            edge: Some(Edge {
                parent: "a".into(),
                child: "b".into(),
                failed,
            }),
            ..TraceFilter::default()
        },
        ..plain(everything())
    };
    store.expect(&vec![2, 1], |ask| ids(&ask.summaries(&calling(false))));
    store.expect(&vec![2], |ask| ids(&ask.summaries(&calling(true))));
}

/// A trace is found by what it begins with, not by what else is in it.
pub fn traces_are_filtered_by_their_roots<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).by("a").named("get"),
        span(1, 2).by("b").named("put").under(1),
        span(2, 1).by("b").named("put").at(1000),
        span(3, 1).by("a").named("put").at(2000),
        // Without a root the earliest span stands for it.
        span(4, 2).by("b").named("get").under(9).at(3000),
        span(5, 1).at(4000),
    ]);
    let text = |text: &str| Some(text.to_owned());
    for (service, name, expected) in [
        (None, None, vec![5, 4, 3, 2, 1]),
        (text("a"), None, vec![3, 1]),
        (text("b"), text("put"), vec![2]),
        (None, text("get"), vec![4, 1]),
        (text("a"), text("none"), vec![]),
        (text(""), text(""), vec![5]),
    ] {
        let request = SummaryRequest {
            filter: TraceFilter {
                root: Root { service, name },
                ..TraceFilter::default()
            },
            ..plain(everything())
        };
        for limit in [1, 100] {
            store.expect(&expected, |ask| paged(ask, &request, limit));
        }
    }
}
