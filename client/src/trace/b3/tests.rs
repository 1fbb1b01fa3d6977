//! B3 headers that make sense, and those that make none, as Brave takes them.

use super::*;

fn of(pairs: &[(&'static str, &str)]) -> Option<B3> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(*name, value.parse().unwrap());
    }
    extract(&headers)
}

fn context(sampling: Sampling, trace_id: u128, parent_id: u64, span_id: u64) -> B3 {
    B3::Context(TraceContext {
        trace_id: TraceId::from_u128(trace_id),
        parent_id: (parent_id != 0).then_some(SpanId(parent_id)),
        span_id: SpanId(span_id),
        sampling,
        carried: None,
    })
}

fn decided(sampling: Sampling) -> B3 {
    B3::Decision(sampling)
}

#[test]
fn the_one_header_in_all_its_lengths() {
    let is = |text: &str, expected| assert_eq!(of(&[("b3", text)]), Some(expected), "{text}");
    is("0", decided(Sampling::Deny));
    is("1", decided(Sampling::Accept));
    is("d", decided(Sampling::Debug));
    let (trace, span, parent) = ("00000000000000a2", "0000000000000b02", "0000000000000c02");
    is(
        &format!("{trace}-{span}"),
        context(Sampling::Deferred, 0xa2, 0, 0xb02),
    );
    is(
        &format!("{trace}-{span}-0"),
        context(Sampling::Deny, 0xa2, 0, 0xb02),
    );
    is(
        &format!("{trace}-{span}-d-{parent}"),
        context(Sampling::Debug, 0xa2, 0xc02, 0xb02),
    );
    is(
        &format!("{trace}-{span}-{parent}"),
        context(Sampling::Deferred, 0xa2, 0xc02, 0xb02),
    );
    let long = 0xf_0000_0000_0000_00a2_u128;
    is(
        &format!("{long:032x}-{span}-1"),
        context(Sampling::Accept, long, 0, 0xb02),
    );
}

#[test]
fn one_header_without_sense_is_none() {
    for bad in [
        "",
        "2",
        "a2-b02",
        "00000000000000A2-0000000000000b02",
        "0000000000000000-0000000000000b02",
        "00000000000000a2-0000000000000000",
        "00000000000000a2-0000000000000b02-2",
        "00000000000000a2-0000000000000b02-1-c",
        "00000000000000a2-0000000000000b02-1-0000000000000c02-1",
        "00000000000000a2-+000000000000b02",
        "00000000000000a2",
    ] {
        assert_eq!(of(&[("b3", bad)]), None, "{bad:?}");
    }
}

#[test]
fn many_headers() {
    let all = of(&[
        ("x-b3-traceid", "a6"),
        ("x-b3-spanid", "b06"),
        ("x-b3-parentspanid", "c06"),
        ("x-b3-sampled", "true"),
    ]);
    assert_eq!(all, Some(context(Sampling::Accept, 0xa6, 0xc06, 0xb06)));
    let debug = of(&[("x-b3-flags", "1"), ("x-b3-sampled", "0")]);
    assert_eq!(debug, Some(decided(Sampling::Debug)));
    let drop = of(&[("x-b3-sampled", "False")]);
    assert_eq!(drop, Some(decided(Sampling::Deny)));
    for bad in [
        &[
            ("x-b3-traceid", "A6"),
            ("x-b3-spanid", "b06"),
            ("x-b3-sampled", "0"),
        ][..],
        &[("x-b3-traceid", "a6"), ("x-b3-sampled", "0")],
        &[("x-b3-sampled", "2"), ("x-b3-flags", "1")],
    ] {
        assert_eq!(of(bad), None, "{bad:?}");
    }
}

#[test]
fn the_one_header_wins() {
    let both = of(&[("b3", "d"), ("x-b3-sampled", "0")]);
    assert_eq!(both, Some(decided(Sampling::Debug)));
    let broken = of(&[("b3", "?"), ("x-b3-sampled", "0")]);
    assert_eq!(broken, Some(decided(Sampling::Deny)));
}
