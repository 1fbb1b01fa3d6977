//! A socket of HTTP/1.1 on which the HTTP library's own refusals, which have no text, get Zipkin's.
//! Everything else passes as it is.

use std::io::{Error, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

/// What the library says of its own accord, and what Zipkin's server says then.
const REFUSALS: [(&str, &str); 2] = [
    (
        "HTTP/1.1 400 ",
        "Status: 400\nDescription: Decoder failure\n",
    ),
    (
        "HTTP/1.1 431 ",
        "Status: 431\nDescription: Request header fields too large\n",
    ),
];
/// Only the library's refusals are empty; ours say why.
const EMPTY: &str = "\r\ncontent-length: 0\r\n";

/// A socket, and what is being written to it instead.
#[derive(Debug)]
pub(crate) struct Socket<I> {
    inner: I,
    instead: Option<Instead>,
}

#[derive(Debug)]
struct Instead {
    bytes: Vec<u8>,
    written: usize,
}

impl<I> Socket<I> {
    /// Wraps a socket.
    pub(crate) fn new(inner: I) -> Self {
        Self {
            inner,
            instead: None,
        }
    }
}

/// Returns a refusal of the library with Zipkin's text in it.
fn with_text(answer: &[u8]) -> Option<Vec<u8>> {
    let (_, text) = REFUSALS
        .iter()
        .find(|(begin, _)| answer.starts_with(begin.as_bytes()))?;
    let answer = std::str::from_utf8(answer).ok()?;
    let head = answer.strip_suffix("\r\n\r\n")?;
    let (before, behind) = head.split_once(EMPTY)?;
    let len = text.len();
    let answer = format!(
        "{before}\r\ncontent-type: {}\r\ncontent-length: {len}\r\n{behind}\r\n\r\n{text}",
        super::reply::PLAIN_TEXT
    );
    Some(answer.into_bytes())
}

impl<I: Read + Unpin> Read for Socket<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<I: Write + Unpin> Write for Socket<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, Error>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize, Error>> {
        let this = &mut *self;
        let [answer] = bufs else {
            return Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        };
        if this.instead.is_none() {
            let instead = with_text(answer);
            this.instead = instead.map(|bytes| Instead { bytes, written: 0 });
        }
        let Some(instead) = &mut this.instead else {
            return Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        };
        while let Some(rest) = instead.bytes.get(instead.written..)
            && !rest.is_empty()
        {
            match ready!(Pin::new(&mut this.inner).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                n => instead.written += n,
            }
        }
        // To the library all that it wanted to write is written.
        this.instead = None;
        Poll::Ready(Ok(answer.len()))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time, and is not ready every other time.
    #[derive(Debug, Default)]
    struct Slow {
        taken: Vec<u8>,
        ready: bool,
    }

    impl Write for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<Result<usize, Error>> {
            self.ready = !self.ready;
            if !self.ready {
                return Poll::Pending;
            }
            let part = &buf[..buf.len().min(7)];
            self.taken.extend_from_slice(part);
            Poll::Ready(Ok(part.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
            Poll::Ready(Ok(()))
        }
    }

    fn written(bytes: &str) -> String {
        let mut socket = Socket::new(Slow::default());
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut rest = bytes.as_bytes();
        while !rest.is_empty() {
            if let Poll::Ready(n) = Pin::new(&mut socket).poll_write(&mut context, rest) {
                rest = &rest[n.unwrap()..];
            }
        }
        String::from_utf8(socket.inner.taken).unwrap()
    }

    #[test]
    fn empty_refusals_get_a_text() {
        assert_eq!(
            written("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\ndate: x\r\n\r\n"),
            "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\n\
             content-length: 41\r\ndate: x\r\n\r\nStatus: 400\nDescription: Decoder failure\n"
        );
    }

    #[test]
    fn all_else_stays_as_it_is() {
        for answer in [
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 3\r\n\r\nwhy",
            "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400",
            "x\r\ncontent-length: 0\r\n\r\n",
        ] {
            assert_eq!(written(answer), answer);
        }
    }
}
