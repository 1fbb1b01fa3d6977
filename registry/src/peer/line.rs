//! One connection to a peer, opened when it is needed and kept while it is good. Each step has a
//! limit of time, each answer one of size.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::find::Place;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Reading everything may take longer.
const LIST_WITHIN: Duration = Duration::from_secs(20);
const ANSWER_BYTES_MAX: usize = 4 << 20;
const LIST_BYTES_MAX: usize = 128 << 20;

/// By this header registries of ours know each other, and themselves.
pub const NODE: HeaderName = HeaderName::from_static("speargun-node");

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// It could not be reached.
    #[error("it can't be reached: {0}")]
    Connect(String),
    /// It did not answer in time.
    #[error("it does not answer in time")]
    Time,
    /// It broke off, or said something that is no HTTP.
    #[error("it broke off: {0}")]
    Broken(String),
    /// Its answer is too large.
    #[error("its answer is too large or incomplete")]
    Body,
}

/// An answer of a peer.
#[derive(Debug)]
pub struct Answer {
    /// Its code.
    pub status: u16,
    /// Which registry of ours it is.
    pub node: Option<String>,
    /// The body.
    pub body: Bytes,
}

/// The connection to one peer.
#[derive(Debug)]
pub struct Line {
    place: Place,
    tls: Arc<ClientConfig>,
    node: String,
    open: Option<(SendRequest<Full<Bytes>>, JoinHandle<()>)>,
}

// === impl Line ===

impl Drop for Line {
    fn drop(&mut self) {
        self.close();
    }
}

impl Line {
    /// Returns a line that is not open yet.
    pub fn new(place: Place, tls: Arc<ClientConfig>, node: &str) -> Self {
        Self {
            place,
            tls,
            node: node.to_owned(),
            open: None,
        }
    }

    /// Sends a batch and returns the answer.
    pub async fn post_batch(&mut self, body: Bytes) -> Result<Answer, LineError> {
        let request = self.request(Method::POST, "peerreplication/batch/", body);
        self.exchange(request, ANSWER_WITHIN, ANSWER_BYTES_MAX)
            .await
    }

    /// Reads a list.
    pub async fn get_list(&mut self, path: &str) -> Result<Answer, LineError> {
        let request = self.request(Method::GET, path, Bytes::new());
        self.exchange(request, LIST_WITHIN, LIST_BYTES_MAX).await
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Option<Request<Full<Bytes>>> {
        let url = &self.place.url;
        let is_get = method == Method::GET;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", url.path))
            .header(HOST, url.authority())
            .header(
                USER_AGENT,
                concat!("speargun-registry/", env!("CARGO_PKG_VERSION")),
            )
            .header(ACCEPT, "application/json")
            .header("DiscoveryIdentity-Name", "DefaultServer")
            .header("DiscoveryIdentity-Version", "1.0")
            .header("DiscoveryIdentity-Id", &self.node)
            .header(NODE, &self.node);
        if !is_get {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(authorization) = &url.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        // Path and host were read as parts of a URL, so this does not fail.
        request.body(Full::new(body)).ok()
    }

    async fn exchange(
        &mut self,
        request: Option<Request<Full<Bytes>>>,
        within: Duration,
        bytes_max: usize,
    ) -> Result<Answer, LineError> {
        let request = request.ok_or_else(|| LineError::Connect("its URL is odd".to_owned()))?;
        let answer = match timeout(within, self.ask(request, bytes_max)).await {
            Ok(answer) => answer,
            Err(_) => Err(LineError::Time),
        };
        if answer.is_err() {
            self.close();
        }
        answer
    }

    async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
        bytes_max: usize,
    ) -> Result<Answer, LineError> {
        let broken = |error: hyper::Error| LineError::Broken(error.to_string());
        let sender = self.opened().await?;
        sender.ready().await.map_err(broken)?;
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        let node = answer.headers().get(NODE);
        let node = node.and_then(|node| node.to_str().ok()).map(str::to_owned);
        let body = Limited::new(answer.into_body(), bytes_max);
        let body = body.collect().await.map_err(|_| LineError::Body)?;
        Ok(Answer {
            status,
            node,
            body: body.to_bytes(),
        })
    }

    async fn opened(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, LineError> {
        if self
            .open
            .as_ref()
            .is_some_and(|(sender, _)| sender.is_closed())
        {
            self.close();
        }
        if self.open.is_none() {
            let opened = timeout(CONNECT_WITHIN, self.connect()).await;
            self.open =
                Some(opened.map_err(|_| LineError::Connect("it takes too long".to_owned()))??);
        }
        let open = self.open.as_mut().map(|(sender, _)| sender);
        open.ok_or(LineError::Time)
    }

    async fn connect(&self) -> Result<(SendRequest<Full<Bytes>>, JoinHandle<()>), LineError> {
        let failed = |error: std::io::Error| LineError::Connect(error.to_string());
        let socket = TcpStream::connect(self.place.address)
            .await
            .map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        if !self.place.url.is_tls {
            return shake_hands(TokioIo::new(socket)).await;
        }
        let name = ServerName::try_from(self.place.url.host.clone());
        let name = name.map_err(|error| LineError::Connect(error.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let socket = connector.connect(name, socket).await.map_err(failed)?;
        shake_hands(TokioIo::new(socket)).await
    }

    fn close(&mut self) {
        if let Some((_, task)) = self.open.take() {
            task.abort();
        }
    }
}

async fn shake_hands<I>(io: I) -> Result<(SendRequest<Full<Bytes>>, JoinHandle<()>), LineError>
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (sender, connection) = http1::handshake(io)
        .await
        .map_err(|error| LineError::Connect(error.to_string()))?;
    // Ended with the line that owns it; what goes wrong the sender is told.
    let task = tokio::spawn(async move {
        connection.await.ok();
    });
    Ok((sender, task))
}
