//! An HTTP/1.1 client over a plain socket: keep-alive, lengths, chunks, gzip answers. It sends
//! exactly the headers it is given, and bytes that are no HTTP at all when a test wants that.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use flate2::read::GzDecoder;

/// How long an answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// No answer of a test is larger.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// A request. Only Host and Content-Length are added to it.
#[derive(Clone, Debug)]
pub struct Request {
    /// As in the request line.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// In order; names may repeat.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// Returns a GET.
    pub fn get(target: impl Into<String>) -> Self {
        Self {
            method: "GET".into(),
            target: target.into(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Returns a POST of JSON spans.
    pub fn spans(body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "POST".into(),
            target: "/api/v2/spans".into(),
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.into(),
        }
    }

    /// Returns a request with a body of JSON, empty or not.
    pub fn json(method: &str, target: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: body.into(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Returns the bytes on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut lines = vec![
            format!("{} {} HTTP/1.1", self.method, self.target),
            "Host: 127.0.0.1".to_owned(),
        ];
        let given = self.headers.iter();
        lines.extend(given.map(|(name, value)| format!("{name}: {value}")));
        if !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            lines.push(format!("Content-Length: {}", self.body.len()));
        }
        let mut bytes = (lines.join("\r\n") + "\r\n\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// An answer, its body unpacked if it came as gzip.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// In order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the values of a header, joined by commas; `None` when it is absent.
    pub fn header(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        let values: Vec<&str> = self
            .headers
            .iter()
            .filter(|(other, _)| *other == name)
            .map(|(_, value)| value.as_str())
            .collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Returns the body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A connection that can be used for many requests.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to a port of this machine.
    pub fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        self.send(&request.to_bytes())?;
        self.answer(&request.method)
    }

    /// Sends a request and reads its answer, which stays packed if it came so.
    pub fn ask_packed(&mut self, request: &Request) -> io::Result<Answer> {
        self.send(&request.to_bytes())?;
        self.packed_answer(&request.method)
    }

    /// Sends bytes, whatever they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Says that nothing more will be sent.
    pub fn close_writing(&mut self) -> io::Result<()> {
        self.stream.get_ref().shutdown(Shutdown::Write)
    }

    /// Reads the answer to a request of this method; informational answers are skipped.
    pub fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut answer = self.packed_answer(method)?;
        if answer.header("content-encoding").as_deref() == Some("gzip") {
            let mut plain = Vec::new();
            GzDecoder::new(answer.body.as_slice())
                .take(ANSWER_BYTES_MAX)
                .read_to_end(&mut plain)?;
            answer.body = plain;
        }
        Ok(answer)
    }

    fn packed_answer(&mut self, method: &str) -> io::Result<Answer> {
        loop {
            let (status, headers) = self.head()?;
            if (100..200).contains(&status) {
                continue;
            }
            let mut answer = Answer {
                status,
                headers,
                body: Vec::new(),
            };
            if method != "HEAD" && status != 204 && status != 304 {
                answer.body = self.body(&answer)?;
            }
            return Ok(answer);
        }
    }

    /// Reads until the server closes the connection.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream
            .by_ref()
            .take(ANSWER_BYTES_MAX)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns the socket, buffered bytes included.
    pub fn stream(&mut self) -> &mut BufReader<TcpStream> {
        &mut self.stream
    }

    fn head(&mut self) -> io::Result<(u16, Vec<(String, String)>)> {
        let first = self.line()?;
        let status = first
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.split(' ').nth(1))
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| broken(format!("no status line: {first:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((status, headers));
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| broken(format!("no header: {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn body(&mut self, answer: &Answer) -> io::Result<Vec<u8>> {
        if answer.header("transfer-encoding").is_some() {
            return self.chunks();
        }
        match answer.header("content-length") {
            Some(length) => {
                let length = length
                    .parse::<u64>()
                    .ok()
                    .filter(|length| *length <= ANSWER_BYTES_MAX)
                    .ok_or_else(|| broken(format!("content-length {length:?}")))?;
                let mut body = vec![0; length as usize];
                self.stream.read_exact(&mut body)?;
                Ok(body)
            }
            None => self.rest(),
        }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let length = u64::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .ok()
                .filter(|length| body.len() as u64 + length <= ANSWER_BYTES_MAX)
                .ok_or_else(|| broken(format!("chunk length {line:?}")))?;
            let start = body.len();
            body.resize(start + length as usize, 0);
            self.stream.read_exact(&mut body[start..])?;
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream
            .by_ref()
            .take(64 << 10)
            .read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_err(|e| broken(e.to_string()))
    }
}

fn broken(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
