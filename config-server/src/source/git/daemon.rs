//! Git's own way, `git://`, over a socket that looks every moment whether it is to end.

use std::io::{ErrorKind, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;

use super::interrupt::Interrupt;

const PORT: u16 = 9418;
/// How long a remote may be silent, which it is while it looks for what a clone needs.
const SILENCE_MAX: Duration = Duration::from_mins(5);
/// How often it looks whether it is to end.
const LOOKS_EVERY: Duration = Duration::from_millis(100);

/// What a remote says.
pub(super) struct Heard {
    stream: TcpStream,
    interrupt: Arc<Interrupt>,
}

impl Read for Heard {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let since = Instant::now();
        loop {
            self.interrupt.check()?;
            match self.stream.read(buffer) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if since.elapsed() > SILENCE_MAX {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }
}

/// Connects to a remote.
pub(super) fn connect(
    url: &gix::Url,
    (version, within): (Protocol, Duration),
    interrupt: &Arc<Interrupt>,
) -> std::io::Result<Connection<Heard, TcpStream>> {
    let host = url.host().unwrap_or_default();
    let mut places = (host, url.port.unwrap_or(PORT)).to_socket_addrs()?;
    let place = places.next();
    let place = place.ok_or_else(|| std::io::Error::other("its host has no address"))?;
    let stream = TcpStream::connect_timeout(&place, within)?;
    stream.set_read_timeout(Some(LOOKS_EVERY))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    let heard = Heard {
        stream: stream.try_clone()?,
        interrupt: Arc::clone(interrupt),
    };
    let virtual_host = Some((host, url.port));
    let path = url.path.clone();
    let mode = ConnectMode::Daemon;
    Ok(Connection::new(
        heard,
        stream,
        version,
        path,
        virtual_host,
        mode,
        false,
    ))
}
