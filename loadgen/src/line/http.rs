//! HTTP/1.1 over a connection that is kept open: one write a request, and no more of the answer
//! is looked at than is needed to know where it ends. It is a client for load, not a general one.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::time::{Duration, Instant, SystemTime};

use super::stream::Stream;
use super::{ANSWER_BYTES_MAX, Outcome, printable};
use crate::target::Target;
use crate::workload::Format;

/// A line of a head is not longer.
const LINE_BYTES_MAX: u64 = 16 << 10;
/// A head has no more lines.
const LINES_MAX: usize = 200;
/// An answer has no more interim ones before it.
const INTERIM_MAX: u32 = 16;
/// A connection that was idle for longer may have been closed by the server.
const IDLE: Duration = Duration::from_millis(500);
/// So much of an error is kept.
const TEXT_BYTES: usize = 200;

/// A connection.
#[derive(Debug)]
pub struct Http {
    target: Target,
    patience: Duration,
    stream: Option<BufReader<Stream>>,
    used: Instant,
    /// The head of a POST, and how much of it comes before the length.
    head: Vec<u8>,
    before_length: usize,
    reply: Reply,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// What `Retry-After` says.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
    /// What the body's length is said to be.
    length: Option<u64>,
    chunked: bool,
    closes: bool,
}

impl Http {
    /// Returns a connection that is not yet open.
    pub fn new(target: &Target, patience: Duration) -> Self {
        Self {
            target: target.clone(),
            patience,
            stream: None,
            used: Instant::now(),
            head: Vec::new(),
            before_length: 0,
            reply: Reply::default(),
        }
    }

    /// Prepares for posting bodies.
    pub(super) fn post(&mut self, format: Format, gzip: bool) {
        let Target {
            authority, base, ..
        } = &self.target;
        let encoding = if gzip {
            "Content-Encoding: gzip\r\n"
        } else {
            ""
        };
        self.head = format!(
            "POST {base}{} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: {}\r\n{encoding}\
             Content-Length: ",
            format.path(),
            format.content_type(),
        )
        .into_bytes();
        self.before_length = self.head.len();
    }

    /// Posts a body.
    pub(super) fn send(&mut self, body: &[u8]) -> io::Result<Outcome> {
        let mut head = std::mem::take(&mut self.head);
        head.truncate(self.before_length);
        write!(head, "{}\r\n\r\n", body.len())?;
        let done = self.exchange(&head, body);
        self.head = head;
        done?;
        let reply = &self.reply;
        Ok(match reply.status {
            200..300 => Outcome::Accepted,
            429 | 503 => Outcome::Refused {
                status: reply.status,
                retry_after: reply.retry_after,
            },
            status => {
                let text = reply.body.get(..TEXT_BYTES).unwrap_or(&reply.body);
                Outcome::Failed {
                    status,
                    text: printable(&String::from_utf8_lossy(text)),
                }
            }
        })
    }

