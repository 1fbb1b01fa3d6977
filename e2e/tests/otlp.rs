//! OTLP from outside: the answers that its senders go by, its ports, overload and a kill. What its
//! spans become is tested beside the decoders; OpenTelemetry's own exporters are in `clients.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing step fails the test and says which"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use speargun_e2e::otlp::{self, EXPORT};
use speargun_e2e::server::free_port;
use speargun_e2e::{Answer, Connection, Options, Request, Server, grpc, metrics};

const PROTO: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const PATIENCE: Duration = Duration::from_mins(1);

/// A request of one span in JSON.
fn body(trace_id: u128) -> Vec<u8> {
    let span = json!({"traceId": format!("{trace_id:032x}"), "spanId": "00000000000000b1"});
    request(&[span])
}

fn request(spans: &[Value]) -> Vec<u8> {
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]});
    body.to_string().into_bytes()
}

/// The same in protobuf.
fn proto_body(trace_id: &[u8]) -> Vec<u8> {
    otlp::request(trace_id, std::iter::once(0xb1))
}

fn post(content_type: &str, body: Vec<u8>) -> Request {
    Request {
        method: "POST".to_owned(),
        target: "/v1/traces".to_owned(),
        headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
        body,
    }
}

/// Returns what an answer is made of.
fn parts(answer: &Answer) -> (u16, String, Vec<u8>) {
    let content_type = answer.header("content-type").unwrap_or_default();
    (answer.status, content_type, answer.body.clone())
}

fn is_found(server: &Server, trace_id: u128) -> bool {
    let target = format!("/api/v2/trace/{trace_id:032x}");
    server.get(&target).unwrap().status == 200
}

#[test]
fn what_is_taken_is_answered_in_the_encoding_it_came_in() {
    let server = Server::start(Options::default()).unwrap();
    let of = |content_type, body| parts(&server.ask(&post(content_type, body)).unwrap());
    let taken = (200, JSON.to_owned(), b"{}".to_vec());
    assert_eq!(of("application/json; charset=utf-8", body(0xa1)), taken);
    assert_eq!(of(JSON, b"{}".to_vec()), taken);
    let taken = (200, PROTO.to_owned(), Vec::new());
    assert_eq!(of(PROTO, proto_body(&0xa2_u128.to_be_bytes())), taken);
    assert_eq!(of(PROTO, Vec::new()), taken);
    assert!(is_found(&server, 0xa1) && is_found(&server, 0xa2));
}

#[test]
fn spans_that_are_none_are_counted_while_the_others_are_stored() {
    let server = Server::start(Options::default()).unwrap();
    let good = json!({"traceId": format!("{:032x}", 0xa1), "spanId": "00000000000000b1"});
    let bad = json!({"traceId": "a1", "spanId": "00000000000000b1"});
    let answer = server.ask(&post(JSON, request(&[bad, good]))).unwrap();
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(told["partialSuccess"]["rejectedSpans"], "1");
    let why = told["partialSuccess"]["errorMessage"].as_str().unwrap();
    assert!(why.ends_with("a trace id is not 16 bytes"), "{why}");
    assert!(is_found(&server, 0xa1));

    let answer = server.ask(&post(PROTO, proto_body(b"short"))).unwrap();
    assert_eq!(answer.status, 200);
    // partial_success, and in it first rejected_spans = 1.
    assert_eq!(answer.body[0], 0x0a);
    assert_eq!(answer.body[2..4], [0x08, 1]);
    let of = |family: &str, labels| metrics::sum(&server, family, labels).unwrap();
    let labels = "transport=\"otel/http\"";
    assert_eq!(of("speargun_spans_received_total", labels).to_string(), "3");
    assert_eq!(of("speargun_spans_stored_total", labels).to_string(), "1");
    assert_eq!(of("speargun_spans_refused_total", labels).to_string(), "2");
}

#[test]
fn what_is_not_taken_is_answered_with_a_status() {
    let server = Server::start(Options::of(&[("SPEARGUN_BODY_BYTES_MAX", "1KB")])).unwrap();
    let status = |code: u8, message: &str| {
        let length = u8::try_from(message.len()).unwrap();
        [&[0x08, code, 0x12, length], message.as_bytes()].concat()
    };
    let answer = server.ask(&post(PROTO, b"\x0a\x05".to_vec())).unwrap();
    let why = "Truncated: length 5 > bytes available 0 reading ExportTraceServiceRequest from \
               protobuf";
    assert_eq!(parts(&answer), (400, PROTO.to_owned(), status(3, why)));
    let answer = server.ask(&post(JSON, b"[]".to_vec())).unwrap();
    let why = b"{\"code\":3,\"message\":\"Malformed reading ExportTraceServiceRequest from json\"}";
    assert_eq!(parts(&answer), (400, JSON.to_owned(), why.to_vec()));
    let answer = server.ask(&post(PROTO, vec![b'x'; 2000])).unwrap();
    let why = status(8, "the body is too large");
    assert_eq!(parts(&answer), (413, PROTO.to_owned(), why));
    let answer = server.ask(&post("text/plain", b"x".to_vec())).unwrap();
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (415, Some(JSON.into()))
    );
    let packed = post(JSON, body(1)).header("Content-Encoding", "br");
    assert_eq!(server.ask(&packed).unwrap().status, 415);
    assert_eq!(server.get("/v1/traces").unwrap().status, 405);
    assert_eq!(server.get("/v1/metrics").unwrap().status, 404);
}

