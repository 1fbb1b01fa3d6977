//! Beyond its bounds the server says so: 503, nothing stored, everything counted. How much it can
//! take is a question for the benchmarks.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing step fails the test and says which"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use speargun_e2e::server::{free_port, pause};
use speargun_e2e::spans::{ensure_whole_once, trace_body};
use speargun_e2e::{Connection, Options, Request, Server, metrics};

const CONNECTIONS: u64 = 32;
const SPANS: u64 = 4;
/// So many refusals prove the point.
const REFUSED_ENOUGH: u64 = 20;
const PATIENCE: Duration = Duration::from_mins(1);

/// What one sender heard.
#[derive(Debug, Default)]
struct Heard {
    acknowledged: Vec<u128>,
    refused: Vec<u128>,
}

#[test]
fn overload_answers_503_and_the_ledger_balances() {
    // One request may wait: whoever comes while the journal syncs is refused.
    let options = Options::default().set("SPEARGUN_QUEUE_ITEMS", "1");
    let server = Server::start(options).unwrap();
    let heard = overload(&server);
    let (acknowledged, refused) = (heard.acknowledged.len(), heard.refused.len());
    assert!(refused as u64 >= REFUSED_ENOUGH, "{refused} refused");
    assert!(acknowledged > 0, "nothing was stored");

    let mut connection = Connection::open(server.port()).unwrap();
    for trace_id in &heard.acknowledged {
        let target = format!("/api/v2/trace/{trace_id:032x}");
        let answer = connection.ask(&Request::get(target)).unwrap();
        assert_eq!(answer.status, 200, "{trace_id:x} was acknowledged");
        ensure_whole_once(&answer.body, SPANS).unwrap();
    }
    for trace_id in &heard.refused {
        let target = format!("/api/v2/trace/{trace_id:032x}");
        let status = connection.ask(&Request::get(target)).unwrap().status;
        assert_eq!(status, 404, "{trace_id:x} was refused");
    }
    assert_ledger(&server, acknowledged as u64 * SPANS, refused as u64 * SPANS);
}

/// Sends from many connections until enough was refused.
fn overload(server: &Server) -> Heard {
    let refusals = AtomicU64::new(0);
    let enough = AtomicBool::new(false);
    let deadline = Instant::now() + PATIENCE;
    thread::scope(|scope| {
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let (refusals, enough) = (&refusals, &enough);
                scope.spawn(move || {
                    let mut heard = Heard::default();
                    let mut connection = Connection::open(server.port()).unwrap();
                    for count in 1.. {
                        if enough.load(Ordering::Relaxed) || Instant::now() > deadline {
                            break;
                        }
                        let trace_id = (u128::from(number + 1) << 64) | count;
                        let request = Request::spans(trace_body(trace_id, SPANS, "load"));
                        let answer = connection.ask(&request).unwrap();
                        match answer.status {
                            202 => heard.acknowledged.push(trace_id),
                            503 => {
                                let after = answer.header("retry-after");
                                assert!(after.is_some(), "503 without Retry-After");
                                heard.refused.push(trace_id);
                                let all = refusals.fetch_add(1, Ordering::Relaxed) + 1;
                                enough.fetch_or(all >= REFUSED_ENOUGH, Ordering::Relaxed);
                            }
                            other => panic!("status {other}: {}", answer.text()),
                        }
                    }
                    heard
                })
            })
            .collect();
        let mut all = Heard::default();
        for sender in senders {
            let heard = sender.join().unwrap();
            all.acknowledged.extend(heard.acknowledged);
            all.refused.extend(heard.refused);
        }
        all
    })
}

/// Received = stored + sampled out + refused + held, and each is what the senders heard.
#[expect(clippy::float_cmp, reason = "counters are whole numbers")]
fn assert_ledger(server: &Server, stored: u64, refused: u64) {
    let of = |family: &str| metrics::sum(server, family, "transport=\"http\"").unwrap();
    let deadline = Instant::now() + PATIENCE;
    while of("speargun_spans_held") > 0.0 {
        assert!(Instant::now() < deadline, "spans are held for ever");
        pause();
    }
    assert_eq!(of("speargun_spans_stored_total"), as_float(stored));
    assert_eq!(of("speargun_spans_refused_total"), as_float(refused));
    assert_eq!(of("speargun_spans_sampled_out_total"), 0.0);
    assert_eq!(
        of("speargun_spans_received_total"),
        as_float(stored + refused)
    );
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn as_float(count: u64) -> f64 {
    count as f64
}

#[test]
#[expect(clippy::float_cmp, reason = "counters are whole numbers")]
fn sampled_out_is_neither_stored_nor_refused() {
    let options = Options::default().set("COLLECTOR_SAMPLE_RATE", "0.5");
    let server = Server::start(options).unwrap();
    // The last id that is kept at this rate, and the one behind it.
    for (trace_id, status) in [
        (0x4000_0000_0000_0000_u128, 200),
        (0x4000_0000_0000_0001, 404),
    ] {
        let request = Request::spans(trace_body(trace_id, SPANS, "sampled"));
        assert_eq!(server.ask(&request).unwrap().status, 202);
        let answer = server.get(&format!("/api/v2/trace/{trace_id:x}")).unwrap();
        assert_eq!(answer.status, status, "{trace_id:x}");
    }
    let of = |family: &str| metrics::sum(&server, family, "transport=\"http\"").unwrap();
    assert_eq!(of("speargun_spans_received_total"), 8.0);
    assert_eq!(of("speargun_spans_stored_total"), 4.0);
    assert_eq!(of("speargun_spans_sampled_out_total"), 4.0);
    assert_eq!(of("speargun_spans_refused_total"), 0.0);
}

#[test]
fn a_body_of_more_spans_than_memory_holds_costs_its_sender_alone() {
    let options = Options::storage("mem").set("MEM_MAX_SPANS", "10");
    let server = Server::start(options).unwrap();
    let answer = server
        .ask(&Request::spans(trace_body(1, 11, "many")))
        .unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text());
    let answer = server
        .ask(&Request::spans(trace_body(2, 10, "all")))
        .unwrap();
    assert_eq!(answer.status, 202, "{}", answer.text());
}

#[test]
fn one_connection_is_enough_however_many_ports_there_are() {
    let options = Options::default()
        .set("SPEARGUN_CONNECTIONS_MAX", "1")
        .set("SPEARGUN_OTLP_HTTP_PORT", &free_port().unwrap().to_string())
        .set("SPEARGUN_OTLP_GRPC_PORT", &free_port().unwrap().to_string());
    let server = Server::start(options).unwrap();
    for trace_id in 1..=3 {
        let answer = server.ask(&Request::spans(trace_body(trace_id, 2, "one")));
        assert_eq!(answer.unwrap().status, 202);
    }
}
