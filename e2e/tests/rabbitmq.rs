//! Spans from RabbitMQ: Debian's broker, Zipkin's own sender, the real binary. Nothing that was
//! sent is lost or seen twice, whichever of the two goes; what is wrong is said.

use std::thread;

use anyhow::{Result, ensure};
use speargun_e2e::broker::check::{ensure_all_stored, wait_for, wait_for_trace, wait_for_words};
use speargun_e2e::broker::{Identity, RabbitMq, Sender};
use speargun_e2e::server::free_port;
use speargun_e2e::spans::trace_body;
use speargun_e2e::{Options, Server, metrics};

#[test]
fn what_zipkins_sender_writes_to_rabbitmq_is_read_back() -> Result<()> {
    let broker = RabbitMq::start("")?;
    let address = broker.address();
    let options = Options::default().set("RABBIT_ADDRESSES", &address);
    // The server makes the queue, as nobody has before.
    let server = Server::start(options.set("RABBIT_CONCURRENCY", "2"))?;
    let mut sender = Sender::start("rabbitmq", &address, "zipkin")?;
    for (trace, format) in (1..).zip(["JSON_V2", "JSON_V1", "PROTO3", "THRIFT"]) {
        sender.spans(format, &trace_body(trace, 3, "from rabbitmq"))?;
        wait_for_trace(&server, trace, 3)?;
    }
    for poison in [&b"hello"[..], b"[{}]", b"\x0a\xff\xff\xff", b""] {
        sender.raw(poison)?;
    }
    sender.spans("JSON_V2", &trace_body(7, 1, "behind poison"))?;
    wait_for_trace(&server, 7, 1)?;
    wait_for(&server, "speargun_messages_skipped_total", "rabbitmq", 3.0)?;
    let messages = metrics::zipkin(&server, "counter.zipkin_collector.messages.rabbitmq")?;
    ensure!((messages - 9.0).abs() < 0.5, "{messages} messages");
    ensure_all_stored(&server, "rabbitmq")?;
    let name = format!("RabbitMQCollector{{addresses=[{address}], queue=zipkin}}");
    wait_for_words(&server, &name)?;

    // One message at a time, and no room for more: they wait, and none is refused.
    let slow = [
        ("RABBIT_URI", format!("amqp://guest:guest@{address}/%2f")),
        ("RABBIT_QUEUE", "slow".to_owned()),
        ("SPEARGUN_QUEUE_ITEMS", "1".to_owned()),
    ];
    let options = slow
        .iter()
        .fold(Options::default(), |o, (n, v)| o.set(n, v));
    let mut sender = Sender::start("rabbitmq", &address, "slow")?;
    for trace in 101..=150 {
        sender.spans("PROTO3", &trace_body(trace, 3, "rabbitmq"))?;
    }
    let server = Server::start(options)?;
    for trace in 101..=150 {
        wait_for_trace(&server, trace, 3)?;
    }
    let waits = metrics::sum(&server, "speargun_transport_waits_total", "rabbitmq")?;
    ensure!(waits > 0.0, "nothing had to wait");
    ensure_all_stored(&server, "rabbitmq")
}

#[test]
fn nothing_of_rabbitmq_is_lost_or_doubled_through_kills_and_restarts() -> Result<()> {
    const MESSAGES: u128 = 400;
    let mut broker = RabbitMq::start("")?;
    let address = broker.address();
    let options = Options::default().set("RABBIT_ADDRESSES", &address);
    let mut server = Server::start(options)?;
    let mut sender = Sender::start("rabbitmq", &address, "zipkin")?;
    // RAW waits for the broker's word that the message is on disk, Zipkin's sender does not.
    let mut send = |from: u128| -> Result<()> {
        (from..from + MESSAGES).try_for_each(|trace| sender.raw(&trace_body(trace, 4, "rabbitmq")))
    };
    thread::scope(|scope| {
        let sending = scope.spawn(|| send(1));
        for kill in [100, 200, 300] {
            wait_for_trace(&server, kill, 4)?;
            server.kill()?;
            server.restart()?;
        }
        sending
            .join()
            .map_err(|_| anyhow::anyhow!("the sender panicked"))?
    })?;
    send(1001)?;
    broker.terminate()?;
    server.wait_for_health(503)?;
    broker.restart()?;
    server.wait_until_healthy()?;
    sender = Sender::start("rabbitmq", &address, "zipkin")?;
    for trace in 2001..2020 {
        sender.raw(&trace_body(trace, 4, "rabbitmq"))?;
    }
    for trace in (1..=MESSAGES)
        .chain(1001..1001 + MESSAGES)
        .chain(2001..2020)
    {
        wait_for_trace(&server, trace, 4)?;
    }
    ensure_all_stored(&server, "rabbitmq")
}

#[test]
fn what_is_wrong_with_rabbitmq_is_said_and_the_server_works() -> Result<()> {
    let nobody = Options::default().set("RABBIT_ADDRESSES", "127.0.0.1:1");
    let server = Server::start_unhealthy(nobody)?;
    wait_for_words(&server, "127.0.0.1:1: ")?;
    wait_for_words(&server, "onnection refused")?;

    let broker = RabbitMq::start("")?;
    let options = Options::default().set("RABBIT_ADDRESSES", &broker.address());
    let server = Server::start_unhealthy(options.clone().set("RABBIT_PASSWORD", "wrong"))?;
    wait_for_words(&server, "ACCESS_REFUSED")?;
    ensure!(
        !server.log().contains("wrong"),
        "the password is in the log"
    );
    let server = Server::start_unhealthy(options.set("RABBIT_VIRTUAL_HOST", "none"))?;
    wait_for_words(&server, "vhost none not found")
}

#[test]
fn rabbitmq_is_read_over_tls() -> Result<()> {
    let identity = Identity::make()?;
    let port = free_port()?;
    let broker = RabbitMq::start(&format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\n\
         ssl_options.cacertfile = {certificate}\n\
         ssl_options.certfile = {certificate}\n\
         ssl_options.keyfile = {key}\n",
        certificate = identity.certificate().display(),
        key = identity.key().display()
    ))?;
    let options = Options::default()
        .set("RABBIT_ADDRESSES", &format!("127.0.0.1:{port}"))
        .set("RABBIT_USE_SSL", "true");
    let certificate = identity.certificate().display().to_string();
    let server = Server::start(options.clone().set("SPEARGUN_RABBIT_CA_FILE", &certificate))?;
    let mut sender = Sender::start("rabbitmq", &broker.address(), "zipkin")?;
    sender.spans("PROTO3", &trace_body(1, 3, "over tls"))?;
    wait_for_trace(&server, 1, 3)?;
    let server = Server::start_unhealthy(options)?;
    wait_for_words(&server, "ertificate")
}
