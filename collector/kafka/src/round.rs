//! Messages that were fetched together, on their way into the store, and the offsets that may be
//! committed once they are there. It speaks to no broker.

use std::collections::HashMap;
use std::rc::Rc;

use krafka::consumer::{ConsumerRecord, OffsetAndMetadata, TopicPartition};
use speargun_collector::receive::queue::{Fate, Intake, Receipt};

/// Offsets to commit, by partition.
pub(crate) type Due = HashMap<TopicPartition, OffsetAndMetadata>;

/// Messages that were taken in, in their order.
#[derive(Debug)]
pub(crate) struct Round(Vec<Run>);

/// Neighbours from one partition.
#[derive(Debug)]
struct Run {
    partition: TopicPartition,
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    offset: i64,
    leader_epoch: Option<i32>,
    receipt: Receipt,
}

/// What became of a round.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The offsets behind what need not come again: none behind a message that must.
    pub(crate) due: Due,
    /// Whether a message must come again. The process is ending then, and nothing fetched later may
    /// be committed.
    pub(crate) left: bool,
}

impl Round {
    /// Takes messages in; waits while there is no room.
    pub(crate) async fn admit(intake: &Intake, records: Vec<ConsumerRecord>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for record in records {
            let payload = record.value.as_deref().unwrap_or_default();
            let message = Message {
                offset: record.offset,
                leader_epoch: record.leader_epoch,
                receipt: intake.admit(payload).await,
            };
            match runs.last_mut() {
                Some(run) if run.is_of(&record) => run.messages.push(message),
                _ => runs.push(Run {
                    partition: TopicPartition::new(&*record.topic, record.partition),
                    messages: vec![message],
                }),
            }
        }
        Self(runs)
    }

    /// Waits until it is known what became of each message.
    pub(crate) async fn settle(self, intake: Rc<Intake>) -> Settled {
        let mut due = Due::new();
        let mut left: Vec<TopicPartition> = Vec::new();
        for Run {
            partition,
            messages,
        } in self.0
        {
            let mut is_left = left.contains(&partition);
            let mut stored = None;
            for message in messages {
                let fate = intake.settle(message.receipt).await;
                is_left |= fate == Fate::Left;
                if !is_left {
                    stored = Some((message.offset, message.leader_epoch));
                }
            }
            if is_left {
                left.push(partition.clone());
            }
            if let Some((offset, leader_epoch)) = stored {
                due.insert(partition, behind(offset, leader_epoch));
            }
        }
        Settled {
            due,
            left: !left.is_empty(),
        }
    }
}

impl Run {
    fn is_of(&self, record: &ConsumerRecord) -> bool {
        self.partition.partition == record.partition && *self.partition.topic == *record.topic
    }
}

/// Returns what is committed behind a message.
fn behind(offset: i64, leader_epoch: Option<i32>) -> OffsetAndMetadata {
    match leader_epoch {
        Some(epoch) => OffsetAndMetadata::with_epoch(offset + 1, epoch),
        None => OffsetAndMetadata::new(offset + 1),
    }
}
