//! Bytes and clients as no one should send them: each is refused or dropped with a reason, and the
//! server goes on serving everybody else.

#![expect(
    clippy::unwrap_used,
    reason = "a failing step fails the test and says which"
)]

use std::io::{Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use speargun_e2e::spans::{ensure_whole_once, now_us, trace_body};
use speargun_e2e::{Chance, Connection, Options, Request, Server, metrics};

/// Writes a trace and reads it back: what every test ends with.
fn assert_serves(server: &Server, trace_id: u128) {
    let answer = server
        .ask(&Request::spans(trace_body(trace_id, 2, "good")))
        .unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
    let answer = server.get(&format!("/api/v2/trace/{trace_id:x}")).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    ensure_whole_once(&answer.body, 2).unwrap();
}

/// Resident memory in bytes, from the kernel.
fn resident_bytes(server: &Server) -> u64 {
    let path = format!("/proc/{}/statm", server.pid());
    let text = std::fs::read_to_string(path).unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn truncated_bodies_are_refused_at_every_byte() {
    let server = Server::start(Options::default()).unwrap();
    let body = trace_body(7, 2, "cut");
    let mut connection = Connection::open(server.port()).unwrap();
    for length in 1..body.len() {
        let answer = connection.ask(&Request::spans(&body[..length])).unwrap();
        assert_eq!(answer.status, 400, "cut at {length}: {}", answer.text());
    }
    assert_eq!(server.get("/api/v2/trace/7").unwrap().status, 404);
    assert_serves(&server, 8);
}

#[test]
fn wrong_bodies_are_refused_as_a_whole() {
    let server = Server::start(Options::default()).unwrap();
    let deep = format!(
        "[{{\"traceId\":\"9\",\"id\":\"9\",\"x\":{}",
        "[".repeat(100_000)
    );
    for body in [
        "hello",
        "{}",
        "[{}]",
        "[null]",
        "[[]]",
        "[{\"traceId\":\"9\"}]",
        "[{\"traceId\":\"\",\"id\":\"1\"}]",
        "[{\"traceId\":\"0\",\"id\":\"1\"}]",
        "[{\"traceId\":\"9G\",\"id\":\"1\"}]",
        "[{\"traceId\":\"9A\",\"id\":\"1\"}]",
        "[{\"traceId\":\"-9\",\"id\":\"1\"}]",
        "[{\"traceId\":\"999999999999999999999999999999999\",\"id\":\"1\"}]",
        "[{\"traceId\":\"9\",\"id\":\"99999999999999999\"}]",
        "[{\"traceId\":\"9\",\"id\":\"9\",\"kind\":\"client\"}]",
        "[{\"traceId\":\"9\",\"id\":\"9\",\"tags\":[]}]",
        "[{\"traceId\":\"9\",\"id\":\"9\",\"tags\":{\"a\":true}}]",
        "[{\"traceId\":\"9\",\"id\":\"9\",\"timestamp\":1.5}]",
        "[{\"traceId\":\"9\",\"id\":\"9\",\"localEndpoint\":{\"port\":70000}}]",
        "[{\"traceId\":\"9\",\"id\":\"9\"},{\"traceId\":\"9\"}]",
        &deep,
    ] {
        let answer = server.ask(&Request::spans(body)).unwrap();
        // Beyond a bound of ours it is 413.
        let status = answer.status;
        assert!(matches!(status, 400 | 413), "{status} {body:.80}");
        assert!(!answer.body.is_empty(), "{body:.80} has no reason");
    }
    assert_eq!(server.get("/api/v2/trace/9").unwrap().status, 404);
    assert_serves(&server, 10);
}

#[test]
fn strange_but_legal_spans_come_back() {
    let server = Server::start(Options::default()).unwrap();
    let year_9999 = 253_370_764_800_000_000_u64;
    let long = "x".repeat(9 << 20);
    for (id, extra) in [
        (1, "\"timestamp\":0".to_owned()),
        (2, "\"timestamp\":-5,\"duration\":-1".to_owned()),
        (3, format!("\"timestamp\":{year_9999}")),
        (4, "\"timestamp\":9223372036854775808".to_owned()),
        (5, format!("\"tags\":{{\"long\":\"{long}\"}}")),
        (6, "\"tags\":{\"\":\"\"},\"name\":\"\"".to_owned()),
    ] {
        let body = format!("[{{\"traceId\":\"abc{id}\",\"id\":\"1\",{extra}}}]");
        let answer = server.ask(&Request::spans(body)).unwrap();
        assert_eq!(answer.status, 202, "{extra:.40}: {}", answer.text());
        let answer = server.get(&format!("/api/v2/trace/abc{id}")).unwrap();
        assert_eq!(answer.status, 200, "{extra:.40}: {}", answer.text());
    }
    assert_serves(&server, 11);
}

#[test]
fn a_body_beyond_the_limit_is_refused_before_it_is_read() {
    let server = Server::start(Options::default()).unwrap();
    let mut connection = Connection::open(server.port()).unwrap();
    let head = "POST /api/v2/spans HTTP/1.1\r\nHost: a\r\nContent-Length: 10485761\r\n\r\n";
    connection.send(head.as_bytes()).unwrap();
    let answer = connection.answer("POST").unwrap();
    assert!(
        matches!(answer.status, 413 | 500),
        "{} {}",
        answer.status,
        answer.text()
    );
    assert_serves(&server, 12);
}

#[test]
fn bombs_are_refused_and_memory_stays() {
    let server = Server::start(Options::default()).unwrap();
    // 1 GiB of spaces inside a list: a few MB on the wire.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"[").unwrap();
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..1024 {
        encoder.write_all(&spaces).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 10 << 20, "{} bytes fit a request", bomb.len());
    for _ in 0..4 {
        let request = Request::spans(bomb.clone()).header("Content-Encoding", "gzip");
        let answer = server.ask(&request).unwrap();
        assert!((400..=500).contains(&answer.status), "{}", answer.status);
        assert!(!answer.body.is_empty());
    }
    let resident = resident_bytes(&server);
    assert!(resident < 512 << 20, "{resident} bytes resident");
    assert_serves(&server, 13);
}

#[test]
fn a_gzip_body_that_is_none_is_refused() {
    let server = Server::start(Options::default()).unwrap();
    let good = gzip(&trace_body(77, 1, "gzip"));
    let mut corrupt = good.clone();
    let middle = corrupt.len() / 2;
    for byte in &mut corrupt[middle..middle + 8] {
        *byte ^= 0x5a;
    }
    for body in [
        b"not gzip at all, but long enough".to_vec(),
        vec![0x1f],
        corrupt,
    ] {
        let request = Request::spans(body).header("Content-Encoding", "gzip");
        let status = server.ask(&request).unwrap().status;
        assert!(matches!(status, 400 | 500), "{status}");
    }
    assert_eq!(server.get("/api/v2/trace/77").unwrap().status, 404);
    let request = Request::spans(good).header("Content-Encoding", "gzip");
    assert_eq!(server.ask(&request).unwrap().status, 202);
    assert_serves(&server, 14);
}

#[test]
fn garbage_is_answered_or_cut_and_others_are_served() {
    let server = Server::start(Options::default()).unwrap();
    let seed = Chance::seed();
    let mut chance = Chance::new(seed);
    for round in 0..50 {
        let mut connection = Connection::open(server.port()).unwrap();
        let mut bytes: Vec<u8> = match round % 3 {
            0 => Vec::new(),
            1 => b"POST /api/v2/spans HTTP/1.1\r\nContent-Length: 20\r\n\r\n".to_vec(),
            _ => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        };
        bytes.extend((0..chance.below(400)).map(|_| chance.bits() as u8));
        // The server may have cut the connection already: that is one of the right answers.
        connection.send(&bytes).ok();
        connection.close_writing().ok();
        connection.rest().ok();
    }
    assert_serves(&server, 15);
    assert_eq!(server.get("/health").unwrap().status, 200, "seed {seed}");
}

#[test]
fn slow_and_half_closed_clients_hold_up_nobody() {
    let server = Server::start(Options::default()).unwrap();
    let mut slow = Vec::new();
    for number in 0..200 {
        let mut connection = Connection::open(server.port()).unwrap();
        let part: &[u8] = match number % 3 {
            0 => b"",
            1 => b"POST /api/v2/spans HT",
            _ => b"POST /api/v2/spans HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n[{",
        };
        connection.send(part).unwrap();
        if number % 2 == 0 {
            connection.close_writing().unwrap();
        }
        slow.push(connection);
    }
    for trace_id in 100..150 {
        assert_serves(&server, trace_id);
    }
    // Those that said they would send no more are let go: the server closes its half as well.
    for connection in slow.iter_mut().step_by(2) {
        connection.rest().unwrap();
    }
}

#[test]
fn a_trace_of_a_hundred_thousand_spans_comes_back_whole() {
    let server = Server::start(Options::default()).unwrap();
    let now = now_us();
    let mut connection = Connection::open(server.port()).unwrap();
    for part in 0..20_u64 {
        let spans: Vec<String> = (1..=5000_u64)
            .map(|n| {
                let id = part * 5000 + n;
                format!(
                    "{{\"traceId\":\"fa7\",\"id\":\"{id:016x}\",\"timestamp\":{}}}",
                    now + id
                )
            })
            .collect();
        let body = format!("[{}]", spans.join(","));
        let answer = connection.ask(&Request::spans(body)).unwrap();
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
    let answer = connection.ask(&Request::get("/api/v2/trace/fa7")).unwrap();
    assert_eq!(answer.status, 200);
    ensure_whole_once(&answer.body, 100_000).unwrap();
}

#[test]
fn many_services_and_tag_values_keep_memory_bounded() {
    let server = Server::start(Options::default()).unwrap();
    let now = now_us();
    let mut connection = Connection::open(server.port()).unwrap();
    for part in 0..100_u64 {
        let spans: Vec<String> = (1..=2000_u64)
            .map(|n| {
                let id = part * 2000 + n;
                format!(
                    "{{\"traceId\":\"{id:016x}\",\"id\":\"{id:016x}\",\"name\":\"op-{id}\",\
                     \"timestamp\":{now},\"localEndpoint\":{{\"serviceName\":\"svc-{id}\"}},\
                     \"tags\":{{\"key-{id}\":\"value-{id}\"}}}}"
                )
            })
            .collect();
        let body = format!("[{}]", spans.join(","));
        let answer = connection.ask(&Request::spans(body)).unwrap();
        assert_eq!(answer.status, 202, "{}", answer.text());
    }
    let resident = resident_bytes(&server);
    assert!(resident < 512 << 20, "{resident} bytes resident");
    assert_eq!(server.get("/api/v2/services").unwrap().status, 200);
    assert_serves(&server, 1 << 70);
}

#[test]
fn refused_bodies_are_counted() {
    let server = Server::start(Options::default()).unwrap();
    server.ask(&Request::spans("hello")).unwrap();
    assert_serves(&server, 16);
    let dropped = "counter.zipkin_collector.messages_dropped.http";
    assert!(metrics::zipkin(&server, dropped).unwrap() >= 1.0);
    let spans = metrics::zipkin(&server, "counter.zipkin_collector.spans.http").unwrap();
    assert!((spans - 2.0).abs() < 0.1, "{spans} spans");
}

#[test]
fn a_request_line_and_headers_without_end_are_cut() {
    let server = Server::start(Options::default()).unwrap();
    for start in ["GET /api/v2/services?", "GET / HTTP/1.1\r\nx: "] {
        let mut connection = Connection::open(server.port()).unwrap();
        let endless = start.to_owned() + &"a".repeat(1 << 20);
        // Cut while sending is right, too.
        connection.send(endless.as_bytes()).ok();
        let mut answer = Vec::new();
        connection
            .stream()
            .by_ref()
            .take(1 << 20)
            .read_to_end(&mut answer)
            .ok();
        let text = String::from_utf8_lossy(&answer);
        let refused = text.is_empty() || text.starts_with("HTTP/1.1 4");
        assert!(refused, "{text:.200}");
    }
    assert_serves(&server, 17);
}
