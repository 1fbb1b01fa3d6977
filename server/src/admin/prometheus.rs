//! `/prometheus`: Zipkin's families and our own, which begin with our name. Nothing is counted
//! here.

use std::sync::atomic::Ordering;

use http::{HeaderMap, StatusCode};
use speargun_collector::Transport;
use speargun_collector::ledger::{Count, Reason};
use speargun_collector::receive::queue::{Skip, Standing};

use super::exposition::{Exposition, Form};
use super::zipkin_counters;
use crate::app::App;
use crate::front::reply::{self, Reply};
use crate::live::Following;

/// Answers all metrics.
pub(crate) fn prometheus(app: &App, headers: &HeaderMap) -> Reply {
    let form = Form::wanted(headers);
    let mut text = Exposition::new(form);
    zipkin(app, &mut text);
    app.requests.expose(&mut text);
    ledger(app, &mut text);
    queues(app, &mut text);
    process(app, &mut text);
    reply::with_body(StatusCode::OK, form.content_type(), text.end())
}

fn zipkin(app: &App, text: &mut Exposition) {
    const HELP: [&str; 5] = [
        "cumulative amount of messages received",
        "cumulative amount of messages received that were later dropped",
        "cumulative amount of bytes received",
        "cumulative amount of spans received",
        "cumulative amount of spans received that were later dropped",
    ];
    let counters = zipkin_counters(app, Transport::Http);
    for (index, ((name, _), help)) in counters.iter().zip(HELP).enumerate() {
        let family = format!("zipkin_collector_{name}_total");
        text.family(&family, "counter", help);
        for transport in app.ledger.transports() {
            let value = zipkin_counters(app, transport)[index].1;
            text.sample(&family, &[("transport", transport.name())], value);
        }
    }
    for (family, help) in [
        (
            "zipkin_collector_message_spans",
            "count of spans per message",
        ),
        (
            "zipkin_collector_message_bytes",
            "size of a message containing serialized spans",
        ),
    ] {
        text.family(family, "gauge", help);
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

/// What only transports have that fetch their messages; nothing without them.
fn queues(app: &App, text: &mut Exposition) {
    type Figure = fn(&Standing) -> u64;
    let figures: [(&str, &str, Figure, &str); 3] = [
        (
            "speargun_transport_up",
            "gauge",
            |queue| u64::from(queue.trouble().is_none()),
            "1 while messages are fetched",
        ),
        (
            "speargun_transport_lag",
            "gauge",
            Standing::behind,
            "messages that wait in the queue",
        ),
        (
            "speargun_transport_waits_total",
            "counter",
            Standing::waits,
            "times a message waited for room in the store",
        ),
    ];
    if app.queues.is_empty() {
        return;
    }
    for (family, kind, figure, help) in figures {
        text.family(family, kind, help);
        for queue in &app.queues {
            let labels = [("transport", queue.transport().name())];
            text.sample(family, &labels, figure(queue));
        }
    }
    let family = "speargun_messages_skipped_total";
    text.family(family, "counter", "messages that are no list of spans");
    for queue in &app.queues {
        for skip in Skip::ALL {
            let transport = queue.transport().name();
            let labels = [("transport", transport), ("reason", skip.name())];
            text.sample(family, &labels, queue.skipped(skip));
        }
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
    if app.settings.configuration.is_some() {
        following(&app.following, text);
    }
}

fn following(following: &Following, text: &mut Exposition) {
    for (family, kind, value, help) in [
        (
            "speargun_configuration_up",
            "gauge",
            &following.up,
            "1 while the configuration server answers",
        ),
        (
            "speargun_configuration_failures_total",
            "counter",
            &following.failures,
            "times that the configuration server was asked in vain",
        ),
        (
            "speargun_configuration_refused",
            "gauge",
            &following.refused,
            "1 while what it says is no configuration",
        ),
        (
            "speargun_configuration_changes_total",
            "counter",
            &following.changes,
            "settings that changed in the running process",
        ),
        (
            "speargun_configuration_waiting",
            "gauge",
            &following.waiting,
            "settings that differ and wait for a restart",
        ),
    ] {
        text.family(family, kind, help);
        text.sample(family, &[], value.load(Ordering::Relaxed));
    }
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
