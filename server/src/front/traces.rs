//! Answers to OTLP's `POST /v1/traces`. What the body holds is the collector's business.

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderValue};
use http_body::Body;
use speargun_collector::Inlet;
use speargun_collector::receive::http::Limits;
use speargun_collector::receive::otlp::answer::RETRY_AFTER_SECONDS;
use speargun_collector::receive::otlp::http as otlp;

use super::reply::{self, Reply};

/// Answers a request.
pub(crate) async fn answer<B>(inlet: &Inlet, request: (&HeaderMap, B), limits: &Limits) -> Reply
where
    B: Body<Data = Bytes> + Unpin,
{
    let verdict = otlp::receive(inlet, request, limits).await;
    let content_type = verdict.encoded.content_type();
    let mut reply = reply::with_body(verdict.status, content_type, verdict.body);
    if verdict.retry {
        let seconds = HeaderValue::from(RETRY_AFTER_SECONDS);
        reply.headers_mut().insert(RETRY_AFTER, seconds);
    }
    if verdict.close {
        reply = reply::closing(reply);
    }
    reply
}
