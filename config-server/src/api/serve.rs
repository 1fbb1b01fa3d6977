//! Sockets: connections up to a limit, with TLS when it is set, HTTP/1.1 and HTTP/2, bodies up to a
//! limit. A client that is slow costs a connection for a while and never more.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Api;
use super::reply::{Reply, empty};

/// Bytes of a request's headers.
const HEADERS_BYTES_MAX: usize = 16 << 10;
/// How long a client may take for a request's head, its body, or a handshake.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
const STREAMS_MAX: u32 = 128;
/// Bodies that are read at a time.
const BODIES_MAX: usize = 16;
/// After a failure to accept (no file descriptors left, say) the next try waits so long.
const AFTER_FAILURE: Duration = Duration::from_millis(50);
/// How long the last requests may take at the end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// How connections are served.
#[derive(Clone)]
pub struct Serving {
    /// Connections at a time.
    pub connections_max: usize,
    /// Bytes of a body.
    pub body_bytes_max: usize,
    /// What makes TLS of a connection; `None` for none.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving")
            .field("connections_max", &self.connections_max)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// What all connections share.
struct Shared {
    api: Arc<Api>,
    serving: Serving,
    bodies: Semaphore,
    ending: watch::Receiver<bool>,
}

/// Serves until it is told to end, then lets the last requests end.
pub async fn serve(
    listener: TcpListener,
    api: Arc<Api>,
    serving: Serving,
    mut ending: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(serving.connections_max));
    let shared = Arc::new(Shared {
        api,
        serving,
        bodies: Semaphore::new(BODIES_MAX),
        ending: ending.clone(),
    });
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = ending.wait_for(|ending| *ending) => break,
        };
        // Those that ended are forgotten.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
                    shared.api.metrics.connection_refused();
                    continue;
                };
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    connection(stream, &shared).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
    drop(listener);
    let last = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(END_WITHIN, last).await.is_err() {
        tracing::warn!("some requests took too long to end");
    }
}

async fn connection(stream: TcpStream, shared: &Arc<Shared>) {
    // Without it answers wait for each other; a connection that refuses is served all the same.
    let _without_delay = stream.set_nodelay(true);
    let peer = stream.peer_addr().ok();
    match &shared.serving.tls {
        None => http(stream, shared, peer).await,
        Some(config) => {
            let handshake = TlsAcceptor::from(Arc::clone(config)).accept(stream);
            match tokio::time::timeout(HEAD_WITHIN, handshake).await {
                Ok(Ok(stream)) => http(stream, shared, peer).await,
                Ok(Err(error)) => tracing::debug!(?peer, %error, "no TLS"),
                Err(_) => tracing::debug!(?peer, "a handshake took too long"),
            }
        }
    }
}

async fn http<S>(stream: S, shared: &Arc<Shared>, peer: Option<SocketAddr>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let answer = |request: Request<Incoming>| {
        let shared = Arc::clone(shared);
        async move { Ok::<Reply, Infallible>(answer(request, &shared).await) }
    };
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEADERS_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADERS_BYTES_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(HEAD_WITHIN)
        .keep_alive_timeout(HEAD_WITHIN);
    let served = builder.serve_connection(TokioIo::new(stream), service_fn(answer));
    let mut served = std::pin::pin!(served);
    let mut ending = shared.ending.clone();
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = told_to_end(&mut ending) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(?peer, error, "a connection ended");
    }
}

/// Returns when the server is told to end, or is gone.
async fn told_to_end(ending: &mut watch::Receiver<bool>) {
    let _told = ending.wait_for(|ending| *ending).await;
}

/// Reads the body of a request, and answers it.
async fn answer(request: Request<Incoming>, shared: &Shared) -> Reply {
    use hyper::body::Body;
    let (head, body) = request.into_parts();
    let bytes = if body.is_end_stream() {
        Bytes::new()
    } else {
        // The semaphore is never closed.
        let _turn = shared.bodies.acquire().await;
        let body = Limited::new(body, shared.serving.body_bytes_max).collect();
        match tokio::time::timeout(HEAD_WITHIN, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return empty(StatusCode::PAYLOAD_TOO_LARGE);
            }
            Ok(Err(_)) => return empty(StatusCode::BAD_REQUEST),
            Err(_) => return empty(StatusCode::REQUEST_TIMEOUT),
        }
    };
    shared.api.answer(Request::from_parts(head, bytes)).await
}

/// Why TLS can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read as PEM.
    #[error("{0} can't be read: {1}")]
    File(String, String),
    /// Certificate and key do not fit, or can't be used.
    #[error("the certificate can't be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// Reads certificate and key, both in PEM.
pub fn tls(certificate: &str, key: &str) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    let wrong = |path: &str, error: &dyn std::fmt::Display| {
        TlsError::File(path.to_owned(), error.to_string())
    };
    let certificates = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(certificates, private)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
