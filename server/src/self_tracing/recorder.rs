//! One shard's own spans: begun with a request, finished with its answer, kept for a moment and
//! stored with those of the same moment. It answers nothing itself.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use speargun_client::trace::Sampling;
use speargun_client::trace::b3::{self, B3};
use speargun_collector::inlet::{HANDED_OVER, Message};
use speargun_collector::{Encoding, Inlet, Transport};
use speargun_model::codec::{Format, proto3};
use speargun_model::endpoint::Endpoint;
use speargun_model::span::{Annotation, Kind};
use speargun_model::{Span, SpanId};
use speargun_query::QueryApi;
use tokio::sync::Notify;

use super::SelfTracing;
use super::calls::{Call, Calls};
use crate::front::reply::Reply;
use crate::front::{cors, path};

const SERVICE: &str = "zipkin-server";
/// Spans of a shard that wait to be stored; more are dropped and counted.
pub(super) const SPANS_MAX: usize = 4096;
/// So many do not wait for their moment.
const SPANS_HURRY: usize = SPANS_MAX / 4;

/// The spans of one shard.
#[derive(Debug)]
pub(crate) struct Recorder {
    shared: Arc<SelfTracing>,
    finished: RefCell<Vec<Span>>,
    hurry: Notify,
}

/// A request that is traced and not answered yet.
#[derive(Debug)]
struct Begun {
    span: Span,
    method: Method,
    path: String,
    at: Instant,
}

impl Recorder {
    pub(crate) fn new(shared: Arc<SelfTracing>) -> Self {
        Self {
            shared,
            finished: RefCell::default(),
            hurry: Notify::new(),
        }
    }

    /// Records a request and what it becomes; the answer is `answer`'s.
    pub(crate) async fn record<B, E, F>(
        &self,
        (peer, request): (Option<SocketAddr>, Request<B>),
        answer: impl FnOnce(Request<B>) -> F,
    ) -> Result<Reply, E>
    where
        F: Future<Output = Result<Reply, E>>,
    {
        let Some(begun) = self.begin(&request, peer) else {
            return answer(request).await;
        };
        let watched = async {
            let answered = answer(request).await;
            (answered, HANDED_OVER.with(Cell::get))
        };
        let (answered, handed_over) = HANDED_OVER.scope(Cell::new(None), watched).await;
        let mut reply = answered?;
        let mut calls = reply.extensions_mut().remove::<Calls>().unwrap_or_default();
        calls.0.extend(handed_over.map(|start| Call {
            name: "accept-spans",
            start,
            duration: start.elapsed(),
            error: (!reply.status().is_success()).then(|| reply.status().as_str().to_owned()),
        }));
        self.finish(begun, reply.status(), calls);
        Ok(reply)
    }

