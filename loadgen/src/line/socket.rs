//! A socket with a deadline for all that is read and written before it. A server that sends a byte
//! now and then, or takes one, gains nothing by that.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::target::Target;

/// The kernel is told a new time to wait when it differs by more than this part of the patience:
/// most answers need no such call.
const SLACK: u32 = 16;

/// A socket whose reads and writes end at a deadline, or a sixteenth of the patience behind it.
#[derive(Debug)]
pub(super) struct Socket {
    stream: TcpStream,
    patience: Duration,
    deadline: Instant,
    /// What the kernel was told for reads and writes.
    told: [Duration; 2],
}

/// The place of reads in what the kernel was told.
const READ: usize = 0;
/// That of writes.
const WRITE: usize = 1;

impl Socket {
    /// Connects; `patience` bounds that and all until [`Self::begin`].
    pub(super) fn open(target: &Target, patience: Duration) -> io::Result<Self> {
        let deadline = Instant::now() + patience;
        let stream = TcpStream::connect_timeout(&target.address, patience)?;
        Self::of(stream, patience, deadline)
    }

    /// Returns a socket of an open connection.
    pub(super) fn of(stream: TcpStream, patience: Duration, deadline: Instant) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream,
            patience,
            deadline,
            told: [patience; 2],
        })
    }

    /// Begins an exchange that has all the patience again.
    pub(super) fn begin(&mut self) {
        self.deadline = Instant::now() + self.patience;
    }

    /// Returns the socket itself.
    pub(super) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn wait_no_longer(&mut self, way: usize) -> io::Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if left.abs_diff(self.told[way]) > self.patience / SLACK {
            if way == READ {
                self.stream.set_read_timeout(Some(left))?;
            } else {
                self.stream.set_write_timeout(Some(left))?;
            }
            self.told[way] = left;
        }
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait_no_longer(READ)?;
        self.stream.read(buffer)
    }
}

impl Write for Socket {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is what write_all is made of"
    )]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait_no_longer(WRITE)?;
        self.stream.write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.wait_no_longer(WRITE)?;
        self.stream.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
