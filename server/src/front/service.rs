//! One request: Zipkin's routes, methods and answers. The span path comes first and takes no
//! detours; everything else is matched by its path in its one form.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, TRAILER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use speargun_collector::Inlet;
use speargun_collector::receive::{grpc, http as spans};

use super::reply::{self, Reply};
use super::{cors, path};
use crate::admin;
use crate::app::App;
use crate::page::Page;
use crate::self_tracing::Recorder;

/// What the requests of one shard share.
#[derive(Debug)]
pub(crate) struct Service {
    /// What all shards share.
    pub(crate) app: Arc<App>,
    /// This shard's way in.
    pub(crate) inlet: Inlet,
    /// Traces requests, when that is on.
    pub(crate) recorder: Option<Rc<Recorder>>,
}

/// Longer request targets are refused, as the 4096 bytes of Zipkin's request line.
const TARGET_BYTES_MAX: usize = 4096 - "GET  HTTP/1.1".len();
const SPANS: &str = "/api/v2/spans";
const SPANS_V1: &str = "/api/v1/spans";

impl Service {
    /// Answers a request.
    pub(crate) async fn answer(
        self: Rc<Self>,
        request: Request<Incoming>,
    ) -> Result<Reply, Infallible> {
        let grant = self.app.origins.grant(request.headers());
        let mut reply = if request.method() == Method::POST && request.uri().path() == SPANS {
            self.take_spans(spans::Version::V2, request).await
        } else if cors::is_preflight(request.method(), request.headers()) {
            cors::preflight(grant.as_ref())
        } else {
            self.route(request).await
        };
        cors::apply(grant, &mut reply);
        Ok(reply)
    }

    async fn take_spans(&self, version: spans::Version, request: Request<Incoming>) -> Reply {
        if !self.app.settings.http_collector {
            return reply::not_found();
        }
        let (head, body) = request.into_parts();
        let limits = &self.app.limits;
        let request = (&head.headers, body);
        from_verdict(spans::receive(&self.inlet, version, request, limits).await)
    }

    async fn route(&self, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let target = head.uri.path_and_query().map_or(0, |t| t.as_str().len());
        if target > TARGET_BYTES_MAX {
            return reply::invalid(StatusCode::URI_TOO_LONG, "Too Long URI");
        }
        if head.method == Method::OPTIONS && head.uri.path() == "*" {
            return options();
        }
        let query = head.uri.query();
        let Some(path) = path::normalise(head.uri.path())
            .filter(|_| query.is_none_or(path::is_valid_query))
            .filter(|_| head.version == Version::HTTP_2 || head.uri.scheme().is_none())
        else {
            return reply::invalid(StatusCode::BAD_REQUEST, "Invalid request path");
        };
        match head.method {
            Method::TRACE => reply::method_not_allowed(),
            Method::POST => match &*path {
                SPANS | SPANS_V1 => {
                    let version = match &*path {
                        SPANS => spans::Version::V2,
                        _ => spans::Version::V1,
                    };
                    let request = Request::from_parts(head, body);
                    self.take_spans(version, request).await
                }
                grpc::REPORT_PATH if self.app.settings.grpc_collector => {
                    self.report(&head, body).await
                }
                path => self.app.serve(&head, path).await,
            },
            Method::GET
            | Method::HEAD
            | Method::PUT
            | Method::DELETE
            | Method::PATCH
            | Method::OPTIONS => match &*path {
                grpc::REPORT_PATH if self.app.settings.grpc_collector => {
                    reply::method_not_allowed()
                }
                path => self.app.serve(&head, path).await,
            },
            _ => reply::invalid(StatusCode::METHOD_NOT_ALLOWED, "Unsupported method"),
        }
    }

