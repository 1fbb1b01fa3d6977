//! What is done while a connection lasts: messages are taken in, and acknowledged once they are
//! stored. It connects to nothing.

use std::rc::Rc;
use std::time::Duration;

use futures_lite::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use speargun_collector::receive::queue::{Fate, Intake, Receipt};
use tokio::task::JoinSet;

use crate::{Config, Link};

/// How often the length of the queue is asked for.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long leaving may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Takes in messages until the process ends or the connection breaks, and returns why.
pub(crate) async fn run(config: &Config, mut link: Link, intake: &Rc<Intake>) -> String {
    intake.connected();
    let mut settling = JoinSet::new();
    let mut look = tokio::time::interval(LOOK_EVERY);
    let why = loop {
        tokio::select! {
            delivered = link.consumer.next() => match delivered {
                // While there is no room this waits, and RabbitMQ hands out no more than it may.
                Some(Ok(delivery)) => {
                    let receipt = intake.admit(&delivery.data).await;
                    settling.spawn_local(settle(Rc::clone(intake), delivery, receipt));
                }
                Some(Err(error)) => break error.to_string(),
                None => break format!("the queue {} is gone", config.queue),
            },
            Some(_) = settling.join_next(), if !settling.is_empty() => {}
            _ = look.tick(), if intake.number() == 0 => {
                if let Some(messages) = length(config, &link).await {
                    intake.behind(messages);
                }
            }
            () = intake.ended() => break "the process ends".to_owned(),
        }
    };
    while settling.join_next().await.is_some() {}
    let closed = link.connection.close(200, "bye".into());
    // A connection that is broken can't be closed in order.
    let _closed = tokio::time::timeout(CLOSE_WITHIN, closed).await;
    why
}

async fn settle(intake: Rc<Intake>, delivery: Delivery, receipt: Receipt) {
    if intake.settle(receipt).await == Fate::Left {
        return;
    }
    if let Err(error) = delivery.ack(BasicAckOptions::default()).await {
        tracing::debug!(%error, "a message comes again");
    }
}

async fn length(config: &Config, link: &Link) -> Option<u64> {
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    let queue = config.queue.as_str().into();
    let declared = link
        .channel
        .queue_declare(queue, passive, FieldTable::default())
        .await;
    declared.ok().map(|queue| u64::from(queue.message_count()))
}
