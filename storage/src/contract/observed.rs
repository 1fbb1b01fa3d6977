//! Names with counts, and how much a store holds.

use speargun_model::Span;

use super::spans::{NOW_MS, NOW_US, Sketch, span};
use super::{Asked, Harness, Store};
use crate::observed::{Listed, NamesRequest};
use crate::request::Window;

fn counted(of: Listed, service: Option<&str>) -> NamesRequest {
    NamesRequest {
        of,
        service_name: service.map(str::to_owned),
        window: Window {
            end_ms: NOW_MS,
            lookback_ms: 1000,
        },
        spans_max: u64::MAX,
    }
}

fn names(ask: &Asked<'_>, request: &NamesRequest) -> Vec<(String, u64)> {
    let found = ask.observed(request);
    assert!(found.is_complete);
    // Names of other times may be listed.
    let all = found.into_sorted().into_iter();
    all.filter(|(_, count)| *count > 0).collect()
}

fn some() -> Vec<Span> {
    vec![
        span(1, 1)
            .by("a")
            .named("get")
            .to("r")
            .tag("k", "v")
            .tag("l", "x"),
        span(1, 2)
            .by("a")
            .named("get")
            .at(-5)
            .tag("k", "w")
            .note(1, "n"),
        span(2, 1).by("b").named("put").to("a").tag("k", "v"),
        span(2, 2).named("get").tag("k", ""),
        // Before the window, and at no time.
        span(3, 1)
            .by("a")
            .named("old")
            .to("r")
            .tag("k", "v")
            .at(-2_000_000),
        span(3, 2)
            .by("a")
            .named("timeless")
            .tag("m", "v")
            .timeless(),
    ]
}

fn expect<H: Harness>(of: &Listed, service: Option<&str>, expected: &[(&str, u64)]) {
    let mut store = Store::<H>::strict();
    for spans in some().chunks(2) {
        store.write(spans);
    }
    let owned = expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count));
    let expected: Vec<(String, u64)> = owned.collect();
    let request = counted(of.clone(), service);
    store.expect(&expected, |ask| names(ask, &request));
}

/// Services are those that recorded spans; operations and remote services may be those of one.
pub fn names_are_counted_by_spans<H: Harness>() {
    expect::<H>(&Listed::Services, None, &[("a", 2), ("b", 1)]);
    expect::<H>(&Listed::Operations, None, &[("get", 3), ("put", 1)]);
    expect::<H>(&Listed::Operations, Some("a"), &[("get", 2)]);
    expect::<H>(&Listed::Remotes, None, &[("a", 1), ("r", 1)]);
    expect::<H>(&Listed::Remotes, Some("b"), &[("a", 1)]);
}

/// Keys need not be configured; annotations are none, nor are empty values.
pub fn tags_are_counted_by_spans<H: Harness>() {
    expect::<H>(&Listed::Keys, None, &[("k", 4), ("l", 1)]);
    expect::<H>(&Listed::Keys, Some("b"), &[("k", 1)]);
    let values = Listed::Values("k".into());
    expect::<H>(&values, None, &[("v", 2), ("w", 1)]);
    expect::<H>(&values, Some("a"), &[("v", 1), ("w", 1)]);
    expect::<H>(&Listed::Values("none".into()), None, &[]);
}

/// Values that hardly repeat, and tags of spans with many keys, are counted too.
pub fn rare_tags_are_counted<H: Harness>() {
    let mut store = Store::<H>::strict();
    let mut spans: Vec<Span> = (0..600_u64)
        .map(|n| {
            span(u128::from(n) + 1, 1)
                .by("a")
                .tag("id", &format!("{:03}", n / 2))
        })
        .collect();
    let mut many = span(1000, 1).by("a").tag("id", "000");
    for key in 0..300 {
        many = many.tag(&format!("key {key}"), "v");
    }
    spans.push(many);
    store.write(&spans);
    let request = counted(Listed::Values("id".into()), Some("a"));
    store.expect(&(300, ("000".to_owned(), 3), 2), |ask| {
        let all = names(ask, &request);
        (all.len(), all[0].clone(), all[1].1)
    });
    let keys = counted(Listed::Keys, None);
    store.expect(&(301, ("id".to_owned(), 601)), |ask| {
        let all = names(ask, &keys);
        (all.len(), all[0].clone())
    });
}

/// What is held reaches from its first to its last timestamp; an engine may not know.
pub fn the_extent_is_that_of_all_spans<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.expect(&None, |ask| ask.extent().times_us);
    store.write(&some());
    let expected = ((NOW_US - 2_000_000) / 1000, NOW_US / 1000, 6);
    store.expect(&expected, |ask| {
        let extent = ask.extent();
        let (least, greatest) = extent.times_us.unwrap_or((expected.0 * 1000, NOW_US));
        (least / 1000, greatest / 1000, extent.spans.unwrap_or(6))
    });
}
