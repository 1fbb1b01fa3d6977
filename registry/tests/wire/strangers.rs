//! Bad input: answered with a code that fits and the name of what is wrong, bounded, and never the
//! end of the registry.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::api::{body, listed, register};
use crate::node::{Node, await_that, send};

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

#[test]
fn what_is_wrong_with_a_field_is_told_by_its_name() {
    let node = Node::start(&[("METADATA_BYTES_MAX", "100"), ("INSTANCES_MAX", "2")]);
    let whole = body("SHOP", "a", 1);
    let post = |text: &str| node.ask("POST", "/eureka/apps/SHOP", &JSON, text);
    for (from, to, status, word) in [
        (
            "{\"$\":80,\"@enabled\":\"true\"}",
            "80",
            400,
            "\"field\": \"port\"",
        ),
        ("\"@class\":\"a.B\",", "", 400, "dataCenterInfo.@class"),
        (
            ",\"name\":\"MyOwn\"",
            "",
            400,
            "Missing dataCenterInfo Name",
        ),
        ("\"1\"", "\"soon\"", 400, "lastDirtyTimestamp"),
        ("\"1\"", "-1", 400, "lastDirtyTimestamp"),
        ("\"status\"", "\"metadata\":7,\"status\"", 400, "metadata"),
    ] {
        let answer = post(&whole.replacen(from, to, 1));
        assert_eq!(answer.status, status, "{to}");
        assert!(answer.body.contains(word), "{}", answer.body);
    }
    let long = "x".repeat(3000);
    let answer = post(&whole.replace("\"host\"", &format!("\"{long}\"")));
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, "hostName: 3000 bytes, at most 2048")
    );
    let large = format!("\"metadata\":{{\"k\":\"{}\"}},\"status\"", "x".repeat(100));
    let answer = post(&whole.replace("\"status\"", &large));
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, "metadata: 101 bytes, at most 100")
    );

    register(&node, "SHOP", "a", 1);
    let more = format!("/eureka/apps/SHOP/a/metadata?k={}", "x".repeat(100));
    let answer = node.ask("PUT", &more, &[], "");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, "metadata: 101 bytes, at most 100")
    );
    let beat = "/eureka/apps/SHOP/a?lastDirtyTimestamp=soon";
    let answer = node.ask("PUT", beat, &[], "");
    assert_eq!(
        (answer.status, answer.body.split(':').next()),
        (400, Some("lastDirtyTimestamp"))
    );
    let status = node.ask("PUT", "/eureka/apps/SHOP/a/status?value=NONSENSE", &[], "");
    assert_eq!(
        (status.status, status.body.split(':').next()),
        (500, Some("value"))
    );

    register(&node, "SHOP", "b", 1);
    let answer = post(&body("SHOP", "c", 1));
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert!(answer.body.contains("instances"), "{}", answer.body);
    register(&node, "SHOP", "a", 2);
    assert_eq!(listed(&node).len(), 2);
    let metrics = node.get("/metrics/prometheus").body;
    assert!(
        metrics.contains("speargun_registry_refused_total{reason=\"full\"} 1\n"),
        "{metrics}"
    );
}

#[test]
fn bodies_too_large_unpacked_or_cut_off_are_refused() {
    let node = Node::start(&[("BODY_BYTES_MAX", "1000")]);
    let large = body("SHOP", &"x".repeat(1000), 1);
    let answer = node.ask("POST", "/eureka/apps/SHOP", &JSON, &large);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (413, "body: more than 1000 bytes")
    );
    let packed = [
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
    ];
    let answer = node.ask("POST", "/eureka/apps/SHOP", &packed, "{}");
    assert_eq!(answer.status, 415);
    let other = [("Content-Encoding", "br")];
    assert_eq!(
        node.ask("POST", "/eureka/apps/SHOP", &other, "{}").status,
        415
    );
    let cut = b"POST /eureka/apps/SHOP HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{\"inst";
    let mut stream = TcpStream::connect(("127.0.0.1", node.port)).unwrap();
    stream.write_all(cut).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(listed(&node).is_empty());
}

#[test]
fn bytes_that_are_no_http_do_not_end_the_registry() {
    let node = Node::start(&[]);
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n\r\n",
        b"POST /eureka/apps/A HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /eureka/apps HTTP/9.9\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", node.port)).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        // It may also be reset.
        stream.read_to_end(&mut rest).ok();
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(100_000));
    assert!(matches!(
        send(node.port, long.as_bytes()).status,
        400 | 414 | 431
    ));
    assert_eq!(node.get("/health").status, 200);
}

#[test]
fn entities_are_refused_over_the_wire_too() {
    let node = Node::start(&[]);
    let bomb = "<!DOCTYPE a [<!ENTITY b \"ha\"><!ENTITY c \"&b;&b;\">]>\
                <instance><app>&c;</app></instance>";
    let xml = [("Content-Type", "application/xml")];
    let answer = node.ask("POST", "/eureka/apps/A", &xml, bomb);
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (400, "{\"error\": \"cannot parse request body\"}")
    );
}

#[test]
fn two_hosts_with_one_id_are_counted() {
    let node = Node::start(&[]);
    register(&node, "SHOP", "a", 1);
    let other = body("SHOP", "a", 2).replace("\"host\"", "\"other\"");
    assert_eq!(
        node.ask("POST", "/eureka/apps/SHOP", &JSON, &other).status,
        204
    );
    let metrics = node.get("/prometheus").body;
    assert!(
        metrics.contains("speargun_registry_shared_ids_total 1\n"),
        "{metrics}"
    );
    assert_eq!(listed(&node).len(), 1);
}

#[test]
fn name_and_password_are_asked_for_everywhere_but_health() {
    let node = Node::start(&[("USER", "me"), ("PASSWORD", "se:cret")]);
    for path in [
        "/",
        "/eureka/apps",
        "/prometheus",
        "/speargun/watch",
        "/speargun/registry.js",
    ] {
        let answer = node.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.headers["www-authenticate"].starts_with("Basic "));
    }
    assert_eq!(node.get("/health").status, 200);
    let right = [("Authorization", "Basic bWU6c2U6Y3JldA==")];
    assert_eq!(node.ask("GET", "/eureka/apps", &right, "").status, 200);
    let wrong = [("Authorization", "Basic bWU6c2U6Y3JldB==")];
    assert_eq!(node.ask("GET", "/eureka/apps", &wrong, "").status, 401);
}

#[test]
fn more_connections_than_allowed_are_closed_at_once() {
    let node = Node::start(&[("CONNECTIONS_MAX", "3")]);
    let open = || TcpStream::connect(("127.0.0.1", node.port)).unwrap();
    let mut held: Vec<TcpStream> = (0..3).map(|_| open()).collect();
    for stream in &mut held {
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
    }
    let mut refused = open();
    assert!(matches!(refused.read(&mut [0]), Ok(0) | Err(_)));
    drop(held);
    await_that(|| {
        let mut stream = open();
        let sent = stream.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
        sent.is_ok() && stream.read_exact(&mut [0; 12]).is_ok()
    });
}