    /// Asks for a path below the target's base.
    pub fn get(&mut self, path: &str) -> io::Result<&Reply> {
        let Target {
            authority, base, ..
        } = &self.target;
        let request = format!("GET {base}{path} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        self.exchange(request.as_bytes(), b"")?;
        Ok(&self.reply)
    }

    fn exchange(&mut self, head: &[u8], body: &[u8]) -> io::Result<()> {
        let mut stream = self.take()?;
        let written = stream.get_mut().write_both(head, body);
        let written = written.and_then(|()| stream.get_mut().flush());
        // A server may refuse a body before it has taken it, and what it says is worth more than
        // that it hung up.
        let read = read_reply(&mut stream, &mut self.reply);
        if let Err(error) = written {
            read.map_err(|_| error)?;
            self.reply.closes = true;
        } else {
            read?;
        }
        self.used = Instant::now();
        // After an error the rest of an answer may still come, so such a connection is let go.
        if !self.reply.closes {
            self.stream = Some(stream);
        }
        Ok(())
    }

    /// Opens the connection before the first request.
    pub(super) fn open(&mut self) -> io::Result<()> {
        self.stream = Some(self.take()?);
        self.used = Instant::now();
        Ok(())
    }

    fn take(&mut self) -> io::Result<BufReader<Stream>> {
        if let Some(mut stream) = self.stream.take()
            && (self.used.elapsed() < IDLE || stream.get_ref().is_alive())
        {
            stream.get_mut().begin();
            return Ok(stream);
        }
        let stream = Stream::open(&self.target, self.patience)?;
        Ok(BufReader::new(stream))
    }
}

fn read_reply(stream: &mut BufReader<Stream>, reply: &mut Reply) -> io::Result<()> {
    let mut before = 0;
    loop {
        read_head(stream, reply)?;
        if !(100..200).contains(&reply.status) {
            break;
        }
        before += 1;
        if before > INTERIM_MAX {
            return Err(broken("that it will, and never does"));
        }
    }
    let mut left = ANSWER_BYTES_MAX;
    if reply.chunked {
        while read_chunk(stream, reply, &mut left)? {}
    } else if let Some(length) = reply.length {
        if length > left {
            return Err(broken("an answer that is too large"));
        }
        stream.by_ref().take(length).read_to_end(&mut reply.body)?;
        if reply.body.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    } else if !matches!(reply.status, 204 | 304) {
        reply.closes = true;
        stream.by_ref().take(left).read_to_end(&mut reply.body)?;
    }
    Ok(())
}

fn read_head(stream: &mut BufReader<Stream>, reply: &mut Reply) -> io::Result<()> {
    reply.status = 0;
    reply.retry_after = None;
    reply.body.clear();
    reply.length = None;
    reply.chunked = false;
    let first = line(stream)?;
    let text = String::from_utf8_lossy(&first);
    let status = text.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    reply.status = status
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| not_http(&first))?;
    reply.closes = text.starts_with("HTTP/1.0");
    for _ in 0..LINES_MAX {
        let line = line(stream)?;
        if line.is_empty() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let Some((name, value)) = text.split_once(':') else {
            return Err(broken("a header without a colon"));
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => reply.length = value.parse().ok(),
            "transfer-encoding" => reply.chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => reply.closes |= value.eq_ignore_ascii_case("close"),
            "retry-after" => reply.retry_after = wait_of(value),
            _ => {}
        }
    }
    Err(broken("a head that does not end"))
}

/// Returns how long a server asks to wait, which it says in seconds or as a date.
fn wait_of(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    // What is past is now.
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Returns whether more chunks follow.
fn read_chunk(
    stream: &mut BufReader<Stream>,
    reply: &mut Reply,
    left: &mut u64,
) -> io::Result<bool> {
    let size = line(stream)?;
    let text = String::from_utf8_lossy(&size);
    let digits = text.split(';').next().unwrap_or_default().trim();
    let size = u64::from_str_radix(digits, 16).map_err(|_| broken("a chunk without a size"))?;
    *left = left
        .checked_sub(size)
        .ok_or_else(|| broken("an answer that is too large"))?;
    let before = reply.body.len() as u64;
    stream.by_ref().take(size).read_to_end(&mut reply.body)?;
    if reply.body.len() as u64 - before != size {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if size > 0 {
        line(stream)?;
        return Ok(true);
    }
    // Trailers end with an empty line too.
    for _ in 0..LINES_MAX {
        if line(stream)?.is_empty() {
            return Ok(false);
        }
    }
    Err(broken("trailers that do not end"))
}

fn line(stream: &mut BufReader<Stream>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut bounded = stream.by_ref().take(LINE_BYTES_MAX);
    bounded.read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the server closed the connection without an answer",
        ));
    }
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    Ok(line)
}

/// A server that wants TLS answers plain text with an alert.
fn not_http(first: &[u8]) -> io::Error {
    if first.starts_with(&[0x15, 0x03]) {
        broken("TLS: say https://")
    } else {
        broken("something else than HTTP/1")
    }
}

fn broken(what: &str) -> io::Error {
    let text = format!("the server answered {what}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests;
