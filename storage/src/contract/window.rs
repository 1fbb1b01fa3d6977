//! When a trace happens: window edges, which time decides, newest first, the limit.

use super::spans::{NOW_MS, Sketch, everything, of_service, span};
use super::{Harness, Store};
use crate::request::{TraceRequest, Window};

fn within(end_ms: u64, lookback_ms: u64) -> TraceRequest {
    TraceRequest {
        window: Window {
            end_ms,
            lookback_ms,
        },
        ..everything()
    }
}

/// Both ends are inside to the microsecond, and the microsecond beyond them is not.
pub fn both_ends_are_inside<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).at(-1_000_001),
        span(2, 1).at(-1_000_000),
        span(3, 1).at(0),
        span(4, 1).at(1),
    ]);
    store.expect(&vec![3, 2], |ask| ask.found(&within(NOW_MS, 1000)));
    store.expect(&vec![3], |ask| ask.found(&within(NOW_MS, 999)));
    store.expect(&vec![2], |ask| ask.found(&within(NOW_MS - 1, 999)));
    // Of one millisecond: the order is the engine's own.
    let sorted = |request| {
        move |ask: &super::Asked<'_>| {
            let mut found = ask.found(&request);
            found.sort_unstable();
            found
        }
    };
    store.expect(&vec![3, 4], sorted(within(NOW_MS + 1, 1)));
}

/// Children in the window do not bring a trace in whose root lies outside.
pub fn the_time_of_the_root_decides<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 2).under(1).at(0),
        span(1, 1).at(-5_000_000),
        span(2, 2).under(1).at(-9_000_000),
        span(2, 1).at(0),
    ]);
    store.expect(&vec![2], |ask| ask.found(&within(NOW_MS, 1000)));
    // The root of trace 1 is inside, and so is a span of it.
    store.expect(&vec![1], |ask| ask.found(&within(NOW_MS - 4000, 2000)));
}

/// Without a root the least time decides.
pub fn the_least_time_decides_without_a_root<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 2).under(1).at(0),
        span(1, 3).under(1).at(-500_000),
        span(2, 2).under(1).at(0),
        span(2, 3).under(1).at(-5_000_000),
        span(2, 4).timeless(),
    ]);
    store.expect(&vec![1], |ask| ask.found(&within(NOW_MS, 1000)));
}

/// A trace without any time is read by id but never found.
pub fn spans_without_timestamp_are_not_found<H: Harness>() {
    let mut store = Store::<H>::strict();
    let timeless = span(1, 1).by("a").timeless();
    store.write(std::slice::from_ref(&timeless));
    store.expect(&vec![], |ask| ask.found(&everything()));
    store.expect(&vec![], |ask| ask.found(&within(1, 1)));
    store.expect(&vec![], |ask| ask.found(&of_service("a")));
    store.expect(&vec![timeless], |ask| ask.trace(1));
}

/// Traces are ordered by their newest span inside the window, not by their root.
pub fn newest_traces_come_first<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).at(-3000),
        span(2, 1).at(-2000),
        span(3, 1).at(-1000),
    ]);
    store.settle();
    store.write(&[
        span(1, 2).under(1).at(0),
        // Beyond the window: it does not make the trace newer.
        span(2, 2).under(1).at(10_000_000),
    ]);
    store.expect(&vec![1, 3, 2], |ask| ask.found(&within(NOW_MS, 60_000)));
}

/// The limit cuts the older traces off, also when they are spread over writes.
pub fn the_limit_keeps_the_newest<H: Harness>() {
    let mut store = Store::<H>::strict();
    for (trace, at) in [(1, 0), (2, 3000), (3, 1000), (4, 5000), (5, 2000)] {
        store.write(&[span(trace, 1).at(at).by("a")]);
        if trace == 3 {
            store.settle();
        }
    }
    let limited = |limit| TraceRequest {
        limit,
        ..of_service("a")
    };
    store.expect(&vec![4, 2, 5], |ask| ask.found(&limited(3)));
    store.expect(&vec![4], |ask| ask.found(&limited(1)));
    store.expect(&vec![4, 2, 5, 3, 1], |ask| ask.found(&limited(usize::MAX)));
}

/// What is newest is decided by all spans of a trace, those too that meet no criterion.
pub fn the_limit_counts_spans_of_other_services<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).at(3000).by("other"),
        span(1, 2).at(0).by("a"),
        span(2, 1).at(1000).by("a"),
        span(3, 1).at(2000).by("other"),
        span(3, 2).timeless().by("a"),
    ]);
    let limited = |limit| TraceRequest {
        limit,
        ..of_service("a")
    };
    store.expect(&vec![1], |ask| ask.found(&limited(1)));
    store.expect(&vec![1, 3], |ask| ask.found(&limited(2)));
}

/// Newer traces that do not match leave their place to older ones that do.
pub fn a_trace_that_does_not_match_takes_no_place<H: Harness>() {
    let mut store = Store::<H>::strict();
    for trace in 1..200 {
        let at = i64::try_from(trace).unwrap() * 1000;
        let service = if trace % 50 == 0 { "rare" } else { "often" };
        store.write(&[span(trace, 1).at(at).by(service)]);
    }
    let rare = TraceRequest {
        limit: 2,
        ..of_service("rare")
    };
    store.expect(&vec![150, 100], |ask| ask.found(&rare));
}

/// A lookback that reaches before the epoch starts with it.
pub fn lookback_may_be_longer_than_time<H: Harness>() {
    let mut store = Store::<H>::strict();
    let mut first = span(1, 1);
    first.timestamp_us = 1;
    store.write(&[first, span(2, 1), span(3, 1).timeless()]);
    store.expect(&vec![2, 1], |ask| ask.found(&within(NOW_MS, u64::MAX)));
    store.expect(&vec![2, 1], |ask| ask.found(&within(u64::MAX, u64::MAX)));
}
