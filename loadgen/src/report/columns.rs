//! The columns that tables have wherever they are shown, as titles and texts.

use super::StepReport;
use super::table::{grouped, rounded, time};
use crate::queries::Answered;

/// Of a step.
pub(super) const STEP: [&str; 11] = [
    "asked/s",
    "accepted/s",
    "p50",
    "p90",
    "p99",
    "p99.9",
    "p99.99",
    "max",
    "refused",
    "failed",
    "unsent",
];
/// Of an endpoint that was asked.
pub(super) const QUERY: [&str; 6] = ["query", "answered", "failed", "p50", "p99", "max"];

/// Returns the texts of a step.
pub(super) fn of_step(step: &StepReport) -> [String; STEP.len()] {
    let asked = step.asked.map_or("-".into(), |rate| grouped(rounded(rate)));
    let [p50, p90, p99, p999, p9999] =
        [50.0, 90.0, 99.0, 99.9, 99.99].map(|at| time(step.latency_at(at)));
    let [refused, failed, unsent] = [step.refused, step.failed, step.unsent].map(grouped);
    [
        asked,
        grouped(rounded(step.rate())),
        p50,
        p90,
        p99,
        p999,
        p9999,
        time(step.latency_max_us),
        refused,
        failed,
        unsent,
    ]
}

/// Returns the texts of an endpoint.
pub(super) fn of_query(query: &Answered) -> [String; QUERY.len()] {
    let [answered, failed] = [query.answered, query.failed].map(grouped);
    let [p50, p99, max] = [query.p50_us, query.p99_us, query.max_us].map(time);
    [query.name.clone(), answered, failed, p50, p99, max]
}
