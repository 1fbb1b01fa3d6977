//! Answers and their bodies.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use crate::pages::Chunks;

/// An answer.
pub type Reply = Response<Content>;

/// The type of plain texts.
pub const TEXT: &str = "text/plain; charset=utf-8";
/// The type of JSON.
pub const JSON: &str = "application/json";

/// The body of an answer.
#[derive(Debug)]
pub enum Content {
    /// Pieces, some of which other answers use too.
    Pieces {
        /// The pieces that are left.
        parts: std::vec::IntoIter<Bytes>,
        /// Bytes of those.
        bytes: u64,
    },
    /// Events as they come.
    Events(mpsc::Receiver<Bytes>),
}

// === impl Content ===

impl Content {
    fn whole(bytes: Bytes) -> Self {
        Chunks {
            bytes: bytes.len() as u64,
            parts: if bytes.is_empty() {
                Vec::new()
            } else {
                vec![bytes]
            },
        }
        .into()
    }
}

impl From<Chunks> for Content {
    fn from(chunks: Chunks) -> Self {
        Self::Pieces {
            parts: chunks.parts.into_iter(),
            bytes: chunks.bytes,
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Pieces { parts, bytes } => {
                let part = parts.next();
                *bytes -= part.as_ref().map_or(0, |part| part.len() as u64);
                Poll::Ready(part.map(|part| Ok(Frame::data(part))))
            }
            Self::Events(events) => {
                let event = events.poll_recv(cx);
                event.map(|event| event.map(|event| Ok(Frame::data(event))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Pieces { bytes: 0, .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Pieces { bytes, .. } => SizeHint::with_exact(*bytes),
            Self::Events(_) => SizeHint::default(),
        }
    }
}

/// Returns an answer without a body.
pub fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Content::whole(Bytes::new()));
    *reply.status_mut() = status;
    reply
}

/// Returns an answer with a body.
pub fn with_body(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = empty(status);
    *reply.body_mut() = Content::whole(body.into());
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// Returns a list. It is never kept by anyone between: the next fetch must see what changed.
pub fn list(kind: &'static str, chunks: Chunks, is_packed: bool) -> Reply {
    let mut reply = empty(StatusCode::OK);
    *reply.body_mut() = chunks.into();
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if is_packed {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    reply
}

/// Returns a stream of events.
pub fn events(events: mpsc::Receiver<Bytes>) -> Reply {
    let mut reply = with_body(StatusCode::OK, "text/event-stream", Bytes::new());
    *reply.body_mut() = Content::Events(events);
    reply
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}
