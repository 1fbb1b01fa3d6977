//! Client spans for tower HTTP clients that are not ours: a span a request, its context in the
//! headers, its end with the answer's head.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use speargun_model::Kind;
use tower::{Layer, Service};

use super::current;
use super::naming;
use super::span::ActiveSpan;
use super::tracer::Tracer;

/// Traces the requests of HTTP clients. `remote` is the service that is called, as traces name it.
#[derive(Clone, Debug)]
pub struct ClientTracedLayer {
    tracer: Tracer,
    remote: String,
}

impl ClientTracedLayer {
    /// Returns a layer for clients of one service.
    pub fn new(tracer: Tracer, remote: &str) -> Self {
        Self {
            tracer,
            remote: remote.to_owned(),
        }
    }
}

impl<S> Layer<S> for ClientTracedLayer {
    type Service = ClientTraced<S>;

    fn layer(&self, inner: S) -> ClientTraced<S> {
        ClientTraced {
            inner,
            layer: self.clone(),
        }
    }
}

/// A client whose requests are traced.
#[derive(Clone, Debug)]
pub struct ClientTraced<S> {
    inner: S,
    layer: ClientTracedLayer,
}

impl<S, B, C> Service<Request<B>> for ClientTraced<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    S::Future: Send + 'static,
    S::Error: std::fmt::Display + Send + 'static,
    C: Send + 'static,
{
    type Response = Response<C>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<C>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let ClientTracedLayer { tracer, remote } = &self.layer;
        let mut span = tracer.start_within(current().as_ref());
        span.kind(Kind::Client);
        if span.is_recorded() {
            span.name(naming::client_name(request.method()));
            naming::tag_request(&mut span, request.method(), request.uri().path());
            span.remote_service(remote);
        }
        tracer
            .propagation()
            .inject(span.context(), request.headers_mut());
        let answer = self.inner.call(request);
        let mut open = Open(Some(span));
        Box::pin(async move {
            let answer = answer.await;
            if let Some(mut span) = open.0.take() {
                match &answer {
                    Ok(answer) => naming::tag_response(&mut span, answer.status()),
                    Err(error) => span.error(&error.to_string()),
                }
                span.finish();
            }
            answer
        })
    }
}

/// A span of a request that nobody may wait for any more.
struct Open(Option<ActiveSpan>);

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(span) = &mut self.0 {
            span.error("cancelled");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tower::{ServiceExt, service_fn};

    use super::*;
    use crate::report::{Destination, Reporter, ReporterSettings};
    use crate::testing::{TestServer, plain};
    use crate::trace::{TracerSettings, scope};

    #[tokio::test]
    async fn requests_of_any_client_are_traced() {
        let zipkin = TestServer::answering(202, "").await;
        let uri = zipkin.url("/api/v2/spans").parse().unwrap();
        let reporter = Reporter::start(ReporterSettings::new(Destination::Fixed(uri))).unwrap();
        let tracer = Tracer::new(TracerSettings::new("a"), reporter.clone());
        let inner = service_fn(|request: Request<()>| async move {
            match request.uri().path() {
                "/broken" => Err("it broke"),
                _ => Ok(Response::builder().status(503).body(request).unwrap()),
            }
        });
        let client = ClientTracedLayer::new(tracer.clone(), "B").layer(inner);
        let parent = tracer.start("parent").context().clone();
        let request = |path: &str| Request::builder().uri(path).body(()).unwrap();
        let asked = client.clone().oneshot(request("/x"));
        let seen = scope(parent.clone(), asked).await.unwrap().into_body();
        let _broken = client
            .clone()
            .oneshot(request("/broken"))
            .await
            .unwrap_err();
        drop(client.clone().call(request("/given-up")));
        assert!(reporter.flush(Duration::from_secs(20)).await);
        let bodies = zipkin.asked();
        let spans: Vec<serde_json::Value> = bodies
            .iter()
            .flat_map(|asked| serde_json::from_slice::<Vec<_>>(&plain(asked)).unwrap())
            .collect();
        let failed = &spans[1];
        assert_eq!(
            failed["id"],
            seen.headers()["x-b3-spanid"].to_str().unwrap()
        );
        assert_eq!(failed["parentId"], parent.span_id.to_string());
        assert_eq!(failed["remoteEndpoint"]["serviceName"], "b");
        assert_eq!(failed["tags"]["http.status_code"], "503");
        assert_eq!(failed["tags"]["error"], "503");
        assert_eq!(spans[2]["tags"]["error"], "it broke");
        assert_eq!(spans[3]["tags"]["error"], "cancelled");
    }
}