    async fn report(&self, head: &http::request::Parts, body: Incoming) -> Reply {
        let content_type = head
            .headers
            .get(CONTENT_TYPE)
            .map(HeaderValue::as_bytes)
            .unwrap_or_default();
        if !content_type.starts_with(b"application/grpc") {
            return reply::with_body(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                reply::PLAIN_TEXT,
                "Missing or invalid Content-Type header.",
            );
        }
        let verdict = grpc::receive(&self.inlet, body, &self.app.limits).await;
        if content_type.starts_with(b"application/grpc-web") {
            return web_reply(&verdict);
        }
        let trailers = grpc_status(&verdict);
        if verdict.code != grpc::Code::Ok {
            // An answer of nothing but a status carries it in its headers.
            let mut reply = reply::empty(StatusCode::OK);
            *reply.headers_mut() = trailers;
            reply::set(&mut reply, CONTENT_TYPE, "application/grpc+proto");
            return reply;
        }
        let mut reply = reply::with_trailers(
            "application/grpc+proto",
            Bytes::from_static(&EMPTY_MESSAGE),
            trailers,
        );
        reply::set(&mut reply, GRPC_ENCODING, "identity");
        if head.version < Version::HTTP_2 {
            reply::set(&mut reply, TRAILER, "grpc-status");
        }
        reply
    }
}

const EMPTY_MESSAGE: [u8; 5] = [0; 5];
const GRPC_STATUS: http::HeaderName = http::HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: http::HeaderName = http::HeaderName::from_static("grpc-message");
const GRPC_ENCODING: http::HeaderName = http::HeaderName::from_static("grpc-encoding");

fn grpc_status(verdict: &grpc::GrpcVerdict) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(GRPC_STATUS, HeaderValue::from(verdict.code as u16));
    if !verdict.message.is_empty()
        && let Ok(message) = HeaderValue::from_str(&percent_encode(&verdict.message))
    {
        headers.insert(GRPC_MESSAGE, message);
    }
    headers
}

/// gRPC's form of a message: printable ASCII but the percent sign stays.
fn percent_encode(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            let written = write!(out, "%{byte:02X}");
            debug_assert!(written.is_ok(), "strings take all that is written");
        }
    }
    out
}

/// The form for browsers, where trailers are a frame of the body.
fn web_reply(verdict: &grpc::GrpcVerdict) -> Reply {
    let mut trailers = format!("grpc-status: {}\r\n", verdict.code as u8);
    if !verdict.message.is_empty() {
        trailers.push_str("grpc-message: ");
        trailers.push_str(&percent_encode(&verdict.message));
        trailers.push_str("\r\n");
    }
    let mut body = Vec::new();
    if verdict.code == grpc::Code::Ok {
        body.extend_from_slice(&EMPTY_MESSAGE);
    }
    body.push(0x80);
    body.extend_from_slice(&(trailers.len() as u32).to_be_bytes());
    body.extend_from_slice(trailers.as_bytes());
    reply::with_body(StatusCode::OK, "application/grpc-web+proto", body)
}

fn from_verdict(verdict: spans::Verdict) -> Reply {
    if verdict == spans::Verdict::ACCEPTED {
        return reply::empty(StatusCode::ACCEPTED);
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
        http::header::ALLOW,
        "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE,TRACE",
    );
    reply
}

impl App {
    /// Answers whatever is not a way in for spans.
    async fn serve(&self, head: &http::request::Parts, path: &str) -> Reply {
        let (method, headers) = (&head.method, &head.headers);
        let get = *method == Method::GET;
        match path {
            "/health" | "/actuator/health" if get => admin::health(self, path),
            "/metrics" if get => admin::metrics(self),
            "/info" | "/actuator/info" => only_reads(method, admin::info),
            "/prometheus" | "/actuator/prometheus" => match *method {
                Method::GET | Method::POST => admin::prometheus(self),
                _ => reply::method_not_allowed(),
            },
            _ if self.settings.page.enabled && Page::owns(path) => self.page.serve(head, path),
            _ if get && self.settings.query.enabled => {
                let path = path::of_api(path, head.uri.path());
                self.queries.answer(&path, head.uri.query(), headers).await
            }
            _ => reply::not_found(),
        }
    }
}

/// Answers GET and HEAD; the connection leaves the body of a HEAD out.
pub(crate) fn only_reads(method: &Method, answer: impl FnOnce() -> Reply) -> Reply {
    if matches!(*method, Method::GET | Method::HEAD) {
        answer()
    } else {
        reply::method_not_allowed()
    }
}
