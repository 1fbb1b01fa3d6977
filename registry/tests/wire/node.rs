//! A registry within the test's process, on a port of its own, and a client that sends what it is
//! told.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use speargun_registry::run::Running;
use speargun_registry::{Options, Settings};
use tokio::runtime::Runtime;

const PATIENCE: Duration = Duration::from_secs(30);

/// A registry.
pub(crate) struct Node {
    runtime: Option<Runtime>,
    running: Option<Running>,
    pub(crate) port: u16,
}

/// An answer, its body unpacked.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

impl Node {
    /// Starts one with these settings and waits until it answers. Without others it is alone and
    /// keeps nothing.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let node = Self::start_unasked(settings);
        await_that(|| node.get("/health").status == 200);
        node
    }

    /// Starts one that can't be asked in plain text.
    pub(crate) fn start_unasked(settings: &[(&str, &str)]) -> Self {
        let otherwise = [("PORT", "0"), ("ADDRESS", "127.0.0.1"), ("DATA", "none")];
        let mut all: HashMap<String, String> = HashMap::new();
        for (name, value) in otherwise.iter().chain(settings) {
            all.insert(format!("SPEARGUN_REGISTRY_{name}"), (*value).to_owned());
        }
        let settings: Settings = Options::default().settings(all).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let running = runtime.block_on(Running::start(settings)).unwrap();
        let port = running.port;
        Self {
            runtime: Some(runtime),
            running: Some(running),
            port,
        }
    }

    /// Asks without headers.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], "")
    }

    /// Asks for JSON.
    pub(crate) fn json(&self, target: &str) -> Answer {
        self.ask("GET", target, &[("Accept", "application/json")], "")
    }

    /// Sends a request of its own connection.
    pub(crate) fn ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut lines = vec![format!("{method} {target} HTTP/1.1")];
        if headers
            .iter()
            .all(|(name, _)| !name.eq_ignore_ascii_case("host"))
        {
            lines.push("Host: 127.0.0.1".to_owned());
        }
        lines.extend(
            headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        lines.push("Connection: close".to_owned());
        lines.push(format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        send(self.port, lines.join("\r\n").as_bytes())
    }

    /// Ends it as a signal does.
    pub(crate) fn end(mut self) {
        let running = self.running.take().unwrap();
        self.runtime.as_ref().unwrap().block_on(running.end());
    }
}

impl Drop for Node {
    /// Ends it as a crash does: nothing is finished.
    fn drop(&mut self) {
        drop(self.running.take());
        // Its port is free again when this returns.
        let runtime = self.runtime.take().unwrap();
        runtime.shutdown_timeout(Duration::from_secs(30));
    }
}

/// Sends bytes and reads an answer.
pub(crate) fn send(port: u16, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or("0").parse().unwrap();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    match headers.get("content-length") {
        _ if bytes.starts_with(b"HEAD ") => {}
        Some(length) => {
            body.resize(length.parse().unwrap(), 0);
            reader.read_exact(&mut body).unwrap();
        }
        None => drop(reader.read_to_end(&mut body).unwrap()),
    }
    if headers
        .get("content-encoding")
        .is_some_and(|kind| kind == "gzip")
    {
        let mut plain = Vec::new();
        GzDecoder::new(body.as_slice())
            .read_to_end(&mut plain)
            .unwrap();
        body = plain;
    }
    Answer {
        status,
        headers,
        body: String::from_utf8(body).unwrap(),
    }
}

/// Waits until something is so.
pub(crate) fn await_that(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come true");
        std::thread::sleep(Duration::from_millis(5));
    }
}
