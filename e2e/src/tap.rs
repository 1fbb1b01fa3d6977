//! A tap in the wire: it stands between a client and a server, passes on each byte of requests and
//! answers as it came, and notes them. It understands as much HTTP/1.1 as it needs to know where a
//! message ends.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;

/// How long either side may be silent.
const PATIENCE: Duration = Duration::from_mins(5);
/// No message of a test is larger.
const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Exchanges that are kept; the oldest go first.
const EXCHANGES_MAX: usize = 20_000;

/// A request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Method and target.
    pub line: String,
    /// The request's head.
    pub head: String,
    /// The request's body, chunks as they came.
    pub body: Vec<u8>,
    /// The answer's status.
    pub status: u16,
    /// The answer's head.
    pub answer: String,
}

/// A tap on a port of its own, until the process ends.
#[derive(Debug)]
pub struct Tap {
    port: u16,
    seen: Arc<Mutex<VecDeque<Exchange>>>,
}

impl Tap {
    /// Starts to pass on what comes to another port of this machine.
    pub fn start(target: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let seen = Arc::new(Mutex::new(VecDeque::new()));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                // A side that goes away ends the connection, as without a tap.
                std::thread::spawn(move || pass(&client, target, &shared).ok());
            }
        });
        Ok(Self { port, seen })
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns all exchanges that are kept, the oldest first.
    pub fn seen(&self) -> Vec<Exchange> {
        lock(&self.seen).iter().cloned().collect()
    }

    /// Returns how many exchanges there were whose line begins like this.
    pub fn count(&self, start: &str) -> usize {
        let seen = lock(&self.seen);
        let alike = seen.iter().filter(|it| it.line.starts_with(start));
        alike.count()
    }
}

fn lock(seen: &Mutex<VecDeque<Exchange>>) -> MutexGuard<'_, VecDeque<Exchange>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Passes on the messages of a connection until a side ends it.
fn pass(client: &TcpStream, target: u16, seen: &Mutex<VecDeque<Exchange>>) -> io::Result<()> {
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(PATIENCE))?;
    let server = TcpStream::connect(("127.0.0.1", target))?;
    server.set_nodelay(true)?;
    server.set_read_timeout(Some(PATIENCE))?;
    let mut from_client = BufReader::new(client);
    let mut from_server = BufReader::new(&server);
    loop {
        let request = Message::read(&mut from_client, Bodies::OfRequests)?;
        (&server).write_all(&request.bytes)?;
        let method = request.head.split(' ').next().unwrap_or_default();
        let bodies = match method {
            "HEAD" => Bodies::None,
            _ => Bodies::OfAnswers,
        };
        let answer = Message::read(&mut from_server, bodies)?;
        let mut words = request.head.split(' ').take(2);
        let mut line = words.next().unwrap_or_default().to_owned();
        write!(line, " {}", words.next().unwrap_or_default()).map_err(io::Error::other)?;
        let mut seen = lock(seen);
        if seen.len() == EXCHANGES_MAX {
            seen.pop_front();
        }
        seen.push_back(Exchange {
            line,
            body: request.body().to_vec(),
            head: request.head,
            status: answer.status(),
            answer: answer.head.clone(),
        });
        drop(seen);
        let mut client = client;
        client.write_all(&answer.bytes)?;
        if answer.ends_connection {
            return Ok(());
        }
    }
}

/// Which messages may have a body that no header announces, or none despite one.
#[derive(Clone, Copy)]
enum Bodies {
    OfRequests,
    OfAnswers,
    None,
}

/// A message as it came.
struct Message {
    head: String,
    bytes: Vec<u8>,
    ends_connection: bool,
}

impl Message {
    fn read(from: &mut impl BufRead, bodies: Bodies) -> io::Result<Self> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            line(from, &mut bytes)?;
        }
        let head = String::from_utf8_lossy(&bytes).into_owned();
        let mut message = Self {
            head,
            bytes,
            ends_connection: false,
        };
        message.read_body(from, bodies)?;
        Ok(message)
    }

    fn read_body(&mut self, from: &mut impl BufRead, bodies: Bodies) -> io::Result<()> {
        let is_empty = match bodies {
            Bodies::None => true,
            Bodies::OfAnswers => matches!(self.status(), 100..=199 | 204 | 304),
            Bodies::OfRequests => false,
        };
        if is_empty {
            return Ok(());
        }
        if self.header("transfer-encoding").is_some() {
            return self.chunks(from);
        }
        if let Some(length) = self.header("content-length") {
            let length = length.parse().map_err(io::Error::other)?;
            return exactly(from, length, &mut self.bytes);
        }
        if matches!(bodies, Bodies::OfAnswers) {
            self.ends_connection = true;
            let mut rest = from.take(MESSAGE_BYTES_MAX as u64);
            rest.read_to_end(&mut self.bytes)?;
        }
        Ok(())
    }

    fn chunks(&mut self, from: &mut impl BufRead) -> io::Result<()> {
        loop {
            let start = self.bytes.len();
            line(from, &mut self.bytes)?;
            let size = String::from_utf8_lossy(&self.bytes[start..]).into_owned();
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
            exactly(from, size, &mut self.bytes)?;
            // No message of these tests has trailers.
            line(from, &mut self.bytes)?;
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| {
            let (other, value) = line.split_once(':')?;
            other.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn status(&self) -> u16 {
        let code = self.head.split(' ').nth(1);
        code.and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    fn body(&self) -> &[u8] {
        self.bytes.get(self.head.len()..).unwrap_or_default()
    }
}

fn line(from: &mut impl BufRead, into: &mut Vec<u8>) -> io::Result<()> {
    let room = MESSAGE_BYTES_MAX.saturating_sub(into.len());
    let read = from.take(room as u64).read_until(b'\n', into)?;
    if read == 0 || into.last() != Some(&b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn exactly(from: &mut impl Read, count: usize, into: &mut Vec<u8>) -> io::Result<()> {
    let start = into.len();
    if count > MESSAGE_BYTES_MAX.saturating_sub(start) {
        return Err(io::Error::other("a message is too large for a test"));
    }
    into.resize(start + count, 0);
    from.read_exact(&mut into[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], bodies: Bodies) -> (Message, usize) {
        let mut from = bytes;
        let message = Message::read(&mut from, bodies).unwrap();
        (message, from.len())
    }

    #[test]
    fn a_message_ends_where_its_head_says() {
        let (it, left) = read(
            b"PUT /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiGET",
            Bodies::OfRequests,
        );
        assert_eq!((it.body(), left), (b"hi".as_slice(), 3));
        let chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nH";
        let (it, left) = read(chunks, Bodies::OfAnswers);
        assert_eq!((it.status(), left), (200, 1));
        let (it, left) = read(b"HTTP/1.1 204 No\r\n\r\nH", Bodies::OfAnswers);
        assert_eq!((it.status(), it.ends_connection, left), (204, false, 1));
        let (it, left) = read(b"HTTP/1.1 200 OK\r\n\r\nrest", Bodies::OfAnswers);
        assert_eq!((it.ends_connection, left), (true, 0));
        let (_, left) = read(
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nH",
            Bodies::None,
        );
        assert_eq!(left, 1);
    }

    #[test]
    fn a_message_that_is_cut_is_none() {
        let whole = b"PUT /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi";
        for cut in 0..whole.len() {
            let mut from = &whole[..cut];
            assert!(
                Message::read(&mut from, Bodies::OfRequests).is_err(),
                "cut at {cut}"
            );
        }
    }
}
