//! A server small enough that what it does wrong is known: it keeps spans in a map, answers a trace
//! and the counters, and misbehaves as it is told.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;
use speargun_model::codec::{self, Format};
use speargun_model::{Bounds, SpanBatch};

/// What a server does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Behaviour {
    /// All as it should.
    Good,
    /// All its connections wait for a second, once, in the first tenth of the load.
    StallsOnce,
    /// It accepts every span and keeps all but one of a thousand.
    Forgets,
    /// It refuses every tenth body with 503 and asks to come again in a second.
    RefusesEveryTenth,
    /// It refuses spans.
    Fails,
    /// It refuses what comes faster than so many bodies a second.
    RefusesAbove(u64),
    /// It takes bodies and never answers.
    Hangs,
    /// It has no API.
    NotFound,
    /// It is a server of pages: 200 and a page, whatever is asked.
    Page,
    /// It accepts everything, keeps nothing and counts nothing.
    KeepsNothing,
    /// Its counters begin at 0 again in the middle.
    BeginsAgain,
    /// It keeps everything twice.
    KeepsTwice,
    /// It keeps spans and has no answer but for traces.
    FailsQueries,
    /// It gives all back with this part of spans being another.
    Changes(&'static str),
}

struct State {
    behaviour: Behaviour,
    bodies: AtomicU64,
    seen: AtomicU64,
    kept: AtomicU64,
    /// Questions for traces that are not there.
    unknown: AtomicU64,
    traces: Mutex<HashMap<String, Vec<Value>>>,
    /// Held by whoever stalls.
    stall: Mutex<()>,
    /// When the last second began, and how many bodies came in it.
    recent: Mutex<(Instant, u64)>,
    ends: AtomicBool,
}

/// A server that ends with the test.
pub(crate) struct Server {
    port: u16,
    state: Arc<State>,
}

