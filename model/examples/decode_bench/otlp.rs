//! The same spans as OpenTelemetry reports them: one resource a run of spans of one service, what
//! Zipkin keeps in endpoints as attributes. It measures nothing.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan};
use prost::Message;
use speargun_model::{Endpoint, Span};

/// Returns the request in protobuf.
pub(crate) fn proto(spans: &[Span]) -> Bytes {
    request(spans).encode_to_vec().into()
}

/// Returns the request in JSON.
pub(crate) fn json(spans: &[Span]) -> Bytes {
    serde_json::to_vec(&request(spans))
        .unwrap_or_default()
        .into()
}

fn request(spans: &[Span]) -> ExportTraceServiceRequest {
    let mut spans = spans.to_vec();
    spans.sort_by(|a, b| a.local_service_name().cmp(&b.local_service_name()));
    let runs = spans.chunk_by(|a, b| a.local_service_name() == b.local_service_name());
    let resource_spans = runs.map(|run| ResourceSpans {
        resource: Some(Resource {
            attributes: run
                .first()
                .and_then(Span::local_service_name)
                .map(|name| attribute("service.name", name))
                .into_iter()
                .collect(),
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans: run.iter().map(span).collect(),
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    });
    ExportTraceServiceRequest {
        resource_spans: resource_spans.collect(),
    }
}

fn span(span: &Span) -> OtlpSpan {
    let mut attributes: Vec<_> = span.tags.iter().map(|(k, v)| attribute(k, v)).collect();
    if let Some(local) = &span.local_endpoint {
        address(local, "network.local", &mut attributes);
    }
    if let Some(remote) = &span.remote_endpoint {
        let name = remote.service_name.as_deref();
        attributes.extend(name.map(|name| attribute("peer.service", name)));
        address(remote, "network.peer", &mut attributes);
    }
    let events = span.annotations.iter().map(|annotation| Event {
        time_unix_nano: annotation.timestamp_us.cast_unsigned() * 1000,
        name: annotation.value.clone(),
        ..Event::default()
    });
    OtlpSpan {
        trace_id: span.trace_id.as_u128().to_be_bytes().into(),
        span_id: span.id.0.to_be_bytes().into(),
        parent_span_id: span
            .parent_id
            .map_or(Vec::new(), |id| id.0.to_be_bytes().into()),
        name: span.name.clone().unwrap_or_default(),
        // Client, server, producer and consumer are 1 to 4 there.
        kind: match span.kind.map(|kind| kind as i32) {
            Some(1) => 3,
            Some(2) => 2,
            Some(other) => other + 1,
            None => 1,
        },
        start_time_unix_nano: span.timestamp_us * 1000,
        end_time_unix_nano: (span.timestamp_us + span.duration_us) * 1000,
        attributes,
        events: events.collect(),
        ..OtlpSpan::default()
    }
}

fn address(endpoint: &Endpoint, prefix: &str, attributes: &mut Vec<KeyValue>) {
    if let Some(ip) = endpoint.ipv4 {
        attributes.push(attribute(&format!("{prefix}.address"), &ip.to_string()));
    }
    if endpoint.port != 0 {
        attributes.push(KeyValue {
            key: format!("{prefix}.port"),
            value: Some(AnyValue {
                value: Some(Value::IntValue(endpoint.port.into())),
            }),
            ..KeyValue::default()
        });
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}
