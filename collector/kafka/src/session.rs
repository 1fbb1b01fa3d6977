//! What is done while a connection lasts: messages are fetched, taken in and stored, and only then
//! are their offsets committed. While one round of them is being stored the next is fetched. It
//! connects to nothing.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::Duration;

use krafka::KrafkaError;
use krafka::consumer::{Consumer, ConsumerRecord, OffsetAndMetadata, TopicPartition};
use speargun_collector::receive::queue::Intake;
use tokio::time::{Instant, sleep, timeout};

use crate::round::{Due, Round, Settled};
use crate::skip;
use crate::unreadable::Unreadable;
use crate::watch::{self, Watch};
use crate::{ANSWER_WITHIN, Config};

/// How long a fetch waits for messages.
const FETCH_WITHIN: Duration = Duration::from_secs(1);
/// Faults in a row after which everything is opened anew.
const FAULTS_MAX: u32 = 5;
/// The pause after a fault.
const FAULT_PAUSE: Duration = Duration::from_millis(200);
/// How often the group hears of a consumer that waits for room: else it would take the partitions
/// away after five minutes.
const SIGN_OF_LIFE: Duration = Duration::from_mins(1);
/// How often a batch is asked for before it is skipped: what broke on its way comes whole the next
/// time.
const TRIES_MAX: u32 = 3;

/// Assigned partitions, by topic.
type Partitions = HashMap<String, Vec<i32>>;

struct Session<'a> {
    consumer: &'a Consumer,
    intake: &'a Rc<Intake>,
    watch: Watch<'a>,
    /// The round that is being stored.
    storing: Option<Pin<Box<dyn Future<Output = Settled>>>>,
    /// Stored and not committed yet.
    due: Due,
    /// Fetched while something else was waited for.
    ahead: Vec<ConsumerRecord>,
    /// Where the last batch was that could not be read in a partition, and how often.
    tried: HashMap<TopicPartition, (i64, u32)>,
    /// Whether a message must come again, so that nothing behind it is committed.
    left: bool,
}

/// Takes in messages until the process ends or the connection is of no use.
pub(crate) async fn run(config: &Config, consumer: &Consumer, intake: &Rc<Intake>) {
    let mut session = Session {
        consumer,
        intake,
        watch: Watch::new(config, consumer, intake),
        storing: None,
        due: Due::new(),
        ahead: Vec::new(),
        tried: HashMap::new(),
        left: false,
    };
    let mut faults = 0;
    while faults < FAULTS_MAX && !intake.is_ending() {
        let fetched = tokio::select! {
            fetched = session.fetch() => fetched,
            () = intake.ended() => break,
        };
        let gone_well = match fetched {
            Ok(records) => {
                session.store(records).await;
                session.watch.look().await;
                Ok(())
            }
            Err(error) => {
                session.finish().await;
                tokio::select! {
                    mended = session.mend(error) => mended,
                    () = intake.ended() => break,
                }
            }
        };
        faults = match gone_well {
            Ok(()) => 0,
            Err(error) => {
                intake.failed(config.words(&error));
                if error.is_fatal() {
                    FAULTS_MAX
                } else {
                    faults + 1
                }
            }
        };
    }
    session.finish().await;
}

