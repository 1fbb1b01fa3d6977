//! Spans from Kafka: Apache's own broker, Zipkin's own sender, the real binary. Nothing that was
//! sent is lost or seen twice, whichever of the two is killed; what is wrong is said.

use std::thread;

use anyhow::{Result, ensure};
use speargun_e2e::broker::check::{ensure_all_stored, wait_for, wait_for_trace, wait_for_words};
use speargun_e2e::broker::{Identity, Kafka, Sender, kafka};
use speargun_e2e::spans::trace_body;
use speargun_e2e::{Options, Request, Server, metrics};

fn options(broker: &Kafka) -> Options {
    Options::default().set("KAFKA_BOOTSTRAP_SERVERS", &broker.address())
}

#[test]
fn what_zipkins_sender_writes_to_kafka_is_read_back() -> Result<()> {
    let broker = Kafka::start("")?;
    let options = options(&broker).set("KAFKA_TOPIC", "zipkin, other");
    let server = Server::start(options.set("KAFKA_STREAMS", "2"))?;
    let mut sender = Sender::start("kafka", &broker.address(), "zipkin")?;
    for (trace, format) in (1..).zip(["JSON_V2", "JSON_V1", "PROTO3", "THRIFT"]) {
        sender.spans(format, &trace_body(trace, 3, "from kafka"))?;
        wait_for_trace(&server, trace, 3)?;
    }
    let mut other = Sender::start("kafka", &broker.address(), "other")?;
    other.spans("PROTO3", &trace_body(5, 2, "from kafka"))?;
    wait_for_trace(&server, 5, 2)?;

    // Without endpoint or tag Zipkin itself takes it for version 1 and loses the kind.
    sender.raw(br#"[{"traceId":"6","id":"1","kind":"CLIENT","timestamp":1}]"#)?;
    wait_for_trace(&server, 6, 1)?;
    let answer = server.get("/api/v2/trace/6")?.text();
    ensure!(answer.contains(r#""kind":"CLIENT""#), "{answer}");

    for poison in [&b"hello"[..], b"[{}]", b"\x0a\xff\xff\xff", b""] {
        sender.raw(poison)?;
    }
    sender.spans("JSON_V2", &trace_body(7, 1, "behind poison"))?;
    wait_for_trace(&server, 7, 1)?;
    wait_for(&server, "speargun_messages_skipped_total", "kafka", 3.0)?;
    let malformed = r#"transport="kafka",reason="malformed""#;
    wait_for(&server, "speargun_messages_skipped_total", malformed, 2.0)?;

    let messages = metrics::zipkin(&server, "counter.zipkin_collector.messages.kafka")?;
    ensure!((messages - 11.0).abs() < 0.5, "{messages} messages");
    ensure_all_stored(&server, "kafka")?;
    wait_for(&server, "speargun_transport_lag", "kafka", 0.0)?;
    let health = server.get("/health")?.text();
    let name = format!(
        "KafkaCollector{{bootstrapServers={}, topic=zipkin,other}}",
        broker.address()
    );
    ensure!(health.contains(&name), "{health}");
    Ok(())
}

#[test]
fn nothing_of_kafka_is_lost_or_doubled_through_kills_of_both() -> Result<()> {
    const MESSAGES: u128 = 400;
    let mut broker = Kafka::start("")?;
    let mut server = Server::start(options(&broker))?;
    let address = broker.address();
    let mut sender = Sender::start("kafka", &address, "zipkin")?;
    let mut send = |from: u128| -> Result<()> {
        (from..from + MESSAGES)
            .try_for_each(|trace| sender.spans("PROTO3", &trace_body(trace, 4, "kafka")))
    };
    // Ours is killed while it reads what is being written.
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(1));
        for kill in [100, 300] {
            wait_for_trace(&server, kill, 4)?;
            server.kill()?;
            server.restart()?;
        }
        sending
            .join()
            .map_err(|_| anyhow::anyhow!("the sender panicked"))?
    })?;
    // The broker is killed, which is told, and comes back with what it had.
    send(1001)?;
    broker.kill()?;
    server.wait_for_health(503)?;
    broker.restart()?;
    server.wait_until_healthy()?;
    sender = Sender::start("kafka", &address, "zipkin")?;
    for trace in 2001..2020 {
        sender.spans("JSON_V2", &trace_body(trace, 4, "kafka"))?;
    }
    let all = (1..=MESSAGES)
        .chain(1001..1001 + MESSAGES)
        .chain(2001..2020);
    for trace in all {
        wait_for_trace(&server, trace, 4)?;
    }
    ensure_all_stored(&server, "kafka")
}

#[test]
fn messages_of_kafka_wait_for_room() -> Result<()> {
    let broker = Kafka::start("")?;
    let mut sender = Sender::start("kafka", &broker.address(), "zipkin")?;
    for trace in 1..=50 {
        sender.spans("PROTO3", &trace_body(trace, 3, "kafka"))?;
    }
    let server = Server::start(options(&broker).set("SPEARGUN_QUEUE_ITEMS", "1"))?;
    for trace in 1..=50 {
        wait_for_trace(&server, trace, 3)?;
    }
    ensure_all_stored(&server, "kafka")?;
    let waits = metrics::sum(&server, "speargun_transport_waits_total", "kafka")?;
    ensure!(waits > 0.0, "nothing had to wait");
    Ok(())
}

#[test]
fn what_is_wrong_with_kafka_is_said_and_the_rest_works() -> Result<()> {
    let nobody = Options::default().set("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1");
    let server = Server::start_unhealthy(nobody)?;
    let answer = server.ask(&Request::spans(trace_body(1, 2, "by http")))?;
    ensure!(answer.status == 202, "{answer:?}");
    wait_for_trace(&server, 1, 2)?;
    wait_for(&server, "speargun_transport_up", "kafka", 0.0)?;
    wait_for_words(&server, "127.0.0.1:1: ")?;

    let broker = Kafka::start("auto.create.topics.enable=false")?;
    let server = Server::start_unhealthy(options(&broker).set("KAFKA_TOPIC", "none"))?;
    wait_for_words(&server, "there is no topic none")
}

#[test]
fn kafka_is_read_over_tls_with_a_login() -> Result<()> {
    let identity = Identity::make()?;
    let broker = Kafka::start_guarded(&identity)?;
    let trusted = identity.certificate().display().to_string();
    let options = Options::default()
        .set("KAFKA_BOOTSTRAP_SERVERS", &broker.guarded_address())
        .set("SPEARGUN_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
        .set("SPEARGUN_KAFKA_SASL_MECHANISM", "SCRAM-SHA-512")
        .set("SPEARGUN_KAFKA_USER", kafka::USER);
    let trusting = options.clone().set("SPEARGUN_KAFKA_CA_FILE", &trusted);
    let known = trusting
        .clone()
        .set("SPEARGUN_KAFKA_PASSWORD", kafka::PASSWORD);
    let server = Server::start(known.clone())?;
    let mut sender = Sender::start("kafka", &broker.address(), "zipkin")?;
    sender.spans("PROTO3", &trace_body(1, 3, "over tls"))?;
    wait_for_trace(&server, 1, 3)?;

    let server = Server::start_unhealthy(trusting.set("SPEARGUN_KAFKA_PASSWORD", "wrong one"))?;
    wait_for_words(&server, "uthentication")?;
    ensure!(!server.log().contains("wrong one"), "{}", server.log());
    let server = Server::start_unhealthy(options.set("SPEARGUN_KAFKA_PASSWORD", "any"))?;
    wait_for_words(&server, "ertificate")
}
