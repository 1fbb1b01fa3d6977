//! `zipkin.proto3` against prost: what one writes the other reads.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use speargun_model::batch::{Bounds, SpanBatch};
use speargun_model::codec::{DecodeError, Format, decode, proto3};

#[path = "support/spans.rs"]
mod spans;

#[derive(Clone, PartialEq, Message)]
struct ListOfSpans {
    #[prost(message, repeated, tag = "1")]
    spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    parent_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    id: Vec<u8>,
    #[prost(int32, tag = "4")]
    kind: i32,
    #[prost(string, tag = "5")]
    name: String,
    #[prost(fixed64, tag = "6")]
    timestamp: u64,
    #[prost(uint64, tag = "7")]
    duration: u64,
    #[prost(message, optional, tag = "8")]
    local_endpoint: Option<Endpoint>,
    #[prost(message, optional, tag = "9")]
    remote_endpoint: Option<Endpoint>,
    #[prost(message, repeated, tag = "10")]
    annotations: Vec<Annotation>,
    /// A map is on the wire what a list of its entries is, and a list keeps the order.
    #[prost(message, repeated, tag = "11")]
    tags: Vec<Tag>,
    #[prost(bool, tag = "12")]
    debug: bool,
    #[prost(bool, tag = "13")]
    shared: bool,
    #[prost(string, optional, tag = "2000")]
    unknown: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Endpoint {
    #[prost(string, tag = "1")]
    service_name: String,
    #[prost(bytes = "vec", tag = "2")]
    ipv4: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    ipv6: Vec<u8>,
    #[prost(int32, tag = "4")]
    port: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Annotation {
    #[prost(fixed64, tag = "1")]
    timestamp: u64,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, Message)]
struct Tag {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

impl From<&speargun_model::Endpoint> for Endpoint {
    fn from(endpoint: &speargun_model::Endpoint) -> Self {
        Self {
            service_name: endpoint.service_name.clone().unwrap_or_default(),
            ipv4: endpoint.ipv4.map_or(Vec::new(), |ip| ip.octets().into()),
            ipv6: endpoint.ipv6.map_or(Vec::new(), |ip| ip.octets().into()),
            port: endpoint.port.into(),
        }
    }
}

impl From<&speargun_model::Span> for Span {
    fn from(span: &speargun_model::Span) -> Self {
        let trace_id = span.trace_id.as_u128().to_be_bytes();
        let short = if span.trace_id.high == 0 { 8 } else { 0 };
        Self {
            trace_id: trace_id.into_iter().skip(short).collect(),
            parent_id: span
                .parent_id
                .map_or(Vec::new(), |id| id.0.to_be_bytes().into()),
            id: span.id.0.to_be_bytes().into(),
            kind: span.kind.map_or(0, |kind| kind as i32),
            name: span.name.clone().unwrap_or_default(),
            timestamp: span.timestamp_us,
            duration: span.duration_us,
            local_endpoint: span.local_endpoint.as_ref().map(Endpoint::from),
            remote_endpoint: span.remote_endpoint.as_ref().map(Endpoint::from),
            annotations: span
                .annotations
                .iter()
                .map(|annotation| Annotation {
                    timestamp: annotation.timestamp_us.cast_unsigned(),
                    value: annotation.value.clone(),
                })
                .collect(),
            tags: span
                .tags
                .iter()
                .map(|(key, value)| Tag {
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect(),
            debug: span.debug,
            shared: span.shared,
            unknown: None,
        }
    }
}

fn decoded(body: &[u8]) -> Result<Vec<speargun_model::Span>, DecodeError> {
    let mut batch = SpanBatch::default();
    let body = Bytes::copy_from_slice(body);
    decode(Format::Proto3, body, &Bounds::default(), &mut batch)?;
    Ok(batch.views().map(|view| view.to_span()).collect())
}

fn rich_body() -> Vec<u8> {
    let endpoint = Endpoint {
        service_name: "Front".into(),
        ipv4: vec![1, 2, 3, 4],
        ipv6: vec![0x20; 16],
        port: 443,
    };
    let span = Span {
        trace_id: vec![1; 16],
        parent_id: vec![2; 8],
        id: vec![3; 8],
        kind: 2,
        name: "Größe".into(),
        timestamp: 1_760_000_000_000_000,
        duration: 1500,
        local_endpoint: Some(endpoint.clone()),
        remote_endpoint: Some(endpoint),
        annotations: vec![Annotation {
            timestamp: 5,
            value: "x".into(),
        }],
        tags: vec![Tag {
            key: "k".into(),
            value: "v".into(),
        }],
        debug: true,
        shared: true,
        unknown: Some("later".into()),
    };
    ListOfSpans { spans: vec![span] }.encode_to_vec()
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    let body = rich_body();
    assert_eq!(decoded(&body).unwrap().len(), 1);
    for end in 1..body.len() {
        assert!(decoded(body.get(..end).unwrap()).is_err(), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn what_the_oracle_writes_is_read(spans in vec(spans::span(), 1..4), unknown in "[a-z]{0,8}") {
        let mut list: Vec<Span> = spans.iter().map(Span::from).collect();
        for span in &mut list {
            span.unknown = (!unknown.is_empty()).then(|| unknown.clone());
        }
        let body = ListOfSpans { spans: list }.encode_to_vec();
        prop_assert_eq!(decoded(&body), Ok(spans));
    }

    #[test]
    fn what_is_written_the_oracle_reads(spans in vec(spans::span(), 1..4)) {
        let mut body = Vec::new();
        proto3::encode_spans(&spans, &mut body);
        let list = ListOfSpans::decode(&body[..]).unwrap();
        let expected: Vec<_> = spans.iter().map(Span::from).collect();
        prop_assert_eq!(list.spans, expected);
        prop_assert_eq!(decoded(&body), Ok(spans));
    }

    #[test]
    fn mutated_bodies_never_panic(
        mutations in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut body = rich_body();
        for (at, byte) in mutations {
            *at.get_mut(&mut body) = byte;
        }
        if let Ok(spans) = decoded(&body) {
            let mut out = Vec::new();
            proto3::encode_spans(&spans, &mut out);
            prop_assert_eq!(decoded(&out), Ok(spans));
        }
    }
}
