//! Sockets: connections up to a limit, with TLS when it is set, HTTP/1.1 and HTTP/2, bodies up to a
//! limit. A client that is slow costs a connection for a while and never more.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Api;
use super::reply::Reply;
use super::socket::Socket;

/// Bytes of a request's headers.
const HEADERS_BYTES_MAX: usize = 16 << 10;
/// How long a client may take, when nothing else is set.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const STREAMS_MAX: u32 = 128;
/// Bytes of all bodies at a time, when one may not be larger.
const BODIES_BYTES_MAX: usize = 64 << 20;
/// As much for those who are yet to prove who they are, beside the others.
const STRANGERS_BYTES_MAX: usize = 16 << 20;
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
    /// How long a client may take for a request's head, its body, or a handshake, and until it
    /// reads any more of an answer.
    pub patience: Duration,
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
    /// A permit for each byte of a body.
    room: Arc<Semaphore>,
    /// As much for strangers, so that they take nobody else's.
    strangers: Arc<Semaphore>,
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
    let room = |bytes: usize| {
        let bytes = bytes.max(serving.body_bytes_max);
        Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS)))
    };
    let (room, strangers) = (room(BODIES_BYTES_MAX), room(STRANGERS_BYTES_MAX));
    let shared = Arc::new(Shared {
        api,
        serving,
        room,
        strangers,
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
            match tokio::time::timeout(shared.serving.patience, handshake).await {
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
    let patience = shared.serving.patience;
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(HEADERS_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADERS_BYTES_MAX as u32)
        .max_concurrent_streams(STREAMS_MAX)
        .keep_alive_interval(patience)
        .keep_alive_timeout(patience);
    let stream = Socket::new(stream, patience);
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

/// What is sent with a request, and the room that it takes until the answer is made.
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

/// Whose body it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Who {
    /// One who may ask.
    Known,
    /// One whose body is to tell.
    Stranger,
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> Reply {
    let (head, body) = request.into_parts();
    let body = async |who| {
        let room = match who {
            Who::Known => &shared.room,
            Who::Stranger => &shared.strangers,
        };
        let bytes_max = shared.serving.body_bytes_max;
        let read =
            tokio::time::timeout(shared.serving.patience, read((body, bytes_max), room)).await;
        read.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
    };
    shared.api.answer(head, body).await
}

/// Reads a body. It takes room only for what has come, so that those who send slowly keep nobody
/// out; when there is none left it is refused, since waiting would keep what others took.
async fn read(
    (body, bytes_max): (Incoming, usize),
    room: &Arc<Semaphore>,
) -> Result<Body, StatusCode> {
    let mut body = Limited::new(body, bytes_max);
    let mut bytes = BytesMut::new();
    let mut taken: Option<OwnedSemaphorePermit> = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<LengthLimitError>() {
                StatusCode::PAYLOAD_TOO_LARGE
            } else {
                StatusCode::BAD_REQUEST
            }
        })?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let size = u32::try_from(data.len()).map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
        let more = Arc::clone(room).try_acquire_many_owned(size);
        let more = more.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
        match &mut taken {
            Some(taken) => taken.merge(more),
            None => taken = Some(more),
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Body {
        bytes: bytes.freeze(),
        _room: taken,
    })
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
