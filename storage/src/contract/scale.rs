//! Many writes, many batches, huge traces. Sizes at which something quadratic would be noticed.

use speargun_model::{Kind, Span};

use super::spans::{Sketch, around_now, everything, link, of_service, span};
use super::{Harness, Store};
use crate::request::TraceRequest;

/// Spans of a huge trace.
const HUGE: u64 = 100_000;

/// A thousand writes of one span each are all there.
pub fn many_small_writes_are_all_read<H: Harness>() {
    let mut store = Store::<H>::strict();
    for n in 0..1000_u32 {
        let next = span(1 + u128::from(n % 10), 1 + u64::from(n));
        store.write(&[next.at(i64::from(n) * 10).by("a")]);
    }
    let sizes = |ask: &super::Asked<'_>| {
        let traces = ask.search(&of_service("a"));
        traces.iter().map(Vec::len).collect::<Vec<_>>()
    };
    store.expect(&vec![100; 10], sizes);
    let ids: Vec<u64> = (0..100).map(|n| 4 + n * 10).collect();
    store.expect(&ids, |ask| {
        ask.trace(4).iter().map(|span| span.id.0).collect()
    });
}

/// All batches of a group are stored, in order.
pub fn many_batches_of_a_group_are_all_read<H: Harness>() {
    let mut store = Store::<H>::strict();
    let batches: Vec<Vec<Span>> = (1..=50)
        .map(|id| vec![span(1, id), span(1 + u128::from(id), 1), span(1, id + 50)])
        .collect();
    let group: Vec<&[Span]> = batches.iter().map(Vec::as_slice).collect();
    store.write_group(&group);
    let ids: Vec<u64> = (1..=50).flat_map(|id| [id, id + 50]).collect();
    store.expect(&ids, |ask| {
        ask.trace(1).iter().map(|span| span.id.0).collect()
    });
    store.expect(&51, |ask| ask.search(&everything()).len());
}

/// A chain of calls, each under the one before.
fn chain() -> Vec<Span> {
    (1..=HUGE)
        .map(|id| {
            let half = span(1, id).by(if id % 2 == 0 { "b" } else { "a" });
            let kind = if id % 2 == 0 {
                Kind::Server
            } else {
                Kind::Client
            };
            let under = if id > 1 { half.under(id - 1) } else { half };
            under.kind(kind).at(i64::try_from(id).unwrap())
        })
        .collect()
}

/// A trace of 100,000 spans in one chain is read, found and linked.
pub fn a_huge_trace_is_read_in_full<H: Harness>() {
    let mut store = Store::<H>::strict();
    let chain = chain();
    for part in chain.chunks(10_000) {
        store.write(part);
    }
    store.write(&chain[..10]);
    store.expect(&(HUGE as usize), |ask| ask.trace(1).len());
    store.expect(&vec![HUGE as usize], |ask| {
        ask.search(&of_service("b")).iter().map(Vec::len).collect()
    });
    let expected = vec![link("a", "b", HUGE / 2)];
    store.expect(&expected, |ask| ask.links(around_now()));
}

/// A trace of 100,000 calls of one parent, at a time each, is found by its last span and linked.
pub fn a_huge_fan_is_searched_and_linked<H: Harness>() {
    let mut store = Store::<H>::strict();
    let mut fan = vec![span(1, 1).by("a").kind(Kind::Server)];
    fan.extend((2..HUGE).map(|id| {
        let call = span(1, id).under(1).by("a").to("b").kind(Kind::Client);
        call.at(i64::try_from(id).unwrap() * 1000)
    }));
    fan.push(span(1, HUGE).under(1).by("last").tag("k", "v"));
    store.write(&fan);
    store.expect(&vec![1], |ask| ask.found(&of_service("last")));
    store.expect(&(HUGE as usize), |ask| ask.trace(1).len());
    let expected = vec![link("a", "b", HUGE - 2)];
    store.expect(&expected, |ask| ask.links(around_now()));
}

/// An empty group, and a batch without spans, are fine.
pub fn an_empty_batch_changes_nothing<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write_group(&[]);
    store.write(&[]);
    store.write_group(&[&[], &[span(1, 1)], &[]]);
    store.expect(&vec![vec![span(1, 1)]], |ask| ask.search(&everything()));
}

/// What was written before, between and after housekeeping is found together.
pub fn writes_between_settling_are_all_found<H: Harness>() {
    let mut store = Store::<H>::strict();
    for n in 1..=20_u64 {
        for m in 0..50 {
            let id = n * 100 + m;
            let at = i64::try_from(id).unwrap() * 1000;
            store.write(&[span(u128::from(id), 1)
                .at(at)
                .by("a")
                .tag("n", &n.to_string())]);
        }
        if n % 3 == 0 {
            store.settle();
        }
    }
    let of = |n: u64| TraceRequest {
        terms: super::spans::with_terms(&[&format!("n={n}")]).terms,
        ..of_service("a")
    };
    for n in [1, 7, 20] {
        let ids: Vec<u128> = (0..50).rev().map(|m| u128::from(n * 100 + m)).collect();
        store.expect(&ids, |ask| ask.found(&of(n)));
    }
    store.expect(&1000, |ask| ask.search(&everything()).len());
}
