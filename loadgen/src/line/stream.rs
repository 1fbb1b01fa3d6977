//! The bytes of a connection, through TLS where the target wants it. It blocks, and knows no HTTP.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use super::socket::Socket;
use crate::target::Target;
use crate::tls;

/// An open connection.
#[derive(Debug)]
pub(super) enum Stream {
    /// The socket itself.
    Plain(Socket),
    /// TLS over it.
    Tls(Box<StreamOwned<ClientConnection, Socket>>),
}

impl Stream {
    /// Connects; `patience` bounds that, and later each exchange.
    pub(super) fn open(target: &Target, patience: Duration) -> io::Result<Self> {
        let socket = Socket::open(target, patience)?;
        let Some(tls) = &target.tls else {
            return Ok(Self::Plain(socket));
        };
        let connection = ClientConnection::new(Arc::clone(&tls.http1), tls.name.clone())
            .map_err(io::Error::other)?;
        let mut stream = Box::new(StreamOwned::new(connection, socket));
        // Shaken hands before the first request, so that what fails here is told as such.
        stream
            .conn
            .complete_io(&mut stream.sock)
            .map_err(tls::no_handshake)?;
        Ok(Self::Tls(stream))
    }

    /// Begins an exchange, which has all the patience again.
    pub(super) fn begin(&mut self) {
        match self {
            Self::Plain(socket) => socket.begin(),
            Self::Tls(stream) => stream.sock.begin(),
        }
    }

    /// Writes one behind the other, without laying them side by side first.
    pub(super) fn write_both(&mut self, first: &[u8], second: &[u8]) -> io::Result<()> {
        let (mut first, mut second) = (first, second);
        while !first.is_empty() {
            let parts = [IoSlice::new(first), IoSlice::new(second)];
            let written = match self {
                Self::Plain(socket) => socket.write_vectored(&parts),
                Self::Tls(stream) => stream.write_vectored(&parts).map_err(tls::in_words),
            };
            let count = match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let of_first = count.min(first.len());
            first = first.get(of_first..).unwrap_or_default();
            second = second.get(count - of_first..).unwrap_or_default();
        }
        self.write_all(second)
    }

    /// Returns whether a connection on which nothing was asked has nothing to read, not even an
    /// end. What TLS has to say between answers is taken for one: a new connection costs little.
    pub(super) fn is_alive(&self) -> bool {
        let socket = match self {
            Self::Plain(socket) => socket.stream(),
            Self::Tls(stream) => stream.sock.stream(),
        };
        let nothing = || {
            socket.set_nonblocking(true)?;
            let peeked = socket.peek(&mut [0]);
            socket.set_nonblocking(false)?;
            peeked
        };
        nothing().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => match stream.read(buffer) {
                // Whether an answer is whole is known without a farewell, which many leave out.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read.map_err(tls::in_words),
            },
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => write_some(socket, bytes),
            Self::Tls(stream) => write_some(&mut **stream, bytes).map_err(tls::in_words),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(stream) => stream.flush().map_err(tls::in_words),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is what write_all is made of"
)]
fn write_some(to: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    to.write(bytes)
}
