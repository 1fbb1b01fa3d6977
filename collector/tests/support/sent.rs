//! Bodies that were sent, and what a store must answer about them. It knows nothing of the parts
//! that take them.

use std::collections::BTreeMap;
use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span as OtlpSpan};
use prost::Message as _;
use speargun_collector::inlet::Message;
use speargun_collector::ledger::Transport;
use speargun_collector::{Encoding, Sampler};
use speargun_model::codec::{Format, json_v2, proto3};
use speargun_model::{Span, SpanId, TraceId};
use speargun_segment::SegmentStore;
use speargun_storage::contract::{NOW_US, Random};
use speargun_storage::{ReadContext, SpanReader};

pub(crate) fn sampler() -> Sampler {
    Sampler::new(0.75).unwrap()
}

/// A request's body.
#[derive(Clone)]
pub(crate) struct Body {
    spans: Vec<Span>,
    format: Format,
    zipped: bool,
}

impl Body {
    pub(crate) fn message(&self) -> Message {
        let mut body = Vec::new();
        match self.format {
            Format::JsonV2 => json_v2::encode_spans(&self.spans, &mut body),
            Format::Proto3 => proto3::encode_spans(&self.spans, &mut body),
            Format::JsonV1 => write_json_v1(&self.spans, &mut body).unwrap(),
            Format::Thrift => write_thrift(&self.spans, &mut body),
            Format::OtlpProto => body = otlp(&self.spans).encode_to_vec(),
            Format::OtlpJson => body = serde_json::to_vec(&otlp(&self.spans)).unwrap(),
        }
        let encoding = if self.zipped {
            let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
            zip.write_all(&body).unwrap();
            body = zip.finish().unwrap();
            Encoding::Gzip
        } else {
            Encoding::Identity
        };
        Message {
            transport: Transport::Http,
            format: self.format,
            encoding,
            body: Bytes::from(body),
        }
    }

    /// Returns the spans that sampling keeps.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Span> {
        let boundary = sampler().boundary();
        let keeps = move |span: &&Span| {
            let low = span.trace_id.low.cast_signed();
            span.debug || low.checked_abs().unwrap_or(i64::MAX) <= boundary
        };
        self.spans.iter().filter(keeps)
    }
}

fn write_json_v1(spans: &[Span], out: &mut Vec<u8>) -> std::io::Result<()> {
    let mut before = '[';
    for span in spans {
        let (trace, id, debug) = (span.trace_id, span.id, span.debug);
        let name = span.name.as_deref().unwrap();
        let (timestamp, duration) = (span.timestamp_us, span.duration_us);
        write!(
            out,
            r#"{before}{{"traceId":"{trace}","id":"{id}","name":"{name}","timestamp":{timestamp},"duration":{duration},"debug":{debug},"binaryAnnotations":["#
        )?;
        for (index, (key, value)) in span.tags.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, r#"{comma}{{"key":"{key}","value":"{value}"}}"#)?;
        }
        out.extend(b"]}");
        before = ',';
    }
    out.push(b']');
    Ok(())
}

fn write_thrift(spans: &[Span], out: &mut Vec<u8>) {
    fn number(out: &mut Vec<u8>, field: u8, value: u64) {
        out.extend([10, 0, field]);
        out.extend(value.to_be_bytes());
    }
    fn text(out: &mut Vec<u8>, field: u8, value: &str) {
        out.extend([11, 0, field]);
        out.extend((value.len() as u32).to_be_bytes());
        out.extend(value.as_bytes());
    }
    out.push(12);
    out.extend((spans.len() as u32).to_be_bytes());
    for span in spans {
        number(out, 12, span.trace_id.high);
        number(out, 1, span.trace_id.low);
        number(out, 4, span.id.0);
        text(out, 3, span.name.as_deref().unwrap());
        number(out, 10, span.timestamp_us);
        number(out, 11, span.duration_us);
        out.extend([2, 0, 9, u8::from(span.debug)]);
        out.extend([15, 0, 8, 12]);
        out.extend((span.tags.len() as u32).to_be_bytes());
        for (key, value) in &span.tags {
            text(out, 1, key);
            text(out, 2, value);
            out.extend([8, 0, 3, 0, 0, 0, 6, 0]);
        }
        out.push(0);
    }
}

