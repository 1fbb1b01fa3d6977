//! A registry of services that only notes what it is asked and answers 200, or 404 when told to.
//! Enough for a server that registers; it knows no service.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::server::pause;

/// How long a request may be awaited before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);
/// No body of a test is larger.
const BODY_BYTES_MAX: u64 = 1 << 20;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and target.
    pub line: String,
    /// Names in lower case and values, a line each.
    pub headers: String,
    /// The body.
    pub body: String,
}

#[derive(Debug, Default)]
struct State {
    asked: Vec<Asked>,
    forgets: VecDeque<String>,
}

/// A registry on a port of its own, until the process ends.
#[derive(Debug)]
pub struct Registry {
    state: Arc<Mutex<State>>,
    port: u16,
}

impl Registry {
    /// Starts listening.
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is no failure of the registry.
                serve(&stream, &shared).ok();
            }
        });
        Ok(Self { state, port })
    }

    /// Returns the URL that a server is told.
    pub fn url(&self) -> String {
        format!("http://me:secret@127.0.0.1:{}/eureka/", self.port)
    }

    /// Answers the next request of this method with 404.
    pub fn forget_at(&self, method: &str) {
        self.lock().forgets.push_back(method.to_owned());
    }

    /// Returns all that was asked once a request passes the test, or fails after a minute.
    pub fn await_request(&self, test: impl Fn(&Asked) -> bool) -> Result<Vec<Asked>> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let asked = self.lock().asked.clone();
            if asked.iter().any(&test) {
                return Ok(asked);
            }
            pause();
        }
        bail!("nothing like it in {PATIENCE:?}: {:?}", self.lock().asked)
    }

    /// Returns how many requests began like this.
    pub fn count(&self, start: &str) -> usize {
        let state = self.lock();
        let alike = state.asked.iter().filter(|a| a.line.starts_with(start));
        alike.count()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one request and closes.
fn serve(stream: &TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let line = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let (mut headers, mut length) = (String::new(), 0);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        let name = name.to_ascii_lowercase();
        if name == "content-length" {
            length = value.parse().unwrap_or(0);
        }
        headers.extend([name.as_str(), ": ", value, "\n"]);
    }
    let mut body = String::new();
    let length = BODY_BYTES_MAX.min(length);
    reader.take(length).read_to_string(&mut body)?;
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let forgets = state
        .forgets
        .front()
        .is_some_and(|m| line.starts_with(m.as_str()));
    let status = if forgets {
        state.forgets.pop_front();
        "404 Not Found"
    } else {
        "200 OK"
    };
    state.asked.push(Asked {
        line,
        headers,
        body,
    });
    drop(state);
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let mut stream = stream;
    stream.write_all(answer.as_bytes())
}
