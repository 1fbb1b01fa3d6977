//! Headers as real applications sent and understood them, round trips, and any bytes.

use http::HeaderValue;
use proptest::prelude::*;
use speargun_model::{SpanId, TraceId};

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn extract(pairs: &[(&'static str, &str)]) -> Extracted {
    Propagation::default().extract(&headers(pairs))
}

fn context(
    trace_id: u128,
    parent_id: Option<u64>,
    span_id: u64,
    sampling: Sampling,
) -> TraceContext {
    TraceContext {
        trace_id: TraceId::from_u128(trace_id),
        span_id: SpanId(span_id),
        parent_id: parent_id.map(SpanId),
        sampling,
        carried: None,
    }
}

fn injected(context: &TraceContext, produce: &[Format]) -> Vec<(String, String)> {
    let mut headers = HeaderMap::new();
    let propagation = Propagation {
        produce: produce.to_vec(),
        ..Propagation::default()
    };
    propagation.inject(context, &mut headers);
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    headers
        .iter()
        .map(|(n, v)| (n.to_string(), text(v)))
        .collect()
}

/// What Sleuth 3.1 sent to a service (recorded).
#[test]
fn what_sleuth_sends_is_read() {
    let found = extract(&[
        ("x-b3-traceid", "463ac35c9f6413ad48485a3953bb6124"),
        ("x-b3-spanid", "dfa27ff90b2e47e1"),
        ("x-b3-parentspanid", "e0712a1a47011cf5"),
        ("x-b3-sampled", "1"),
    ]);
    let expected = context(
        0x463a_c35c_9f64_13ad_4848_5a39_53bb_6124,
        Some(0xe071_2a1a_4701_1cf5),
        0xdfa2_7ff9_0b2e_47e1,
        Sampling::Accept,
    );
    assert_eq!(found.caller, Some(expected));
    assert!(found.joinable);
}

/// What Micrometer sent (recorded).
#[test]
fn what_micrometer_sends_is_read() {
    let found = extract(&[(
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-01",
    )]);
    let expected = context(
        0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
        None,
        0xd04a_9fb0_c91f_368e,
        Sampling::Accept,
    );
    assert_eq!(found.caller, Some(expected));
    assert!(!found.joinable);
}

#[test]
fn the_one_header_in_all_its_lengths() {
    let (trace, span, parent) = ("00000000000000a2", "0000000000000b02", "0000000000000c02");
    let is = |text: &str, parent, sampling| {
        let found = extract(&[("b3", text)]);
        assert_eq!(
            found.caller,
            Some(context(0xa2, parent, 0xb02, sampling)),
            "{text}"
        );
        assert_eq!(found.sampling, sampling);
    };
    is(&format!("{trace}-{span}"), None, Sampling::Deferred);
    is(&format!("{trace}-{span}-0"), None, Sampling::Deny);
    is(
        &format!("{trace}-{span}-1-{parent}"),
        Some(0xc02),
        Sampling::Accept,
    );
    is(
        &format!("{trace}-{span}-d-{parent}"),
        Some(0xc02),
        Sampling::Debug,
    );
    is(
        &format!("{trace}-{span}-{parent}"),
        Some(0xc02),
        Sampling::Deferred,
    );
    for (text, sampling) in [
        ("0", Sampling::Deny),
        ("1", Sampling::Accept),
        ("d", Sampling::Debug),
    ] {
        let found = extract(&[("b3", text)]);
        assert_eq!((found.caller, found.sampling), (None, sampling));
    }
}

#[test]
fn headers_that_make_no_sense_are_as_good_as_none() {
    let nothing = Extracted::default();
    for text in [
        "",
        "-",
        "2",
        "a2-b02",
        "00000000000000A2-0000000000000b02",
        "00000000000000a2-0000000000000000",
        "0000000000000000-0000000000000b02",
        "00000000000000a2-0000000000000b02-2",
        "00000000000000a2-0000000000000b02-1-c",
        "00000000000000a2-0000000000000b02-1-0000000000000c02-9",
        "+0000000000000a2-0000000000000b02",
    ] {
        assert_eq!(extract(&[("b3", text)]), nothing, "{text}");
    }
    assert_eq!(extract(&[("x-b3-traceid", "a2")]), nothing);
    assert_eq!(
        extract(&[("x-b3-traceid", "a2"), ("x-b3-spanid", "g")]),
        nothing
    );
    assert_eq!(extract(&[("x-b3-sampled", "yes")]), nothing);
    for text in [
        "00-00000000000000000000000000000000-d04a9fb0c91f368e-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-01-more",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-01more",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-d04a9fb0c91f368e-01",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-01",
    ] {
        assert_eq!(extract(&[("traceparent", text)]), nothing, "{text}");
    }
}

#[test]
fn a_later_version_of_traceparent_may_have_more() {
    let found = extract(&[(
        "traceparent",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-08-what the future brings",
    )]);
    assert_eq!(found.caller.unwrap().sampling, Sampling::Deny);
}

#[test]
fn two_traceparents_are_nobodys() {
    let one = "00-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-01";
    assert_eq!(
        extract(&[("traceparent", one), ("traceparent", one)]),
        Extracted::default()
    );
}

#[test]
fn the_single_header_wins_over_the_many_and_b3_over_w3c() {
    let found = extract(&[
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-01",
        ),
        ("x-b3-traceid", "a3"),
        ("x-b3-spanid", "b3"),
        ("b3", "00000000000000a2-0000000000000b02"),
    ]);
    assert_eq!(
        found.caller.unwrap().trace_id,
        TraceId { high: 0, low: 0xa2 }
    );
    let w3c_first = Propagation {
        consume: vec![Format::W3c, Format::B3Multi],
        ..Propagation::default()
    };
    let found = w3c_first.extract(&headers(&[
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-01",
        ),
        ("x-b3-traceid", "a3"),
        ("x-b3-spanid", "b3"),
    ]));
    assert_eq!(found.caller.unwrap().span_id, SpanId(0xd04a_9fb0_c91f_368e));
}

