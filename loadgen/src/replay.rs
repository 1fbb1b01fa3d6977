//! Spans from a file that somebody recorded: a body of any of Zipkin's formats, or a list of traces
//! as the query API answers it. They are moved so that the first begins where a pool does.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use speargun_model::codec::{self, Format as Codec};
use speargun_model::{Bounds, SpanBatch};

use crate::pool::EPOCH_US;
use crate::workload::{Endpoint, Kind, Span, Text};

/// A larger file is not read.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// Spans farther than five years from the middle one have a wrong clock.
const FAR_US: u64 = 5 * 365 * 86_400 * 1_000_000;

/// Recorded spans, ready to be sent.
#[derive(Debug)]
pub struct Recording {
    /// The spans, the first at [`EPOCH_US`].
    pub spans: Vec<Span>,
    /// From the start of the first to the end of the last.
    pub window_us: u64,
    /// Spans whose times were too far from the others'.
    pub odd: usize,
}

/// Reads a file.
pub fn read(path: &Path) -> Result<Recording> {
    let bytes = read_file(path, FILE_BYTES_MAX)?;
    parse(bytes).with_context(|| format!("read {}", path.display()))
}

/// Reads a file of so many bytes at most. What it says of its length is not believed: a device
/// has none and never ends.
pub(crate) fn read_file(path: &Path, bytes_max: u64) -> Result<Vec<u8>> {
    let about = || format!("read {}", path.display());
    let file = File::open(path).with_context(about)?;
    let mut bytes = Vec::new();
    let read = file.take(bytes_max + 1).read_to_end(&mut bytes);
    read.with_context(about)?;
    ensure!(
        bytes.len() as u64 <= bytes_max,
        "{} is larger than {bytes_max} bytes",
        path.display()
    );
    Ok(bytes)
}

/// Reads the bytes of a file.
pub fn parse(bytes: Vec<u8>) -> Result<Recording> {
    let body = flat(bytes)?;
    let Some(format) = Codec::detect(&body) else {
        bail!("no spans in JSON, proto3 or thrift");
    };
    let mut batch = SpanBatch::default();
    codec::decode(format, body.into(), &Bounds::WIDEST, &mut batch)?;
    ensure!(!batch.spans.is_empty(), "no spans in it");
    let mut instances = HashMap::new();
    let mut spans: Vec<Span> = batch
        .views()
        .map(|view| convert(view.to_span(), &mut instances))
        .collect();
    drop(batch);
    let with_time = || spans.iter().filter(|span| span.timestamp_us > 0);
    let mut times: Vec<u64> = with_time().map(|span| span.timestamp_us).collect();
    times.sort_unstable();
    let middle = *times.get(times.len() / 2).context("no span has a time")?;
    // One wrong clock would put all others years from now.
    let is_near = |at: u64| at.abs_diff(middle) <= FAR_US;
    let near = || with_time().filter(|span| is_near(span.timestamp_us));
    let start_us = near().map(|span| span.timestamp_us).min().unwrap_or(middle);
    let end_us = near().map(Span::end_us).max().unwrap_or(middle);
    let end_us = end_us.min(middle.saturating_add(FAR_US));
    let odd = times.iter().filter(|at| !is_near(**at)).count();
    let moved = |at: u64| at.clamp(start_us, end_us) - start_us + EPOCH_US;
    for span in &mut spans {
        if span.timestamp_us > 0 {
            span.timestamp_us = moved(span.timestamp_us);
        }
        for (at, _) in &mut span.annotations {
            *at = moved(*at);
        }
    }
    Ok(Recording {
        spans,
        window_us: end_us - start_us,
        odd,
    })
}

/// Reads the one span of a body as a server would; `None` when it is none.
pub(crate) fn read_again(body: Vec<u8>) -> Option<Span> {
    let format = Codec::detect(&body)?;
    let mut batch = SpanBatch::default();
    codec::decode(format, body.into(), &Bounds::WIDEST, &mut batch).ok()?;
    let span = batch.views().next()?.to_span();
    Some(convert(span, &mut HashMap::new()))
}

/// Makes one list of a list of traces.
fn flat(bytes: Vec<u8>) -> Result<Vec<u8>> {
    let mut start = bytes.iter().filter(|byte| !byte.is_ascii_whitespace());
    if start.next() != Some(&b'[') {
        return Ok(bytes);
    }
    if start.next() != Some(&b'[') {
        return Ok(bytes);
    }
    let traces: Vec<Vec<Value>> = serde_json::from_slice(&bytes)?;
    let spans: Vec<Value> = traces.into_iter().flatten().collect();
    Ok(serde_json::to_vec(&spans)?)
}

