//! One request: Zipkin's routes, methods and answers. The span path comes first and takes no
//! detours; everything else is matched by its path in its one form.

use std::borrow::Cow;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ALLOW, EXPECT, RETRY_AFTER};
use http::request::Parts;
use http::{Method, Request, StatusCode, Version};
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use speargun_collector::Inlet;
use speargun_collector::receive::{grpc, http as spans, otlp};

use super::reply::{self, Reply};
use super::report::Method as Call;
use super::shard::Door;
use super::{cors, path, report, traces};
use crate::admin;
use crate::admin::requests::{self, Asked, SPANS, SPANS_V1, STATUS};
use crate::app::App;
use crate::page::Page;
use crate::self_tracing::Recorder;

/// What the requests of one shard share.
#[derive(Debug)]
pub(crate) struct Service {
    /// What all shards share.
    pub(crate) app: Arc<App>,
    /// Which shard this is.
    pub(crate) shard: u32,
    /// This shard's way in.
    pub(crate) inlet: Inlet,
    /// Traces requests, when that is on.
    pub(crate) recorder: Option<Rc<Recorder>>,
}

/// Longer request targets are refused, as the 4096 bytes of Zipkin's request line.
const TARGET_BYTES_MAX: usize = 4096 - "GET  HTTP/1.1".len();

impl Service {
    /// Answers a request.
    pub(crate) async fn answer(
        self: Rc<Self>,
        door: Door,
        request: Request<Incoming>,
    ) -> Result<Reply, Infallible> {
        let began = Instant::now();
        if let Some(reply) = refuse_expectation(&request) {
            return Ok(reply);
        }
        let grant = self.app.origins.grant(request.headers());
        let method = request.method().clone();
        let is_main = door == Door::Main;
        let is_spans = is_main && method == Method::POST && is_exactly(SPANS, &request);
        let (mut reply, route) = if is_spans {
            let request = request.into_parts();
            let reply = self.take_spans(spans::Version::V2, request).await;
            (reply, Some(SPANS))
        } else if cors::is_preflight(&method, request.headers()) {
            return Ok(cors::preflight(grant));
        } else {
            let (head, body) = request.into_parts();
            let path = match normal_path(&head) {
                Ok(path) => path.into_owned(),
                Err((status, why)) => return Ok(reply::invalid(status, why)),
            };
            match self.route_otlp((head, body), (door, &path)).await {
                Ok(reply) => (reply, None),
                Err((head, body)) => {
                    let route = requests::route(&path);
                    (self.route((head, body), &path).await, route)
                }
            }
        };
        if let Some(route) = route {
            let asked = Asked {
                method,
                route,
                began,
            };
            self.count(asked, &mut reply);
        }
        cors::apply(grant, &mut reply);
        Ok(reply)
    }

    /// Counts a request with its answer; one that is made while it is sent when it has ended.
    fn count(&self, asked: Asked, reply: &mut Reply) {
        if !reply::is_streamed(reply) {
            self.app.requests.count(self.shard, &asked, reply.status());
            return;
        }
        let (app, shard) = (Arc::clone(&self.app), self.shard);
        // Bodies are sent, and dropped, by the thread of their connection, which is the shard's.
        reply::when_ended(reply, move |status| {
            app.requests.count(shard, &asked, status);
        });
    }

    async fn take_spans(&self, version: spans::Version, (head, body): (Parts, Incoming)) -> Reply {
        if !self.app.settings.http_collector {
            discard(body).await;
            return reply::not_found();
        }
        let limits = &self.app.limits;
        let request = (&head.headers, body);
        from_verdict(spans::receive(&self.inlet, version, request, limits).await)
    }

    /// Answers what is OTLP's, and everything on a port of its own; gives back the rest.
    async fn route_otlp(
        &self,
        (head, body): (Parts, Incoming),
        (door, path): (Door, &str),
    ) -> Result<Reply, (Parts, Incoming)> {
        let (settings, limits) = (&self.app.settings.otlp, &self.app.limits);
        let is_post = head.method == Method::POST;
        match path {
            otlp::http::TRACES_PATH if settings.http && is_post => {
                let request = (&head.headers, body);
                Ok(traces::answer(&self.inlet, request, limits).await)
            }
            otlp::grpc::EXPORT_PATH if settings.grpc && is_post => {
                let call = (Call::Export, &head, body);
                Ok(report::answer(&self.inlet, call, limits).await)
            }
            otlp::http::TRACES_PATH if settings.http => {
                discard(body).await;
                Ok(reply::method_not_allowed())
            }
            _ if door == Door::Otlp => {
                discard(body).await;
                Ok(reply::not_found())
            }
            _ => Err((head, body)),
        }
    }

