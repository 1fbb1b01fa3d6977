//! What a search finds: every criterion alone, together, and across the spans of a trace.

use speargun_model::{Kind, Span};

use super::spans::{Sketch, everything, full_span, of_service, span, with_terms};
use super::{Harness, Store};
use crate::request::TraceRequest;

fn store_of<H: Harness>(spans: &[Span]) -> Store<H> {
    let mut store = Store::<H>::strict();
    store.write(spans);
    store
}

/// Traces with nothing but a timestamp are found, newest first.
pub fn everything_is_found_without_criteria<H: Harness>() {
    let mut store = store_of::<H>(&[span(1, 1), span(2, 1).at(1000), span(3, 1).at(-1000)]);
    store.expect(&vec![2, 1, 3], |ask| ask.found(&everything()));
}

/// A service that is only called is no candidate, nor is a longer name.
pub fn the_service_must_be_local<H: Harness>() {
    let mut store = store_of::<H>(&[
        span(1, 1).by("a"),
        span(2, 1).by("b").to("a"),
        span(3, 1).by("ab"),
        span(4, 1).to("a"),
        span(5, 1),
    ]);
    store.expect(&vec![1], |ask| ask.found(&of_service("a")));
    store.expect(&vec![], |ask| ask.found(&of_service("c")));
}

/// The remote name belongs to a span of the service, when there is one.
pub fn a_remote_service_is_met_by_a_candidate<H: Harness>() {
    let mut store = store_of::<H>(&[
        span(3, 1).by("a").to("r").at(3000),
        span(2, 1).by("a").at(2000),
        span(2, 2).by("b").to("r").at(2000),
        span(1, 1).to("r").at(1000),
        span(4, 1).by("r"),
    ]);
    let remote = |request: TraceRequest| TraceRequest {
        remote_service_name: Some("r".into()),
        ..request
    };
    store.expect(&vec![3, 2, 1], |ask| ask.found(&remote(everything())));
    store.expect(&vec![3], |ask| ask.found(&remote(of_service("a"))));
}

/// The span name belongs to a span of the service, when there is one.
pub fn a_span_name_is_met_by_a_candidate<H: Harness>() {
    let mut store = store_of::<H>(&[
        span(3, 1).by("a").named("get").at(3000),
        span(2, 1).by("a").named("get /").at(2000),
        span(2, 2).by("b").named("get").at(2000),
        span(1, 1).named("get").at(1000),
    ]);
    let named = |request: TraceRequest| TraceRequest {
        span_name: Some("get".into()),
        ..request
    };
    store.expect(&vec![3, 2, 1], |ask| ask.found(&named(everything())));
    store.expect(&vec![3], |ask| ask.found(&named(of_service("a"))));
}

/// A bare key is a tag of any value or an annotation, never a tag's value.
pub fn a_bare_key_is_a_tag_or_an_annotation<H: Harness>() {
    let mut store = store_of::<H>(&[
        span(4, 1).tag("error", "").at(4000),
        span(3, 1).tag("error", "x").at(3000),
        span(2, 1).note(1, "error").at(2000),
        span(1, 1).tag("x", "error").at(1000),
        span(5, 1).tag("errors", "").note(1, "an error"),
    ]);
    let error = with_terms(&["error"]);
    store.expect(&vec![4, 3, 2], |ask| ask.found(&error));
    store.expect(&vec![], |ask| ask.found(&with_terms(&["Error"])));
}

/// A tag with a value is met by exactly that value, and by no annotation.
pub fn a_tag_is_met_exactly<H: Harness>() {
    let mut store = store_of::<H>(&[
        span(1, 1).tag("k", "v"),
        span(2, 1).tag("k", "v1"),
        span(3, 1).note(1, "k").note(2, "v").note(3, "k=v"),
        span(4, 1).tag("k=v", ""),
        span(5, 1).tag("k", ""),
        span(6, 1).tag("v", "k"),
    ]);
    store.expect(&vec![1], |ask| ask.found(&with_terms(&["k=v"])));
    store.expect(&vec![], |ask| ask.found(&with_terms(&["k=V"])));
}

/// Terms are met by different spans of a trace, but not by different traces.
pub fn terms_are_met_across_spans<H: Harness>() {
    let mut store = store_of::<H>(&[
        span(1, 1).tag("a", "1"),
        span(1, 2).note(1, "b"),
        span(2, 1).tag("a", "1"),
        span(3, 1).note(1, "b"),
        span(4, 1).tag("a", "1").tag("b", "").at(1000),
    ]);
    let both = with_terms(&["a=1", "b"]);
    store.expect(&vec![4, 1], |ask| ask.found(&both));
}

/// With a service, only its spans meet terms.
pub fn terms_of_other_services_do_not_count<H: Harness>() {
    let mut store = store_of::<H>(&[
        span(1, 1).by("a"),
        span(1, 2).by("b").tag("k", "v").note(1, "n"),
        span(2, 1).by("a").tag("k", "v").note(1, "n"),
    ]);
    for term in ["k", "k=v", "n"] {
        let wanted = TraceRequest {
            service_name: Some("a".into()),
            ..with_terms(&[term])
        };
        store.expect(&vec![2], |ask| ask.found(&wanted));
    }
}

