//! Random requests of OTLP, and what each of their spans is in Zipkin: the mapping once more, the
//! plain way, over the structs that are generated from the protocol's own schema.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9./ ]{0,24}",
        1 => "[ -~äÖ\n\t]{1,40}",
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-z.]{1,12}",
        1 => Just("service.name".to_owned()),
        1 => Just("error".to_owned()),
        1 => Just("peer.service".to_owned()),
        1 => Just("network.peer.address".to_owned()),
        1 => Just("network.peer.port".to_owned()),
        1 => Just("network.local.address".to_owned()),
        1 => Just("network.local.port".to_owned()),
    ]
}

/// Real numbers, each of which has a line in [`real_text`].
const REALS: [(f64, &str); 6] = [
    (0.5, "0.5"),
    (-3.0, "-3.0"),
    (1e7, "1.0E7"),
    (1.25e-4, "1.25E-4"),
    (123_456.789, "123456.789"),
    (1e300, "1.0E300"),
];

fn value() -> impl Strategy<Value = Option<AnyValue>> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::StringValue),
        1 => prop_oneof![Just("10.1.2.3"), Just("2001:db8::1"), Just("Host")]
            .prop_map(|text| Value::StringValue(text.to_owned())),
        1 => any::<bool>().prop_map(Value::BoolValue),
        2 => prop_oneof![any::<i64>(), 0..70_000_i64].prop_map(Value::IntValue),
        1 => (0..REALS.len()).prop_map(|at| Value::DoubleValue(REALS[at].0)),
    ];
    let nested = leaf.prop_recursive(3, 12, 4, |inner| {
        let inner = option::weighted(0.9, inner).prop_map(|value| AnyValue { value });
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(|values| Value::ArrayValue(ArrayValue { values })),
            vec((text(), inner), 0..4).prop_map(|pairs| {
                let values = pairs.into_iter().map(|(key, value)| KeyValue {
                    key,
                    value: Some(value),
                    ..KeyValue::default()
                });
                Value::KvlistValue(KeyValueList {
                    values: values.collect(),
                })
            }),
        ]
    });
    option::weighted(0.95, nested).prop_map(|value| Some(AnyValue { value }))
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    let pair = (key(), value()).prop_map(|(key, value)| KeyValue {
        key,
        value,
        ..KeyValue::default()
    });
    vec(pair, 0..5)
}

fn event() -> impl Strategy<Value = Event> {
    (any::<u64>(), text(), attributes(), 0..3_u32).prop_map(
        |(time_unix_nano, name, attributes, dropped_attributes_count)| Event {
            time_unix_nano,
            name,
            attributes,
            dropped_attributes_count,
        },
    )
}

fn link() -> impl Strategy<Value = Link> {
    (
        any::<[u8; 16]>(),
        any::<[u8; 8]>(),
        text(),
        attributes(),
        0..3_u32,
    )
        .prop_map(
            |(trace_id, span_id, trace_state, attributes, dropped_attributes_count)| Link {
                trace_id: trace_id.into(),
                span_id: span_id.into(),
                trace_state,
                attributes,
                dropped_attributes_count,
                flags: 1,
            },
        )
}

fn id(bytes: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        12 => vec(any::<u8>(), bytes),
        1 => Just(vec![0; bytes]),
        1 => vec(any::<u8>(), 0..20),
    ]
}

fn status() -> impl Strategy<Value = Option<Status>> {
    option::of((text(), 0..3).prop_map(|(message, code)| Status { message, code }))
}

fn span() -> impl Strategy<Value = Span> {
    let ids = (id(16), id(8), prop_oneof![Just(Vec::new()), id(8)]);
    let times = (prop_oneof![0..u64::MAX, Just(0)], 0..10_000_000_u64);
    let counts = (0..2_u32, 0..2_u32, 0..2_u32);
    let lists = (attributes(), vec(event(), 0..3), vec(link(), 0..2));
    (
        ids,
        times,
        counts,
        lists,
        (text(), text(), 0..7, status(), any::<u32>()),
    )
        .prop_map(
            |(ids, (start, length), dropped, lists, (name, trace_state, kind, status, flags))| {
                Span {
                    trace_id: ids.0,
                    span_id: ids.1,
                    parent_span_id: ids.2,
                    trace_state,
                    flags,
                    name,
                    kind,
                    start_time_unix_nano: start,
                    end_time_unix_nano: start.wrapping_add(length),
                    attributes: lists.0,
                    dropped_attributes_count: dropped.0,
                    events: lists.1,
                    dropped_events_count: dropped.1,
                    links: lists.2,
                    dropped_links_count: dropped.2,
                    status,
                }
            },
        )
}

/// Any request, of a few spans.
pub(crate) fn request() -> impl Strategy<Value = ExportTraceServiceRequest> {
    let scope = option::of((text(), "[0-9.]{0,5}", attributes(), 0..2_u32)).prop_map(|scope| {
        let (name, version, attributes, dropped_attributes_count) = scope?;
        Some(InstrumentationScope {
            name,
            version,
            attributes,
            dropped_attributes_count,
        })
    });
    let scope_spans =
        (scope, vec(span(), 0..3), "[a-z:/]{0,9}").prop_map(|(scope, spans, schema_url)| {
            ScopeSpans {
                scope,
                spans,
                schema_url,
            }
        });
    let resource = option::of((attributes(), 0..2_u32)).prop_map(|resource| {
        let (attributes, dropped_attributes_count) = resource?;
        Some(Resource {
            attributes,
            dropped_attributes_count,
            ..Resource::default()
        })
    });
    let resource_spans = (resource, vec(scope_spans, 0..3), "[a-z:/]{0,9}").prop_map(
        |(resource, scope_spans, schema_url)| ResourceSpans {
            resource,
            scope_spans,
            schema_url,
        },
    );
    vec(resource_spans, 0..3)
        .prop_map(|resource_spans| ExportTraceServiceRequest { resource_spans })
}

/// Returns the value within JSON.
pub(crate) fn json(value: Option<&Value>) -> String {
    match value {
        None => "null".to_owned(),
        Some(Value::StringValue(text)) => serde_json::to_string(text).unwrap(),
        Some(Value::ArrayValue(array)) => {
            let values = array.values.iter().map(|value| json(value.value.as_ref()));
            format!("[{}]", values.collect::<Vec<_>>().join(","))
        }
        Some(Value::KvlistValue(list)) => json_object(&list.values, 0),
        Some(flat) => plain(flat),
    }
}

/// Returns the attributes as an object of JSON.
pub(crate) fn json_object(attributes: &[KeyValue], dropped: u32) -> String {
    let mut members: Vec<_> = attributes
        .iter()
        .map(|KeyValue { key, value, .. }| {
            let value = value.as_ref().and_then(|value| value.value.as_ref());
            format!("{}:{}", serde_json::to_string(key).unwrap(), json(value))
        })
        .collect();
    if dropped > 0 {
        members.push(format!("\"otel.dropped_attributes_count\":{dropped}"));
    }
    format!("{{{}}}", members.join(","))
}

/// Returns the value of a tag.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        Value::BoolValue(flag) => flag.to_string(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(real) => REALS
            .iter()
            .find(|(value, _)| value.to_bits() == real.to_bits())
            .map(|(_, text)| (*text).to_owned())
            .unwrap(),
        nested => json(Some(nested)),
    }
}
