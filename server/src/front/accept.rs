//! The acceptor: takes connections as long as there are fewer than allowed, and hands them to the
//! shards in turn. Those beyond the limit wait in the kernel's queue, but for one at each port.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::sync::{Semaphore, mpsc};

use super::shard::{Accepted, Door};

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// A client that takes none of its answer for so long loses the connection.
const UNTAKEN_MAX: Duration = Duration::from_secs(30);
/// After a failure to accept (no file descriptors left, say) the next try waits so long.
const AFTER_FAILURE: Duration = Duration::from_millis(50);

/// Opens the port.
pub(crate) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let open = || -> std::io::Result<TcpListener> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    };
    open().with_context(|| format!("can't listen on {address}"))
}

/// Accepts until it is dropped.
pub(crate) async fn accept(
    (listener, door): (TcpListener, Door),
    shards: Vec<mpsc::Sender<Accepted>>,
    permits: Arc<Semaphore>,
) -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    for shard in shards.iter().cycle() {
        let stream = loop {
            match listener.accept().await {
                Ok((stream, _)) => break stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        };
        // Taken once somebody came: a port where nobody does holds no place.
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let Ok(stream) = prepare(stream) else {
            continue;
        };
        let accepted = Accepted {
            stream,
            door,
            permit,
        };
        if shard.send(accepted).await.is_err() {
            break;
        }
    }
    Ok(())
}

fn prepare(stream: tokio::net::TcpStream) -> std::io::Result<std::net::TcpStream> {
    stream.set_nodelay(true)?;
    SockRef::from(&stream).set_tcp_user_timeout(Some(UNTAKEN_MAX))?;
    stream.into_std()
}
