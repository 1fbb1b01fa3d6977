//! Figures of the server in Prometheus' text form. Labels have few values, whatever is asked.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use http::StatusCode;

use super::Api;
use super::reply::{Reply, with};
use crate::source::sources::Standing;

const ROUTES: [&str; 9] = [
    "environment",
    "document",
    "file",
    "encryption",
    "monitor",
    "health",
    "metrics",
    "page",
    "none",
];
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Counters.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: [[AtomicU64; CLASSES.len()]; ROUTES.len()],
    /// Connections that were closed because there were too many.
    connections_refused: AtomicU64,
    /// Webhooks whose signature was wrong.
    webhooks_refused: AtomicU64,
}

impl Metrics {
    pub(super) fn connection_refused(&self) {
        self.connections_refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn webhook_refused(&self) {
        self.webhooks_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer.
    pub(super) fn answered(&self, route: &str, status: StatusCode) {
        let route = ROUTES.iter().position(|name| *name == route);
        let class = usize::from(status.as_u16() / 100).saturating_sub(2);
        let row = self.requests.get(route.unwrap_or(ROUTES.len() - 1));
        if let Some(count) = row.and_then(|row| row.get(class)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A text of metrics that grows.
struct Exposition(String);

impl Exposition {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _written = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: u64) {
        let _written = writeln!(self.0, "{name}{labels} {value}");
    }
}

impl Api {
    pub(super) fn metrics(&self) -> Reply {
        let mut out = Exposition(String::new());
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let name = "speargun_config_requests_total";
        out.head(
            name,
            "counter",
            "Answers by what was asked for and class of status.",
        );
        for (route, row) in ROUTES.iter().zip(&self.metrics.requests) {
            for (class, counter) in CLASSES.iter().zip(row) {
                let labels = format!("{{route=\"{route}\",status=\"{class}\"}}");
                out.line(name, &labels, count(counter));
            }
        }
        let name = "speargun_config_connections_refused_total";
        out.head(
            name,
            "counter",
            "Connections closed because there were too many.",
        );
        out.line(name, "", count(&self.metrics.connections_refused));
        let name = "speargun_config_webhooks_refused_total";
        out.head(name, "counter", "Webhooks whose signature was wrong.");
        out.line(name, "", count(&self.metrics.webhooks_refused));
        let (done, failed) = self.refresher.counts();
        let name = "speargun_config_refreshes_total";
        out.head(name, "counter", "Instances told to read again, by outcome.");
        out.line(name, "{outcome=\"done\"}", done);
        out.line(name, "{outcome=\"failed\"}", failed);
        self.debts_metrics(&mut out);
        self.sources_metrics(&mut out);
        with(
            StatusCode::OK,
            "text/plain; version=0.0.4; charset=utf-8",
            out.0,
        )
    }

    fn debts_metrics(&self, out: &mut Exposition) {
        let debts = self.refresher.debts();
        let rows = [
            (
                "speargun_config_refreshes_owed",
                "gauge",
                "Applications and instances that wait to be told.",
                debts.owed,
            ),
            (
                "speargun_config_refreshes_given_up_total",
                "counter",
                "Applications and instances that could not be told for too long.",
                debts.given_up,
            ),
            (
                "speargun_config_changes_forgotten_total",
                "counter",
                "Changed files that no webhook came for in time.",
                debts.forgotten,
            ),
        ];
        for (name, kind, help, value) in rows {
            out.head(name, kind, help);
            out.line(name, "", value);
        }
    }

    fn sources_metrics(&self, out: &mut Exposition) {
        let figures = self.figures();
        let rows = [
            (
                "speargun_config_fetches_total",
                "counter",
                "Fetches that ended.",
            ),
            (
                "speargun_config_fetch_failures_total",
                "counter",
                "Fetches that failed.",
            ),
            (
                "speargun_config_sources_failing",
                "gauge",
                "Sources that can't be read now.",
            ),
            (
                "speargun_config_broken_files",
                "gauge",
                "Broken files of newest commits, and commits with too much.",
            ),
            ("speargun_config_snapshots", "gauge", "Labels in memory."),
            (
                "speargun_config_files",
                "gauge",
                "Files of all labels in memory.",
            ),
            (
                "speargun_config_file_bytes",
                "gauge",
                "Bytes of those files, each label's.",
            ),
        ];
        for ((name, kind, help), value) in rows.into_iter().zip(figures) {
            out.head(name, kind, help);
            out.line(name, "", value);
        }
    }

    /// Returns fetches, those that failed, failing sources, broken files, labels, files and bytes.
    fn figures(&self) -> [u64; 7] {
        let (mut fetches, mut failures, mut failing, mut broken) = (0, 0, 0, 0);
        let (mut snapshots, mut files, mut bytes) = (0, 0, 0);
        let mut add = |snapshot: &crate::snapshot::Snapshot| {
            snapshots += 1;
            for (_, file) in snapshot.files() {
                files += 1;
                bytes += file.bytes().len() as u64;
            }
        };
        for standing in self.sources.standings() {
            match standing {
                Standing::Git(repository) => {
                    let health = repository.health();
                    fetches += health.fetches;
                    failures += health.failures;
                    failing += u64::from(health.error.is_some());
                    for served in repository.served().into_values() {
                        broken += served.broken.len() as u64;
                        broken += u64::from(served.refused.is_some());
                        add(&served.snapshot);
                    }
                }
                Standing::Native(folder) => {
                    failing += u64::from(folder.error().is_some());
                    broken += folder.broken().len() as u64;
                    add(&folder.snapshot());
                }
            }
        }
        [fetches, failures, failing, broken, snapshots, files, bytes]
    }
}
