//! One request to one registry on a connection of its own, within a time. Of the answer only the
//! status is read. No TLS, no redirects.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use speargun_model::codec::base64_text;
use tokio::net::{TcpStream, lookup_host};

use crate::settings::RegistryUrl;

/// How long a registry may take, connecting included.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Bytes of an answer's headers.
const HEADERS_BYTES_MAX: usize = 64 << 10;

/// Why a registry was of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It can't be reached.
    #[error("it can't be reached: {0}")]
    Unreachable(#[from] io::Error),
    /// It speaks no HTTP, or stopped to.
    #[error("it gave no answer: {0}")]
    NoAnswer(#[from] hyper::Error),
    /// It took too long.
    #[error("it did not answer within {ANSWER_WITHIN:?}")]
    TooSlow,
    /// It answered something else.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// The request can't be made.
    #[error("no request can be made of the settings: {0}")]
    Request(#[from] http::Error),
}

/// What to ask.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) method: Method,
    /// Behind the registry's own path.
    pub(crate) path: String,
    /// JSON; may be empty.
    pub(crate) body: String,
}

impl Order {
    /// Asks a registry.
    pub(crate) async fn send(&self, registry: &RegistryUrl) -> Result<StatusCode, Failure> {
        tokio::time::timeout(ANSWER_WITHIN, self.exchange(registry))
            .await
            .unwrap_or(Err(Failure::TooSlow))
    }

    async fn exchange(&self, registry: &RegistryUrl) -> Result<StatusCode, Failure> {
        let request = self.request(registry)?;
        let stream = TcpStream::connect((registry.host.as_str(), registry.port)).await?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEADERS_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await?;
        // The connection ends when both the sender and the answer are gone.
        let asked = async move {
            let answer = sender.send_request(request).await?;
            Ok(answer.status())
        };
        let (status, _ended) = tokio::join!(asked, connection);
        status
    }

    fn request(&self, registry: &RegistryUrl) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request = Request::builder()
            .method(&self.method)
            .uri(format!("{}{}", registry.path, self.path))
            .header(HOST, &registry.authority)
            .header(ACCEPT, "application/json")
            .header(CONTENT_LENGTH, self.body.len())
            .header(USER_AGENT, concat!("speargun/", env!("CARGO_PKG_VERSION")));
        if !self.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(credentials) = &registry.credentials {
            let basic = format!("Basic {}", base64_text(credentials.as_bytes()));
            request = request.header(AUTHORIZATION, basic);
        }
        request.body(Full::from(self.body.clone()))
    }
}

/// Returns the address of this machine as the registry sees it. For a registry on this machine it
/// is that towards the world: clients elsewhere should reach it too.
pub(super) async fn own_address(registry: &RegistryUrl) -> IpAddr {
    let place = (registry.host.as_str(), registry.port);
    let resolved = tokio::time::timeout(ANSWER_WITHIN, lookup_host(place)).await;
    let towards = match resolved {
        Ok(Ok(mut addresses)) => addresses.next(),
        _ => None,
    };
    let own = towards.and_then(|to| address_towards(to).ok());
    match own {
        Some(own) if !own.is_loopback() => own,
        _ => address_towards(ANYWHERE)
            .ok()
            .or(own)
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    }
}

/// An address that belongs to nobody (RFC 5737). Nothing is sent there.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 9);

/// Connecting a datagram socket sends nothing, but makes the system choose the way.
fn address_towards(to: SocketAddr) -> io::Result<IpAddr> {
    let any = match to {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}
