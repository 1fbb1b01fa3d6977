//! What operators and their tools ask: health, version, metrics. Texts and forms are Zipkin's.

mod exposition;
mod prometheus;
pub(crate) mod requests;
pub(crate) mod status;

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

/// A part of the server, as health tells of it.
#[derive(Clone, Debug)]
pub(crate) struct Component {
    pub(crate) name: String,
    /// Why it is down, if it is.
    pub(crate) wrong: Option<String>,
    /// What somebody should look at, though it is up.
    pub(crate) warning: Option<String>,
    /// What else there is to tell.
    pub(crate) figures: Vec<(&'static str, u64)>,
}

impl Component {
    pub(crate) fn new(name: String, wrong: Option<String>) -> Self {
        Self {
            name,
            wrong,
            warning: None,
            figures: Vec::new(),
        }
    }
}

/// Answers whether spans can be written and read, a component an entry.
pub(crate) fn health(app: &App, path: &str) -> Reply {
    let (status, body) = health_of(components(app));
    reply::with_body(status, content_type(path), body)
}

/// Returns the components and what is wrong with each.
fn components(app: &App) -> Vec<Component> {
    let read = app.reader.check().err();
    let mut components = vec![Component::new(
        app.reader.describe(),
        read.map(|why| match why {
            ReadError::Unwritable(_) => format!("WriteError: {why}"),
            _ => format!("ReadError: {why}"),
        }),
    )];
    let write = app.condition.trouble();
    let write = write.map(|why| format!("WriteError: {why}"));
    match app.settings.engine {
        Engine::Segment | Engine::Database(_) => {
            let folder = app.settings.data.join("journal");
            let name = format!("Journal{{dir={}}}", folder.display());
            components.push(Component::new(name, write));
        }
        Engine::Memory => {
            let wrong = &mut components[0].wrong;
            *wrong = wrong.take().or(write);
        }
    }
    components.extend(app.parts.read());
    components.extend(app.queues.iter().map(|queue| {
        let why = queue.trouble().map(|why| format!("ReceiveError: {why}"));
        Component::new(queue.name().to_owned(), why)
    }));
    components
}

/// Returns the status and the text for components.
fn health_of(components: Vec<Component>) -> (StatusCode, String) {
    let state = |up: bool| ("status", Json::text(if up { "UP" } else { "DOWN" }));
    let up = components.iter().all(|component| component.wrong.is_none());
    let entries = components.into_iter().map(|component| {
        let mut entry = vec![state(component.wrong.is_none())];
        let wrong = component.wrong.map(|why| ("error", Json::text(why)));
        let warning = component.warning.map(|why| ("warning", Json::text(why)));
        let figures = component.figures.into_iter();
        let figures = figures.map(|(name, value)| (name, Json::raw(&value)));
        let details: Vec<_> = wrong.into_iter().chain(warning).chain(figures).collect();
        if !details.is_empty() {
            entry.push(("details", Json::object(details)));
        }
        (component.name, Json::object(entry))
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
            Component::new("Good{}".to_owned(), None),
            Component::new("Other{dir=/x}".to_owned(), wrong.map(str::to_owned)),
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
    fn a_warning_takes_nothing_down() {
        let (status, body) = health_of(vec![Component {
            warning: Some("no rights".to_owned()),
            ..Component::new("House{}".to_owned(), None)
        }]);
        assert_eq!(status, StatusCode::OK);
        let expected = r#"        "status" : "UP",
        "details" : {
          "warning" : "no rights"
        }"#;
        assert!(body.contains(expected), "{body}");
    }

    #[test]
    fn figures_of_a_component_are_details() {
        let (status, body) = health_of(vec![Component {
            figures: vec![("spans", 12)],
            ..Component::new("Spool{}".to_owned(), None)
        }]);
        assert_eq!(status, StatusCode::OK);
        let expected = r#"      "Spool{}" : {
        "status" : "UP",
        "details" : {
          "spans" : 12
        }
      }"#;
        assert!(body.contains(expected), "{body}");
    }

    #[test]
    fn all_up_is_up() {
        let (status, body) = health(None);
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body.matches("\"UP\"").count(), 4);
        assert!(!body.contains("error"));
    }
}
