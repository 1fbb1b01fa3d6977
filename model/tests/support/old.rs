//! Spans of Zipkin's first version, written in both of its formats, and what tracers made of a
//! span of today for servers that knew no other.

use serde_json::{Map, Value, json};
use speargun_model::{Endpoint, Kind, Span};

/// A span of the first version.
#[derive(Clone, Debug, Default)]
pub(crate) struct OldSpan {
    pub(crate) trace_id: (u64, u64),
    pub(crate) id: u64,
    pub(crate) parent_id: u64,
    pub(crate) name: Option<String>,
    pub(crate) timestamp_us: i64,
    pub(crate) duration_us: i64,
    pub(crate) debug: bool,
    /// Time, value and host.
    pub(crate) annotations: Vec<(i64, String, Option<Endpoint>)>,
    /// Key, text and host; without a text it is an address.
    pub(crate) binary_annotations: Vec<(String, Option<String>, Option<Endpoint>)>,
}

impl OldSpan {
    /// Returns what a tracer sent for this span: the start and the end of its kind as annotations,
    /// everything with its host. A shared span has no times of its own.
    pub(crate) fn of(span: &Span) -> Self {
        let host = span.local_endpoint.clone();
        let (start, end, address) = match span.kind {
            Some(Kind::Client) => ("cs", "cr", "sa"),
            Some(Kind::Server) => ("sr", "ss", "ca"),
            Some(Kind::Producer) => ("ms", "ws", "ma"),
            Some(Kind::Consumer) => ("wr", "mr", "ma"),
            None => ("", "", "sa"),
        };
        let times = (
            span.timestamp_us.cast_signed(),
            span.duration_us.cast_signed(),
        );
        let mut old = Self {
            trace_id: (span.trace_id.high, span.trace_id.low),
            id: span.id.0,
            parent_id: span.parent_id.map_or(0, |id| id.0),
            name: span.name.clone(),
            debug: span.debug,
            ..Self::default()
        };
        if !span.shared {
            (old.timestamp_us, old.duration_us) = times;
        }
        if span.kind.is_some() {
            let mut put = |at: i64, value: &str| {
                let host = host.clone();
                old.annotations.push((at, value.to_owned(), host));
            };
            put(times.0, start);
            put(times.0 + times.1, end);
        }
        for annotation in &span.annotations {
            let host = host.clone();
            let value = annotation.value.clone();
            old.annotations.push((annotation.timestamp_us, value, host));
        }
        for (key, value) in &span.tags {
            let tag = (key.clone(), Some(value.clone()), host.clone());
            old.binary_annotations.push(tag);
        }
        let mark = ("lc".to_owned(), Some(String::new()), host);
        old.binary_annotations.push(mark);
        if let Some(remote) = span.remote_endpoint.clone() {
            let address = (address.to_owned(), None, Some(remote));
            old.binary_annotations.push(address);
        }
        old
    }

    /// Returns the span as JSON v1.
    pub(crate) fn to_json(&self) -> Value {
        let host = |endpoint: &Option<Endpoint>| endpoint.as_ref().map(json_endpoint);
        let annotations: Vec<_> = self
            .annotations
            .iter()
            .map(|(timestamp, value, endpoint)| {
                json!({"timestamp": timestamp, "value": value, "endpoint": host(endpoint)})
            })
            .collect();
        let binary_annotations: Vec<_> = self
            .binary_annotations
            .iter()
            .map(|(key, value, endpoint)| {
                let value = value.clone().map_or(Value::Bool(true), Value::String);
                json!({"key": key, "value": value, "endpoint": host(endpoint)})
            })
            .collect();
        let trace_id = match self.trace_id {
            (0, low) => format!("{low:016x}"),
            (high, low) => format!("{high:016x}{low:016x}"),
        };
        json!({
            "traceId": trace_id,
            "id": format!("{:x}", self.id),
            "parentId": (self.parent_id != 0).then(|| format!("{:016x}", self.parent_id)),
            "name": self.name,
            "timestamp": self.timestamp_us,
            "duration": self.duration_us,
            "debug": self.debug,
            "annotations": annotations,
            "binaryAnnotations": binary_annotations,
        })
    }

    /// Appends the span in thrift's binary protocol.
    pub(crate) fn write_thrift(&self, out: &mut Vec<u8>) {
        for (number, value) in [
            (1, self.trace_id.1),
            (4, self.id),
            (5, self.parent_id),
            (10, self.timestamp_us.cast_unsigned()),
            (11, self.duration_us.cast_unsigned()),
            (12, self.trace_id.0),
        ] {
            field(out, 10, number, &value.to_be_bytes());
        }
        if let Some(name) = &self.name {
            text(out, 3, name.as_bytes());
        }
        field(out, 2, 9, &[u8::from(self.debug)]);
        list(out, 6, self.annotations.len());
        for (timestamp, value, endpoint) in &self.annotations {
            field(out, 10, 1, &timestamp.to_be_bytes());
            text(out, 2, value.as_bytes());
            thrift_endpoint(out, 3, endpoint.as_ref());
            out.push(0);
        }
        list(out, 8, self.binary_annotations.len());
        for (key, value, endpoint) in &self.binary_annotations {
            text(out, 1, key.as_bytes());
            text(
                out,
                2,
                value.as_ref().map_or(b"\x01", |value| value.as_bytes()),
            );
            let kind = if value.is_some() { 6_u32 } else { 0 };
            field(out, 8, 3, &kind.to_be_bytes());
            thrift_endpoint(out, 4, endpoint.as_ref());
            out.push(0);
        }
        out.push(0);
    }
}

/// Returns a list of spans in thrift's binary protocol.
pub(crate) fn thrift_list(spans: &[OldSpan]) -> Vec<u8> {
    let mut out = vec![12];
    out.extend((spans.len() as u32).to_be_bytes());
    for span in spans {
        span.write_thrift(&mut out);
    }
    out
}

fn json_endpoint(endpoint: &Endpoint) -> Value {
    let mut fields = Map::new();
    fields.insert("serviceName".into(), endpoint.service_name.clone().into());
    fields.insert("ipv4".into(), endpoint.ipv4.map(|ip| ip.to_string()).into());
    fields.insert("ipv6".into(), endpoint.ipv6.map(|ip| ip.to_string()).into());
    fields.insert("port".into(), endpoint.port.into());
    fields.into()
}

fn thrift_endpoint(out: &mut Vec<u8>, number: u8, endpoint: Option<&Endpoint>) {
    let Some(endpoint) = endpoint else { return };
    out.extend([12, 0, number]);
    let ipv4 = endpoint.ipv4.map_or([0; 4], |ip| ip.octets());
    field(out, 8, 1, &ipv4);
    field(out, 6, 2, &endpoint.port.to_be_bytes());
    let name = endpoint.service_name.as_deref().unwrap_or_default();
    text(out, 3, name.as_bytes());
    if let Some(ipv6) = endpoint.ipv6 {
        text(out, 4, &ipv6.octets());
    }
    out.push(0);
}

fn field(out: &mut Vec<u8>, kind: u8, number: u8, value: &[u8]) {
    out.extend([kind, 0, number]);
    out.extend(value);
}

fn text(out: &mut Vec<u8>, number: u8, value: &[u8]) {
    field(out, 11, number, &(value.len() as u32).to_be_bytes());
    out.extend(value);
}

fn list(out: &mut Vec<u8>, number: u8, count: usize) {
    field(out, 15, number, &[12]);
    out.extend((count as u32).to_be_bytes());
}
