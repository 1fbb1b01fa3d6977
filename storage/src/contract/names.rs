//! Names and tag values that are offered to choose from.

use super::spans::{Sketch, span};
use super::{Config, Harness, Store, services};

fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|text| (*text).to_owned()).collect()
}

/// A service is listed when it recorded a span, not when it was only called.
pub fn services_are_local_names<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[span(1, 1).by("a").to("r"), span(2, 1).to("s"), span(3, 1)]);
    store.expect(&texts(&["a"]), services);
}

/// Names are sorted by UTF-16 code unit.
pub fn names_are_sorted_once_each<H: Harness>() {
    let mut store = Store::<H>::strict();
    let sorted = ["a", "a b", "ab", "b", "\u{e9}", "\u{1F600}", "\u{FF5E}"];
    let mut spans = Vec::new();
    for (id, name) in (1..).zip(sorted.iter().rev()) {
        spans.push(span(id, 1).by(name).named("n"));
        spans.push(span(id, 2).by("x").named(name).to(name));
        spans.push(span(id, 3).by("x").named(name).to(name));
    }
    store.write(&spans);
    store.write(&spans);
    let sorted = texts(&sorted);
    store.expect(&sorted, |ask| {
        let mut names = services(ask);
        names.retain(|name| name != "x");
        names
    });
    store.expect(&sorted, |ask| ask.span_names("x"));
    store.expect(&sorted, |ask| ask.remote_services("x"));
}

/// A span name is listed for the service that recorded it.
pub fn span_names_belong_to_a_service<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).by("a").named("get"),
        span(1, 2).by("b").named("post").to("a"),
        span(1, 3).named("put"),
        span(1, 4).by("a"),
    ]);
    store.expect(&texts(&["get"]), |ask| ask.span_names("a"));
    store.expect(&texts(&["post"]), |ask| ask.span_names("b"));
}

/// A remote service is listed for the service that called it.
pub fn remote_names_belong_to_a_service<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).by("a").to("r"),
        span(1, 2).by("b").to("s").named("a"),
        span(1, 3).to("t"),
        span(1, 4).by("a"),
    ]);
    store.expect(&texts(&["r"]), |ask| ask.remote_services("a"));
    store.expect(&texts(&["s"]), |ask| ask.remote_services("b"));
}

/// A service that nobody knows has no names; nor has the empty one.
pub fn unknown_services_have_no_names<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[
        span(1, 1).by("a").to("r").named("n"),
        span(1, 2).to("r").named("n"),
    ]);
    for unknown in ["", "r", "A"] {
        store.expect(&vec![], |ask| ask.span_names(unknown));
        store.expect(&vec![], |ask| ask.remote_services(unknown));
    }
}

fn completing<H: Harness>() -> Store<H> {
    Store::with(Config {
        autocomplete_keys: texts(&["az", "env"]),
        ..Config::default()
    })
}

/// The values of a configured tag are listed, the empty one too, of spans without service too.
pub fn configured_tags_are_listed<H: Harness>() {
    let mut store = completing::<H>();
    store.write(&[
        span(1, 1).tag("az", "b").tag("env", "x"),
        span(1, 2).by("a").tag("az", "a").tag("other", "c"),
        span(2, 1).tag("az", "b").timeless(),
        span(2, 2).tag("az", ""),
    ]);
    store.expect(&texts(&["", "a", "b"]), |ask| ask.tag_values("az"));
    store.expect(&texts(&["x"]), |ask| ask.tag_values("env"));
}

/// Tags that are not configured, annotations and keys in another case have no values.
pub fn other_tags_are_not_listed<H: Harness>() {
    let mut store = completing::<H>();
    store.write(&[span(1, 1).tag("az", "a").tag("other", "c").note(1, "env")]);
    for key in ["other", "AZ", "", "env"] {
        store.expect(&vec![], |ask| ask.tag_values(key));
    }
}

/// Names of all writes are listed together.
pub fn names_of_many_writes_are_listed<H: Harness>() {
    let mut store = completing::<H>();
    for (id, name) in (1..).zip(["c", "a", "b"]) {
        store.write(&[span(id, 1).by(name).named(name).tag("az", name)]);
        store.write(&[span(id, 2).by("x").named(name).to(name)]);
        store.settle();
    }
    let all = texts(&["a", "b", "c"]);
    store.expect(&texts(&["a", "b", "c", "x"]), services);
    store.expect(&all, |ask| ask.span_names("x"));
    store.expect(&all, |ask| ask.remote_services("x"));
    store.expect(&all, |ask| ask.tag_values("az"));
    store.expect(&texts(&["b"]), |ask| ask.span_names("b"));
}
