//! The ways in that are measured: what a body is, and how it is sent until it is acknowledged.

use anyhow::{Context, Result, bail};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::Request as GrpcRequest;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use libdeflater::{CompressionLvl, Compressor};
use speargun_e2e::{Connection, Request};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::otlp;
use crate::workload::{Format, Span};

/// A way in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Zipkin's, over HTTP.
    Zipkin(Format),
    /// The same, its bodies packed by gzip as senders do it.
    Gzip(Format),
    /// OTLP in protobuf over HTTP.
    OtlpHttp,
    /// OTLP over gRPC.
    OtlpGrpc,
}

impl Way {
    /// Returns the short name used in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zipkin(format) => format.name(),
            Self::Gzip(Format::Proto) => "proto, gzip",
            Self::Gzip(_) => "json, gzip",
            Self::OtlpHttp => "otlp/http",
            Self::OtlpGrpc => "otlp/grpc",
        }
    }

    /// Returns the name under which the server counts its spans.
    pub fn transport(self) -> &'static str {
        match self {
            Self::Zipkin(_) | Self::Gzip(_) => "http",
            Self::OtlpHttp => "otel/http",
            Self::OtlpGrpc => "otel/grpc",
        }
    }

    /// Returns what is sent of a batch: all of a request's bytes, or a message in its frame.
    pub fn prepare(self, spans: &[Span]) -> Bytes {
        match self {
            Self::Zipkin(format) => {
                let body = format.encode(spans);
                let request = post(format.path(), format.content_type(), body);
                request.to_bytes().into()
            }
            Self::Gzip(format) => {
                let body = packed(&format.encode(spans));
                let request = post(format.path(), format.content_type(), body);
                let request = request.header("Content-Encoding", "gzip");
                request.to_bytes().into()
            }
            Self::OtlpHttp => {
                let body = otlp::encode(spans);
                let request = post("/v1/traces", "application/x-protobuf", body);
                request.to_bytes().into()
            }
            Self::OtlpGrpc => {
                let message = otlp::encode(spans);
                let mut framed = BytesMut::with_capacity(message.len() + 5);
                framed.put_u8(0);
                framed.put_u32(message.len() as u32);
                framed.put_slice(&message);
                framed.freeze()
            }
        }
    }

    /// Opens a connection.
    pub fn open(self, port: u16) -> Result<Line> {
        match self {
            Self::Zipkin(_) | Self::Gzip(_) | Self::OtlpHttp => {
                Ok(Line::Http(Connection::open(port)?))
            }
            Self::OtlpGrpc => Line::open_grpc(port),
        }
    }
}

fn post(path: &str, content_type: &str, body: Vec<u8>) -> Request {
    let mut request = Request::spans(body);
    path.clone_into(&mut request.target);
    request.headers = vec![("Content-Type".into(), content_type.into())];
    request
}

/// Packs a body at the level that senders use which do not choose one.
fn packed(body: &[u8]) -> Vec<u8> {
    let mut compressor = Compressor::new(CompressionLvl::default());
    let mut packed = vec![0; compressor.gzip_compress_bound(body.len())];
    // The bound holds whatever the body is; an empty body would be refused, and the run fail.
    let size = compressor.gzip_compress(body, &mut packed).unwrap_or(0);
    packed.truncate(size);
    packed
}

/// An open connection, one request at a time.
#[derive(Debug)]
pub enum Line {
    /// HTTP/1.1.
    Http(Connection),
    /// HTTP/2, on a runtime of its own.
    Grpc(Runtime, SendRequest<Full<Bytes>>),
}

/// What was answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It is stored.
    Stored,
    /// It may be sent again.
    Busy,
}

const EXPORT: &str = "http://127.0.0.1/opentelemetry.proto.collector.trace.v1.TraceService/Export";

impl Line {
    fn open_grpc(port: u16) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(("127.0.0.1", port)).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) =
                handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
            // The call that waits fails with the same error.
            tokio::spawn(async move { connection.await.ok() });
            anyhow::Ok(sender)
        })?;
        Ok(Self::Grpc(runtime, sender))
    }

    /// Sends what was prepared and waits for the answer.
    pub fn send(&mut self, prepared: &Bytes) -> Result<Answer> {
        match self {
            Self::Http(connection) => {
                connection.send(prepared)?;
                let answer = connection.answer("POST").context("no answer")?;
                match answer.status {
                    200 | 202 => Ok(Answer::Stored),
                    429 | 503 => Ok(Answer::Busy),
                    status => bail!("status {status} {:.200}", answer.text()),
                }
            }
            Self::Grpc(runtime, sender) => runtime.block_on(call(sender, prepared.clone())),
        }
    }
}

async fn call(sender: &mut SendRequest<Full<Bytes>>, message: Bytes) -> Result<Answer> {
    sender.ready().await?;
    let request = GrpcRequest::post(EXPORT)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(message))?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let status = trailers
        .get("grpc-status")
        .or_else(|| head.headers.get("grpc-status"));
    match status.map(http::HeaderValue::as_bytes) {
        Some(b"0") => Ok(Answer::Stored),
        Some(b"8" | b"14") => Ok(Answer::Busy),
        _ => bail!("status {status:?} {trailers:?}"),
    }
}
