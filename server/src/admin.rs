//! What operators and their tools ask: health, version, metrics. Texts and forms are Zipkin's.

mod prometheus;

use http::StatusCode;
use speargun_collector::Transport;
use speargun_collector::ledger::Count;

use crate::app::App;
use crate::front::reply::{self, Reply};
use crate::json::Json;

pub(crate) use prometheus::prometheus;

const JSON_UTF8: &str = "application/json; charset=utf-8";
const ACTUATOR_JSON: &str = "application/vnd.spring-boot.actuator.v2+json; charset=utf-8";

/// Answers whether spans can be written and read.
pub(crate) fn health(app: &App, path: &str) -> Reply {
    let failure = app
        .condition
        .trouble()
        .map(|why| format!("WriteError: {why}"))
        .or_else(|| {
            app.reader
                .check()
                .err()
                .map(|why| format!("ReadError: {why}"))
        });
    let (status, word) = match failure {
        None => (StatusCode::OK, "UP"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "DOWN"),
    };
    let state = || ("status", Json::text(word));
    let mut component = vec![state()];
    if let Some(why) = failure {
        let details = Json::object([("error", Json::text(why))]);
        component.push(("details", details));
    }
    let details = Json::object([(app.reader.describe(), Json::object(component))]);
    let zipkin = Json::object([state(), ("details", details)]);
    let body = Json::object([state(), ("zipkin", zipkin)]).print();
    let content_type = if path.starts_with("/actuator") {
        ACTUATOR_JSON
    } else {
        JSON_UTF8
    };
    reply::with_body(status, content_type, body)
}

/// Answers which version this is.
pub(crate) fn info() -> Reply {
    let version = env!("CARGO_PKG_VERSION");
    let body = format!("{{\"zipkin\":{{\"version\":\"{version}\",\"commit\":\"speargun\"}}}}\n");
    reply::with_body(StatusCode::OK, JSON_UTF8, body)
}

/// Answers Zipkin's counters and gauges, as a flat object.
pub(crate) fn metrics(app: &App) -> Reply {
    let mut members = Vec::new();
    for transport in app.ledger.transports() {
        let name = transport.name();
        for (counter, value) in zipkin_counters(app, transport) {
            let key = format!("counter.zipkin_collector.{counter}.{name}");
            members.push((key, number(value)));
        }
        let (spans, bytes) = app.ledger.last_message(transport);
        for (gauge, value) in [("message_spans", spans), ("message_bytes", bytes)] {
            let key = format!("gauge.zipkin_collector.{gauge}.{name}");
            members.push((key, number(value)));
        }
    }
    let body = Json::object(members).print();
    reply::with_body(StatusCode::OK, "application/json", body)
}

/// Zipkin's figures are floating-point numbers.
fn number(value: u64) -> Json {
    Json::raw(&Floating(value))
}

/// A count in the form of a floating-point number.
struct Floating(u64);

impl std::fmt::Display for Floating {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.0", self.0)
    }
}

/// Returns Zipkin's counters of a transport. It counts what was sampled out as dropped.
fn zipkin_counters(app: &App, transport: Transport) -> [(&'static str, u64); 5] {
    let sum = |count| app.ledger.sum(transport, count);
    let dropped = sum(Count::SampledOut) + app.ledger.refused(transport);
    [
        ("messages", sum(Count::Messages)),
        ("messages_dropped", sum(Count::MessagesDropped)),
        ("bytes", sum(Count::Bytes)),
        ("spans", sum(Count::Received)),
        ("spans_dropped", dropped),
    ]
}