    async fn route(&self, (head, body): (Parts, Incoming), path: &str) -> Reply {
        let settings = &self.app.settings;
        match (&head.method, path) {
            (&Method::OPTIONS, "*") => options(),
            (&Method::POST, SPANS | SPANS_V1) => {
                let version = if path == SPANS {
                    spans::Version::V2
                } else {
                    spans::Version::V1
                };
                self.take_spans(version, (head, body)).await
            }
            (&Method::POST, grpc::REPORT_PATH) if settings.grpc_collector => {
                let call = (Call::Report, &head, body);
                report::answer(&self.inlet, call, &self.app.limits).await
            }
            (method, path) => {
                let is_report = path == grpc::REPORT_PATH && settings.grpc_collector;
                let reply = if *method == Method::TRACE || is_report {
                    reply::method_not_allowed()
                } else {
                    self.app.serve(&head, path).await
                };
                if !body.is_end_stream() {
                    discard(body).await;
                }
                reply
            }
        }
    }
}

/// Returns whether the target is this path in its one form and nothing more, so that nothing is
/// left to check.
fn is_exactly<B>(path: &str, request: &Request<B>) -> bool {
    let target = request.uri().path_and_query();
    let is_origin = request.version() == Version::HTTP_2 || request.uri().scheme().is_none();
    is_origin && target.is_some_and(|target| target.as_str() == path)
}

/// Returns the path in its one form, or why no route sees the request.
fn normal_path(head: &Parts) -> Result<Cow<'_, str>, (StatusCode, &'static str)> {
    let known = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
        Method::TRACE,
    ];
    if !known.contains(&head.method) {
        return Err((StatusCode::METHOD_NOT_ALLOWED, "Unsupported method"));
    }
    let target = head.uri.path_and_query().map_or(0, |t| t.as_str().len());
    if target > TARGET_BYTES_MAX {
        return Err((StatusCode::URI_TOO_LONG, "Too Long URI"));
    }
    if head.method == Method::OPTIONS && head.uri.path() == "*" {
        return Ok(Cow::Borrowed("*"));
    }
    let query = head.uri.query();
    path::normalise(head.uri.path())
        .filter(|_| query.is_none_or(path::is_valid_query))
        .filter(|_| head.version == Version::HTTP_2 || head.uri.scheme().is_none())
        .ok_or((StatusCode::BAD_REQUEST, "Invalid request path"))
}

/// Refuses an expectation other than the one there is, which the HTTP library meets.
fn refuse_expectation<B>(request: &Request<B>) -> Option<Reply> {
    let expected = request.headers().get(EXPECT)?;
    let met = request.version() < Version::HTTP_11
        || expected.as_bytes().eq_ignore_ascii_case(b"100-continue");
    (!met).then(|| reply::invalid(StatusCode::EXPECTATION_FAILED, "Expectation Failed"))
}

/// Reads the rest of a body that nobody wants, up to a bound. HTTP/2 clients that are still sending
/// when the answer comes may take it for a failure.
pub(crate) async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B) {
    const DISCARDED_BYTES_MAX: usize = 1 << 20;
    const WITHIN: Duration = Duration::from_secs(1);
    let mut left = DISCARDED_BYTES_MAX;
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            let len = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(len) else {
                return;
            };
            left = rest;
        }
    };
    // Whether it ends or not, the answer is the same.
    let _ended = tokio::time::timeout(WITHIN, reading).await;
}

fn from_verdict(verdict: spans::Verdict) -> Reply {
    if verdict == spans::Verdict::ACCEPTED {
        return reply::empty(StatusCode::ACCEPTED);
    }
    if verdict.close && verdict.status == StatusCode::BAD_REQUEST {
        // The bytes were not HTTP.
        return reply::undecodable();
    }
    let text = verdict.text.into_owned();
    let mut reply = reply::with_body(verdict.status, reply::ANY_TEXT, text);
    if verdict.status == StatusCode::SERVICE_UNAVAILABLE {
        reply::set(&mut reply, RETRY_AFTER, "1");
    }
    if verdict.close {
        reply = reply::closing(reply);
    }
    reply
}

