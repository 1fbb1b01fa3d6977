//! The spans of the format's fixture as text that stays the same whatever becomes of the types in
//! memory. Of traces from 10,000 on, which are very many, there is a checksum of the text.

use std::fmt::Write;

use speargun_model::{Endpoint, Span, TraceId};
use speargun_storage::{ReadContext, SpanReader};

/// The lower halves of the fixture's trace ids, and how many are summed up in one line.
const LOWS: [(std::ops::RangeInclusive<u64>, usize); 3] =
    [(1..=10, 1), (2_000..=2_010, 1), (10_000..=14_300, 100)];

/// Returns the text of all spans of the fixture that a store holds.
pub(crate) fn text(reader: &dyn SpanReader) -> String {
    let mut out = String::new();
    for (lows, summed) in LOWS {
        let lows: Vec<u64> = lows.collect();
        for some in lows.chunks(summed) {
            let spans = some.iter().flat_map(|&low| spans_of(reader, low));
            let lines: Vec<String> = spans.map(|span| line(&span)).collect();
            if summed == 1 {
                out.extend(lines.iter().map(String::as_str));
                continue;
            }
            let sum = crc_fast::checksum(
                crc_fast::CrcAlgorithm::Crc32Iscsi,
                lines.concat().as_bytes(),
            );
            let (from, count) = (some[0], lines.len());
            writeln!(out, "{count} spans of traces from {from}: {sum:08x}").unwrap();
        }
    }
    out
}

fn spans_of(reader: &dyn SpanReader, low: u64) -> Vec<Span> {
    let highs: &[u64] = if low < 10_000 {
        &[0, 1, u64::MAX]
    } else {
        &[0]
    };
    let ids = highs.iter().map(|&high| TraceId { high, low });
    let found = ids.map(|id| reader.trace(id, &ReadContext::default()).unwrap());
    found.flatten().collect()
}

fn line(span: &Span) -> String {
    let mut out = format!("{} {}", span.trace_id, span.id);
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            write!(out, " {name}={value}").unwrap();
        }
    };
    put("parent", span.parent_id.map(|id| id.to_string()));
    put("kind", span.kind.map(|kind| kind.name().to_owned()));
    put("name", span.name.as_ref().map(|name| format!("{name:?}")));
    put(
        "at",
        (span.timestamp_us != 0).then(|| span.timestamp_us.to_string()),
    );
    put(
        "lasting",
        (span.duration_us != 0).then(|| span.duration_us.to_string()),
    );
    put("local", span.local_endpoint.as_ref().map(endpoint));
    put("remote", span.remote_endpoint.as_ref().map(endpoint));
    put("debug", span.debug.then(|| "yes".to_owned()));
    put("shared", span.shared.then(|| "yes".to_owned()));
    for note in &span.annotations {
        put(
            "note",
            Some(format!("{}:{:?}", note.timestamp_us, note.value)),
        );
    }
    for (key, value) in &span.tags {
        put("tag", Some(format!("{key:?}:{value:?}")));
    }
    out.push('\n');
    out
}

fn endpoint(endpoint: &Endpoint) -> String {
    let mut out = format!("{:?}", endpoint.service_name.as_deref().unwrap_or_default());
    if let Some(ipv4) = endpoint.ipv4 {
        write!(out, ",{ipv4}").unwrap();
    }
    if let Some(ipv6) = endpoint.ipv6 {
        write!(out, ",{ipv6}").unwrap();
    }
    write!(out, ",{}", endpoint.port).unwrap();
    out
}
