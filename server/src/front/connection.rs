//! HTTP on one socket: HTTP/2 when the client begins with its preface, else HTTP/1.1. Headers,
//! buffers, streams and silences have bounds, so a slow client costs a connection for a while and
//! never more.

use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};

use super::reply::{self, Reply};
use super::service::Service;
use super::shard::Door;
use super::socket::Socket;

/// How long a client may take to send a request's head, and how long it may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request's headers, as Zipkin's.
const HEADERS_BYTES_MAX: usize = 8192;
/// Bytes of one read: large bodies want few of them.
const READ_BYTES_MAX: usize = 128 << 10;
/// HTTP/2's windows: what may be under way unread, of a stream and of a connection.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
const STREAMS_MAX: u32 = 128;
/// HTTP/2's frames: a body that comes in one need not be put together.
const FRAME_BYTES_MAX: u32 = 64 << 10;
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection's last requests may take once the process is ending.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// Spawns what HTTP/2 needs on the shard's own thread.
#[derive(Clone, Copy, Debug)]
struct OnThisThread;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// Serves a connection until either side ends it.
pub(crate) async fn serve(
    (stream, door): (TcpStream, Door),
    service: Rc<Service>,
    mut ending: watch::Receiver<bool>,
) {
    let begins = tokio::select! {
        begins = tokio::time::timeout(HEAD_TIMEOUT, begins_http2(&stream)) => begins,
        // A client that has not said anything yet is not waited for.
        _ = ending.wait_for(|ending| *ending) => return,
    };
    let Ok(Ok(http2)) = begins else {
        return;
    };
    // It costs a system call, and only traces of requests name it.
    let traced = service.recorder.as_ref();
    let peer = traced.and_then(|_| stream.peer_addr().ok());
    let io = TokioIo::new(stream);
    let stalled = Rc::new(Notify::new());
    let answer = |request: http::Request<Incoming>| {
        let (service, stalled) = (Rc::clone(&service), Rc::clone(&stalled));
        async move {
            let mut reply = service.answer_traced((peer, door), request).await?;
            watch(&mut reply, stalled);
            Ok(reply)
        }
    };
    // A connection that ends in an error has nobody left to tell, and is no news.
    let served = async {
        if http2 {
            serve_http2(io, service_fn(answer), ending).await;
        } else {
            serve_http1(Socket::new(io), service_fn(answer), ending).await;
        }
    };
    tokio::select! {
        () = served => {}
        () = stalled.notified() => tracing::debug!("a client does not read its answers"),
    }
}

/// Rings when the client takes too long to read an answer that takes memory.
fn watch(reply: &mut Reply, stalled: Rc<Notify>) {
    if let Some(watch) = reply::take_watch(reply) {
        tokio::task::spawn_local(async move {
            if watch.end().await.is_err() {
                stalled.notify_one();
            }
        });
    }
}

async fn serve_http1<S>(
    io: Socket<TokioIo<TcpStream>>,
    service: S,
    mut ending: watch::Receiver<bool>,
) where
    S: hyper::service::Service<http::Request<Incoming>, Response = Reply, Error = Infallible>,
{
    let mut connection = pin!(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_header_size(HEADERS_BYTES_MAX)
            .max_buf_size(READ_BYTES_MAX)
            .serve_connection(io, service)
    );
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = ending.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ended = tokio::time::timeout(LAST_REQUESTS, connection).await;
        }
    }
}

async fn serve_http2<S>(io: TokioIo<TcpStream>, service: S, mut ending: watch::Receiver<bool>)
where
    S: hyper::service::Service<http::Request<Incoming>, Response = Reply, Error = Infallible>,
    S::Future: 'static,
{
    let mut connection = pin!(
        hyper::server::conn::http2::Builder::new(OnThisThread)
            .timer(TokioTimer::new())
            .max_header_list_size(HEADERS_BYTES_MAX as u32)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_concurrent_streams(STREAMS_MAX)
            .max_frame_size(FRAME_BYTES_MAX)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .serve_connection(io, service)
    );
    tokio::select! {
        _ = connection.as_mut() => {}
        _ = ending.changed() => {
            connection.as_mut().graceful_shutdown();
            let _ended = tokio::time::timeout(LAST_REQUESTS, connection).await;
        }
    }
}

/// Returns whether the client speaks HTTP/2 without asking first. All of what it begins with is
/// waited for, since the HTTP library waits for the rest of it without end.
async fn begins_http2(stream: &TcpStream) -> std::io::Result<bool> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const BETWEEN_BYTES: Duration = Duration::from_millis(5);
    let mut begin = [0; PREFACE.len()];
    loop {
        let len = stream.peek(&mut begin).await?;
        let seen = begin.get(..len).unwrap_or_default();
        if seen.is_empty() || !PREFACE.starts_with(seen) {
            return Ok(false);
        }
        if seen == PREFACE {
            return Ok(true);
        }
        // Bytes that are only looked at stay, so the socket would be readable again at once.
        tokio::time::sleep(BETWEEN_BYTES).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn http2_begins_with_all_of_its_preface() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        for (said, then, http2) in [
            ("PRI", " * HTTP/2.0\r\n\r\nSM\r\n\r\n", Some(true)),
            ("PRI * HTTP/2.0\r\n", "Host: a\r\n\r\n", Some(false)),
            ("P", "OST / HTTP/1.1\r\n", Some(false)),
            ("PRI * HTTP/2.0\r\n", "", None),
        ] {
            let mut client = TcpStream::connect(address).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            client.write_all(said.as_bytes()).await.unwrap();
            let mut begins = pin!(begins_http2(&server));
            let wait = Duration::from_millis(50);
            let early = tokio::time::timeout(wait, begins.as_mut()).await;
            assert!(early.is_err(), "{said}");
            let Some(http2) = http2 else { continue };
            client.write_all(then.as_bytes()).await.unwrap();
            assert_eq!(begins.await.unwrap(), http2, "{said}{then}");
        }
    }
}