fn options() -> Reply {
    let mut reply = reply::empty(StatusCode::OK);
    reply::set(
        &mut reply,
        ALLOW,
        "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE,TRACE,CONNECT",
    );
    reply
}

impl App {
    /// Answers whatever is not a way in for spans.
    async fn serve(&self, head: &Parts, path: &str) -> Reply {
        if let Some(reply) = self.operate(head, path) {
            return self.queries.count_unread(reply);
        }
        let (settings, get) = (&self.settings, head.method == Method::GET);
        if settings.page.enabled {
            let owned = Page::owns(path).then(|| self.page.serve(head, path));
            let reply = owned.flatten().or_else(|| self.page.lead(head, path));
            if let Some(reply) = reply {
                return reply;
            }
        }
        if get && settings.query.enabled {
            if path.strip_prefix("/zipkin").unwrap_or(path) == STATUS {
                let mut reply = admin::status::status(self).await;
                reply::compress(&mut reply, &head.headers);
                return self.queries.count_unread(reply);
            }
            let path = path::of_api(path, head.uri.path());
            let (query, headers) = (head.uri.query(), &head.headers);
            return self.queries.answer(&path, query, headers).await;
        }
        reply::not_found()
    }

    /// Answers what operators ask; `None` for other paths.
    fn operate(&self, head: &Parts, path: &str) -> Option<Reply> {
        let (method, headers) = (&head.method, &head.headers);
        let get = *method == Method::GET;
        let name = path.strip_prefix("/actuator");
        if name.is_some() && !self.settings.actuator {
            return None;
        }
        match name.unwrap_or(path) {
            "" if get => Some(admin::actuator()),
            "/health" if get => Some(admin::health(self, path)),
            "/metrics" if get => Some(admin::metrics(self)),
            "/info" => Some(match *method {
                Method::GET | Method::HEAD => admin::info(path).answer(headers),
                _ => reply::method_not_allowed(),
            }),
            "/prometheus" => Some(match *method {
                Method::GET | Method::POST => admin::prometheus(self, headers),
                _ => reply::method_not_allowed(),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::{Frame, SizeHint};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    #[test]
    fn only_the_bare_target_needs_no_checks() {
        let is = |target: &str| {
            let request = Request::post(target).body(()).unwrap();
            is_exactly(SPANS, &request)
        };
        assert!(is("/api/v2/spans"));
        for other in [
            "/api/v2/spans?x=%zz",
            "/api/v2/spans?",
            "//api/v2/spans",
            "http://a/api/v2/spans",
        ] {
            assert!(!is(other), "{other}");
        }
    }

    /// So many pieces of 64 KiB; counts those that were asked for.
    struct Pieces<'a> {
        left: usize,
        taken: &'a mut usize,
    }

    impl Body for Pieces<'_> {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(left) = self.left.checked_sub(1) else {
                return Poll::Ready(None);
            };
            self.left = left;
            *self.taken += 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![0; 64 << 10])))))
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::default()
        }
    }

    #[tokio::test]
    async fn unwanted_bodies_are_read_to_their_end_or_to_the_bound() {
        for (pieces, expected) in [(0, 0), (3, 3), (16, 16), (usize::MAX, 17)] {
            let mut taken = 0;
            discard(Pieces {
                left: pieces,
                taken: &mut taken,
            })
            .await;
            assert_eq!(taken, expected, "{pieces} pieces");
        }
    }

    #[test]
    fn only_one_expectation_is_met_and_old_clients_have_none() {
        let refused = |version, expectation: &str| {
            let request = Request::builder()
                .version(version)
                .header(EXPECT, expectation)
                .body(())
                .unwrap();
            refuse_expectation(&request).map(|reply| reply.status().as_u16())
        };
        assert_eq!(refused(Version::HTTP_11, "100-Continue"), None);
        assert_eq!(refused(Version::HTTP_11, "foo"), Some(417));
        assert_eq!(refused(Version::HTTP_2, ""), Some(417));
        assert_eq!(refused(Version::HTTP_10, "foo"), None);
        assert!(refuse_expectation(&Request::new(())).is_none());
    }
}
