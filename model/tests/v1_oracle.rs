//! Both formats of version 1 against each other, and against what tracers of that time made of the
//! spans of today.

#![expect(clippy::unwrap_used, reason = "what cannot be read is a failed test")]

use bytes::Bytes;
use old::{OldSpan, thrift_list};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::{option, sample};
use serde_json::Value;
use speargun_model::batch::{Bounds, SpanBatch};
use speargun_model::codec::{DecodeError, Format, decode};
use speargun_model::{Endpoint, Kind, Span};

#[path = "support/old.rs"]
mod old;
#[path = "support/spans.rs"]
mod spans;

fn decoded(format: Format, body: &[u8]) -> Result<Vec<Span>, DecodeError> {
    let mut batch = SpanBatch::default();
    let body = Bytes::copy_from_slice(body);
    decode(format, body, &Bounds::default(), &mut batch)?;
    Ok(batch.views().map(|view| view.to_span()).collect())
}

fn json_list(spans: &[OldSpan]) -> Vec<u8> {
    let list: Vec<Value> = spans.iter().map(OldSpan::to_json).collect();
    serde_json::to_vec(&list).unwrap()
}

/// Microseconds of a day on which all differences fit.
fn time() -> impl Strategy<Value = i64> {
    prop_oneof![1..30_i64, 1_700_000_000_000_000..1_700_000_000_001_000_i64]
}

/// Few services, so that annotations share them or do not.
fn host() -> impl Strategy<Value = Option<Endpoint>> {
    let name = option::weighted(0.9, sample::select(&["a", "b", "c"][..]));
    let ipv4 = option::of(1_u32..4);
    let ipv6 = option::of((0x2001_u128 << 112..(0x2001 << 112) + 2).prop_map(Into::into));
    let endpoint = (name, ipv4, ipv6, 0..3_u16).prop_map(|(name, ipv4, ipv6, port)| Endpoint {
        service_name: name.map(str::to_owned),
        ipv4: ipv4.map(Into::into),
        ipv6,
        port,
    });
    option::weighted(0.9, endpoint)
}

/// Any mixture of what tracers wrote, most of it contradictory.
fn old_span() -> impl Strategy<Value = OldSpan> {
    let values = &[
        "cs", "cr", "sr", "ss", "ms", "mr", "ws", "wr", "x", "error", "",
    ][..];
    let keys = &["sa", "ca", "ma", "lc", "k", "l", ""][..];
    let text = |choice: &'static [&str]| sample::select(choice).prop_map(str::to_owned);
    let value = prop_oneof![
        Just(None),
        Just(Some(String::new())),
        text(values).prop_map(Some)
    ];
    let times = (
        prop_oneof![Just(0), time(), -5..0_i64],
        prop_oneof![Just(0), 1..30_i64],
    );
    (
        (0_u64..2, 1_u64..4, 1_u64..4, 0_u64..4),
        option::of(text(&["get", "PUT"])),
        times,
        any::<bool>(),
        vec((time(), text(values), host()), 0..7),
        vec((text(keys), value, host()), 0..5),
    )
        .prop_map(
            |(ids, name, times, debug, annotations, binary_annotations)| OldSpan {
                trace_id: (ids.0, ids.1),
                id: ids.2,
                parent_id: ids.3,
                name,
                timestamp_us: times.0,
                duration_us: times.1,
                debug,
                annotations,
                binary_annotations,
            },
        )
}

/// Makes of a random span one that version 1 can say.
fn sayable(mut span: Span) -> Span {
    // Without a host the words of calls mean nothing, and without times they say none.
    if span.local_endpoint.is_none() {
        span.kind = None;
    }
    span.timestamp_us = span.timestamp_us % (1 << 52) + 1;
    span.duration_us = span.duration_us % (1 << 52) + 1;
    span.annotations
        .retain(|annotation| annotation.value.len() != 2);
    let meant = ["sa", "ca", "ma", "lc"];
    span.tags.retain(|(key, _)| !meant.contains(&key.as_str()));
    span.shared = span.shared && span.kind == Some(Kind::Server);
    // The caller with the name of the called is the habit of a tracer, and loses the name.
    let local_name = span.local_service_name().map(str::to_owned);
    if let Some(remote) = &mut span.remote_endpoint
        && remote.service_name == local_name
    {
        remote.service_name = Some("elsewhere".to_owned());
    }
    // Four zeros are no address in thrift.
    for endpoint in [&mut span.local_endpoint, &mut span.remote_endpoint] {
        if let Some(endpoint) = endpoint {
            endpoint.ipv4 = endpoint.ipv4.filter(|ip| !ip.is_unspecified());
        }
        *endpoint = endpoint.take().and_then(Endpoint::into_option);
    }
    if span.local_endpoint.is_none() {
        span.kind = None;
        span.shared = false;
    }
    span
}

fn bodies() -> [(Format, Vec<u8>); 2] {
    let host = |name: &str| {
        Some(Endpoint {
            service_name: Some(name.to_owned()),
            port: 80,
            ..Endpoint::default()
        })
    };
    let old = OldSpan {
        trace_id: (1, 2),
        id: 3,
        parent_id: 4,
        name: Some("GET é".to_owned()),
        annotations: vec![
            (5, "cs".to_owned(), host("a")),
            (6, "sr".to_owned(), host("b")),
        ],
        binary_annotations: vec![
            ("sa".to_owned(), None, host("b")),
            ("k".to_owned(), Some("\"".to_owned()), host("a")),
        ],
        ..OldSpan::default()
    };
    let list = [old.clone(), old];
    [
        (Format::JsonV1, json_list(&list)),
        (Format::Thrift, thrift_list(&list)),
    ]
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    for (format, body) in bodies() {
        assert_eq!(decoded(format, &body).unwrap().len(), 4);
        for end in 1..body.len() {
            let cut = body.get(..end).unwrap();
            assert!(decoded(format, cut).is_err(), "{format:?} cut at {end}");
        }
    }
}

proptest! {
    #[test]
    fn both_formats_say_the_same(list in vec(old_span(), 1..4)) {
        let of_json = decoded(Format::JsonV1, &json_list(&list)).unwrap();
        let of_thrift = decoded(Format::Thrift, &thrift_list(&list)).unwrap();
        prop_assert!(of_json.len() >= list.len());
        prop_assert_eq!(of_json, of_thrift);
    }

    #[test]
    fn what_was_made_of_a_span_of_today_becomes_it_again(span in spans::span()) {
        let span = sayable(span);
        let old = [OldSpan::of(&span)];
        // A text may say by chance what only version 2 says.
        let json = json_list(&old);
        let guarded = [&b"Endpoint\""[..], b"\"tags\""];
        if !guarded.iter().any(|text| json.windows(text.len()).any(|part| part == *text)) {
            prop_assert_eq!(decoded(Format::JsonV1, &json), Ok(vec![span.clone()]));
        }
        prop_assert_eq!(decoded(Format::Thrift, &thrift_list(&old)), Ok(vec![span]));
    }

    #[test]
    fn mutated_bodies_never_panic(
        mutations in vec((any::<sample::Index>(), any::<u8>()), 1..6),
    ) {
        for (format, mut body) in bodies() {
            for (at, byte) in &mutations {
                *at.get_mut(&mut body) = *byte;
            }
            if let Ok(spans) = decoded(format, &body) {
                prop_assert!(spans.iter().all(|span| span.trace_id.low != 0));
            }
        }
    }
}
