//! Traces by id: every field, equal spans once, order, strict and lenient ids.

use speargun_model::{Kind, Span};

use super::spans::{NOW_US, Sketch, around_now, everything, full_span, span};
use super::{Harness, Store};

const SHORT: u128 = 0x1111_2222_3333_4444;
const LONG: u128 = 0xaaaa << 64 | SHORT;

/// A trace that nobody wrote is empty.
pub fn an_unknown_trace_has_no_spans<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[span(1, 1)]);
    store.expect(&vec![], |ask| ask.trace(2));
}

/// An empty store answers everything with nothing.
pub fn nothing_written_is_nothing_found<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.expect(&vec![], |ask| ask.trace(1));
    store.expect(&vec![], |ask| ask.search(&everything()));
    store.expect(&vec![], super::services);
    store.expect(&vec![], |ask| ask.tag_values("k"));
    store.expect(&vec![], |ask| ask.links(around_now()));
}

/// No field is lost or changed, from the emptiest span to the fullest.
pub fn a_span_comes_back_in_every_field<H: Harness>() {
    let mut store = Store::<H>::strict();
    let largest = Span {
        trace_id: speargun_model::TraceId::from_u128(u128::MAX),
        timestamp_us: i64::MAX as u64,
        duration_us: i64::MAX as u64,
        ..span(0, u64::MAX).note(i64::MIN, "least").note(i64::MAX, "")
    };
    let emptiest = span(3, 0).timeless();
    let kinds = [Kind::Client, Kind::Producer, Kind::Consumer];
    let kinds: Vec<Span> = (1..)
        .zip(kinds)
        .map(|(id, k)| span(4, id).kind(k))
        .collect();
    store.write(&[full_span(1, 1), largest.clone(), emptiest.clone()]);
    store.write(&kinds);
    store.expect(&vec![full_span(1, 1)], |ask| ask.trace(1));
    store.expect(&vec![largest], |ask| ask.trace(u128::MAX));
    store.expect(&vec![emptiest], |ask| ask.trace(3));
    store.expect(&kinds, |ask| ask.trace(4));
}

/// The same span in one batch, another batch and after settling is one span.
pub fn equal_spans_are_stored_once<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[full_span(1, 1), full_span(1, 1)]);
    store.write_group(&[&[full_span(1, 1)], &[full_span(1, 1)]]);
    store.expect(&vec![full_span(1, 1)], |ask| ask.trace(1));
    store.write(&[full_span(1, 1)]);
    store.expect(&vec![full_span(1, 1)], |ask| ask.trace(1));
    store.expect(&vec![vec![full_span(1, 1)]], |ask| {
        ask.search(&everything())
    });
}

/// Spans of one id that differ in anything are raw spans, each.
pub fn fragments_that_differ_are_all_kept<H: Harness>() {
    let mut store = Store::<H>::strict();
    let fragments = vec![
        span(1, 1),
        span(1, 1).lasting(1),
        span(1, 1).tag("k", ""),
        span(1, 1).tag("", "k"),
        span(1, 1).note(1, "k"),
        span(1, 1).sharing(),
        span(1, 1).by("a"),
        span(1, 1).to("a"),
        span(1, 1).under(2),
    ];
    store.write(&fragments);
    store.expect(&fragments, |ask| ask.trace(1));
}

/// Groups of a millisecond come in order of arrival, and so do the spans in them.
pub fn spans_are_grouped_by_millisecond<H: Harness>() {
    let mut store = Store::<H>::strict();
    let at = |offset_us| span(1, 1).at(offset_us);
    store.write(&[at(5000), at(1000), at(9000), at(1001), at(5999)]);
    let expected = vec![at(5000), at(5999), at(1000), at(1001), at(9000)];
    store.expect(&expected, |ask| ask.trace(1));
    store.expect(&vec![expected], |ask| ask.search(&everything()));
}

/// The order of arrival holds across writes, groups of batches and housekeeping.
pub fn order_survives_writes_and_settling<H: Harness>() {
    let mut store = Store::<H>::strict();
    let at = |id, offset_us| span(1, id).at(offset_us);
    store.write(&[at(1, 5000)]);
    store.settle();
    store.write_group(&[&[at(2, 1000), at(3, 5001)], &[at(4, 1)]]);
    store.settle();
    store.write(&[at(5, 1001), at(1, 5000), span(1, 6).timeless()]);
    let expected = vec![
        at(1, 5000),
        at(3, 5001),
        at(2, 1000),
        at(5, 1001),
        at(4, 1),
        span(1, 6).timeless(),
    ];
    store.expect(&expected, |ask| ask.trace(1));
}

/// A 64-bit id and a 128-bit id with the same lower half are two traces.
pub fn strict_ids_are_compared_in_full<H: Harness>() {
    let mut store = Store::<H>::strict();
    store.write(&[span(LONG, 1), span(SHORT, 2), span(LONG + (1 << 64), 3)]);
    store.expect(&vec![span(LONG, 1)], |ask| ask.trace(LONG));
    store.expect(&vec![span(SHORT, 2)], |ask| ask.trace(SHORT));
    store.expect(&vec![], |ask| ask.trace(SHORT | 0xbbbb << 64));
}

/// Any form of the id finds all spans, and their ids come back as written.
pub fn lenient_ids_are_compared_by_their_lower_half<H: Harness>() {
    let mut store = Store::<H>::lenient();
    let all = vec![span(LONG, 1), span(SHORT, 2), span(SHORT | 1 << 127, 3)];
    store.write(&all);
    store.write(&[span(SHORT + 1, 4)]);
    for id in [LONG, SHORT, SHORT | 0xbbbb << 64] {
        store.expect(&all, |ask| ask.trace(id));
    }
}

/// In a search each full id is a trace that is tested alone.
pub fn strict_ids_are_searched_apart<H: Harness>() {
    let mut store = Store::<H>::strict();
    let long = span(LONG, 1).by("a").at(0);
    let short = span(SHORT, 2).by("b").at(5000);
    store.write(&[long.clone(), short.clone()]);
    let both = vec![vec![short], vec![long.clone()]];
    store.expect(&both, |ask| ask.search(&everything()));
    store.expect(&vec![vec![long]], |ask| {
        ask.search(&super::spans::of_service("a"))
    });
}

/// In a search both forms of an id are one list, and meet criteria together.
pub fn lenient_ids_are_searched_together<H: Harness>() {
    let mut store = Store::<H>::lenient();
    let long = span(LONG, 1).by("a").at(0);
    let short = span(SHORT, 2).tag("k", "v").at(5000);
    store.write(std::slice::from_ref(&long));
    store.settle();
    store.write(std::slice::from_ref(&short));
    store.expect(&vec![vec![long, short]], |ask| ask.search(&everything()));
    let id = vec![LONG];
    store.expect(&id, |ask| ask.found(&super::spans::with_terms(&["k"])));
    store.expect(&id, |ask| ask.found(&super::spans::of_service("a")));
}

/// Spans that come late join their trace.
pub fn a_trace_grows_after_settling<H: Harness>() {
    let mut store = Store::<H>::strict();
    let mut written = Vec::new();
    for id in 1..6 {
        let next = span(7, id).at(i64::try_from(id).unwrap() * 1000);
        store.write(std::slice::from_ref(&next));
        written.push(next);
        store.expect(&written, |ask| ask.trace(7));
    }
    assert_eq!(written[0].timestamp_us, NOW_US + 1000);
}