#[test]
fn headers_are_written_as_the_specifications_say() {
    let child = context(0xa2, Some(0xc02), 0xb02, Sampling::Accept);
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(n, v)| ((*n).into(), (*v).into()))
            .collect()
    };
    assert_eq!(
        injected(&child, &[Format::B3Multi]),
        own(&[
            ("x-b3-traceid", "00000000000000a2"),
            ("x-b3-spanid", "0000000000000b02"),
            ("x-b3-parentspanid", "0000000000000c02"),
            ("x-b3-sampled", "1"),
        ])
    );
    assert_eq!(
        injected(&child, &[Format::B3]),
        own(&[("b3", "00000000000000a2-0000000000000b02-1-0000000000000c02")])
    );
    assert_eq!(
        injected(&child, &[Format::W3c]),
        own(&[(
            "traceparent",
            "00-000000000000000000000000000000a2-0000000000000b02-01"
        )])
    );
    let debug = context(1 << 64 | 2, None, 3, Sampling::Debug);
    assert_eq!(
        injected(&debug, &[Format::B3Multi]),
        own(&[
            ("x-b3-traceid", "00000000000000010000000000000002"),
            ("x-b3-spanid", "0000000000000003"),
            ("x-b3-flags", "1"),
        ])
    );
}

#[test]
fn state_and_fields_are_handed_on() {
    let propagation = Propagation {
        fields: vec![HeaderName::from_static("x-tenant")],
        ..Propagation::default()
    };
    let found = propagation.extract(&headers(&[
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-01",
        ),
        ("tracestate", "a=1"),
        ("tracestate", "b=2"),
        ("x-tenant", "blue"),
        ("x-other", "red"),
    ]));
    let caller = found.caller.unwrap();
    assert_eq!(
        caller.field(&HeaderName::from_static("x-tenant")).unwrap(),
        "blue"
    );
    let mut out = HeaderMap::new();
    propagation.inject(&caller, &mut out);
    assert_eq!(out["tracestate"], "a=1,b=2");
    assert_eq!(out["x-tenant"], "blue");
    assert!(!out.contains_key("x-other"));
}

#[test]
fn state_without_its_traceparent_is_forgotten() {
    let found = extract(&[
        ("x-b3-traceid", "a3"),
        ("x-b3-spanid", "b3"),
        ("tracestate", "a=1"),
    ]);
    assert_eq!(found.caller.unwrap().carried, None);
}

#[test]
fn too_much_is_not_handed_on() {
    let long = "x".repeat(FIELDS_BYTES_MAX + 1);
    let propagation = Propagation {
        fields: vec![
            HeaderName::from_static("x-long"),
            HeaderName::from_static("x-short"),
        ],
        ..Propagation::default()
    };
    let found = propagation.extract(&headers(&[("x-long", &long), ("x-short", "s")]));
    assert_eq!(found.carried.unwrap().fields.len(), 1);
}

prop_compose! {
    fn any_context()(
        high in prop_oneof![Just(0_u64), any::<u64>()],
        low in 1..u64::MAX,
        span in 1..u64::MAX,
        parent in proptest::option::of(1..u64::MAX),
        sampling in prop_oneof![
            Just(Sampling::Deferred),
            Just(Sampling::Deny),
            Just(Sampling::Accept),
            Just(Sampling::Debug),
        ],
    ) -> TraceContext {
        context(u128::from(high) << 64 | u128::from(low), parent, span, sampling)
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(sent in any_context()) {
        for format in [Format::B3, Format::B3Multi] {
            let mut out = HeaderMap::new();
            let propagation = Propagation { produce: vec![format], ..Propagation::default() };
            propagation.inject(&sent, &mut out);
            prop_assert_eq!(propagation.extract(&out).caller, Some(sent.clone()));
        }
        let mut out = HeaderMap::new();
        w3c::inject(&sent, &mut out);
        let read = w3c::extract(&out).unwrap();
        prop_assert_eq!((read.trace_id, read.span_id), (sent.trace_id, sent.span_id));
        prop_assert_eq!(read.sampling.is_kept(), sent.sampling.is_kept());
    }

    #[test]
    fn any_bytes_are_read_without_harm(
        name in prop_oneof![
            Just("b3"), Just("traceparent"), Just("tracestate"), Just("x-b3-traceid"),
            Just("x-b3-spanid"), Just("x-b3-flags"),
        ],
        value in proptest::collection::vec(any::<u8>(), 0..80),
        cut in 0_usize..70,
    ) {
        let mut map = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            map.insert(name, value);
        }
        let whole = "00-4bf92f3577b34da6a3ce929d0e0e4736-d04a9fb0c91f368e-01-1234567890abcdef";
        map.append("traceparent", whole.get(..cut).unwrap_or(whole).parse().unwrap());
        let found = Propagation::default().extract(&map);
        if let Some(caller) = found.caller {
            prop_assert!(caller.trace_id.as_u128() != 0 && caller.span_id.0 != 0);
        }
    }
}
