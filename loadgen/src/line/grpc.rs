//! One HTTP/2 connection, one call at a time, on a runtime of its own that runs while a
//! call does.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;

use super::{ANSWER_BYTES_MAX, Outcome, printable};
use crate::target::Target;
use crate::tls;

const PATH: &str = "/zipkin.proto3.SpanService/Report";
/// `RESOURCE_EXHAUSTED` and `UNAVAILABLE`: come again.
const BUSY: [u16; 2] = [8, 14];

/// A connection.
#[derive(Debug)]
pub struct Grpc {
    runtime: Runtime,
    sender: Option<SendRequest<Full<Bytes>>>,
    target: Target,
    patience: Duration,
}

impl Grpc {
    pub(super) fn new(target: &Target, patience: Duration) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        Ok(Self {
            runtime,
            sender: None,
            target: target.clone(),
            patience,
        })
    }

    /// Opens the connection before the first call.
    pub(super) fn open(&mut self) -> io::Result<()> {
        let (target, patience) = (&self.target, self.patience);
        let timed = async { tokio::time::timeout(patience, open(target)).await };
        let sender = self.runtime.block_on(timed).map_err(|_| late())??;
        self.sender = Some(sender);
        Ok(())
    }

    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<Outcome> {
        let mut framed = BytesMut::with_capacity(message.len() + 5);
        framed.put_u8(0);
        framed.put_u32(message.len() as u32);
        framed.put_slice(message);
        let call = call(&self.target, self.sender.take(), framed.freeze());
        let timed = async { tokio::time::timeout(self.patience, call).await };
        let (sender, outcome) = self.runtime.block_on(timed).map_err(|_| late())??;
        self.sender = Some(sender);
        Ok(outcome)
    }
}

fn late() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

type Sender = SendRequest<Full<Bytes>>;

async fn call(
    target: &Target,
    sender: Option<Sender>,
    message: Bytes,
) -> io::Result<(Sender, Outcome)> {
    let mut sender = match sender {
        Some(sender) if !sender.is_closed() => sender,
        _ => open(target).await?,
    };
    sender.ready().await.map_err(|error| in_words(&error))?;
    let scheme = if target.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let Target {
        authority, base, ..
    } = target;
    let request = Request::post(format!("{scheme}://{authority}{base}{PATH}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(message))
        .map_err(io::Error::other)?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| in_words(&error))?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX as usize)
        .collect()
        .await;
    let body = body.map_err(io::Error::other)?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let status = status_of(&trailers).or_else(|| status_of(&parts.headers));
    let outcome = match status {
        Some(0) => Outcome::Accepted,
        Some(status) if BUSY.contains(&status) => Outcome::Refused {
            status,
            retry_after: None,
        },
        Some(status) => Outcome::Failed {
            status,
            text: message_of(&trailers)
                .or_else(|| message_of(&parts.headers))
                .unwrap_or_default(),
        },
        None => Outcome::Failed {
            status: parts.status.as_u16(),
            text: "an answer without grpc-status".into(),
        },
    };
    Ok((sender, outcome))
}

async fn open(target: &Target) -> io::Result<Sender> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = &target.tls else {
        return shake_hands(stream).await;
    };
    let connector = TlsConnector::from(Arc::clone(&tls.http2));
    let stream = connector.connect(tls.name.clone(), stream).await;
    shake_hands(stream.map_err(tls::no_handshake)?).await
}

async fn shake_hands<T>(stream: T) -> io::Result<Sender>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|error| in_words(&error))?;
    // It ends with the connection, which the sender and this runtime own.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // The call that waits for the answer fails with the same error.
            drop(error);
        }
    });
    Ok(sender)
}

/// Says of a server that answers HTTP/2 with something else what that means.
fn in_words(error: &hyper::Error) -> io::Error {
    let inner = std::error::Error::source(error);
    let inner = inner.map(ToString::to_string).unwrap_or_default();
    if inner.contains("frame with invalid size") || inner.contains("preface") || error.is_parse() {
        return io::Error::other("the server does not speak HTTP/2, which gRPC needs");
    }
    let text = if inner.is_empty() {
        error.to_string()
    } else {
        format!("{error}: {inner}")
    };
    io::Error::other(text)
}

fn status_of(headers: &HeaderMap) -> Option<u16> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

fn message_of(headers: &HeaderMap) -> Option<String> {
    Some(printable(headers.get("grpc-message")?.to_str().ok()?))
}
