//! `/prometheus`: Zipkin's families in its old text form, in which labels end with a comma, and
//! our own under `speargun_`. Nothing is counted here.

use std::fmt::{Display, Write};

use http::StatusCode;
use speargun_collector::Transport;
use speargun_collector::ledger::{Count, Reason};

use super::{Floating, zipkin_counters};
use crate::app::App;
use crate::front::reply::{self, Reply};

/// Answers all metrics.
pub(crate) fn prometheus(app: &App) -> Reply {
    let mut text = Exposition::default();
    zipkin(app, &mut text);
    ledger(app, &mut text);
    process(app, &mut text);
    reply::with_body(
        StatusCode::OK,
        "text/plain; version=0.0.4; charset=utf-8",
        text.0,
    )
}

fn zipkin(app: &App, text: &mut Exposition) {
    for (index, (name, _)) in zipkin_counters(app, Transport::Http).iter().enumerate() {
        let family = format!("zipkin_collector_{name}_total");
        text.family(&family, "counter", "as Zipkin counts");
        for transport in app.ledger.transports() {
            let value = zipkin_counters(app, transport)[index].1;
            text.sample(&family, &[("transport", transport.name())], value);
        }
    }
    for family in [
        "zipkin_collector_message_spans",
        "zipkin_collector_message_bytes",
    ] {
        text.family(family, "gauge", "of the last message");
        for transport in app.ledger.transports() {
            let (spans, bytes) = app.ledger.last_message(transport);
            let value = if family.ends_with("spans") {
                spans
            } else {
                bytes
            };
            text.sample(family, &[("transport", transport.name())], value);
        }
    }
}

fn ledger(app: &App, text: &mut Exposition) {
    let ledger = &app.ledger;
    for (family, count, help) in [
        (
            "speargun_spans_received_total",
            Count::Received,
            "spans decoded",
        ),
        ("speargun_spans_stored_total", Count::Stored, "spans stored"),
        (
            "speargun_spans_sampled_out_total",
            Count::SampledOut,
            "spans that the sampler left out",
        ),
    ] {
        text.family(family, "counter", help);
        for transport in app.ledger.transports() {
            let value = ledger.sum(transport, count);
            text.sample(family, &[("transport", transport.name())], value);
        }
    }
    let family = "speargun_spans_refused_total";
    text.family(
        family,
        "counter",
        "spans refused, whose senders were told so",
    );
    for transport in app.ledger.transports() {
        for reason in Reason::ALL {
            let labels = [("transport", transport.name()), ("reason", reason.name())];
            text.sample(
                family,
                &labels,
                ledger.sum(transport, Count::Refused(reason)),
            );
        }
    }
    let family = "speargun_spans_held";
    text.family(family, "gauge", "spans under way to the store");
    for transport in app.ledger.transports() {
        let value = ledger.held(transport);
        text.sample(family, &[("transport", transport.name())], value);
    }
}

fn process(app: &App, text: &mut Exposition) {
    let (items, bytes) = app.handover.used();
    let bodies = app.limits.bodies.together.used();
    let connections = app
        .settings
        .limits
        .connections_max
        .saturating_sub(app.connections.available_permits());
    for (family, kind, value, help) in [
        (
            "speargun_queue_items",
            "gauge",
            items as u64,
            "requests that wait to be stored",
        ),
        (
            "speargun_queue_bytes",
            "gauge",
            bytes as u64,
            "bytes that wait to be stored",
        ),
        (
            "speargun_bodies_bytes",
            "gauge",
            bodies as u64,
            "bytes of requests being read",
        ),
        (
            "speargun_answers_bytes",
            "gauge",
            app.queries.unread_bytes() as u64,
            "bytes of answers that clients have not read yet",
        ),
        (
            "speargun_connections",
            "gauge",
            connections as u64,
            "open connections",
        ),
    ] {
        text.family(family, kind, help);
        text.sample(family, &[], value);
    }
    writes(app, text);
}

fn writes(app: &App, text: &mut Exposition) {
    let (groups, syncs) = app.condition.groups_and_syncs();
    let failed = u64::from(app.condition.failure().is_some());
    let full = u64::from(app.condition.is_full());
    for (family, kind, value, help) in [
        (
            "speargun_groups_total",
            "counter",
            groups,
            "groups of requests stored together",
        ),
        (
            "speargun_syncs_total",
            "counter",
            syncs,
            "times the journal was synced",
        ),
        (
            "speargun_writes_failed",
            "gauge",
            failed,
            "1 when nothing is written any more",
        ),
        (
            "speargun_journal_full",
            "gauge",
            full,
            "1 while the journal has no space",
        ),
    ]
    .into_iter()
    .chain(app.figures.read())
    {
        text.family(family, kind, help);
        text.sample(family, &[], value);
    }
}

#[derive(Debug, Default)]
struct Exposition(String);

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.line(format_args!("# HELP {name} {help}"));
        self.line(format_args!("# TYPE {name} {kind}"));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        let mut series = name.to_owned();
        if !labels.is_empty() {
            series.push('{');
            for (label, text) in labels {
                series.push_str(label);
                series.push_str("=\"");
                series.push_str(text);
                series.push_str("\",");
            }
            series.push('}');
        }
        self.line(format_args!("{series} {}", Floating(value)));
    }

    fn line(&mut self, line: impl Display) {
        let written = writeln!(self.0, "{line}");
        debug_assert!(written.is_ok(), "strings take all that is written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_end_with_a_comma_and_values_are_floating_point() {
        let mut text = Exposition::default();
        text.sample("zipkin_collector_spans_total", &[("transport", "http")], 6);
        text.sample("speargun_queue_items", &[], 0);
        assert_eq!(
            text.0,
            "zipkin_collector_spans_total{transport=\"http\",} 6.0\nspeargun_queue_items 0.0\n"
        );
    }
}
