//! Changes as they happen, as server-sent events: `change` for each, `reset` when some were missed
//! and everything is to be fetched again. A comment now and then keeps the connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::reply::{self, Reply};
use super::{App, operate};
use crate::meter::Refusal;

/// Events that wait for a slow watcher; then it is waited for, and later told to reset.
const WAITING_MAX: usize = 16;
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Answers with events, after the one that `Last-Event-ID` names.
pub fn answer(app: &Arc<App>, headers: &HeaderMap) -> Reply {
    let Ok(place) = Arc::clone(&app.watchers).try_acquire_owned() else {
        app.desk.meter.refuse(Refusal::Busy);
        return reply::empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last: Option<u64> = last.and_then(|id| id.parse().ok());
    let (events, answer) = mpsc::channel(WAITING_MAX);
    let app = Arc::clone(app);
    // It ends when its connection does, which the server waits for.
    tokio::spawn(async move {
        let _place = place;
        tell(&app, last, events).await;
    });
    reply::events(answer)
}

async fn tell(app: &App, last: Option<u64>, events: mpsc::Sender<Bytes>) {
    let mut changed = app.desk.watch();
    let mut told = last.unwrap_or_else(|| app.desk.book().recent().number());
    let begin = format!("retry: 1000\nid: {told}\nevent: hello\ndata: {{}}\n\n");
    if events.send(begin.into()).await.is_err() {
        return;
    }
    loop {
        let (number, news) = {
            let book = app.desk.book();
            (book.recent().number(), book.recent().since(told))
        };
        let text = match news {
            Some(news) => news.iter().map(change).collect(),
            None => format!("id: {number}\nevent: reset\ndata: {{}}\n\n"),
        };
        told = number;
        if !text.is_empty() && events.send(text.into()).await.is_err() {
            return;
        }
        let next = tokio::select! {
            next = timeout(KEEP_ALIVE, changed.changed()) => next,
            () = events.closed() => return,
        };
        match next {
            Ok(Ok(())) => {}
            // The desk is gone.
            Ok(Err(_)) => return,
            Err(_) => {
                if events
                    .send(Bytes::from_static(b": still here\n\n"))
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    }
}

fn change(entry: &crate::book::recent::Entry) -> String {
    let number = entry.number;
    let data = operate::entry(entry);
    format!("id: {number}\nevent: change\ndata: {data}\n\n")
}
