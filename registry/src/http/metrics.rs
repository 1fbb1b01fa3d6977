//! All metrics in Prometheus's text. Nothing is counted here.

use std::fmt::Write;
use std::sync::atomic::Ordering;

use http::StatusCode;

use super::eureka::Operation;
use super::reply::{self, Reply};
use super::{App, WATCHERS_MAX};
use crate::book::Now;
use crate::book::preserve::Verdict;
use crate::meter::{Count, Refusal};
use crate::model::Status;
use crate::peer::{Peer, State};

const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers all metrics.
pub fn answer(app: &App) -> Reply {
    let mut text = Text::default();
    instances(app, &mut text);
    counters(app, &mut text);
    requests(app, &mut text);
    peers(app, &mut text);
    process(app, &mut text);
    reply::with_body(StatusCode::OK, KIND, text.0)
}

/// The text as it grows.
#[derive(Debug, Default)]
struct Text(String);

// === impl Text ===

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let mut shown = String::new();
        for (index, (label, text)) in labels.iter().enumerate() {
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let begin = if index == 0 { '{' } else { ',' };
            shown.push(begin);
            shown.push_str(label);
            shown.push_str("=\"");
            shown.push_str(&text);
            shown.push('"');
        }
        if !labels.is_empty() {
            shown.push('}');
        }
        self.line(format_args!("{name}{shown} {value}"));
    }

    fn single(&mut self, kind: &str, metric: (&str, &str), value: f64) {
        self.family(metric.0, kind, metric.1);
        self.sample(metric.0, &[], value);
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let written = writeln!(self.0, "{line}");
        debug_assert!(written.is_ok(), "strings take all that is written");
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counters beyond 2^53 lose their last digits, as all of Prometheus's do"
)]
fn float(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

fn instances(app: &App, text: &mut Text) {
    let book = app.desk.book();
    let counts = Status::ALL.map(|status| (status, book.count(status)));
    let why = book.explain(app.time.now());
    let (delta, version, renewals) = (book.delta_len(), book.version(), book.renewals_total());
    drop(book);
    let name = "speargun_registry_instances";
    text.family(name, "gauge", "registered instances");
    for (status, count) in counts {
        text.sample(name, &[("status", status.name())], float(count));
    }
    for (metric, value) in [
        (
            ("speargun_registry_expired", "instances whose lease ran out"),
            float(why.expired),
        ),
        (
            (
                "speargun_registry_held",
                "1 while leases that ran out are held",
            ),
            float(u8::from(why.verdict == Verdict::Held)),
        ),
        (
            (
                "speargun_registry_renewals_expected_per_minute",
                "renewals that clients promised, each by its own interval",
            ),
            why.expected_per_min,
        ),
        (
            (
                "speargun_registry_renewals_last_minute",
                "renewals of the last minute",
            ),
            float(why.renewals_last_min),
        ),
        (
            ("speargun_registry_delta_entries", "instances in the delta"),
            float(delta),
        ),
    ] {
        text.single("gauge", metric, value);
    }
    let changes = ("speargun_registry_changes_total", "changes of the lists");
    text.single("counter", changes, float(version));
    let metric = ("speargun_registry_renewals_total", "leases renewed");
    text.single("counter", metric, float(renewals));
}

fn counters(app: &App, text: &mut Text) {
    let meter = &app.desk.meter;
    for (count, name, help) in Count::ALL {
        text.single("counter", (name, help), float(meter.count(count)));
    }
    let name = "speargun_registry_refused_total";
    text.family(name, "counter", "what was refused");
    for (why, word) in Refusal::ALL {
        text.sample(name, &[("reason", word)], float(meter.refused(why)));
    }
}

fn requests(app: &App, text: &mut Text) {
    let name = "speargun_registry_requests_total";
    text.family(name, "counter", "answers to Eureka's operations");
    for (index, operation) in Operation::NAMES.into_iter().enumerate() {
        for (code, count) in app
            .desk
            .meter
            .answers(index)
            .filter(|(_, count)| *count > 0)
        {
            let code = code.to_string();
            let labels = [("operation", operation), ("code", code.as_str())];
            text.sample(name, &labels, float(count));
        }
    }
}

type Figure = fn(&Peer, Now) -> f64;

const PEER_FIGURES: [(&str, &str, &str, Figure); 7] = [
    (
        "speargun_registry_peer_up",
        "gauge",
        "1 while the peer answers",
        |peer, _| float(u8::from(peer.state() == State::Up)),
    ),
    (
        "speargun_registry_peer_lag_seconds",
        "gauge",
        "age of the oldest change that the peer was not told, or how long the last one took",
        |peer, now| float(peer.lag_ms(now)) / 1000.0,
    ),
    (
        "speargun_registry_peer_probe_seconds",
        "gauge",
        "how long the last probe took",
        |peer, _| float(peer.figures.probe_us.load(Ordering::Relaxed)) / 1e6,
    ),
    (
        "speargun_registry_peer_waiting",
        "gauge",
        "changes that wait for the peer",
        |peer, _| float(peer.outbox.len()),
    ),
    (
        "speargun_registry_peer_told_total",
        "counter",
        "changes that the peer was told",
        |peer, _| float(peer.figures.told.load(Ordering::Relaxed)),
    ),
    (
        "speargun_registry_peer_failed_total",
        "counter",
        "batches and probes that failed",
        |peer, _| float(peer.figures.failed.load(Ordering::Relaxed)),
    ),
    (
        "speargun_registry_peer_dropped_total",
        "counter",
        "changes dropped because too many waited for the peer",
        |peer, _| float(peer.outbox.dropped()),
    ),
];

fn peers(app: &App, text: &mut Text) {
    let now = app.time.now();
    let mut peers = app.desk.peers().all();
    peers.retain(|peer| !peer.is_myself());
    if peers.is_empty() {
        return;
    }
    for (name, kind, help, figure) in PEER_FIGURES {
        text.family(name, kind, help);
        for peer in &peers {
            text.sample(name, &[("peer", &peer.name)], figure(peer, now));
        }
    }
}

fn process(app: &App, text: &mut Text) {
    let connections = app.settings.connections_max - app.connections.available_permits();
    let watchers = WATCHERS_MAX - app.watchers.available_permits();
    for (metric, value) in [
        (
            ("speargun_registry_connections", "open connections"),
            float(connections),
        ),
        (
            ("speargun_registry_watchers", "clients that watch changes"),
            float(watchers),
        ),
        (
            ("speargun_registry_ready", "1 once lists are told"),
            float(u8::from(app.is_ready())),
        ),
    ] {
        text.single("gauge", metric, value);
    }
}
