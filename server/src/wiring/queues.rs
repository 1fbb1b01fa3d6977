//! The queues that spans are taken from: which there are, their threads, and what is said of them
//! at the start. What they speak is theirs.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use speargun_collector::inlet::Shared;
use speargun_collector::receive::queue::{self, Intake, Seat, Standing};
use speargun_collector::{Mailbox, Transport};
use tokio::sync::watch;

use super::ShardThread;
use crate::settings::{KafkaSettings, RabbitSettings, Settings};

/// What is read of one queue.
#[derive(Clone, Debug)]
enum Source {
    Kafka(speargun_kafka::Config),
    RabbitMq(speargun_rabbitmq::Config),
}

/// A queue, and how many consumers it has.
#[derive(Debug)]
struct Queue {
    source: Source,
    consumers: usize,
    standing: Arc<Standing>,
}

/// All queues.
#[derive(Debug)]
pub(super) struct Queues(Vec<Queue>);

impl Queues {
    /// Returns the queues that the settings ask for.
    pub(super) fn of(settings: &Settings) -> Self {
        let inflated_bytes_max = settings.limits.inflated_bytes_max;
        let kafka = settings.kafka.as_ref();
        let rabbitmq = settings.rabbitmq.as_ref();
        let kafka = kafka.map(|kafka| of_kafka(kafka, inflated_bytes_max));
        let rabbitmq = rabbitmq.map(of_rabbitmq);
        Self(kafka.into_iter().chain(rabbitmq).collect())
    }

    /// Returns how many threads they take.
    pub(super) fn consumers(&self) -> usize {
        self.0.iter().map(|queue| queue.consumers).sum()
    }

    /// Returns how they stand.
    pub(super) fn standings(&self) -> Vec<Arc<Standing>> {
        let queues = self.0.iter();
        queues.map(|queue| Arc::clone(&queue.standing)).collect()
    }

    /// Starts a thread for each mailbox. A message that no file of the journal would hold is
    /// skipped, as one that waits for room would wait for ever.
    pub(super) fn start(
        self,
        shared: Shared,
        message_bytes_max: usize,
        (mailboxes, ending): (Vec<Arc<Mailbox>>, watch::Receiver<bool>),
    ) -> io::Result<Vec<ShardThread>> {
        let mut shared = shared;
        let bounds = &mut shared.bounds;
        bounds.body_bytes_max = bounds.body_bytes_max.min(message_bytes_max);
        // Their seats are behind those of the shards, whose mailboxes come first.
        let all = shared.ledger.threads();
        let mut seat_number = all.saturating_sub(mailboxes.len()) as u32;
        let mut mailboxes = mailboxes.into_iter();
        let mut threads = Vec::new();
        for queue in self.0 {
            for (number, mailbox) in mailboxes.by_ref().take(queue.consumers).enumerate() {
                let seat = Seat {
                    shard: seat_number,
                    mailbox,
                    number,
                    standing: Arc::clone(&queue.standing),
                    ending: ending.clone(),
                };
                seat_number += 1;
                threads.push(start(queue.source.clone(), shared.clone(), seat)?);
            }
        }
        Ok(threads)
    }
}

fn of_kafka(settings: &KafkaSettings, inflated_bytes_max: usize) -> Queue {
    let (servers, topics) = (&settings.servers, settings.topics.join(","));
    let name = format!("KafkaCollector{{bootstrapServers={servers}, topic={topics}}}");
    Queue {
        consumers: settings.streams,
        standing: Arc::new(Standing::new(Transport::Kafka, name, settings.streams)),
        source: Source::Kafka(speargun_kafka::Config {
            servers: settings.servers.clone(),
            topics: settings.topics.clone(),
            group: settings.group.clone(),
            security: settings.security.clone(),
            inflated_bytes_max,
        }),
    }
}

fn of_rabbitmq(settings: &RabbitSettings) -> Queue {
    let (places, queue) = (places(settings), &settings.queue);
    let name = format!("RabbitMQCollector{{addresses=[{places}], queue={queue}}}");
    let standing = Standing::new(Transport::RabbitMq, name, settings.concurrency);
    Queue {
        consumers: settings.concurrency,
        standing: Arc::new(standing),
        source: Source::RabbitMq(speargun_rabbitmq::Config {
            places: settings.places.clone(),
            queue: settings.queue.clone(),
            connect_within: settings.connect_within,
            prefetch: settings.prefetch,
            ca_file: settings.ca_file.clone(),
        }),
    }
}

fn places(settings: &RabbitSettings) -> String {
    let places = settings.places.iter().map(ToString::to_string);
    places.collect::<Vec<_>>().join(", ")
}

fn start(source: Source, shared: Shared, seat: Seat) -> io::Result<ShardThread> {
    let transport = seat.standing.transport().name();
    let name = format!("{transport}-{}", seat.number);
    thread::Builder::new().name(name).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default())?;
        runtime.block_on(queue::consume(shared, seat, |intake| run(source, intake)));
        Ok(())
    })
}

async fn run(source: Source, intake: Rc<Intake>) {
    match source {
        Source::Kafka(config) => speargun_kafka::consume(config, intake).await,
        Source::RabbitMq(config) => speargun_rabbitmq::consume(config, intake).await,
    }
}

/// Returns what is said at the start: the transport, and what is read from where.
pub(super) fn lines(settings: &Settings) -> Vec<(&'static str, String)> {
    let kafka = settings.kafka.as_ref().map(|kafka| {
        let topics = kafka.topics.join(", ");
        ("kafka", format!("{topics} at {}", kafka.servers))
    });
    let rabbitmq = settings.rabbitmq.as_ref().map(|rabbit| {
        let line = format!("{} at {}", rabbit.queue, places(rabbit));
        ("rabbit", line)
    });
    kafka.into_iter().chain(rabbitmq).collect()
}
