//! Spans from a queue of RabbitMQ: a consumer that acknowledges a message once its spans are
//! stored. What a queue is in general is said in `speargun_collector::receive::queue`; the protocol
//! is the client's.
//!
//! # Layout
//!
//! - [`Config`]: where, which queue, as whom.
//! - [`consume`]: connects, again and again until the process ends.
//! - `session`: what is done while a connection lasts.

mod config;
mod session;

use std::rc::Rc;
use std::time::Duration;

use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::tcp::OwnedTLSConfig;
use lapin::types::{FieldTable, ReplyCode};
use lapin::{Channel, Connection, ConnectionProperties, ErrorKind};
use speargun_collector::receive::queue::Intake;

pub use config::{Config, Place};

/// The first pause before connecting again.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest one.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// What RabbitMQ says when there is no such queue.
const NOT_FOUND: ReplyCode = 404;

/// An open connection with its consumer.
struct Link {
    connection: Connection,
    channel: Channel,
    consumer: lapin::Consumer,
}

/// Takes spans in until the process ends.
pub async fn consume(config: Config, intake: Rc<Intake>) {
    let mut pause = PAUSE_MIN;
    let mut turns = 0;
    while !intake.is_ending() {
        let Some(place) = config.places.get(turns % config.places.len().max(1)) else {
            return;
        };
        let opening = open(&config, place, &intake);
        let opened = tokio::select! {
            opened = tokio::time::timeout(config.connect_within, opening) => opened,
            () = intake.ended() => return,
        };
        let why = match opened {
            Ok(Ok(link)) => {
                pause = PAUSE_MIN;
                session::run(&config, link, &intake).await
            }
            Ok(Err(why)) => why,
            Err(_) => format!("no connection within {:?}", config.connect_within),
        };
        if intake.is_ending() {
            return;
        }
        intake.failed(format!("{place}: {why}"));
        turns += 1;
        // All places are tried before it waits.
        if turns % config.places.len() == 0 {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = intake.ended() => return,
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

async fn open(config: &Config, place: &Place, intake: &Intake) -> Result<Link, String> {
    let words = |error: lapin::Error| error.to_string();
    let properties = ConnectionProperties::default().with_connection_name("speargun".into());
    let tls = OwnedTLSConfig {
        cert_chain: config.read_ca()?,
        ..OwnedTLSConfig::default()
    };
    let runtime = lapin::runtime::default_runtime().map_err(words)?;
    let uri = place.uri();
    let connection = Connection::connect_uri_with_config(uri, properties, tls, runtime)
        .await
        .map_err(words)?;
    declare(&connection, &config.queue).await.map_err(words)?;
    let channel = connection.create_channel().await.map_err(words)?;
    channel
        .basic_qos(config.prefetch, BasicQosOptions::default())
        .await
        .map_err(words)?;
    let consumer = channel
        .basic_consume(
            config.queue.as_str().into(),
            format!("zipkin-rabbitmq.{}", intake.number()).into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .map_err(words)?;
    Ok(Link {
        connection,
        channel,
        consumer,
    })
}

/// Makes the queue, as Zipkin makes it, when there is none; one that is there is left as it is.
async fn declare(connection: &Connection, queue: &str) -> Result<(), lapin::Error> {
    let table = FieldTable::default;
    // A question for a queue that is not there costs the channel.
    let asking = connection.create_channel().await?;
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    match asking.queue_declare(queue.into(), passive, table()).await {
        Ok(_) => {}
        Err(error) if code(&error) == Some(NOT_FOUND) => {
            let making = connection.create_channel().await?;
            let options = QueueDeclareOptions {
                durable: true,
                ..QueueDeclareOptions::default()
            };
            making.queue_declare(queue.into(), options, table()).await?;
            making.close(200, "done".into()).await?;
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    asking.close(200, "done".into()).await
}

fn code(error: &lapin::Error) -> Option<ReplyCode> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}
