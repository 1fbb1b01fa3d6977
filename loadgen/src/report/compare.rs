//! Two reports side by side, with the ratio of the second to the first.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::table::{grouped, rounded, time};
use super::{Report, StepReport, VERSION, ratio};

/// A larger file is no report.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// Reads a report that was written with `--json`.
pub fn read(path: &Path) -> Result<Report> {
    let about = || format!("read {}", path.display());
    let bytes = std::fs::metadata(path).with_context(about)?.len();
    ensure!(bytes <= FILE_BYTES_MAX, "{} is too large", path.display());
    let text = std::fs::read(path).with_context(about)?;
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
        Some(ratio(report.cost.as_ref()?.disk_bytes?, 1 << 20))
    });
    row("spans lost", whole, &|report| {
        Some(ratio(report.read_back.lost_spans, 1))
    });
    lines.push(String::new());
    lines.join("\n")
}

/// Latencies are those of the last step, at the highest rate that was asked for.
fn last(report: &Report) -> Option<&StepReport> {
    report.steps.last()
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
