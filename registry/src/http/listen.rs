//! Sockets and connections: accepted up to a limit, closed when idle, ended in an orderly way.

use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{App, service};
use crate::meter::Refusal;

/// A connection that asks nothing for so long is closed, as Java's servers do.
const IDLE: Duration = Duration::from_secs(20);
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);
/// How long answers under way may take when the process ends.
const END_WITHIN: Duration = Duration::from_secs(3);
/// Bytes that a connection buffers at most. The smallest that the library allows: there are many
/// connections.
const BUFFER_BYTES: usize = 16 << 10;
/// When the process has no files left, it waits a moment for some.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Accepts and serves until it is told to end.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    mut ends: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Whoever says the end, or is gone himself, wants no more connections.
            _ = ends.changed() => break,
        };
        while connections.try_join_next().is_some() {}
        let (socket, _) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                app.desk.complaints.tell("accept", app.time.now(), &error);
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&app.connections).try_acquire_owned() else {
            app.desk.meter.refuse(Refusal::Busy);
            continue;
        };
        let connection = connection(Arc::clone(&app), socket, tls.clone(), ends.clone());
        connections.spawn(async move {
            let _place = place;
            connection.await;
        });
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // What does not end in time is ended with the process.
    timeout(END_WITHIN, all).await.ok();
}

async fn connection(
    app: Arc<App>,
    socket: TcpStream,
    tls: Option<TlsAcceptor>,
    ends: watch::Receiver<bool>,
) {
    if socket.set_nodelay(true).is_err() {
        return;
    }
    match tls {
        None => exchange(app, TokioIo::new(socket), ends).await,
        Some(tls) => {
            if let Ok(Ok(socket)) = timeout(HANDSHAKE_WITHIN, tls.accept(socket)).await {
                exchange(app, TokioIo::new(socket), ends).await;
            }
        }
    }
}

async fn exchange<I>(app: Arc<App>, io: I, mut ends: watch::Receiver<bool>)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let service = service_fn(move |request| service::answer(Arc::clone(&app), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);
    // Clients that break off are no trouble of ours.
    tokio::select! {
        done = connection.as_mut() => drop(done),
        _ = ends.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await.ok();
        }
    }
}
