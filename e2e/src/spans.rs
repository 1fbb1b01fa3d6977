//! Small spans whose ids say where they come from, and the check that a trace came back whole and
//! once. The reference workload is elsewhere.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Returns now in microseconds since the epoch.
pub fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_micros() as u64)
}

/// Returns the JSON list of a trace with `count` spans, ids 1 to `count`, of some milliseconds ago:
/// a search without an end ends where the millisecond begins that it comes in.
pub fn trace_body(trace_id: u128, count: u64, service: &str) -> Vec<u8> {
    let then = now_us() - 10_000;
    let spans: Vec<Value> = (1..=count)
        .map(|id| {
            json!({
                "traceId": format!("{trace_id:032x}"),
                "id": format!("{id:016x}"),
                "name": format!("step {id}"),
                "timestamp": then + id,
                "duration": 10 + id,
                "localEndpoint": {"serviceName": service},
                "tags": {"number": id.to_string()},
            })
        })
        .collect();
    Value::from(spans).to_string().into_bytes()
}

/// Checks that the body of `/api/v2/trace/..` holds ids 1 to `count`, each once.
pub fn ensure_whole_once(body: &[u8], count: u64) -> Result<()> {
    let spans: Value = serde_json::from_slice(body).context("the trace is no JSON")?;
    let mut ids: Vec<&str> = spans
        .as_array()
        .context("the trace is no list")?
        .iter()
        .filter_map(|span| span["id"].as_str())
        .collect();
    ids.sort_unstable();
    let expected: Vec<String> = (1..=count).map(|id| format!("{id:016x}")).collect();
    ensure!(ids == expected, "want {count} spans once each, got {ids:?}");
    Ok(())
}