/// As OpenTelemetry would report the spans that are made here.
fn otlp(spans: &[Span]) -> ExportTraceServiceRequest {
    let spans = spans.iter().map(|span| OtlpSpan {
        trace_id: span.trace_id.as_u128().to_be_bytes().into(),
        span_id: span.id.0.to_be_bytes().into(),
        name: span.name.clone().unwrap(),
        start_time_unix_nano: 1000 * span.timestamp_us,
        end_time_unix_nano: 1000 * (span.timestamp_us + span.duration_us),
        attributes: span.tags.iter().map(attribute).collect(),
        ..OtlpSpan::default()
    });
    let scope_spans = vec![ScopeSpans {
        spans: spans.collect(),
        ..ScopeSpans::default()
    }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans,
            ..ResourceSpans::default()
        }],
    }
}

fn attribute((key, value): &(String, String)) -> KeyValue {
    KeyValue {
        key: key.clone(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value.clone())),
        }),
        ..KeyValue::default()
    }
}

/// All that was sent in any life.
#[derive(Default)]
pub(crate) struct Sent {
    last_id: u64,
    /// By trace: each span that sampling keeps, and whether it was acknowledged.
    traces: BTreeMap<(u64, u64), Vec<(Span, bool)>>,
    acknowledged: u64,
    refused: u64,
}

impl Sent {
    /// Returns a new body; spans of one trace come in bodies that follow one another.
    pub(crate) fn body(&mut self, random: &mut Random) -> Body {
        let format = Format::from_number(1 + random.below(6) as u8).unwrap();
        let count = 1 + random.below(8);
        let spans = (0..count).map(|_| {
            self.last_id += 1;
            let low = (self.last_id / 5 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Span {
                trace_id: TraceId { high: 7, low },
                id: SpanId(self.last_id),
                name: Some(format!("call {}", random.below(4))),
                timestamp_us: NOW_US + self.last_id,
                duration_us: 1 + random.below(1000),
                tags: vec![("n".to_owned(), "x".repeat(random.below(300) as usize))],
                // OTLP has no such thing.
                debug: random.once_in(20) && !format.is_otlp(),
                ..Span::default()
            }
        });
        Body {
            spans: spans.collect(),
            format,
            zipped: random.once_in(3),
        }
    }

    /// Returns a list for bodies to come, which share no trace with those so far.
    pub(crate) fn to_come(&self) -> Self {
        Self {
            last_id: self.last_id + 5,
            ..Self::default()
        }
    }

    pub(crate) fn note(&mut self, body: &Body, acknowledged: bool) {
        for span in &body.spans {
            let id = span.trace_id;
            self.traces.entry((id.high, id.low)).or_default();
        }
        for span in body.kept() {
            let id = span.trace_id;
            let known = self.traces.entry((id.high, id.low)).or_default();
            known.push((span.clone(), acknowledged));
            let count = if acknowledged {
                &mut self.acknowledged
            } else {
                &mut self.refused
            };
            *count += 1;
        }
    }

    /// Returns how many spans were acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Returns what is wrong with the store: an acknowledged span that is missing, one that is
    /// there twice, one that was sampled out or that nobody sent.
    pub(crate) fn check(&self, store: &SegmentStore) -> Result<(), String> {
        let missing = self.count_missing(store)?;
        if missing > 0 {
            return Err(format!("{missing} acknowledged spans are missing"));
        }
        let stats = store.stats();
        let rows = stats.segment_rows + stats.head_rows;
        if rows < self.acknowledged || rows > self.acknowledged + self.refused {
            let (all, refused) = (self.acknowledged, self.refused);
            return Err(format!("{rows} rows of {all} and {refused} refused"));
        }
        if stats.corrupt_reads > 0 {
            return Err(format!("{} corrupt reads", stats.corrupt_reads));
        }
        Ok(())
    }

    /// Returns how many acknowledged spans are missing, and says what else is wrong.
    pub(crate) fn count_missing(&self, store: &SegmentStore) -> Result<u64, String> {
        let mut missing = 0;
        for (&(high, low), known) in &self.traces {
            let id = TraceId { high, low };
            let found = store.trace(id, &ReadContext::default());
            let found = found.map_err(|error| error.to_string())?;
            let is_known = |span: &&Span| known.iter().any(|(sent, _)| sent == *span);
            if let Some(foreign) = found.iter().find(|span| !is_known(span)) {
                return Err(format!("{id} holds {foreign:?}"));
            }
            for (span, acknowledged) in known {
                match found.iter().filter(|other| *other == span).count() {
                    0 => missing += u64::from(*acknowledged),
                    1 => {}
                    times => return Err(format!("{id} {} is there {times} times", span.id)),
                }
            }
        }
        Ok(missing)
    }
}
