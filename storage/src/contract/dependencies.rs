//! Links between services, and the windows they are asked for. The linker's own rules are tested
//! where it lives.

use speargun_model::{DependencyLink, Kind, Span};

use super::spans::{NOW_MS, Sketch, around_now, link, span};
use super::{Harness, Store};
use crate::request::Window;

fn client(trace_id: u128, id: u64) -> Span {
    span(trace_id, id).kind(Kind::Client)
}

fn server(trace_id: u128, id: u64) -> Span {
    span(trace_id, id).kind(Kind::Server)
}

/// A client and the server under it are one call to the server's own name.
pub fn a_client_and_a_server_are_one_call<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        client(1, 1).by("a").to("alias"),
        server(1, 2).under(1).by("b"),
        client(1, 3).under(2).by("b").to("db"),
    ]);
    let expected = vec![link("a", "b", 1), link("b", "db", 1)];
    store.expect(&expected, |ask| ask.links(around_now()));
}

/// The two halves of a shared span are one call.
pub fn shared_spans_are_one_call<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[client(1, 1).by("a").to("b")]);
    store.expect(&vec![link("a", "b", 1)], |ask| ask.links(around_now()));
    store.write(&[server(1, 1).by("b").sharing().at(1000)]);
    store.write(&[client(1, 2).under(1).by("b").to("c").at(2000)]);
    let expected = vec![link("a", "b", 1), link("b", "c", 1)];
    store.expect(&expected, |ask| ask.links(around_now()));
}

/// Producer and consumer are linked through their broker.
pub fn messages_link_to_the_broker<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).kind(Kind::Producer).by("a").to("kafka"),
        span(1, 2).kind(Kind::Consumer).by("b").to("kafka").under(1),
        span(1, 3).kind(Kind::Consumer).by("c").under(1),
    ]);
    let expected = vec![link("a", "kafka", 1), link("kafka", "b", 1)];
    store.expect(&expected, |ask| ask.links(around_now()));
}

/// A tag named error makes a call an error, whatever its value; an annotation does not.
pub fn errors_are_counted<H: Harness>() {
    let mut store = Store::<H>::strict();
    let call = |trace_id| client(trace_id, 1).by("a").to("b");
    store.write(&[
        call(1).tag("error", ""),
        call(2).tag("error", "500"),
        call(3).note(1, "error"),
        call(4).tag("Error", ""),
    ]);
    let expected = vec![DependencyLink {
        error_count: 2,
        ..link("a", "b", 4)
    }];
    store.expect(&expected, |ask| ask.links(around_now()));
}

fn second_after(end_ms: u64) -> Window {
    Window {
        end_ms,
        lookback_ms: 1000,
    }
}

/// A trace counts when a millisecond of it lies in the window, both ends included.
pub fn the_window_picks_traces<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        client(1, 1).by("a").to("early").at(-1_000_001),
        client(2, 1).by("a").to("first").at(-1_000_000),
    ]);
    store.settle();
    store.write(&[
        client(3, 1).by("a").to("last").at(999),
        client(4, 1).by("a").to("late").at(1000),
    ]);
    let expected = vec![link("a", "first", 1), link("a", "last", 1)];
    store.expect(&expected, |ask| ask.links(second_after(NOW_MS)));
    store.expect(&vec![], |ask| ask.links(second_after(NOW_MS + 60_000)));
}

/// One span in the window links all of its trace, wherever the rest lies.
pub fn a_trace_in_the_window_is_linked_in_full<H: Harness>() {
    let mut store = Store::<H>::strict();
    let day_us = 86_400_000_000;
    store.write(&[client(1, 1).by("a").to("b").at(-day_us)]);
    store.settle();
    store.write(&[server(1, 2).under(1).by("b").at(0)]);
    store.settle();
    store.write(&[client(1, 3).under(2).by("b").to("c").at(day_us)]);
    let expected = vec![link("a", "b", 1), link("b", "c", 1)];
    for end_ms in [NOW_MS - 86_400_000, NOW_MS, NOW_MS + 86_400_000] {
        store.expect(&expected, |ask| ask.links(second_after(end_ms)));
    }
}

/// Spans of the 64-bit and of the 128-bit form of an id are one trace, in both modes.
pub fn halves_of_an_id_are_one_trace<H: Harness>() {
    for mut store in [Store::<H>::strict(), Store::<H>::lenient()] {
        store.write(&[client(1 << 64 | 7, 1).by("a").to("alias")]);
        store.settle();
        store.write(&[server(7, 2).under(1).by("b")]);
        store.expect(&vec![link("a", "b", 1)], |ask| ask.links(around_now()));
    }
}

/// What is reported twice or in pieces is called once.
pub fn duplicates_and_fragments_are_one_call<H: Harness>() {
    let mut store = Store::<H>::strict();
    let whole = client(1, 1).by("a").to("b");
    store.write(&[whole.clone(), whole.clone()]);
    store.settle();
    store.write(&[whole, client(1, 1).by("a").lasting(5)]);
    store.expect(&vec![link("a", "b", 1)], |ask| ask.links(around_now()));
}

/// Local work and unknown names link nothing.
pub fn no_spans_have_no_links<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).by("a"),
        client(2, 1).by("a"),
        server(3, 1).by("a"),
    ]);
    store.expect(&vec![], |ask| ask.links(around_now()));
}

/// A span without time is linked with its trace, or alone in the window that holds the epoch.
pub fn spans_without_timestamp_are_linked<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        client(1, 1).by("a").to("b").timeless(),
        span(2, 1).by("x"),
        client(2, 2).under(1).by("x").to("y").timeless(),
    ]);
    store.expect(&vec![link("x", "y", 1)], |ask| ask.links(around_now()));
    let epoch = Window {
        end_ms: 1,
        lookback_ms: 1,
    };
    let expected = vec![link("a", "b", 1), link("x", "y", 1)];
    store.expect(&expected, |ask| ask.links(epoch));
}

/// Calls add up over traces and writes.
pub fn calls_of_many_traces_add_up<H: Harness>() {
    let mut store = Store::<H>::strict();
    for trace_id in 1..101 {
        store.write(&[
            client(trace_id, 1).by("a").to("b"),
            server(trace_id, 1).by("b").sharing(),
        ]);
        if trace_id % 40 == 0 {
            store.settle();
        }
    }
    store.expect(&vec![link("a", "b", 100)], |ask| ask.links(around_now()));
}
