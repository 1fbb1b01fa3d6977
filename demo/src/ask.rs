//! One HTTP request to a process of this machine, on a connection of its own. No retries, no
//! circuits: scenes look at what really happens.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// No answer that is asked for is larger.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Returns the body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON, when the status is 2xx.
    pub(crate) fn json(&self) -> Result<Value> {
        if !self.status.is_success() {
            bail!("answered {}: {}", self.status, self.text());
        }
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// Sends a GET to a port of this machine.
pub(crate) async fn get(port: u16, target: &str) -> Result<Answer> {
    send(port, Method::GET, target, Bytes::new()).await
}

/// Sends a POST of JSON.
pub(crate) async fn post(port: u16, target: &str, body: impl Into<Bytes>) -> Result<Answer> {
    send(port, Method::POST, target, body.into()).await
}

async fn send(port: u16, method: Method, target: &str, body: Bytes) -> Result<Answer> {
    let what = format!("{method} http://127.0.0.1:{port}{target}");
    let exchange = exchange(port, method, target, body);
    match tokio::time::timeout(ANSWER_WITHIN, exchange).await {
        Ok(answer) => answer.context(what),
        Err(_) => bail!("{what}: no answer within {ANSWER_WITHIN:?}"),
    }
}

async fn exchange(port: u16, method: Method, target: &str, body: Bytes) -> Result<Answer> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header(HOST, format!("127.0.0.1:{port}"))
        .header(ACCEPT, "application/json, text/plain, */*")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body))?;
    let answer = async {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| anyhow::anyhow!(error))?;
        let body = body.to_bytes();
        anyhow::Ok(Answer { status, body })
    };
    // What is wrong with the connection is an error of the answer, too.
    let drive = async {
        connection.await.ok();
        std::future::pending::<Result<Answer>>().await
    };
    tokio::select! {
        answer = answer => answer,
        never = drive => never,
    }
}