impl Server {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State {
            behaviour,
            bodies: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            kept: AtomicU64::new(5000),
            unknown: AtomicU64::new(0),
            traces: Mutex::default(),
            stall: Mutex::default(),
            recent: Mutex::new((Instant::now(), 0)),
            ends: AtomicBool::new(false),
        });
        let own = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.ends.load(Ordering::Relaxed) {
                    return;
                }
                let state = Arc::clone(&own);
                let stream = stream.unwrap();
                std::thread::spawn(move || serve(&state, stream));
            }
        });
        Self { port, state }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns how often a trace was asked for that is not there.
    pub(crate) fn unknown_traces(&self) -> u64 {
        self.state.unknown.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees that it ends.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn serve(state: &State, stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut stream = BufReader::new(stream);
    while let Some((head, body)) = request(&mut stream) {
        if state.behaviour == Behaviour::Hangs && body.len() > 2 {
            // The client closes when it has waited enough.
            stream.read_to_end(&mut Vec::new()).unwrap_or(0);
            return;
        }
        let (status, more, answer) = state.answer(&head, body);
        let text = format!(
            "HTTP/1.1 {status} x\r\n{more}content-length: {}\r\n\r\n{answer}",
            answer.len()
        );
        if stream.get_mut().write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn request(stream: &mut BufReader<TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some((head, body))
}

type Answer = (u16, &'static str, String);

impl State {
    fn answer(&self, head: &str, body: Vec<u8>) -> Answer {
        match self.behaviour {
            Behaviour::NotFound => return (404, "", "404 Not Found".into()),
            Behaviour::Page => return (200, "", "<html></html>".into()),
            _ => {}
        }
        let path = head.split(' ').nth(1).unwrap_or_default();
        if head.starts_with("POST") {
            return if body == b"[]" {
                (202, "", String::new())
            } else {
                self.post(head, body)
            };
        }
        if let Some(id) = path.strip_prefix("/api/v2/trace/") {
            return match self.traces().get(id) {
                Some(spans) => (200, "", self.told(spans).to_string()),
                None => {
                    self.unknown.fetch_add(1, Ordering::Relaxed);
                    (404, "", "not found".into())
                }
            };
        }
        match path {
            "/metrics" if self.behaviour == Behaviour::KeepsNothing => (404, "", String::new()),
            "/metrics" => {
                let kept = self.kept.load(Ordering::Relaxed);
                let text = format!(
                    "{{\"counter.zipkin_collector.spans.http\": {kept}.0,
                     \"counter.zipkin_collector.spans_dropped.http\": 0.0}}"
                );
                (200, "", text)
            }
            path if path.starts_with("/api/v2/") && self.behaviour != Behaviour::FailsQueries => {
                (200, "", "[]".into())
            }
            _ => (404, "", "404 Not Found".into()),
        }
    }

    fn post(&self, head: &str, body: Vec<u8>) -> Answer {
        let number = self.bodies.fetch_add(1, Ordering::Relaxed) + 1;
        match self.behaviour {
            Behaviour::Fails => return (400, "", "bad spans".into()),
            Behaviour::RefusesEveryTenth if number.is_multiple_of(10) => {
                return (503, "Retry-After: 1\r\n", "busy".into());
            }
            Behaviour::RefusesAbove(most) if self.is_above(most) => {
                return (503, "", "busy".into());
            }
            Behaviour::StallsOnce => self.stall(number),
            Behaviour::KeepsNothing => return (202, "", String::new()),
            Behaviour::BeginsAgain if number == 500 => self.kept.store(0, Ordering::Relaxed),
            _ => {}
        }
        self.keep(head, body);
        (202, "", String::new())
    }

    /// The one that stalls holds a lock that all need. This is the pause under test, not a wait for
    /// something to happen.
    fn stall(&self, number: u64) {
        let _held: MutexGuard<'_, ()> = self.stall.lock().unwrap();
        if number == 50 {
            std::thread::sleep(Duration::from_secs(1));
        }
    }

    fn is_above(&self, most: u64) -> bool {
        const SLICE: Duration = Duration::from_millis(100);
        let mut recent = self.recent.lock().unwrap();
        if recent.0.elapsed() >= SLICE {
            *recent = (Instant::now(), 0);
        }
        recent.1 += 1;
        recent.1 > most / 10
    }

    fn keep(&self, head: &str, body: Vec<u8>) {
        let mut body = body;
        if head.contains("Content-Encoding: gzip") {
            let mut inflated = vec![0; 1 << 20];
            let size = libdeflater::Decompressor::new()
                .gzip_decompress(&body, &mut inflated)
                .unwrap();
            inflated.truncate(size);
            body = inflated;
        }
        let format = if head.contains("/api/v1/") {
            Format::JsonV1
        } else if head.contains("x-protobuf") {
            Format::Proto3
        } else {
            Format::JsonV2
        };
        let mut batch = SpanBatch::default();
        codec::decode(format, body.into(), &Bounds::default(), &mut batch).unwrap();
        for view in batch.views() {
            let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
            if self.behaviour == Behaviour::Forgets && seen.is_multiple_of(1000) {
                continue;
            }
            let span = view.to_span();
            let id = span.trace_id.to_string();
            let mut json = Vec::new();
            codec::json_v2::encode_span(&span, &mut json);
            let span = serde_json::from_slice(&json).unwrap();
            let times = if self.behaviour == Behaviour::KeepsTwice {
                2
            } else {
                1
            };
            for _ in 0..times {
                let span = Value::clone(&span);
                self.traces().entry(id.clone()).or_default().push(span);
                self.kept.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Returns spans as they are given back.
    fn told(&self, spans: &[Value]) -> Value {
        let mut spans = spans.to_vec();
        if let Behaviour::Changes(path) = self.behaviour {
            for span in &mut spans {
                if let Some(part) = span.pointer_mut(path) {
                    *part = "CONSUMER".into();
                }
            }
        }
        spans.into()
    }

    fn traces(&self) -> MutexGuard<'_, HashMap<String, Vec<Value>>> {
        self.traces.lock().unwrap()
    }
}
