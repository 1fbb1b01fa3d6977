//! OTLP against the structs generated from its schema: what they write in protobuf and in JSON is
//! read, and becomes what the mapping says, written a second time here.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

use std::collections::HashMap;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use speargun_model::batch::{Bounds, SpanBatch};
use speargun_model::codec::{DecodeError, Format, decode, json_v2};
use speargun_model::{Annotation, Endpoint, Kind, Span, SpanId, TraceId};

#[path = "support/otlp.rs"]
mod otlp;

use otlp::{json_object, plain};

fn decoded(format: Format, body: Vec<u8>) -> Result<(Vec<Span>, u32), DecodeError> {
    let mut batch = SpanBatch::default();
    decode(format, Bytes::from(body), &Bounds::default(), &mut batch)?;
    let spans = batch.views().map(|view| view.to_span()).collect();
    Ok((spans, batch.left_out.spans))
}

/// Maps a request, and counts the spans that are none.
fn mapped(request: &ExportTraceServiceRequest) -> (Vec<Span>, u32) {
    let (mut spans, mut left_out) = (Vec::new(), 0);
    for resource_spans in &request.resource_spans {
        for scope_spans in &resource_spans.scope_spans {
            for span in &scope_spans.spans {
                match map(span, resource_spans, scope_spans) {
                    Some(span) => spans.push(span),
                    None => left_out += 1,
                }
            }
        }
    }
    (spans, left_out)
}

fn map(span: &OtlpSpan, above: &ResourceSpans, scope: &ScopeSpans) -> Option<Span> {
    let trace_id = u128::from_be_bytes(span.trace_id.as_slice().try_into().ok()?);
    let id = u64::from_be_bytes(span.span_id.as_slice().try_into().ok()?);
    let parent = match span.parent_span_id.as_slice() {
        [] => 0,
        bytes => u64::from_be_bytes(bytes.try_into().ok()?),
    };
    if trace_id == 0 || id == 0 {
        return None;
    }
    let kind = match span.kind {
        2 => Some(Kind::Server),
        3 => Some(Kind::Client),
        4 => Some(Kind::Producer),
        5 => Some(Kind::Consumer),
        _ => None,
    };
    let micros = |nanos: u64| nanos.cast_signed() / 1000;
    let (start, end) = (
        micros(span.start_time_unix_nano),
        micros(span.end_time_unix_nano),
    );
    let attributes: HashMap<_, _> = span
        .attributes
        .iter()
        .map(|a| (&*a.key, value(a)))
        .collect();
    let mut mapped = Span {
        trace_id: TraceId::from_u128(trace_id),
        parent_id: (parent != 0 && parent != id).then_some(SpanId(parent)),
        id: SpanId(id),
        kind,
        name: name(&span.name),
        timestamp_us: start.max(0).cast_unsigned(),
        duration_us: (end - start).max(1).cast_unsigned(),
        local_endpoint: local(above.resource.as_ref(), &attributes),
        remote_endpoint: remote(kind, &attributes),
        annotations: annotations(span),
        tags: tags(span, above, scope),
        ..Span::default()
    };
    mapped.normalise();
    Some(mapped)
}

fn value(attribute: &KeyValue) -> Option<&Value> {
    attribute.value.as_ref()?.value.as_ref()
}

fn name(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_lowercase())
}

