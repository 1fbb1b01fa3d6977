//! What the page shows of the server itself: is it my application or the tracer? Ingest by
//! transport with what was refused and why, what is held, how much is stored. It counts nothing.

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use speargun_collector::Transport;
use speargun_collector::ledger::{Count, Reason};

use crate::app::App;
use crate::front::reply::{self, Reply};
use crate::settings::Engine;

/// Where the engine is asked what it holds.
const STORE: &str = "/api/ui/v1/store";

static STARTED_MS: LazyLock<u64> = LazyLock::new(now_ms);

/// Notes when the process started.
pub(crate) fn start() {
    LazyLock::force(&STARTED_MS);
}

/// Answers how the server is.
pub(crate) async fn status(app: &App) -> Reply {
    // It may have to look, so a query's thread does.
    let asked = app.queries.answer(STORE, None, &HeaderMap::new()).await;
    let held: Option<Value> = match asked.status() {
        StatusCode::OK => serde_json::from_slice(reply::data(&asked)).ok(),
        _ => None,
    };
    let body = body(app, held.unwrap_or(Value::Null));
    let mut reply = reply::with_body(StatusCode::OK, "application/json", body.to_string());
    reply::cache_for(&mut reply, "no-store");
    reply
}

fn body(app: &App, held: Value) -> Value {
    let problems: Vec<Value> = super::components(app)
        .into_iter()
        .filter_map(|part| Some(json!({"component": part.name, "error": part.wrong?})))
        .collect();
    let transports: Vec<Transport> = app.ledger.transports().collect();
    let ingest: Vec<Value> = transports.iter().map(|t| transport(app, *t)).collect();
    let waiting: u64 = transports.iter().map(|t| app.ledger.held(*t)).sum();
    let (requests, bytes) = app.handover.used();
    let limits = &app.settings.limits;
    let figures = app.figures.read().into_iter();
    let figures: Map<String, Value> = figures
        .map(|(name, _, value, _)| (name.to_owned(), value.into()))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "nowMs": now_ms(),
        "startedMs": *STARTED_MS,
        "health": {"up": problems.is_empty(), "problems": problems},
        "ingest": ingest,
        "queue": {
            "requests": requests,
            "requestsMax": limits.queue_items,
            "bytes": bytes,
            "bytesMax": limits.queue_bytes,
        },
        "storage": storage(app, held),
        "retention": retention(app),
        "lag": {"heldSpans": waiting},
        "figures": figures,
    })
}

fn transport(app: &App, transport: Transport) -> Value {
    let sum = |count| app.ledger.sum(transport, count);
    let refused = |reason: Reason| {
        let spans = sum(Count::Refused(reason));
        (reason.name().to_owned(), spans.into())
    };
    let refused: Map<String, Value> = Reason::ALL.into_iter().map(refused).collect();
    json!({
        "transport": transport.name(),
        "messages": sum(Count::Messages),
        "messagesDropped": sum(Count::MessagesDropped),
        "bytes": sum(Count::Bytes),
        "received": sum(Count::Received),
        "stored": sum(Count::Stored),
        "sampledOut": sum(Count::SampledOut),
        "held": app.ledger.held(transport),
        "refused": refused,
    })
}

/// Returns what the engine holds, and which engine; nothing but that where it does not say.
fn storage(app: &App, held: Value) -> Value {
    let engine = match app.settings.engine {
        Engine::Segment => "segment",
        Engine::Memory => "mem",
        Engine::Database(kind) => kind.name(),
    };
    let unknown = ["spans", "bytes", "oldestMs", "newestMs"];
    let mut all: Map<String, Value> = Map::new();
    all.insert("engine".to_owned(), engine.into());
    all.extend(unknown.map(|name| (name.to_owned(), Value::Null)));
    if let Value::Object(held) = held {
        all.extend(held);
    }
    Value::Object(all)
}

fn retention(app: &App) -> Value {
    let settings = &app.settings;
    match settings.engine {
        Engine::Segment => json!({
            "ageMs": settings.retention_age.as_millis() as u64,
            "bytes": settings.retention_bytes,
            "spans": null,
        }),
        Engine::Memory => json!({"ageMs": null, "bytes": null, "spans": settings.mem_spans_max}),
        // The database keeps spans as long as it is told to itself.
        Engine::Database(_) => json!({"ageMs": null, "bytes": null, "spans": null}),
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}