/// The minimum and the maximum are inside.
pub fn durations_have_both_bounds<H: Harness>() {
    let mut store = store_of::<H>(&[
        span(4, 1).lasting(201).at(4000),
        span(3, 1).lasting(200).at(3000),
        span(2, 1).lasting(100).at(2000),
        span(1, 1).lasting(99).at(1000),
        span(5, 1),
    ]);
    let lasting = |max_duration_us| TraceRequest {
        min_duration_us: Some(100),
        max_duration_us,
        ..everything()
    };
    store.expect(&vec![4, 3, 2], |ask| ask.found(&lasting(None)));
    store.expect(&vec![3, 2], |ask| ask.found(&lasting(Some(200))));
    store.expect(&vec![2], |ask| ask.found(&lasting(Some(100))));
}

/// One span has both bounds, and it is a span of the service.
pub fn duration_is_met_by_one_candidate<H: Harness>() {
    let mut store = store_of::<H>(&[
        span(1, 1).by("a").lasting(50),
        span(1, 2).by("a").lasting(300),
        span(2, 1).by("a").lasting(50),
        span(2, 2).by("b").lasting(150),
        span(3, 1).by("a").lasting(50),
        span(3, 2).by("a").lasting(150),
    ]);
    let wanted = TraceRequest {
        min_duration_us: Some(100),
        max_duration_us: Some(200),
        ..of_service("a")
    };
    store.expect(&vec![3], |ask| ask.found(&wanted));
}

/// A trace that misses any one criterion is not found.
pub fn all_criteria_are_met_together<H: Harness>() {
    let mut spans = Vec::new();
    for missing in 0..6 {
        let trace = 10 + missing;
        let part = |number: u128, drawn: Span| (number != missing).then_some(drawn);
        let local = |id| span(trace, id).by("a");
        spans.extend(part(5, local(1).to("r")));
        spans.extend(part(1, local(2).named("n")));
        spans.extend(part(2, local(3).lasting(10)));
        spans.extend(part(3, local(4).tag("k", "v")));
        spans.extend(part(4, local(5).note(1, "foo")));
        spans.push(span(trace, 6).by("b").to("s").kind(Kind::Client));
    }
    spans.extend([
        span(1, 1).by("a").to("r").named("n"),
        span(1, 2).by("a").lasting(10).tag("k", "v").note(1, "foo"),
    ]);
    let mut store = store_of::<H>(&spans);
    let wanted = TraceRequest {
        remote_service_name: Some("r".into()),
        span_name: Some("n".into()),
        min_duration_us: Some(10),
        service_name: Some("a".into()),
        ..with_terms(&["k=v", "foo"])
    };
    // Number 0 is missing in trace 10: that one is complete.
    let found = |ask: &super::Asked<'_>| {
        let mut ids = ask.found(&wanted);
        ids.sort_unstable();
        ids
    };
    store.expect(&vec![1, 10], found);
}

/// The spans that meet criteria may have been written at other times.
pub fn candidates_in_other_writes_count<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[span(1, 1).by("a"), span(2, 1).by("a")]);
    store.settle();
    store.write(&[span(1, 2).by("a").tag("k", "v").under(1)]);
    store.settle();
    store.write(&[span(1, 3).by("a").to("r").under(1), span(3, 1).by("x")]);
    let wanted = TraceRequest {
        service_name: Some("a".into()),
        remote_service_name: Some("r".into()),
        ..with_terms(&["k=v"])
    };
    store.expect(&vec![1], |ask| ask.found(&wanted));
}

/// Names, keys and values beyond ASCII are found.
pub fn unicode_is_found<H: Harness>() {
    let mut store = store_of::<H>(&[
        full_span(1, 1),
        span(2, 1).by("\u{1F600}").note(1, "\u{e9}"),
    ]);
    let remote = TraceRequest {
        remote_service_name: Some("backend \u{1F600}".into()),
        span_name: Some("get /\u{e9}t\u{e9}".into()),
        ..with_terms(&["\u{1F600}=\u{FF5E}", "\u{FF5E}"])
    };
    store.expect(&vec![1], |ask| ask.found(&remote));
    store.expect(&vec![2], |ask| ask.found(&of_service("\u{1F600}")));
    store.expect(&vec![2], |ask| ask.found(&with_terms(&["\u{e9}"])));
}

/// All spans of a trace that matches are answered, wherever they lie in time.
pub fn whole_traces_are_answered<H: Harness>() {
    let day_us = 86_400_000_000;
    let whole = vec![
        span(1, 1).by("a"),
        span(1, 2).by("b").under(1).at(day_us),
        span(1, 3).under(1).at(-day_us),
        span(1, 4).under(1).timeless(),
    ];
    let mut store = store_of::<H>(&whole);
    store.expect(&vec![whole], |ask| ask.search(&of_service("a")));
}
