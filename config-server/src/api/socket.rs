//! A connection that waits for its client only so long: for the first bytes, by which the version
//! of HTTP is known, and for room to write. All else that a client may be slow with has a limit in
//! the HTTP library, which has none for these.

use std::io::{Error, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// What clients of HTTP/2 say first, and nobody else.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The connection.
#[derive(Debug)]
pub(super) struct Socket<S> {
    inner: S,
    within: Duration,
    /// Ends the wait for what tells the version; `None` when that is known.
    begins: Option<Timer>,
    /// Bytes of the preface that came.
    matched: usize,
    /// Ends the wait for room to write, while there is one.
    writes: Option<Timer>,
}

type Timer = Pin<Box<Sleep>>;

impl<S> Socket<S> {
    /// Returns a connection that waits so long.
    pub(super) fn new(inner: S, within: Duration) -> Self {
        Self {
            inner,
            within,
            begins: Some(timer(within)),
            matched: 0,
            writes: None,
        }
    }

    /// Looks whether the version is known by what came.
    fn begin(&mut self, came: &[u8]) {
        let rest = PREFACE.get(self.matched..).unwrap_or_default();
        self.matched += came.len();
        let is_http2 = came.starts_with(rest);
        if is_http2 || came.is_empty() || !rest.starts_with(came) {
            self.begins = None;
        }
    }

    /// Gives what a write gave, unless it waits for too long.
    fn in_time<T>(
        &mut self,
        context: &mut Context<'_>,
        wrote: Poll<std::io::Result<T>>,
    ) -> Poll<std::io::Result<T>> {
        if wrote.is_ready() {
            self.writes = None;
            return wrote;
        }
        let within = self.within;
        let writes = self.writes.get_or_insert_with(|| timer(within));
        ready!(writes.as_mut().poll(context));
        Poll::Ready(Err(late("the client does not read")))
    }
}

fn timer(within: Duration) -> Timer {
    // What is so far away is never.
    let at = Instant::now().checked_add(within);
    Box::pin(sleep_until(at.unwrap_or_else(Instant::now)))
}

fn late(what: &'static str) -> Error {
    Error::new(ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        let Some(begins) = &mut self.begins else {
            return read;
        };
        if read.is_pending() {
            ready!(begins.as_mut().poll(context));
            return Poll::Ready(Err(late("the client says nothing")));
        }
        let came = buffer.filled().get(before..).unwrap_or_default();
        self.begin(came);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.in_time(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let wrote = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.in_time(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        self.in_time(context, flushed)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        let ended = Pin::new(&mut self.inner).poll_shutdown(context);
        self.in_time(context, ended)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const NEVER: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn who_says_nothing_or_not_enough_is_not_waited_for() {
        for said in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r"] {
            let (mut client, server) = duplex(64);
            let mut socket = Socket::new(server, SOON);
            client.write_all(said).await.unwrap();
            let mut bytes = Vec::new();
            let error = socket.read_to_end(&mut bytes).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            assert_eq!(bytes, said);
        }
    }

    #[tokio::test]
    async fn who_said_the_version_is_left_to_the_library() {
        for said in [
            &b"G"[..],
            b"POST",
            b"PRIX",
            PREFACE,
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0",
        ] {
            let (mut client, server) = duplex(64);
            let mut socket = Socket::new(server, NEVER);
            // In parts, as it may come.
            for part in said.chunks(2) {
                client.write_all(part).await.unwrap();
                let mut bytes = vec![0; part.len()];
                socket.read_exact(&mut bytes).await.unwrap();
            }
            assert!(socket.begins.is_none(), "{said:?}");
        }
    }

    #[tokio::test]
    async fn who_does_not_read_is_not_waited_for() {
        let (mut client, server) = duplex(64);
        let mut socket = Socket::new(server, SOON);
        let error = socket.write_all(&[0; 65]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        // Who reads in time is waited for anew each time.
        let mut bytes = [0; 64];
        client.read_exact(&mut bytes).await.unwrap();
        socket.write_all(&[0; 64]).await.unwrap();
        assert!(socket.writes.is_none());
    }
}
