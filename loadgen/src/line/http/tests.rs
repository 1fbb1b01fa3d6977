//! Tests over real sockets: a server that says exactly what it is told to.

use std::net::TcpListener;
use std::thread;

use super::super::socket::Socket;
use super::*;
use crate::tls::Trust;

const PATIENCE: Duration = Duration::from_secs(20);

/// Serves one connection after another, each with these answers, and returns what it was sent.
fn serve(connections: Vec<Vec<&'static [u8]>>) -> (Target, thread::JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::parse(&listener.local_addr().unwrap().to_string(), Trust::System).unwrap();
    let server = thread::spawn(move || {
        let mut asked = Vec::new();
        for answers in connections {
            let (stream, _) = listener.accept().unwrap();
            let socket = Socket::of(stream, PATIENCE, Instant::now() + PATIENCE).unwrap();
            let mut stream = BufReader::new(Stream::Plain(socket));
            for answer in answers {
                asked.push(request(&mut stream));
                stream.get_mut().write_all(answer).unwrap();
            }
        }
        asked
    });
    (target, server)
}

fn request(stream: &mut BufReader<Stream>) -> Vec<u8> {
    let (mut all, mut length) = (Vec::new(), 0);
    loop {
        let line = line(stream).unwrap();
        let text = String::from_utf8_lossy(&line).into_owned();
        if let Some(value) = text.strip_prefix("Content-Length: ") {
            length = value.parse().unwrap();
        }
        all.extend_from_slice(&line);
        all.push(b'\n');
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    all.extend_from_slice(&body);
    all
}

fn poster(target: &Target) -> Http {
    let mut http = Http::new(target, PATIENCE);
    http.post(Format::Proto, true);
    http
}

#[test]
fn answers_are_told_apart_on_one_connection() {
    let (target, server) = serve(vec![vec![
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nretry-after: 2\r\ncontent-length: 4\r\n\r\nbusy",
        b"HTTP/1.1 429 Slow\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 400 Bad\r\ncontent-length: 3\r\n\r\nno\n",
    ]]);
    let mut http = poster(&target);
    assert_eq!(http.send(b"one").unwrap(), Outcome::Accepted);
    let refused = |status, seconds: Option<u64>| Outcome::Refused {
        status,
        retry_after: seconds.map(Duration::from_secs),
    };
    assert_eq!(http.send(b"two").unwrap(), refused(503, Some(2)));
    assert_eq!(http.send(b"three").unwrap(), refused(429, None));
    let failed = Outcome::Failed {
        status: 400,
        text: "no".into(),
    };
    assert_eq!(http.send(b"four").unwrap(), failed);
    let asked = server.join().unwrap();
    let first = String::from_utf8(asked[0].clone()).unwrap();
    let authority = &target.authority;
    assert_eq!(
        first,
        format!(
            "POST /api/v2/spans HTTP/1.1\nHost: {authority}\n\
             Content-Type: application/x-protobuf\nContent-Encoding: gzip\n\
             Content-Length: 3\n\none"
        )
    );
}

#[test]
fn a_server_says_in_seconds_or_as_a_date_when_to_come_again() {
    assert_eq!(wait_of("90"), Some(Duration::from_secs(90)));
    assert_eq!(wait_of("soon"), None);
    let past = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(wait_of(past), Some(Duration::ZERO));
    let hour = Duration::from_hours(1);
    let then = httpdate::fmt_http_date(SystemTime::now() + hour);
    let wait = wait_of(&then).unwrap();
    assert!(wait <= hour && wait > hour / 2, "{wait:?}");
}

#[test]
fn a_closed_connection_is_opened_again() {
    let closing = b"HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    let until_end = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it";
    let (target, server) = serve(vec![vec![closing], vec![until_end]]);
    let mut http = poster(&target);
    assert_eq!(http.send(b"one").unwrap(), Outcome::Accepted);
    assert_eq!(http.get("/x").unwrap().body, b"all of it");
    assert_eq!(server.join().unwrap().len(), 2);
}

#[test]
fn what_is_no_http_says_so() {
    for (answer, word) in [
        (&b"\x15\x03\x01\x00\x02\x02\x28\n"[..], "TLS"),
        (b"SSH-2.0-x\r\n", "something else"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
            "end of file",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "too large",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "size",
        ),
    ] {
        let (target, server) = serve(vec![vec![answer]]);
        let error = poster(&target).send(b"x").unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
        server.join().unwrap();
    }
}

/// Answers one request with this again and again, until the client has enough.
fn repeat(answer: &'static [u8], pause: Duration) -> (Target, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::parse(&listener.local_addr().unwrap().to_string(), Trust::System).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            .unwrap();
        while stream.write_all(answer).is_ok() {
            // The pause is what the server does wrong.
            thread::sleep(pause);
        }
    });
    (target, server)
}

#[test]
fn an_answer_that_comes_byte_by_byte_ends_with_the_patience() {
    let (target, server) = repeat(b"x", Duration::from_millis(10));
    let mut http = Http::new(&target, Duration::from_millis(300));
    let error = http.get("/x").unwrap_err();
    let in_time = [io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock];
    assert!(in_time.contains(&error.kind()), "{error}");
    drop(http);
    server.join().unwrap();
}

#[test]
fn interim_answers_without_end_are_no_answer() {
    let continues: &[u8] = Box::leak(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(40).into());
    let (target, server) = serve(vec![vec![continues]]);
    let error = poster(&target).send(b"x").unwrap_err().to_string();
    assert!(error.contains("never does"), "{error}");
    server.join().unwrap();
}

#[test]
fn a_body_refused_before_it_was_taken_is_refused_in_the_servers_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = Target::parse(&listener.local_addr().unwrap().to_string(), Trust::System).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 64];
        stream.read_exact(&mut head).unwrap();
        stream
            .write_all(b"HTTP/1.1 413 x\r\nContent-Length: 9\r\n\r\ntoo large")
            .unwrap();
        // It hangs up on what else comes: the client's writes fail.
    });
    let mut http = Http::new(&target, Duration::from_secs(2));
    http.post(Format::Proto, false);
    let outcome = http.send(&vec![0; 16 << 20]);
    server.join().unwrap();
    let failed = Outcome::Failed {
        status: 413,
        text: "too large".into(),
    };
    assert_eq!(outcome.unwrap(), failed);
}
