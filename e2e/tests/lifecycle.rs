//! How the process starts, ends and shares its folder.

use std::io::Write;
use std::net::TcpStream;

use speargun_e2e::server::{free_port, run_to_end};
use speargun_e2e::spans::{ensure_whole_once, trace_body};
use speargun_e2e::{Connection, Options, Request, Server};

#[test]
fn a_second_process_on_the_same_folder_refuses_and_names_the_first() {
    let server = Server::start(Options::default()).unwrap();
    let data = server.data();
    let port = free_port().unwrap().to_string();
    let arguments = ["--port", &port, "--data", data.to_str().unwrap()];
    let (status, printed) = run_to_end(&arguments, &[]).unwrap();
    assert!(!status.success(), "{printed}");
    assert!(printed.contains(&server.pid().to_string()), "{printed}");
    assert_eq!(server.get("/health").unwrap().status, 200);
}

#[test]
fn sigterm_drains_and_ends_with_success() {
    let mut server = Server::start(Options::default()).unwrap();
    let mut connection = Connection::open(server.port()).unwrap();
    for trace_id in 1..=200 {
        let request = Request::spans(trace_body(trace_id, 3, "drain"));
        assert_eq!(connection.ask(&request).unwrap().status, 202);
    }
    // A request that is on its way when the signal comes is answered, one way or the other.
    let request = Request::spans(trace_body(201, 3, "drain"));
    connection.send(&request.to_bytes()).unwrap();
    server.terminate().unwrap();
    let last = connection.answer("POST").map(|answer| answer.status);
    assert!(server.wait().unwrap().success(), "{}", server.log());
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());

    server.restart().unwrap();
    let kept = if matches!(last, Ok(202)) { 201 } else { 200 };
    for trace_id in 1..=kept {
        let answer = server.get(&format!("/api/v2/trace/{trace_id:x}")).unwrap();
        assert_eq!(answer.status, 200, "trace {trace_id}: {}", answer.text());
        ensure_whole_once(&answer.body, 3).unwrap();
    }
}

#[test]
fn smaller_bounds_cost_nothing_that_was_acknowledged() {
    let mut server = Server::start(Options::default()).unwrap();
    let body = |id: u8| {
        let note = "x".repeat(3_000_000);
        let span = format!(r#"[{{"traceId":"{id}","id":"{id}","tags":{{"note":"{note}"}}}}]"#);
        span.into_bytes()
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&body(2)).unwrap();
    let packed = [
        Request::spans(body(1)),
        Request::spans(gzip.finish().unwrap()).header("Content-Encoding", "gzip"),
        Request::spans(zstd::bulk::compress(&body(3), 1).unwrap())
            .header("Content-Encoding", "zstd"),
    ];
    for request in &packed {
        assert_eq!(server.ask(request).unwrap().status, 202);
    }
    server.kill().unwrap();
    server.set("SPEARGUN_INFLATED_BYTES_MAX", "1MB");
    server.restart().unwrap();
    for id in 1..=packed.len() {
        let answer = server.get(&format!("/api/v2/trace/{id}")).unwrap();
        assert_eq!(answer.status, 200, "{id}\n{}", server.log());
        assert!(answer.body.len() > 3_000_000);
    }
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let mut server = Server::start(Options::default()).unwrap();
    let _idle = Connection::open(server.port()).unwrap();
    let mut half = Connection::open(server.port()).unwrap();
    half.send(b"POST /api/v2/spans HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n[")
        .unwrap();
    server.terminate().unwrap();
    assert!(server.wait().unwrap().success(), "{}", server.log());
}

#[test]
fn a_wrong_setting_stops_the_start_and_is_named() {
    for (name, value) in [
        ("SPEARGUN_SYNC", "sometimes"),
        ("SPEARGUN_NO_SUCH_SETTING", "1"),
        ("STORAGE_TYPE", "cassandra3"),
        ("COLLECTOR_SAMPLE_RATE", "1.5"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().unwrap().to_string();
        let arguments = ["--port", &port, "--data", folder.path().to_str().unwrap()];
        let (status, printed) = run_to_end(&arguments, &[(name, value)]).unwrap();
        assert!(!status.success(), "{name}={value} was accepted");
        assert!(printed.contains(name), "{name} is not named: {printed}");
    }
}

#[test]
fn the_effective_settings_can_be_printed() {
    let (status, printed) = run_to_end(&["config"], &[("QUERY_LOOKBACK", "3600000")]).unwrap();
    assert!(status.success(), "{printed}");
    assert!(printed.contains("QUERY_LOOKBACK") && printed.contains("3600000"));
}
