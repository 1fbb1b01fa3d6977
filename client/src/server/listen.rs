//! Connections of a service: as many as are allowed, HTTP/1.1 and h2c, heads within a time, and an
//! end that lets answers under way be finished.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tower::ServiceExt;

/// Limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct ListenSettings {
    /// Connections at a time; more wait in the kernel's queue.
    pub connections_max: usize,
    /// How long the head of a request may take, and an idle connection wait for one.
    pub head_timeout: Duration,
    /// How long answers under way may take at the end.
    pub drain_timeout: Duration,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            head_timeout: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// After a failure to accept (no file descriptors left, say) the next try waits so long.
const AFTER_FAILURE: Duration = Duration::from_millis(50);
/// Requests of one HTTP/2 connection at a time.
const STREAMS_MAX: u32 = 200;
/// Bytes of a head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Answers connections until `end`, and then those that are under way.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: ListenSettings,
    end: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(settings.connections_max));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            Some(_ended) = connections.join_next() => continue,
            () = &mut end => break,
        };
        let Some((stream, peer, place)) = accepted else {
            continue;
        };
        let connection = answer(stream, peer, (&router, settings), &graceful);
        connections.spawn(async move {
            connection.await;
            drop(place);
        });
    }
    drop(listener);
    let drained = tokio::time::timeout(settings.drain_timeout, graceful.shutdown()).await;
    if drained.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "answers were cut off at the end"
        );
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // An answer that waits for more is late.
            let _faster = stream.set_nodelay(true);
            Some((stream, peer, place))
        }
        Err(error) => {
            tracing::warn!(%error, "a connection could not be accepted");
            tokio::time::sleep(AFTER_FAILURE).await;
            None
        }
    }
}

/// Returns the life of one connection.
fn answer(
    stream: TcpStream,
    peer: SocketAddr,
    (router, settings): (&Router, ListenSettings),
    graceful: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + 'static {
    let service = router
        .clone()
        .map_request(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request
        });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.head_timeout)
        .max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX as u32);
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let watched = graceful.watch(connection.into_owned());
    async move {
        if let Err(error) = watched.await {
            tracing::debug!(%peer, error, "connection broke off");
        }
    }
}
