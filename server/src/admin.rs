//! What operators and their tools ask: health, version, metrics. Texts and forms are Zipkin's.

mod exposition;
mod prometheus;
pub(crate) mod requests;

use http::StatusCode;
use speargun_collector::Transport;
use speargun_collector::ledger::Count;
use speargun_storage::ReadError;

use crate::app::App;
use crate::front::reply::{self, Reply};
use crate::json::Json;
use crate::served::Served;
use crate::settings::Engine;

pub(crate) use prometheus::prometheus;

const JSON_UTF8: &str = "application/json; charset=utf-8";
const ACTUATOR_JSON: &str = "application/vnd.spring-boot.actuator.v2+json; charset=utf-8";

/// Returns the type of an answer, which the path alone decides.
fn content_type(path: &str) -> &'static str {
    if path.starts_with("/actuator") {
        ACTUATOR_JSON
    } else {
        JSON_UTF8
    }
}

/// Answers whether spans can be written and read, a component an entry.
pub(crate) fn health(app: &App, path: &str) -> Reply {
    let read = app.reader.check().err();
    let mut components = vec![(
        app.reader.describe(),
        read.map(|why| match why {
            ReadError::Unwritable(_) => format!("WriteError: {why}"),
            _ => format!("ReadError: {why}"),
        }),
    )];
    let write = app.condition.trouble();
    let write = write.map(|why| format!("WriteError: {why}"));
    match app.settings.engine {
        Engine::Segment => {
            let folder = app.settings.data.join("journal");
            components.push((format!("Journal{{dir={}}}", folder.display()), write));
        }
        Engine::Memory => {
            let (_, why) = &mut components[0];
            *why = why.take().or(write);
        }
    }
    for queue in &app.queues {
        let why = queue.trouble().map(|why| format!("ReceiveError: {why}"));
        components.push((queue.name().to_owned(), why));
    }
    let (status, body) = health_of(components);
    reply::with_body(status, content_type(path), body)
}

/// Returns the status and the text for components and what is wrong with each.
fn health_of(components: Vec<(String, Option<String>)>) -> (StatusCode, String) {
    let state = |up: bool| ("status", Json::text(if up { "UP" } else { "DOWN" }));
    let up = components.iter().all(|(_, why)| why.is_none());
    let entries = components.into_iter().map(|(name, why)| {
        let mut entry = vec![state(why.is_none())];
        entry.extend(why.map(|why| ("details", Json::object([("error", Json::text(why))]))));
        (name, Json::object(entry))
    });
    let zipkin = Json::object([state(up), ("details", Json::object(entries))]);
    let status = if up {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = Json::object([state(up), ("zipkin", zipkin)]).print();
    (status, body)
}

/// Returns what is answered about the version.
pub(crate) fn info(path: &str) -> Served {
    let version = env!("CARGO_PKG_VERSION");
    let body = format!("{{\"zipkin\":{{\"version\":\"{version}\",\"commit\":\"speargun\"}}}}\n");
    Served::new(content_type(path), None, body)
}

/// Answers which paths there are below `/actuator`.
pub(crate) fn actuator() -> Reply {
    let link = |path: &str| format!("{{\"href\":\"/actuator{path}\",\"templated\":false}}");
    let links: Vec<String> = ["self", "health", "info", "metrics", "prometheus"]
        .into_iter()
        .map(|name| match name {
            "self" => format!("\"self\":{}", link("")),
            name => format!("\"{name}\":{}", link(&format!("/{name}"))),
        })
        .collect();
    let body = format!("{{\"_links\":{{{}}}}}", links.join(","));
    reply::with_body(
        StatusCode::OK,
        "application/vnd.spring-boot.actuator.v3+json",
        body,
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    fn health(wrong: Option<&str>) -> (StatusCode, String) {
        health_of(vec![
            ("Good{}".to_owned(), None),
            ("Other{dir=/x}".to_owned(), wrong.map(str::to_owned)),
        ])
    }

    #[test]
    fn one_component_that_is_down_takes_all_down_and_says_why() {
        let (status, body) = health(Some("WriteError: \"full\""));
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let expected = r#"{
  "status" : "DOWN",
  "zipkin" : {
    "status" : "DOWN",
    "details" : {
      "Good{}" : {
        "status" : "UP"
      },
      "Other{dir=/x}" : {
        "status" : "DOWN",
        "details" : {
          "error" : "WriteError: \"full\""
        }
      }
    }
  }
}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn all_up_is_up() {
        let (status, body) = health(None);
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body.matches("\"UP\"").count(), 4);
        assert!(!body.contains("error"));
    }
}
