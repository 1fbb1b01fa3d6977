//! A queue of messages between two services. There is no broker: a message goes to its receiver at
//! once, below `/actuator`, where nothing is traced, and waits there. In traces it looks as with
//! one: a producer's span, and a consumer's that begins when the message's turn comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use speargun_client::trace::b3::{self, B3};
use speargun_client::trace::{TraceContext, TracerSettings, scope};
use speargun_client::{App, AppError, Reporter, ServiceClient, Tracer};
use speargun_model::Kind;
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};

use crate::shop::Step;
use crate::steps::Doer;

/// What the queue is called in traces.
const BROKER: &str = "rabbitmq";
/// Messages that wait at a receiver; more are refused.
const WAITING_MAX: usize = 64;
const INBOX: &str = "/actuator/inbox";

/// A message, with the trace in its headers as Spring's are.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    book: String,
    b3: Option<String>,
}

/// Where messages go out.
#[derive(Debug)]
pub(crate) struct Outbox(BTreeMap<&'static str, ServiceClient>);

impl Outbox {
    /// Returns an outbox to these services.
    pub(crate) fn new(
        app: &App,
        names: impl Iterator<Item = &'static str>,
    ) -> Result<Self, AppError> {
        // The way to a broker is in no trace.
        let silent = Tracer::new(TracerSettings::new(BROKER), Reporter::none());
        let mut clients = BTreeMap::new();
        for name in names {
            let client = app.service_with(name, |builder| builder.tracer(silent.clone()))?;
            clients.insert(name, client);
        }
        Ok(Self(clients))
    }

    /// Sends a message to a service, within the current request.
    pub(crate) async fn send(&self, tracer: &Tracer, to: &str, book: &str) -> Result<()> {
        let client = self.0.get(to).with_context(|| format!("no way to {to}"))?;
        let mut span = tracer.start("publish");
        span.kind(Kind::Producer);
        span.remote_service(BROKER);
        span.tag("rabbit.queue", to);
        let message = Message {
            book: book.to_owned(),
            b3: write(span.context()),
        };
        let sent = client.post(INBOX).json_body(&message).send().await;
        if let Err(error) = &sent {
            span.error(&error.to_string());
        }
        sent.map(drop).with_context(|| format!("the queue of {to}"))
    }
}

/// As Brave does it in messages: the receiver's span is a child, so it needs no parent's parent.
fn write(context: &TraceContext) -> Option<String> {
    let mut headers = HeaderMap::new();
    let context = TraceContext {
        parent_id: None,
        ..context.clone()
    };
    b3::inject_single(&context, &mut headers);
    let value = headers.get("b3")?.to_str().ok()?;
    Some(value.to_owned())
}

fn read(message: &Message) -> Option<TraceContext> {
    let mut headers = HeaderMap::new();
    headers.insert("b3", HeaderValue::from_str(message.b3.as_deref()?).ok()?);
    match b3::extract_single(&headers)? {
        B3::Context(context) => Some(context),
        B3::Decision(_) => None,
    }
}

/// Returns the route on which messages come, and where they wait.
pub(crate) fn inbox() -> (Router, Receiver<Message>) {
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    (
        Router::new().route(INBOX, post(take)).with_state(sender),
        receiver,
    )
}

async fn take(State(sender): State<Sender<Message>>, Json(message): Json<Message>) -> StatusCode {
    match sender.try_send(message) {
        Ok(()) => StatusCode::ACCEPTED,
        Err(TrySendError::Full(_) | TrySendError::Closed(_)) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Does these steps for each message, one after the other, for ever.
pub(crate) async fn consume(
    mut messages: Receiver<Message>,
    doer: Arc<Doer>,
    steps: &'static [Step],
) {
    while let Some(message) = messages.recv().await {
        let mut span = doer.tracer().start_within(read(&message).as_ref());
        span.name("on-message");
        span.kind(Kind::Consumer);
        span.remote_service(BROKER);
        let done = scope(span.context().clone(), doer.serve(steps, &message.book)).await;
        if let Err(trouble) = done {
            span.error(&trouble.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use speargun_client::trace::Sampling;
    use speargun_model::{SpanId, TraceId};

    use super::*;
    use crate::service::tests::app;

    #[test]
    fn a_message_carries_its_trace() {
        let context = TraceContext {
            trace_id: TraceId { high: 1, low: 2 },
            span_id: SpanId(3),
            parent_id: Some(SpanId(4)),
            sampling: Sampling::Deny,
            carried: None,
        };
        let message = Message {
            book: "7".into(),
            b3: write(&context),
        };
        let text = serde_json::to_string(&message).unwrap();
        let message: Message = serde_json::from_str(&text).unwrap();
        let parentless = TraceContext {
            parent_id: None,
            ..context
        };
        assert_eq!(read(&message), Some(parentless));
        let broken = Message {
            b3: Some("\n".into()),
            ..message
        };
        assert_eq!(read(&broken), None);
    }

    #[tokio::test]
    async fn messages_go_out_as_the_settings_say() {
        let app = app("orders").await;
        let outbox = Outbox::new(&app, ["shipping"].into_iter()).unwrap();
        let settings = outbox.0["shipping"].settings();
        assert_eq!(settings.read_timeout, Duration::from_secs(3));
    }

    #[tokio::test]
    async fn a_full_inbox_refuses() {
        let (sender, _messages) = mpsc::channel(1);
        let message = || {
            Json(Message {
                book: String::new(),
                b3: None,
            })
        };
        let first = take(State(sender.clone()), message()).await;
        let second = take(State(sender), message()).await;
        assert_eq!(
            (first, second),
            (StatusCode::ACCEPTED, StatusCode::SERVICE_UNAVAILABLE)
        );
    }
}