#[test]
fn grpc_answers_with_a_message_of_its_own() {
    let server = Server::start(Options::default()).unwrap();
    let call = |message: &[u8]| grpc::call(server.port(), EXPORT, message).unwrap();
    assert_eq!(call(&proto_body(&0xa1_u128.to_be_bytes())), [0; 5]);
    assert!(is_found(&server, 0xa1));
    let partial = call(&proto_body(b"short"));
    assert_eq!(partial[0], 0);
    assert_eq!(partial[5], 0x0a);
    assert_eq!(partial[7..9], [0x08, 1]);
    // A status alone has no data.
    assert!(call(b"\x0a\x05").is_empty());
}

#[test]
fn ports_of_its_own_know_nothing_else() {
    let (http, rpc) = (free_port().unwrap(), free_port().unwrap());
    let options = Options::default()
        .set("SPEARGUN_OTLP_HTTP_PORT", &http.to_string())
        .set("SPEARGUN_OTLP_GRPC_PORT", &rpc.to_string());
    let server = Server::start(options).unwrap();
    let mut connection = Connection::open(http).unwrap();
    assert_eq!(connection.ask(&post(JSON, body(0xa1))).unwrap().status, 200);
    for target in ["/health", "/api/v2/services", "/zipkin/", "/metrics"] {
        let answer = connection.ask(&Request::get(target)).unwrap();
        assert_eq!(answer.status, 404, "{target}");
    }
    let zipkins = connection.ask(&Request::spans("[]")).unwrap();
    assert_eq!(zipkins.status, 404);
    let message = proto_body(&0xa2_u128.to_be_bytes());
    assert_eq!(grpc::call(rpc, EXPORT, &message).unwrap(), [0; 5]);
    assert!(is_found(&server, 0xa1) && is_found(&server, 0xa2));
}

#[test]
fn otlp_that_is_off_is_not_there() {
    let off = Options::default()
        .set("COLLECTOR_OTEL_HTTP_ENABLED", "false")
        .set("COLLECTOR_OTEL_GRPC_ENABLED", "false");
    let server = Server::start(off).unwrap();
    assert_eq!(server.ask(&post(JSON, body(1))).unwrap().status, 404);
    let call = grpc::call(server.port(), EXPORT, &proto_body(&[1; 16])).unwrap();
    assert_eq!(call, b"404 Not Found");
    assert!(!is_found(&server, 1));
}

/// Sends from many connections until enough was refused; returns what was acknowledged.
fn overload(server: &Server) -> (Vec<u128>, u64) {
    let refused = AtomicU64::new(0);
    let deadline = Instant::now() + PATIENCE;
    let acknowledged = thread::scope(|scope| {
        let sender = |number: u128| {
            let (refused, server) = (&refused, &server);
            scope.spawn(move || {
                let mut acknowledged = Vec::new();
                let mut connection = Connection::open(server.port()).unwrap();
                for count in 1.. {
                    if refused.load(Ordering::Relaxed) >= 20 || Instant::now() > deadline {
                        break;
                    }
                    let trace_id = (number + 1) << 64 | count;
                    let answer = connection.ask(&post(JSON, body(trace_id))).unwrap();
                    match answer.status {
                        200 => acknowledged.push(trace_id),
                        429 => {
                            assert_eq!(answer.header("retry-after").as_deref(), Some("1"));
                            let told: Value = serde_json::from_slice(&answer.body).unwrap();
                            assert_eq!(told["details"][0]["retryDelay"], "1s");
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        other => panic!("status {other}: {}", answer.text()),
                    }
                }
                acknowledged
            })
        };
        let senders: Vec<_> = (0..32).map(sender).collect();
        let heard = senders
            .into_iter()
            .flat_map(|sender| sender.join().unwrap());
        heard.collect()
    });
    (acknowledged, refused.into_inner())
}

#[test]
fn what_was_acknowledged_survives_overload_and_a_kill() {
    let options = Options::default().set("SPEARGUN_QUEUE_ITEMS", "1");
    let mut server = Server::start(options).unwrap();
    let (acknowledged, refused) = overload(&server);
    assert!(refused >= 20, "{refused} refused");
    assert!(!acknowledged.is_empty(), "nothing was stored");
    server.kill().unwrap();
    server.restart().unwrap();
    let mut connection = Connection::open(server.port()).unwrap();
    for trace_id in &acknowledged {
        let target = format!("/api/v2/trace/{trace_id:032x}");
        let answer = connection.ask(&Request::get(target)).unwrap();
        assert_eq!(answer.status, 200, "{trace_id:x} was acknowledged");
        let spans: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(spans.len(), 1, "{trace_id:x}");
    }
}
