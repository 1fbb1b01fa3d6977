//! Skips a batch that can't be read: by trying offsets with the consumer at hand, which stays in
//! its group meanwhile. What counts as such a batch is decided elsewhere.

use std::time::Duration;

use krafka::KrafkaError;
use krafka::consumer::{Consumer, ConsumerRecord};

use crate::unreadable::{Search, Step, Unreadable};

/// How long one try waits for an answer.
const TRY_WITHIN: Duration = Duration::from_secs(1);
/// Answers to one try that say nothing of the batch, as those of other partitions.
const ANSWERS_MAX: u32 = 10;
/// Tries in all; a batch has at most some millions of messages.
const TRIES_MAX: u32 = 400;

/// Puts a partition behind a batch and returns the offset at which reading goes on. All others have
/// to be paused, so that nothing of theirs is waited for; what comes of them is added to `others`.
/// After an error the partition stands where it stood.
pub(crate) async fn behind(
    consumer: &Consumer,
    batch: &Unreadable,
    others: &mut Vec<ConsumerRecord>,
) -> Result<i64, KrafkaError> {
    let mut probe = Probe {
        consumer,
        batch,
        others,
    };
    let found = probe.search().await;
    if found.is_err() {
        // Whoever has the partition by now begins at what was committed.
        if let Err(error) = probe.seek(batch.offset).await {
            tracing::debug!(%error, "the partition is another's");
        }
    }
    found
}

struct Probe<'a> {
    consumer: &'a Consumer,
    batch: &'a Unreadable,
    others: &'a mut Vec<ConsumerRecord>,
}

impl Probe<'_> {
    async fn search(&mut self) -> Result<i64, KrafkaError> {
        let mut search = Search::behind(self.batch.offset);
        for _ in 0..TRIES_MAX {
            match search.next(self.end().await?) {
                Step::Try(offset) => search.tried(offset, self.is_readable(offset).await?),
                Step::Found(offset) => {
                    self.seek(offset).await?;
                    return Ok(offset);
                }
            }
        }
        Err(timeout("search for the end of a batch"))
    }

    /// Returns the end of the partition, as the last answer told it: an offset behind it would make
    /// the client begin anew.
    async fn end(&self) -> Result<i64, KrafkaError> {
        let lags = self.consumer.lag().await;
        let lag = lags.get(&self.batch.partition);
        lag.and_then(|lag| lag.high_watermark)
            .ok_or_else(|| timeout("end of a partition"))
    }

    async fn seek(&self, offset: i64) -> Result<(), KrafkaError> {
        let place = &self.batch.partition;
        let seek = self.consumer.seek(&place.topic, place.partition, offset);
        seek.await
    }

    async fn is_readable(&mut self, offset: i64) -> Result<bool, KrafkaError> {
        let place = &self.batch.partition;
        self.seek(offset).await?;
        for _ in 0..ANSWERS_MAX {
            match self.consumer.poll(TRY_WITHIN).await {
                Ok(records) => {
                    let is_here = |r: &ConsumerRecord| {
                        *r.topic == *place.topic && r.partition == place.partition
                    };
                    let (here, others): (Vec<_>, _) = records.into_iter().partition(is_here);
                    self.others.extend(others);
                    // Batches without messages move on without handing any out.
                    let at = self.consumer.position(&place.topic, place.partition);
                    if !here.is_empty() || at.await.is_some_and(|at| at > offset) {
                        return Ok(true);
                    }
                }
                Err(error) => match Unreadable::of(&error) {
                    Some(found) if found.partition == *place => {
                        return Ok(found.offset != offset);
                    }
                    // One that was assigned meanwhile: its turn comes.
                    Some(_) => {}
                    None => return Err(error),
                },
            }
        }
        Err(timeout("try of an offset"))
    }
}

fn timeout(operation: &str) -> KrafkaError {
    KrafkaError::Timeout {
        operation: operation.to_owned(),
    }
}
