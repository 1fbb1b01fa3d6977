//! What was acknowledged is found, whole and once, however often the process is killed. The disk's
//! own failures are tested beside the journal and the engine, on a simulated disk.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing step fails the test and says which"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use speargun_e2e::spans::{ensure_whole_once, trace_body};
use speargun_e2e::{Chance, Connection, Options, Request, Server, grpc, otlp};

/// How often the process is killed unless `E2E_CRASHES` says otherwise.
const CRASHES: u64 = 50;
/// How each connection sends.
const WAYS: [Way; 4] = [Way::Json, Way::Json, Way::OtlpHttp, Way::OtlpGrpc];
/// A round ends at the latest when so many bodies were acknowledged.
const ACKNOWLEDGED_MAX: u64 = 400;

/// Large enough that heads are sealed while the process is killed.
const SPANS_MAX: u64 = 200;

/// A body that was sent: its trace and how many spans.
#[derive(Clone, Copy, Debug)]
struct Sent {
    trace_id: u128,
    spans: u64,
    acknowledged: bool,
}

#[test]
fn acknowledged_spans_survive_every_kill_once() {
    let seed = Chance::seed();
    let crashes = crashes();
    println!("E2E_SEED={seed} E2E_CRASHES={crashes}");
    let mut chance = Chance::new(seed);
    let mut server = Server::start(Options::default()).unwrap();
    let mut all: Vec<Sent> = Vec::new();
    for round in 0..crashes {
        let sent = load_and_kill(&mut server, round, &mut chance);
        server.restart().unwrap();
        verify(&server, &sent);
        all.extend(sent);
        // Of the rounds before, a few each time; all of them at the end.
        let some: Vec<Sent> = (0..20.min(all.len()))
            .map(|_| all[chance.below(all.len() as u64) as usize])
            .collect();
        verify(&server, &some);
    }
    verify(&server, &all);
    server.terminate().unwrap();
    assert!(server.wait().unwrap().success(), "{}", server.log());
    server.restart().unwrap();
    verify(&server, &all);
    let acknowledged = all.iter().filter(|sent| sent.acknowledged).count();
    println!(
        "{crashes} kills, {} bodies sent, {acknowledged} acknowledged and all found once",
        all.len()
    );
    assert!(acknowledged as u64 >= crashes, "the load was no load");
}

fn crashes() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests alone")]
    let given = std::env::var("E2E_CRASHES").ok();
    given.map_or(CRASHES, |text| text.parse().unwrap())
}

/// Loads the server from several connections and kills it in the middle; returns what was sent.
fn load_and_kill(server: &mut Server, round: u64, chance: &mut Chance) -> Vec<Sent> {
    let acknowledged = AtomicU64::new(0);
    let kill_at = 1 + chance.below(ACKNOWLEDGED_MAX);
    let then_us = chance.below(4000);
    let port = server.port();
    thread::scope(|scope| {
        let (reached, wait) = sync_channel(WAYS.len());
        let senders: Vec<_> = (0_u128..)
            .zip(WAYS)
            .map(|(number, way)| {
                let sender = Sender {
                    port,
                    way,
                    prefix: (u128::from(round + 1) << 64) | (number << 32),
                    chance: Chance::new(chance.bits()),
                };
                let (acknowledged, reached) = (&acknowledged, reached.clone());
                scope.spawn(move || {
                    sender.send_until_dead(|| {
                        if acknowledged.fetch_add(1, Ordering::Relaxed) + 1 == kill_at {
                            reached.send(()).unwrap();
                        }
                    })
                })
            })
            .collect();
        if let Err(error) = wait.recv_timeout(Duration::from_mins(3)) {
            // Or the senders would go on, and this would never end.
            server.kill().unwrap();
            panic!("{error}: not {kill_at} answers");
        }
        // Not right behind an answer, or every kill would fall between two groups.
        thread::sleep(Duration::from_micros(then_us));
        server.kill().unwrap();
        let sent = senders.into_iter().map(|sender| sender.join().unwrap());
        sent.flatten().collect()
    })
}

/// A protocol of spans.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Zipkin's JSON, plain or gzip.
    Json,
    /// Protobuf of OTLP over HTTP.
    OtlpHttp,
    /// The same over gRPC.
    OtlpGrpc,
}

/// What became of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heard {
    Acknowledged,
    Refused,
    /// The server is gone.
    Nothing,
}

struct Sender {
    port: u16,
    way: Way,
    prefix: u128,
    chance: Chance,
}

impl Sender {
    fn send_until_dead(mut self, on_acknowledged: impl Fn()) -> Vec<Sent> {
        let mut sent = Vec::new();
        let mut connection = Connection::open(self.port).unwrap();
        loop {
            let trace_id = self.prefix | (sent.len() as u128 + 1);
            let spans = 1 + self.chance.below(SPANS_MAX);
            let heard = self.send(&mut connection, trace_id, spans);
            sent.push(Sent {
                trace_id,
                spans,
                acknowledged: heard == Heard::Acknowledged,
            });
            match heard {
                Heard::Acknowledged => on_acknowledged(),
                Heard::Refused => {}
                Heard::Nothing => return sent,
            }
        }
    }

    fn send(&mut self, connection: &mut Connection, trace_id: u128, spans: u64) -> Heard {
        let request = match self.way {
            Way::Json => self.request(trace_id, spans),
            Way::OtlpHttp => Request {
                method: "POST".to_owned(),
                target: "/v1/traces".to_owned(),
                headers: vec![(
                    "Content-Type".to_owned(),
                    "application/x-protobuf".to_owned(),
                )],
                body: otlp::request(&trace_id.to_be_bytes(), 1..=spans),
            },
            Way::OtlpGrpc => {
                let message = otlp::request(&trace_id.to_be_bytes(), 1..=spans);
                return match grpc::call(self.port, otlp::EXPORT, &message).as_deref() {
                    // An empty message; a refusal has none.
                    Ok([0, 0, 0, 0, 0]) => Heard::Acknowledged,
                    Ok([]) => Heard::Refused,
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => Heard::Nothing,
                };
            }
        };
        match connection.ask(&request).map(|answer| answer.status) {
            Ok(200 | 202) => Heard::Acknowledged,
            Ok(429 | 503) => Heard::Refused,
            Ok(other) => panic!("status {other}"),
            Err(_) => Heard::Nothing,
        }
    }

    fn request(&mut self, trace_id: u128, spans: u64) -> Request {
        let body = trace_body(trace_id, spans, "crash");
        if self.chance.below(3) > 0 {
            return Request::spans(body);
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&body).unwrap();
        Request::spans(encoder.finish().unwrap()).header("Content-Encoding", "gzip")
    }
}

/// Acknowledged bodies are there; of the others either all spans or none; nothing is there twice.
fn verify(server: &Server, sent: &[Sent]) {
    let by_trace: BTreeMap<u128, Sent> = sent.iter().map(|sent| (sent.trace_id, *sent)).collect();
    let mut connection = Connection::open(server.port()).unwrap();
    for sent in by_trace.values() {
        let target = format!("/api/v2/trace/{:032x}", sent.trace_id);
        let answer = connection.ask(&Request::get(target)).unwrap();
        if answer.status == 404 && !sent.acknowledged {
            continue;
        }
        assert_eq!(answer.status, 200, "{sent:?}: {}", answer.text());
        ensure_whole_once(&answer.body, sent.spans).unwrap_or_else(|e| panic!("{sent:?}: {e:#}"));
    }
}
