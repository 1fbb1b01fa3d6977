//! JSON v2 against `serde_json`: what one writes the other reads, and texts that are JSON for one
//! are JSON for the other.

#![expect(clippy::unwrap_used, reason = "what cannot be read is a failed test")]

use std::fmt::Write as _;
use std::net::Ipv6Addr;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use speargun_model::batch::{Bounds, SpanBatch};
use speargun_model::codec::{DecodeError, Format, decode, json_v2};
use speargun_model::{Endpoint, Span};

#[path = "support/spans.rs"]
mod spans;

fn decoded(body: &[u8]) -> Result<Vec<Span>, DecodeError> {
    let mut batch = SpanBatch::default();
    let body = Bytes::copy_from_slice(body);
    decode(Format::JsonV2, body, &Bounds::default(), &mut batch)?;
    Ok(batch.views().map(|view| view.to_span()).collect())
}

/// Every group in full, which is one of many ways to write an address.
fn full(address: Ipv6Addr) -> String {
    let mut text = String::new();
    for group in address.segments() {
        write!(text, ":{group:04X}").unwrap();
    }
    text.split_off(1)
}

fn endpoint(endpoint: &Endpoint) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        fields.extend(value.map(|value| (name.to_owned(), value)));
    };
    put(
        "serviceName",
        endpoint.service_name.clone().map(Value::from),
    );
    put("ipv4", endpoint.ipv4.map(|ip| ip.to_string().into()));
    put("ipv6", endpoint.ipv6.map(|ip| full(ip).into()));
    put("port", (endpoint.port != 0).then(|| endpoint.port.into()));
    fields.into()
}

/// The fields of a span as the oracle sees them, in Zipkin's order.
fn fields(span: &Span) -> Vec<(String, Value)> {
    let annotations: Vec<_> = span
        .annotations
        .iter()
        .map(|a| json!({"timestamp": a.timestamp_us, "value": a.value}))
        .collect();
    let tags: Map<_, _> = span
        .tags
        .iter()
        .map(|(key, value)| (key.clone(), value.clone().into()))
        .collect();
    let present = |present: bool, value: Value| present.then_some(value);
    [
        ("traceId", Some(span.trace_id.to_string().into())),
        ("parentId", span.parent_id.map(|id| id.to_string().into())),
        ("id", Some(span.id.to_string().into())),
        ("kind", span.kind.map(|kind| kind.name().into())),
        ("name", span.name.clone().map(Value::from)),
        (
            "timestamp",
            present(span.timestamp_us != 0, span.timestamp_us.into()),
        ),
        (
            "duration",
            present(span.duration_us != 0, span.duration_us.into()),
        ),
        ("localEndpoint", span.local_endpoint.as_ref().map(endpoint)),
        (
            "remoteEndpoint",
            span.remote_endpoint.as_ref().map(endpoint),
        ),
        (
            "annotations",
            present(!annotations.is_empty(), annotations.into()),
        ),
        ("tags", present(!tags.is_empty(), tags.into())),
        ("debug", present(span.debug, true.into())),
        ("shared", present(span.shared, true.into())),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    .collect()
}

/// Replaces full addresses by Zipkin's, which the standard library writes alike when it reads.
fn same_addresses(mut value: Value) -> Value {
    for side in ["localEndpoint", "remoteEndpoint"] {
        if let Some(address) = value.pointer_mut(&format!("/{side}/ipv6")) {
            let parsed: Ipv6Addr = address.as_str().unwrap().parse().unwrap();
            *address = full(parsed).into();
        }
    }
    value
}

fn rich_body() -> &'static [u8] {
    r#"[{"traceId":"0123456789abcdef0123456789abcdef","parentId":"2","id":"1","kind":"SERVER","name":"GET /\u0041","timestamp":1760000000000000,"duration":1.5e3,"localEndpoint":{"serviceName":"A","ipv4":"1.2.3.4","port":80},"remoteEndpoint":{"ipv6":"2001:db8::1"},"annotations":[{"timestamp":1,"value":"x"}],"tags":{"a":"b","c":"\ud83d\ude00 é"},"unknown":[{"x":[null,true,-0.5]}],"debug":true,"shared":true} ]"#
        .as_bytes()
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    let body = rich_body();
    assert_eq!(decoded(body).unwrap().len(), 1);
    for end in 1..body.len() {
        assert!(decoded(body.get(..end).unwrap()).is_err(), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn what_the_oracle_writes_is_read(
        spans in vec(spans::span(), 1..4),
        order in any::<u64>(),
        pretty: bool,
    ) {
        let list: Vec<Value> = spans
            .iter()
            .map(|span| {
                let mut fields = fields(span);
                let middle = order as usize % fields.len();
                fields.rotate_left(middle);
                if order & 1 << 40 != 0 {
                    fields.reverse();
                }
                let unknown = json!({"id": [middle, null, {"traceId": "x"}]});
                fields.insert(middle, ("unknown".into(), unknown));
                Value::from(Map::from_iter(fields))
            })
            .collect();
        let body = if pretty {
            serde_json::to_vec_pretty(&list)
        } else {
            serde_json::to_vec(&list)
        };
        prop_assert_eq!(decoded(&body.unwrap()), Ok(spans));
    }

    #[test]
    fn what_is_written_the_oracle_reads(spans in vec(spans::span(), 1..4)) {
        let mut body = Vec::new();
        json_v2::encode_spans(&spans, &mut body);
        let list: Vec<Value> = serde_json::from_slice(&body).unwrap();
        let list: Vec<_> = list.into_iter().map(same_addresses).collect();
        let expected: Vec<_> = spans
            .iter()
            .map(|span| Value::from(Map::from_iter(fields(span))))
            .collect();
        prop_assert_eq!(list, expected);
        prop_assert_eq!(decoded(&body), Ok(spans));
    }

    /// Letters of numbers, literals and escapes, but none with which the two differ on purpose:
    /// no upper case, single quote, raw control character or half surrogate.
    #[test]
    fn what_is_json_is_decided_alike(value in r#"[\[\]{},:"0-9.e+\-truefalsn \\]{1,12}"#) {
        let body = format!(r#"[{{"traceId":"1","id":"1","x":{value}}}]"#);
        let oracle = serde_json::Deserializer::from_str(&body)
            .into_iter::<serde::de::IgnoredAny>()
            .next()
            .unwrap();
        match decoded(body.as_bytes()) {
            Ok(_) => prop_assert!(oracle.is_ok(), "{body}"),
            // Another object without ids is JSON, but no span.
            Err(error) if error.to_string().starts_with("Missing") => {}
            Err(_) => prop_assert!(oracle.is_err(), "{body}"),
        }
    }

    #[test]
    fn mutated_bodies_never_panic(
        mutations in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut body = rich_body().to_vec();
        for (at, byte) in mutations {
            *at.get_mut(&mut body) = byte;
        }
        if let Ok(spans) = decoded(&body) {
            let mut out = Vec::new();
            json_v2::encode_spans(&spans, &mut out);
            prop_assert!(serde_json::from_slice::<Value>(&out).is_ok());
        }
    }
}