fn convert(span: speargun_model::Span, instances: &mut HashMap<Option<String>, u16>) -> Span {
    let local = span.local_endpoint.unwrap_or_default();
    let next = instances.len() as u16;
    let instance = *instances.entry(local.service_name.clone()).or_insert(next);
    let annotations = span.annotations.into_iter();
    Span {
        trace_id: span.trace_id.as_u128(),
        parent_id: span.parent_id.map_or(0, |id| id.0),
        id: span.id.0,
        kind: span.kind.and_then(|kind| Kind::from_number(kind as u8)),
        name: Text::Owned(span.name.unwrap_or_default()),
        timestamp_us: span.timestamp_us,
        duration_us: span.duration_us,
        local: endpoint(local),
        remote: endpoint(span.remote_endpoint.unwrap_or_default()),
        annotations: annotations
            .map(|it| (u64::try_from(it.timestamp_us).unwrap_or(0), it.value.into()))
            .collect(),
        tags: span
            .tags
            .into_iter()
            .map(|(key, value)| (key.into(), value.into()))
            .collect(),
        shared: span.shared,
        debug: span.debug,
        instance,
    }
}

fn endpoint(endpoint: speargun_model::Endpoint) -> Endpoint {
    Endpoint {
        service_name: endpoint.service_name.unwrap_or_default().into(),
        ipv4: endpoint.ipv4.map_or([0; 4], |ip| ip.octets()),
        ipv6: endpoint.ipv6.map_or([0; 16], |ip| ip.octets()),
        port: endpoint.port,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{Format, Traffic};

    #[test]
    fn recorded_spans_are_the_same_but_for_their_time() {
        let mut recorded = Traffic::new(3).spans(200, 1_700_000_000_000_000, 1_000_000);
        let start_us = recorded.iter().map(|span| span.timestamp_us).min().unwrap();
        for format in [Format::Json, Format::Proto, Format::JsonV1] {
            let recording = parse(format.encode(&recorded)).unwrap();
            assert_eq!(recording.spans.len(), 200);
            let first = recording.spans.iter().map(|span| span.timestamp_us).min();
            assert_eq!(first, Some(EPOCH_US));
            for (old, new) in recorded.iter().zip(&recording.spans) {
                assert_eq!(new.timestamp_us - EPOCH_US, old.timestamp_us - start_us);
                assert_eq!((new.trace_id, new.id), (old.trace_id, old.id));
                assert_eq!(new.tags.len(), old.tags.len());
            }
        }
        recorded.clear();
        assert!(parse(Format::Json.encode(&recorded)).is_err());
    }

    #[test]
    fn lists_of_traces_are_one_list() {
        let text = r#" [ [{"traceId":"1","id":"1","timestamp":5,
            "localEndpoint":{"serviceName":"a"}}],
            [{"traceId":"2","id":"2","timestamp":9,"localEndpoint":{"serviceName":"b"}}] ]"#;
        let recording = parse(text.into()).unwrap();
        assert_eq!(recording.spans.len(), 2);
        assert_eq!(recording.window_us, 4);
        assert_ne!(recording.spans[0].instance, recording.spans[1].instance);
    }

    #[test]
    fn a_wrong_clock_and_a_long_file_do_not_move_the_others() {
        let span = |id: u64, at: u64| {
            format!("{{\"traceId\":\"{id}\",\"id\":\"{id}\",\"timestamp\":{at}}}")
        };
        let at = 1_600_000_000_000_000;
        let year = 365 * 86_400_000_000;
        let all = [
            span(1, 5),
            span(2, at),
            span(3, at + 3 * year),
            span(4, at + 9),
        ];
        let recording = parse(format!("[{}]", all.join(",")).into()).unwrap();
        assert_eq!((recording.odd, recording.window_us), (1, 3 * year));
        let times: Vec<u64> = recording.spans.iter().map(|it| it.timestamp_us).collect();
        let start = EPOCH_US;
        assert_eq!(times, [start, start, start + 3 * year, start + 9]);
        let recipe = crate::pool::Recipe {
            knobs: crate::workload::Knobs::default(),
            spans: 0,
            window_us: recording.window_us,
            batch: 10,
            format: Format::Json,
            gzip: None,
        };
        let pool = crate::pool::Pool::of(recording.spans, &recipe).unwrap();
        let now = crate::pool::now_us();
        let shifted = pool.round(0).time_in_pool(now);
        // Now is where the last of it is.
        assert!(shifted.abs_diff(start + 3 * year) < year / 300, "{shifted}");
        let mut body = crate::pool::Filled::default();
        pool.fill(0, &mut body);
        let sent: Value = serde_json::from_slice(&body.bytes).unwrap();
        let newest = sent.as_array().unwrap().iter();
        let newest = newest.filter_map(|span| span["timestamp"].as_u64()).max();
        assert!(newest.unwrap().abs_diff(now) < year / 300, "{newest:?}");
    }

    #[test]
    fn what_has_no_end_is_not_read_to_it() {
        let error = read_file(Path::new("/dev/zero"), 1000).unwrap_err();
        assert!(error.to_string().contains("larger than 1000"), "{error}");
    }

    #[test]
    fn what_is_no_recording_is_refused_in_words() {
        for bytes in [
            &b"hello"[..],
            b"",
            b"[[1]]",
            b"[]",
            b"[{\"traceId\":\"x\"}]",
        ] {
            assert!(parse(bytes.to_vec()).is_err(), "{bytes:?}");
        }
    }
}
