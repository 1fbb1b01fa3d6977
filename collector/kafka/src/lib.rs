//! Spans from topics of Kafka: a member of a consumer group that commits an offset once all before
//! it is stored. What a queue is in general is said in `speargun_collector::receive::queue`; the
//! protocol is the client's.
//!
//! # Layout
//!
//! - [`Config`]: where, which topics, as whom.
//! - [`consume`]: connects, again and again until the process ends.
//! - `session`: what is done while a connection lasts.
//! - `round`: messages on their way into the store.
//! - `watch`: how it stands, for health and metrics.
//! - `unreadable`, `skip`: batches that can't be read, and how they are passed.

mod config;
mod round;
mod session;
mod skip;
mod unreadable;
mod watch;

use std::rc::Rc;
use std::time::Duration;

use krafka::consumer::{AutoOffsetReset, Consumer};
use krafka::{CloseOptions, Kafka, KrafkaError};
use speargun_collector::receive::queue::Intake;

pub use config::{Config, Login, Mechanism, Security, Tls};

/// The first pause before connecting again.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// The longest one.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long leaving the group may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// How long a connection may take to open.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a broker may take to answer a question about how things stand.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// What is known of brokers and topics is asked again after that: how they stand is told by it.
const METADATA_AGE_MAX: Duration = Duration::from_millis(1500);
/// How long the group waits for a consumer that was killed before others read its partitions, or
/// the one that was started again. The client's own 45 seconds are long for a restart.
const SESSION_TIMEOUT: Duration = Duration::from_secs(10);
/// The age of an end of a partition after which it is asked for.
const LAG_AGE_MAX: Duration = Duration::from_secs(10);
/// Bytes of one fetch, unless one batch has more.
const FETCH_BYTES_MAX: i32 = 8 << 20;
/// Bytes of one partition in a fetch, unless one batch has more.
const PARTITION_BYTES_MAX: i32 = 2 << 20;
/// The largest answer of a broker that is read: a batch may be larger than a fetch asks for.
const ANSWER_BYTES_MAX: usize = 128 << 20;
/// Messages that are taken together.
const ROUND_MESSAGES_MAX: i32 = 500;
/// Messages that are held unpacked for the next rounds. What a fetch brings beyond them is dropped
/// and fetched again, so that they are as many as small ones are in a fetch.
const AHEAD_MESSAGES_MAX: i32 = 16_384;

/// Takes spans in until the process ends.
pub async fn consume(config: Config, intake: Rc<Intake>) {
    let mut pause = PAUSE_MIN;
    while !intake.is_ending() {
        let opened = tokio::select! {
            opened = open(&config) => opened,
            () = intake.ended() => return,
        };
        let consumer = match opened {
            Ok(consumer) => consumer,
            Err(error) => {
                intake.failed(config.words(&error));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = intake.ended() => return,
                }
                pause = (pause * 2).min(PAUSE_MAX);
                continue;
            }
        };
        pause = PAUSE_MIN;
        session::run(&config, &consumer, &intake).await;
        let options = CloseOptions::new().timeout(CLOSE_WITHIN);
        if let Err(error) = consumer.close_with(options).await {
            tracing::debug!(%error, "the group was not left in order");
        }
    }
}

async fn open(config: &Config) -> Result<Consumer, KrafkaError> {
    let mut kafka = Kafka::builder(&config.servers)
        .client_id("speargun")
        .connect_timeout(CONNECT_WITHIN)
        .metadata_max_age(METADATA_AGE_MAX)
        .allow_auto_create_topics(true)
        .max_response_size(ANSWER_BYTES_MAX);
    if let Some(security) = config.security.authentication() {
        kafka = kafka.security(security);
    }
    let kafka = kafka.connect().await?;
    let consumer = kafka
        .consumer(&config.group)
        .auto_offset_reset(AutoOffsetReset::Earliest)
        .enable_auto_commit(false)
        .fetch_max_bytes(FETCH_BYTES_MAX)
        .max_partition_fetch_bytes(PARTITION_BYTES_MAX)
        .max_poll_records(ROUND_MESSAGES_MAX)
        .max_buffered_records(AHEAD_MESSAGES_MAX)
        .max_decompressed_size(config.inflated_bytes_max)
        .session_timeout(SESSION_TIMEOUT)
        .lag_staleness_threshold(LAG_AGE_MAX)
        .metrics_push(false)
        .build()
        .await?;
    consumer.subscribe(&config.topics).await?;
    Ok(consumer)
}
