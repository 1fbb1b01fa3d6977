//! How a consumer stands, as health and metrics tell it: whether brokers answer, whether topics are
//! there, how many messages wait, and which partitions are held. It fetches no message.

use std::collections::HashMap;
use std::time::Duration;

use krafka::KrafkaError;
use krafka::consumer::{Consumer, TopicPartition};
use speargun_collector::receive::queue::Intake;
use tokio::time::Instant;

use crate::unreadable::Unreadable;
use crate::{ANSWER_WITHIN, Config};

/// How often it is looked. A fetch does not tell that the brokers are gone: the client asks them
/// again and again.
pub(crate) const EVERY: Duration = Duration::from_secs(2);
/// Asks for the end of a partition instead of a time.
const LATEST: i64 = -1;

/// What is told of a consumer.
pub(crate) struct Watch<'a> {
    config: &'a Config,
    consumer: &'a Consumer,
    intake: &'a Intake,
    /// Partitions that are paused because another build may be able to read them, and why.
    held: HashMap<TopicPartition, String>,
    looked: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// Begins, with nothing told yet.
    pub(crate) fn new(config: &'a Config, consumer: &'a Consumer, intake: &'a Intake) -> Self {
        Self {
            config,
            consumer,
            intake,
            held: HashMap::new(),
            looked: None,
        }
    }

    /// Stops reading a partition without skipping anything, and says so for as long as it is read
    /// here.
    pub(crate) async fn hold(&mut self, batch: &Unreadable) {
        let place = &batch.partition;
        let partition = [place.partition];
        self.consumer.pause(&place.topic, &partition).await;
        let words = format!("{}: {}", self.config.servers, batch.words());
        self.intake.failed(words.clone());
        self.held.insert(place.clone(), words);
    }

    /// Returns whether a partition is held.
    pub(crate) fn holds(&self, topic: &str, partition: i32) -> bool {
        let mut held = self.held.keys();
        held.any(|place| place.partition == partition && place.topic == topic)
    }

    /// Tells how things stand, unless that was told just now.
    pub(crate) async fn look(&mut self) {
        if self.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        let behind = self.lag().await;
        self.intake.behind(behind);
        for topic in &self.config.topics {
            if let Err(error) = self.find(topic).await {
                self.intake.failed(error);
                return;
            }
        }
        let assigned = self.consumer.assignment().await;
        self.held.retain(|place, _| {
            let partitions = assigned.get(&place.topic);
            partitions.is_some_and(|partitions| partitions.contains(&place.partition))
        });
        match self.held.values().next() {
            Some(words) => self.intake.failed(words.clone()),
            None => self.intake.connected(),
        }
    }

    /// Returns how many messages wait in the partitions read here. Answers with messages tell where
    /// a partition ends; of one that was just assigned, or is not read, the brokers are asked.
    async fn lag(&self) -> u64 {
        let lags = self.consumer.lag().await;
        let unknown = lags
            .iter()
            .filter(|(_, lag)| lag.lag.is_none() || lag.stale);
        let unknown: Vec<_> = unknown
            .map(|(place, _)| (&*place.topic, place.partition))
            .collect();
        let mut behind: HashMap<_, u64> = lags
            .iter()
            .filter_map(|(place, lag)| Some((place.clone(), lag.lag?)))
            .collect();
        if unknown.is_empty() {
            return behind.values().sum();
        }
        let asked = async {
            let ends = self.consumer.offsets_for_times(&unknown, LATEST).await;
            for ((topic, partition), end) in ends {
                let at = self.consumer.position(&topic, partition).await;
                if let (Ok(end), Some(at)) = (end, at) {
                    let messages = u64::try_from(end - at).unwrap_or(0);
                    behind.insert(TopicPartition::new(topic, partition), messages);
                }
            }
        };
        // What is not answered now is asked the next time.
        let _answered = tokio::time::timeout(ANSWER_WITHIN, asked).await;
        behind.values().sum()
    }

    /// Asks a broker for a topic: it may not be there, and nor may the broker.
    async fn find(&self, topic: &str) -> Result<(), String> {
        let found = self.consumer.fetch_metadata(Some(topic));
        let Ok(found) = tokio::time::timeout(ANSWER_WITHIN, found).await else {
            let servers = &self.config.servers;
            return Err(format!("{servers}: no answer within {ANSWER_WITHIN:?}"));
        };
        match found {
            Ok(found) if found.topics.iter().any(|t| t.partition_count() > 0) => Ok(()),
            Ok(_) | Err(KrafkaError::UnknownTopic { .. }) => Err(format!(
                "{}: there is no topic {topic}",
                self.config.servers
            )),
            Err(error) => Err(self.config.words(&error)),
        }
    }
}