fn string(value: Option<&Value>) -> &str {
    match value {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

fn local(resource: Option<&Resource>, of: &HashMap<&str, Option<&Value>>) -> Option<Endpoint> {
    let is_name =
        |a: &&KeyValue| a.key == "service.name" && matches!(value(a), Some(Value::StringValue(_)));
    let service = resource?.attributes.iter().find(is_name)?;
    endpoint(
        string(value(service)),
        ["network.local.address", "network.local.port"],
        of,
    )
}

fn remote(kind: Option<Kind>, of: &HashMap<&str, Option<&Value>>) -> Option<Endpoint> {
    if !matches!(kind, Some(Kind::Client | Kind::Producer)) {
        return None;
    }
    let service = of.get("peer.service").or(of.get("network.peer.address"))?;
    endpoint(
        string(*service),
        ["network.peer.address", "network.peer.port"],
        of,
    )
}

fn endpoint(
    service: &str,
    [address, port]: [&str; 2],
    of: &HashMap<&str, Option<&Value>>,
) -> Option<Endpoint> {
    let ip = string(of.get(address).copied().flatten()).parse().ok();
    let port = match of.get(port).copied().flatten() {
        Some(Value::IntValue(port)) => u16::try_from(*port).unwrap_or(0),
        _ => 0,
    };
    let mut endpoint = Endpoint {
        service_name: name(service),
        port,
        ..Endpoint::default()
    };
    match ip {
        Some(std::net::IpAddr::V4(ip)) => endpoint.ipv4 = Some(ip),
        Some(std::net::IpAddr::V6(ip)) => endpoint.ipv6 = Some(ip),
        None => {}
    }
    endpoint.into_option()
}

fn annotations(span: &OtlpSpan) -> Vec<Annotation> {
    let annotations = span.events.iter().map(|event| {
        let value = if event.attributes.is_empty() && event.dropped_attributes_count == 0 {
            event.name.clone()
        } else {
            let name = serde_json::to_string(&event.name).unwrap();
            let attributes = json_object(&event.attributes, event.dropped_attributes_count);
            format!("{name}:{attributes}")
        };
        Annotation {
            timestamp_us: event.time_unix_nano.cast_signed() / 1000,
            value,
        }
    });
    annotations.collect()
}

/// Returns the tags; of those with one key the last counts.
fn tags(span: &OtlpSpan, above: &ResourceSpans, scope: &ScopeSpans) -> Vec<(String, String)> {
    let mut tags = Vec::new();
    let mut push = |key: &str, value: String| tags.push((key.to_owned(), value));
    let attribute = |a: &KeyValue| value(a).map(plain).unwrap_or_default();
    let resource = above.resource.clone().unwrap_or_default();
    for a in &resource.attributes {
        if a.key != "service.name" || !matches!(value(a), Some(Value::StringValue(_))) {
            push(&a.key, attribute(a));
        }
    }
    let instrumentation = scope.scope.clone().unwrap_or_default();
    for a in &instrumentation.attributes {
        push(&format!("otel.scope.attributes.{}", a.key), attribute(a));
    }
    for a in &span.attributes {
        push(&a.key, attribute(a));
    }
    for (at, link) in span.links.iter().enumerate() {
        let hex = |bytes: &[u8]| u128::from_be_bytes(bytes.try_into().unwrap());
        let trace_id = hex(&link.trace_id);
        let span_id = hex(&[&[0; 8], link.span_id.as_slice()].concat());
        let (state, dropped) = (&link.trace_state, link.dropped_attributes_count);
        let attributes = json_object(&link.attributes, 0);
        let text = format!("{trace_id:032x}|{span_id:016x}|{state}|{attributes}|{dropped}");
        push(&format!("otlp.link.{at}"), text);
    }
    for (key, text) in texts_and_counts(span, above, (scope, &instrumentation)) {
        if !text.is_empty() {
            push(key, text);
        }
    }
    let status = span.status.clone().unwrap_or_default();
    let has_error = span.attributes.iter().any(|a| a.key == "error");
    if status.code == 2 && !has_error {
        push("error", status.message);
    } else if !status.message.is_empty() {
        push("otel.status_description", status.message);
    }
    tags
}

/// Returns what is a tag unless it is empty.
fn texts_and_counts(
    span: &OtlpSpan,
    above: &ResourceSpans,
    (scope, instrumentation): (&ScopeSpans, &InstrumentationScope),
) -> Vec<(&'static str, String)> {
    let count = |count: u32| match count {
        0 => String::new(),
        count => count.to_string(),
    };
    let resource = above.resource.clone().unwrap_or_default();
    let status = match span.status.as_ref().map_or(0, |status| status.code) {
        1 => "OK",
        2 => "ERROR",
        _ => "",
    };
    let dropped_of_resource = count(resource.dropped_attributes_count);
    let dropped_of_scope = count(instrumentation.dropped_attributes_count);
    let dropped = count(span.dropped_attributes_count);
    vec![
        ("otel.resource.schema_url", above.schema_url.clone()),
        (
            "otel.resource.dropped_attributes_count",
            dropped_of_resource,
        ),
        ("otel.scope.schema_url", scope.schema_url.clone()),
        ("otel.scope.dropped_attributes_count", dropped_of_scope),
        ("w3c.tracestate", span.trace_state.clone()),
        ("otel.dropped_attributes_count", dropped),
        (
            "otel.dropped_events_count",
            count(span.dropped_events_count),
        ),
        ("otel.dropped_links_count", count(span.dropped_links_count)),
        ("otel.status_code", status.to_owned()),
        ("otel.scope.name", instrumentation.name.clone()),
        ("otel.scope.version", instrumentation.version.clone()),
    ]
}

fn rich_request() -> ExportTraceServiceRequest {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    loop {
        let request = otlp::request().new_tree(&mut runner).unwrap().current();
        let (spans, left_out) = mapped(&request);
        if spans.len() >= 2 && left_out == 0 && spans.iter().any(|s| s.annotations.len() > 1) {
            return request;
        }
    }
}

#[test]
fn a_body_in_json_cut_anywhere_is_refused() {
    let request = rich_request();
    let body = serde_json::to_vec(&request).unwrap();
    assert_eq!(
        decoded(Format::OtlpJson, body.clone()),
        Ok(mapped(&request))
    );
    for end in 1..body.len() {
        let cut = decoded(Format::OtlpJson, body[..end].to_vec());
        assert!(cut.is_err(), "cut at {end}");
    }
}

#[test]
fn a_body_in_protobuf_cut_anywhere_but_between_resources_is_refused() {
    let request = rich_request();
    let body = request.encode_to_vec();
    let mut ends = Vec::new();
    let mut whole = ExportTraceServiceRequest::default();
    for resource_spans in request.resource_spans {
        ends.push(whole.encoded_len());
        whole.resource_spans.push(resource_spans);
    }
    for end in 0..body.len() {
        let cut = decoded(Format::OtlpProto, body[..end].to_vec());
        assert_eq!(cut.is_ok(), ends.contains(&end), "cut at {end}");
    }
}

proptest! {
    #[test]
    fn what_the_oracle_writes_in_protobuf_is_read(request in otlp::request()) {
        let body = request.encode_to_vec();
        prop_assert_eq!(decoded(Format::OtlpProto, body), Ok(mapped(&request)));
    }

    #[test]
    fn what_the_oracle_writes_in_json_is_read(request in otlp::request()) {
        let body = serde_json::to_vec(&request).unwrap();
        prop_assert_eq!(decoded(Format::OtlpJson, body), Ok(mapped(&request)));
    }

    #[test]
    fn what_the_oracle_takes_after_mutations_is_taken(
        request in otlp::request(),
        mutations in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let body = mutated(request.encode_to_vec(), mutations);
        // What is not UTF-8 the oracle refuses and we mend, so the other way round does not hold.
        if ExportTraceServiceRequest::decode(&body[..]).is_ok() {
            prop_assert!(decoded(Format::OtlpProto, body).is_ok());
        }
    }

    #[test]
    fn mutated_json_never_panics_and_what_is_read_can_be_written(
        request in otlp::request(),
        mutations in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let body = mutated(serde_json::to_vec(&request).unwrap(), mutations);
        if let Ok((spans, _)) = decoded(Format::OtlpJson, body) {
            let mut written = Vec::new();
            json_v2::encode_spans(&spans, &mut written);
            prop_assert_eq!(decoded(Format::JsonV2, written), Ok((spans, 0)));
        }
    }

    #[test]
    fn fields_of_json_may_stand_in_any_order(request in otlp::request(), seed: u64) {
        let mut value = serde_json::to_value(&request).unwrap();
        let mut state = seed;
        shuffle(&mut value, &mut state);
        let body = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(decoded(Format::OtlpJson, body), Ok(mapped(&request)));
    }
}

fn mutated(mut body: Vec<u8>, mutations: Vec<(prop::sample::Index, u8)>) -> Vec<u8> {
    for (at, byte) in mutations {
        if !body.is_empty() {
            *at.get_mut(&mut body) = byte;
        }
    }
    body
}

/// Changes the order of the fields of all objects.
fn shuffle(value: &mut serde_json::Value, state: &mut u64) {
    match value {
        serde_json::Value::Array(items) => {
            for item in items {
                shuffle(item, state);
            }
        }
        serde_json::Value::Object(fields) => {
            let mut all: Vec<_> = std::mem::take(fields).into_iter().collect();
            for (_, field) in &mut all {
                shuffle(field, state);
            }
            for at in (1..all.len()).rev() {
                *state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                all.swap(at, (*state >> 33) as usize % (at + 1));
            }
            fields.extend(all);
        }
        _ => {}
    }
}
