//! A layer for servers of any kind that speak `http`'s types: it reads the caller's context, begins
//! the server's span, makes it the current one of the handler, and counts the request.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::{ConnectInfo, MatchedPath};
use http::{Extensions, Method, Request, Response, StatusCode};
use tower::{Layer, Service};

use super::requests::Requests;
use crate::clock::{Clock, SystemClock};
use crate::trace::{ActiveSpan, Tracer, naming, scope};

/// Returns the route that a request goes to, as its span and its figures are named.
pub type RouteOf = fn(&Extensions) -> Option<&str>;

/// Makes [`Traced`] services. With axum it belongs on the whole router, `Router::layer`: routes are
/// known there, and axum's `ConnectInfo` tells who calls.
#[derive(Clone, Debug)]
pub struct TracedLayer(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    tracer: Tracer,
    requests: Arc<Requests>,
    clock: Arc<dyn Clock>,
    route_of: RouteOf,
    /// Paths below these are counted and not traced.
    untraced: Vec<String>,
}

impl TracedLayer {
    /// Returns a layer that traces all but `/actuator`.
    pub fn new(tracer: Tracer, requests: Arc<Requests>) -> Self {
        Self(Arc::new(Shared {
            tracer,
            requests,
            clock: Arc::new(SystemClock::default()),
            route_of: matched_path,
            untraced: vec!["/actuator".into(), "/favicon.ico".into()],
        }))
    }

    /// Says how a route is found, for others than axum.
    #[must_use]
    pub fn route_of(self, route_of: RouteOf) -> Self {
        let Shared {
            tracer,
            requests,
            clock,
            untraced,
            ..
        } = &*self.0;
        Self(Arc::new(Shared {
            tracer: tracer.clone(),
            requests: Arc::clone(requests),
            clock: Arc::clone(clock),
            untraced: untraced.clone(),
            route_of,
        }))
    }
}

fn matched_path(extensions: &Extensions) -> Option<&str> {
    extensions.get::<MatchedPath>().map(MatchedPath::as_str)
}

impl<S> Layer<S> for TracedLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced {
            inner,
            shared: Arc::clone(&self.0),
        }
    }
}

/// A service whose requests are traced and counted.
#[derive(Clone, Debug)]
pub struct Traced<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, B, C> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    C: Send + 'static,
{
    type Response = Response<C>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<C>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let served = Served::begin(&self.shared, &request);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = match served.span.as_ref().map(|span| span.context().clone()) {
                Some(context) => scope(context, answer).await,
                None => answer.await,
            };
            let status = answer.as_ref().map(Response::status);
            served.end(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
            answer
        })
    }
}

/// A request that is being answered. When its caller goes away, or the handler panics, the span
/// says so.
struct Served {
    shared: Arc<Shared>,
    span: Option<ActiveSpan>,
    method: Method,
    route: Option<String>,
    begun: Duration,
    open: bool,
}

impl Served {
    fn begin<B>(shared: &Arc<Shared>, request: &Request<B>) -> Self {
        let path = request.uri().path();
        let untraced = shared
            .untraced
            .iter()
            .any(|prefix| path.starts_with(&**prefix));
        let span = (!untraced).then(|| {
            let tracer = &shared.tracer;
            let extracted = tracer.propagation().extract(request.headers());
            let mut span = tracer.serve(extracted);
            if span.is_recorded() {
                naming::tag_request(&mut span, request.method(), path);
                let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
                if let Some(ConnectInfo(address)) = peer {
                    span.remote_address(*address);
                }
            }
            span
        });
        Self {
            span,
            method: request.method().clone(),
            route: (shared.route_of)(request.extensions()).map(str::to_owned),
            begun: shared.clock.elapsed(),
            shared: Arc::clone(shared),
            open: true,
        }
    }

    fn end(mut self, status: StatusCode) {
        self.open = false;
        let route = self.route.as_deref();
        if let Some(mut span) = self.span.take() {
            if span.is_recorded() {
                span.name(naming::server_name(&self.method, route, Some(status)));
                naming::tag_response(&mut span, status);
            }
            span.finish();
        }
        let took = self.shared.clock.elapsed().saturating_sub(self.begun);
        self.shared
            .requests
            .record(&self.method, route, status, took);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(span) = self.span.as_mut().filter(|_| self.open) {
            span.name(naming::server_name(
                &self.method,
                self.route.as_deref(),
                None,
            ));
            span.error("cancelled");
        }
    }
}
