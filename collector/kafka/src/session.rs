//! What is done while a connection lasts: messages are fetched, taken in and stored, and only then
//! are their offsets committed. It connects to nothing.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use krafka::KrafkaError;
use krafka::consumer::{Consumer, ConsumerRecord, OffsetAndMetadata, TopicPartition};
use speargun_collector::receive::queue::{Fate, Intake};
use tokio::time::Instant;

use crate::Config;

/// How long a fetch waits for messages.
const FETCH_WITHIN: Duration = Duration::from_secs(1);
/// Faults in a row after which everything is opened anew.
const FAULTS_MAX: u32 = 5;
/// The pause after a fault.
const FAULT_PAUSE: Duration = Duration::from_millis(200);
/// How often the group hears of a consumer that waits for room: else it would take the partitions
/// away after five minutes.
const SIGN_OF_LIFE: Duration = Duration::from_mins(1);
/// How often topics are looked for, and the lag is told. A fetch does not tell that the brokers are
/// gone: the client asks them again and again.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long a broker may take to answer such a question.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// Offsets to commit, by partition.
type Due = HashMap<TopicPartition, OffsetAndMetadata>;

struct Session<'a> {
    config: &'a Config,
    consumer: &'a Consumer,
    intake: &'a Rc<Intake>,
    /// Stored and not committed yet.
    due: Due,
    /// Fetched while it was waited for room.
    ahead: Vec<ConsumerRecord>,
    looked: Option<Instant>,
}

/// Takes in messages until the process ends or the connection is of no use.
pub(crate) async fn run(config: &Config, consumer: &Consumer, intake: &Rc<Intake>) {
    let mut session = Session {
        config,
        consumer,
        intake,
        due: Due::new(),
        ahead: Vec::new(),
        looked: None,
    };
    let mut faults = 0;
    while faults < FAULTS_MAX && !intake.is_ending() {
        let fetched = tokio::select! {
            fetched = session.fetch() => fetched,
            () = intake.ended() => break,
        };
        match fetched {
            Ok(records) => {
                faults = 0;
                session.store(records).await;
                session.commit().await;
                session.look().await;
            }
            Err(error) => {
                intake.failed(config.words(&error));
                faults = if error.is_fatal() {
                    FAULTS_MAX
                } else {
                    faults + 1
                };
                tokio::select! {
                    () = tokio::time::sleep(FAULT_PAUSE) => {}
                    () = intake.ended() => {}
                }
            }
        }
    }
    session.commit().await;
}

impl Session<'_> {
    /// Fetches messages. The client may look for lost brokers without end, so it is not asked how
    /// things stand.
    async fn fetch(&mut self) -> Result<Vec<ConsumerRecord>, KrafkaError> {
        if !self.ahead.is_empty() {
            return Ok(std::mem::take(&mut self.ahead));
        }
        let consumer = self.consumer;
        let mut fetching = std::pin::pin!(consumer.poll(FETCH_WITHIN));
        loop {
            tokio::select! {
                fetched = &mut fetching => return fetched,
                () = tokio::time::sleep(LOOK_EVERY) => self.look().await,
            }
        }
    }

    /// Stores messages and notes how far offsets may be committed.
    async fn store(&mut self, records: Vec<ConsumerRecord>) {
        if records.is_empty() {
            return;
        }
        let mut storing = std::pin::pin!(take_in(self.intake, &records));
        let mut paused = HashMap::new();
        let due = loop {
            tokio::select! {
                due = &mut storing => break due,
                () = tokio::time::sleep(SIGN_OF_LIFE) => {
                    paused = pause(self.consumer).await;
                    // What was assigned meanwhile is not paused yet and may come.
                    let poll = self.consumer.poll(Duration::ZERO);
                    if let Ok(Ok(ahead)) = tokio::time::timeout(ANSWER_WITHIN, poll).await {
                        self.ahead.extend(ahead);
                    }
                }
            }
        };
        for (topic, partitions) in paused {
            self.consumer.resume(&topic, &partitions).await;
        }
        self.due.extend(due);
    }

    /// Commits what is due. What can't be committed now is due the next time, or comes again.
    async fn commit(&mut self) {
        if self.due.is_empty() {
            return;
        }
        // Whoever has a partition now commits its offsets.
        let assigned = self.consumer.assignment().await;
        self.due.retain(|place, _| {
            let partitions = assigned.get(&place.topic);
            partitions.is_some_and(|partitions| partitions.contains(&place.partition))
        });
        let committing = self.consumer.commit_offsets(&self.due);
        match tokio::time::timeout(ANSWER_WITHIN, committing).await {
            Ok(Ok(())) => self.due.clear(),
            Ok(Err(error)) => tracing::debug!(%error, "offsets are committed later"),
            // Whether it came through or not: the same offsets may be committed again.
            Err(_) => tracing::debug!("the commit of offsets was not answered"),
        }
    }

    /// Tells the lag, and whether all topics are there.
    async fn look(&mut self) {
        if self.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        let lags = self.consumer.lag().await;
        self.intake
            .behind(lags.values().filter_map(|lag| lag.lag).sum());
        for topic in &self.config.topics {
            if let Err(error) = self.find(topic).await {
                self.intake.failed(error);
                return;
            }
        }
        self.intake.connected();
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

/// Takes messages in, in their order, and returns the offsets behind those that need not come
/// again: none behind one that must.
async fn take_in(intake: &Intake, records: &[ConsumerRecord]) -> Due {
    let mut receipts = Vec::with_capacity(records.len());
    for record in records {
        let payload = record.value.as_deref().unwrap_or_default();
        receipts.push(intake.admit(payload).await);
    }
    let mut due = Due::new();
    let mut left = Vec::new();
    for (record, receipt) in records.iter().zip(receipts) {
        let fate = intake.settle(receipt).await;
        let place = TopicPartition::new(&*record.topic, record.partition);
        if fate == Fate::Left || left.contains(&place) {
            left.push(place);
            continue;
        }
        let next = record.offset + 1;
        let offset = match record.leader_epoch {
            Some(epoch) => OffsetAndMetadata::with_epoch(next, epoch),
            None => OffsetAndMetadata::new(next),
        };
        due.insert(place, offset);
    }
    due
}

/// Pauses all partitions, and returns them.
async fn pause(consumer: &Consumer) -> HashMap<String, Vec<i32>> {
    let assigned = consumer.assignment().await;
    for (topic, partitions) in &assigned {
        consumer.pause(topic, partitions).await;
    }
    assigned
}