impl Session<'_> {
    /// Fetches messages, while those before are being stored. The client may look for lost brokers
    /// without end, so it is not asked how things stand.
    async fn fetch(&mut self) -> Result<Vec<ConsumerRecord>, KrafkaError> {
        if !self.ahead.is_empty() {
            return Ok(std::mem::take(&mut self.ahead));
        }
        let consumer = self.consumer;
        let mut fetching = pin!(consumer.poll(FETCH_WITHIN));
        loop {
            tokio::select! {
                fetched = &mut fetching => return fetched,
                settled = of(&mut self.storing) => {
                    self.storing = None;
                    self.note(settled).await;
                }
                () = sleep(watch::EVERY) => self.watch.look().await,
            }
        }
    }

    /// Takes messages in. That they are stored is waited for when the next ones are taken in: two
    /// rounds are under way at most.
    async fn store(&mut self, records: Vec<ConsumerRecord>) {
        if records.is_empty() {
            return;
        }
        let intake = Rc::clone(self.intake);
        let round = self.patiently(Round::admit(&intake, records)).await;
        self.finish().await;
        self.storing = Some(Box::pin(round.settle(intake)));
    }

    /// Waits until all that was taken in is stored, and commits that.
    async fn finish(&mut self) {
        if let Some(storing) = self.storing.take() {
            let settled = self.patiently(storing).await;
            self.note(settled).await;
        }
        self.commit().await;
    }

    async fn note(&mut self, settled: Settled) {
        if !self.left {
            self.due.extend(settled.due);
        }
        self.left |= settled.left;
        self.commit().await;
    }

    /// Waits for something that may take as long as there is no room, and stays in the group.
    async fn patiently<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut paused = Partitions::new();
        let mut heard = Instant::now();
        let done = loop {
            tokio::select! {
                done = &mut work => break done,
                () = sleep(watch::EVERY) => self.watch.look().await,
            }
            if heard.elapsed() < SIGN_OF_LIFE {
                continue;
            }
            heard = Instant::now();
            paused = pause(self.consumer).await;
            // What was assigned meanwhile is not paused yet and may come.
            let poll = self.consumer.poll(Duration::ZERO);
            if let Ok(Ok(ahead)) = timeout(ANSWER_WITHIN, poll).await {
                self.ahead.extend(ahead);
            }
        };
        self.resume(paused).await;
        done
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
        match timeout(ANSWER_WITHIN, committing).await {
            Ok(Ok(())) => self.due.clear(),
            Ok(Err(error)) => tracing::debug!(%error, "offsets are committed later"),
            // Whether it came through or not: the same offsets may be committed again.
            Err(_) => tracing::debug!("the commit of offsets was not answered"),
        }
    }

    /// Does what can be done about a fault without leaving the group. Returns it when that is
    /// nothing.
    async fn mend(&mut self, error: KrafkaError) -> Result<(), KrafkaError> {
        let Some(batch) = Unreadable::of(&error) else {
            sleep(FAULT_PAUSE).await;
            return Err(error);
        };
        let (offset, tries) = self.tried.entry(batch.partition.clone()).or_default();
        *tries = if *offset == batch.offset {
            *tries + 1
        } else {
            1
        };
        *offset = batch.offset;
        if *tries < TRIES_MAX {
            sleep(FAULT_PAUSE).await;
            return Ok(());
        }
        self.tried.remove(&batch.partition);
        if batch.foreign {
            self.watch.hold(&batch).await;
            return Ok(());
        }
        self.skip(&batch).await
    }

    /// Goes on behind a batch, and counts what is in it.
    async fn skip(&mut self, batch: &Unreadable) -> Result<(), KrafkaError> {
        let place = &batch.partition;
        let paused = pause(self.consumer).await;
        let of_batch = [place.partition];
        self.consumer.resume(&place.topic, &of_batch).await;
        let skipped = skip::behind(self.consumer, batch, &mut self.ahead).await;
        self.resume(paused).await;
        let next = skipped?;
        if self.left {
            // Something before it was not stored: a commit would step over that, and the next
            // start meets the batch again.
            return Ok(());
        }
        let words = format!("{}, read on at {next}", batch.words());
        self.intake
            .skip_unreadable(next.abs_diff(batch.offset), &words);
        // All before it is stored by now.
        self.due.insert(place.clone(), OffsetAndMetadata::new(next));
        self.commit().await;
        Ok(())
    }

    /// Resumes partitions, but for those that are held.
    async fn resume(&self, paused: Partitions) {
        for (topic, mut partitions) in paused {
            partitions.retain(|&partition| !self.watch.holds(&topic, partition));
            self.consumer.resume(&topic, &partitions).await;
        }
    }
}

/// Waits for a round that is under way; for ever when none is.
async fn of(storing: &mut Option<Pin<Box<dyn Future<Output = Settled>>>>) -> Settled {
    match storing {
        Some(storing) => storing.await,
        None => std::future::pending().await,
    }
}

/// Pauses all partitions, and returns them.
async fn pause(consumer: &Consumer) -> Partitions {
    let assigned = consumer.assignment().await;
    for (topic, partitions) in &assigned {
        consumer.pause(topic, partitions).await;
    }
    assigned
}
