//! Two reports side by side, with the ratio of the second to the first.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::table::{grouped, rounded, time};
use super::{Report, Setting, StepReport, VERSION, ratio};
use crate::replay::read_file;

/// A larger file is no report.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Reads a report that was written with `--json`.
pub fn read(path: &Path) -> Result<Report> {
    let text = read_file(path, FILE_BYTES_MAX)?;
    let report: Report = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no report", path.display()))?;
    ensure!(
        report.version == VERSION,
        "{} has version {}, this reads {VERSION}",
        path.display(),
        report.version
    );
    Ok(report)
}

/// Returns the comparison as text.
pub fn text(base: &Report, other: &Report) -> String {
    let mut lines = vec![
        format!("A: {}, {}", base.target, base.setting.format),
        format!("B: {}, {}", other.target, other.setting.format),
        String::new(),
        line("", "A", "B", "B / A"),
    ];
    let mut row = |name: &str, show: fn(f64) -> String, of: &dyn Fn(&Report) -> Option<f64>| {
        if let (Some(a), Some(b)) = (of(base), of(other)) {
            let times = if a > 0.0 {
                format!("{:.2}", b / a)
            } else {
                "-".into()
            };
            lines.push(line(name, &show(a), &show(b), &times));
        }
    };
    row("accepted spans/s", whole, &|report| {
        Some(last(report)?.rate())
    });
    row("highest rate, spans/s", whole, &|report| {
        report.highest_rate
    });
    row("p50", latency, &|report| at(report, 50.0));
    row("p90", latency, &|report| at(report, 90.0));
    row("p99", latency, &|report| at(report, 99.0));
    row("p99.9", latency, &|report| at(report, 99.9));
    row("longest", latency, &|report| at(report, 100.0));
    row("bodies not accepted", whole, &|report| {
        let all = report.steps.iter().map(StepReport::not_accepted);
        Some(ratio(all.sum(), 1))
    });
    row("server CPU us a span", exact, &|report| {
        Some(report.cost.as_ref()?.cpu_us_per_span)
    });
    row("server memory, MiB", whole, &|report| {
        Some(ratio(report.cost.as_ref()?.resident_bytes, 1 << 20))
    });
    row("server memory at most, MiB", whole, &|report| {
        Some(ratio(report.cost.as_ref()?.peak_bytes, 1 << 20))
    });
    row("disk, MiB", whole, &|report| {
        let of_cost = || report.cost.as_ref()?.disk_bytes;
        Some(ratio(report.disk_bytes.or_else(of_cost)?, 1 << 20))
    });
    row("spans lost", whole, &|report| {
        Some(ratio(report.read_back.lost_spans, 1))
    });
    row("spans changed", whole, &|report| {
        Some(ratio(report.read_back.changed_spans, 1))
    });
    row("spans repeated", whole, &|report| {
        Some(ratio(report.read_back.repeated_spans, 1))
    });
    row("spans not in the counters", whole, &|report| {
        Some(ratio(report.ledger.as_ref()?.missing(), 1))
    });
    row("queries failed", whole, &|report| {
        let failed = report.queries.iter().map(|query| query.failed);
        (!report.queries.is_empty()).then(|| ratio(failed.sum(), 1))
    });
    row("targets missed", whole, &|report| {
        Some(ratio(report.missed.len() as u64, 1))
    });
    lines.push(String::new());
    lines.extend(differences(&base.setting, &other.setting));
    lines.join("\n")
}

/// Returns in which ways the runs can't be compared as they are.
fn differences(a: &Setting, b: &Setting) -> Vec<String> {
    [
        ("pace", a.pace.clone(), b.pace.clone()),
        ("format", a.format.clone(), b.format.clone()),
        ("batch", a.batch.to_string(), b.batch.to_string()),
        (
            "connections",
            a.connections.to_string(),
            b.connections.to_string(),
        ),
        ("seed", a.seed.to_string(), b.seed.to_string()),
        ("workload", a.workload.clone(), b.workload.clone()),
        (
            "warm-up, ms",
            a.warmup_ms.to_string(),
            b.warmup_ms.to_string(),
        ),
    ]
    .into_iter()
    .filter(|(_, a, b)| a != b)
    .map(|(what, a, b)| format!("not alike: {what}: A {a}; B {b}"))
    .collect()
}

/// Latencies are those of the last step, at the highest rate that was asked for; of a search those
/// of the last try that met the targets.
fn last(report: &Report) -> Option<&StepReport> {
    match report.highest_rate {
        Some(_) => report.steps.iter().rfind(|step| step.missed.is_empty()),
        None => report.steps.last(),
    }
}

fn at(report: &Report, per_cent: f64) -> Option<f64> {
    Some(ratio(last(report)?.latency_at(per_cent), 1))
}

fn line(name: &str, a: &str, b: &str, times: &str) -> String {
    format!("{name:<28} {a:>14} {b:>14} {times:>8}")
}

fn whole(value: f64) -> String {
    grouped(rounded(value))
}

fn exact(value: f64) -> String {
    format!("{value:.3}")
}

fn latency(value: f64) -> String {
    time(rounded(value))
}