    #[cfg(test)]
    pub(super) fn take(&self) -> Vec<Span> {
        self.finished.take()
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &SelfTracing {
        &self.shared
    }

    /// Stores what waits, every now and then and when it is much, until the shard ends.
    pub(crate) async fn run(self: Rc<Self>, inlet: Rc<Inlet>) {
        loop {
            // Either way it is time.
            let _early =
                tokio::time::timeout(self.shared.settings.flush_interval, self.hurry.notified())
                    .await;
            self.flush(&inlet).await;
        }
    }

    /// Stores what waits. What is refused is gone, and counted by the inlet.
    pub(crate) async fn flush(&self, inlet: &Inlet) {
        let spans = self.finished.take();
        if spans.is_empty() {
            return;
        }
        let mut body = Vec::new();
        proto3::encode_spans(&spans, &mut body);
        let message = Message {
            transport: Transport::Local,
            format: Format::Proto3,
            encoding: Encoding::Identity,
            body: Bytes::from(body),
        };
        if let Err(refusal) = inlet.take(message).await {
            tracing::debug!(?refusal, "own spans were not stored");
        }
    }

    fn begin<B>(&self, request: &Request<B>, peer: Option<SocketAddr>) -> Option<Begun> {
        let path = path::normalise(request.uri().path())?;
        let is_api = ["/api", "/zipkin/api"].iter().any(|p| path.starts_with(p));
        let (method, headers) = (request.method(), request.headers());
        if !is_api || cors::is_preflight(method, headers) {
            return None;
        }
        // As Zipkin's own tracer: W3C's headers are not read.
        let (sampling, caller) = match b3::extract(headers) {
            Some(B3::Context(caller)) => (caller.sampling, Some(caller)),
            Some(B3::Decision(sampling)) => (sampling, None),
            None => (Sampling::Deferred, None),
        };
        let span = match caller {
            Some(caller) => Span {
                trace_id: caller.trace_id,
                parent_id: caller.parent_id.filter(|parent| *parent != caller.span_id),
                id: caller.span_id,
                shared: true,
                ..Span::default()
            },
            None => self.root(),
        };
        let kept = match sampling {
            Sampling::Deferred => self.shared.choice.keeps(span.trace_id),
            decided => decided.is_kept(),
        };
        kept.then(|| Begun {
            span: Span {
                debug: sampling == Sampling::Debug,
                kind: Some(Kind::Server),
                timestamp_us: now_us(),
                remote_endpoint: peer.map(endpoint_of),
                ..span
            },
            method: method.clone(),
            path: path.into_owned(),
            at: Instant::now(),
        })
    }

    /// The first span of a trace has the trace's id.
    fn root(&self) -> Span {
        let id = self.shared.ids.next();
        Span {
            trace_id: speargun_model::TraceId { high: 0, low: id },
            id: SpanId(id),
            ..Span::default()
        }
    }

    fn finish(&self, begun: Begun, status: StatusCode, calls: Calls) {
        let Begun {
            mut span,
            method,
            path,
            at,
        } = begun;
        let route = route(&method, &path, status);
        span.name = Some(format!("{method} {route}").to_ascii_lowercase());
        span.duration_us = micros(at.elapsed());
        span.local_endpoint = Some(own_endpoint());
        for (timestamp_us, value) in [
            (span.timestamp_us, "wr"),
            (span.timestamp_us + span.duration_us, "ws"),
        ] {
            span.annotations.push(Annotation {
                timestamp_us: timestamp_us.cast_signed(),
                value: value.to_owned(),
            });
        }
        let mut tag = |key: &str, value: &str| span.tags.push((key.to_owned(), value.to_owned()));
        if status.is_client_error() || status.is_server_error() {
            tag("error", status.as_str());
        }
        tag("http.method", method.as_str());
        tag("http.path", &path);
        if !status.is_success() {
            tag("http.status_code", status.as_str());
        }
        let children: Vec<Span> = calls
            .0
            .into_iter()
            .map(|call| self.child(&span, at, call))
            .collect();
        self.keep(children.into_iter().chain([span]));
    }

    fn child(&self, parent: &Span, at: Instant, call: Call) -> Span {
        let tags = call.error.map(|why| ("error".to_owned(), why));
        Span {
            trace_id: parent.trace_id,
            parent_id: Some(parent.id),
            id: SpanId(self.shared.ids.next()),
            name: Some(call.name.to_owned()),
            timestamp_us: parent.timestamp_us
                + call.start.saturating_duration_since(at).as_micros() as u64,
            duration_us: micros(call.duration),
            local_endpoint: Some(own_endpoint()),
            debug: parent.debug,
            tags: tags.into_iter().collect(),
            ..Span::default()
        }
    }

    fn keep(&self, spans: impl Iterator<Item = Span>) {
        let mut finished = self.finished.borrow_mut();
        for span in spans {
            if finished.len() < SPANS_MAX {
                finished.push(span);
            } else {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        if finished.len() >= SPANS_HURRY {
            self.hurry.notify_one();
        }
    }
}

/// Returns the route in the form that Zipkin's HTTP library names it.
fn route<'a>(method: &Method, path: &'a str, status: StatusCode) -> &'a str {
    let own = path.strip_prefix("/zipkin").unwrap_or(path);
    let (get, post) = (*method == Method::GET, *method == Method::POST);
    if let Some(id) = own.strip_prefix("/api/v2/trace/")
        && get
        && !id.contains('/')
    {
        return if path == own {
            "/api/v2/trace/:traceId"
        } else {
            "/zipkin/api/v2/trace/:traceId"
        };
    }
    let read = get && QueryApi::is_route(own);
    let write = post && matches!(path, "/api/v2/spans" | "/api/v1/spans");
    match status {
        _ if (read || write) && status != StatusCode::NOT_FOUND => path,
        _ if get && path != own => "/zipkin/*",
        _ => "/**",
    }
}

fn own_endpoint() -> Endpoint {
    Endpoint {
        service_name: Some(SERVICE.to_owned()),
        ..Endpoint::default()
    }
}

fn endpoint_of(peer: SocketAddr) -> Endpoint {
    let (ipv4, ipv6) = match peer.ip().to_canonical() {
        IpAddr::V4(ip) => (Some(ip), None),
        IpAddr::V6(ip) => (None, Some(ip)),
    };
    Endpoint {
        service_name: None,
        ipv4,
        ipv6,
        port: peer.port(),
    }
}

/// Zero would mean that there is no duration.
fn micros(duration: Duration) -> u64 {
    (duration.as_micros() as u64).max(1)
}

fn now_us() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as u64)
}
