//! Queues: transports whose messages wait elsewhere and are fetched. What is the same in all of
//! them is here: the payload's format, what is skipped, waiting for room, how it stands. What a
//! transport speaks on the wire is its own.
//!
//! # What a transport does
//!
//! A transport is one async function over an [`Intake`], run by [`consume`] on a thread of its own
//! with a runtime of its own, once for each consumer that the settings ask for. It
//!
//! 1. connects, and says so: [`Intake::connected`], or [`Intake::failed`] with words that name the
//!    host, queue or user that is wrong; then it tries again, at a growing distance;
//! 2. gives each payload to [`Intake::admit`], in the order in which they came. That returns when
//!    the spans are handed over, so it is also the brake: while there is no room it waits, and no
//!    more is fetched;
//! 3. acknowledges a message once its [`Receipt`] settles as [`Fate::Done`], never before: then its
//!    spans are as durable and visible as a 202 promises, or it is none and was counted as skipped;
//! 4. leaves what settles as [`Fate::Left`] unacknowledged: the process ends, and the queue
//!    delivers it again;
//! 5. returns when [`Intake::ended`] does, once all receipts are settled.
//!
//! A message may come twice, after a crash between 2 and 3 or when the connection breaks before
//! the acknowledgement is through. Its spans are then the same to the byte, and a read shows them
//! once.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use speargun_model::codec::Format;
use tokio::sync::watch;

use crate::handover::Handover;
use crate::inflate::Encoding;
use crate::inlet::{Held, Inlet, Message, Refusal, Shared};
use crate::ledger::Transport;
use crate::reply::{Mailbox, Waiters};

/// Why a message is skipped: it would fail whenever it came again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Skip {
    /// It begins like no list of spans.
    Unknown,
    /// It begins like one and is none.
    Malformed,
    /// It is beyond a bound.
    TooLarge,
    /// The broker's batch around it can't be unpacked.
    Unreadable,
}

impl Skip {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] = [
        Self::Unknown,
        Self::Malformed,
        Self::TooLarge,
        Self::Unreadable,
    ];

    /// Returns the label in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Unreadable => "unreadable",
        }
    }
}

/// How a transport stands, for `/health` and metrics.
#[derive(Debug)]
pub struct Standing {
    transport: Transport,
    name: String,
    consumers: Vec<Consumer>,
    skipped: [AtomicU64; Skip::ALL.len()],
    waits: AtomicU64,
}

#[derive(Debug)]
struct Consumer {
    trouble: Mutex<Trouble>,
    behind: AtomicU64,
}

/// Why a consumer fetches nothing.
#[derive(Debug, Default)]
struct Trouble {
    now: Option<String>,
    /// What was logged since it began: a client that tries again says the same in turns.
    told: Vec<String>,
}

/// Different words of one trouble that are logged.
const TOLD_MAX: usize = 8;

impl Standing {
    /// Returns the standing of a transport that is not connected yet; `name` is that of its
    /// component in `/health`.
    pub fn new(transport: Transport, name: String, consumers: usize) -> Self {
        let consumer = || Consumer {
            trouble: Mutex::new(Trouble {
                now: Some("not connected yet".to_owned()),
                told: Vec::new(),
            }),
            behind: AtomicU64::new(0),
        };
        Self {
            transport,
            name,
            consumers: std::iter::repeat_with(consumer).take(consumers).collect(),
            skipped: Default::default(),
            waits: AtomicU64::new(0),
        }
    }

    /// Returns which transport it is.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Returns the name of the component.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns why nothing is fetched, if that is so for one of the consumers.
    pub fn trouble(&self) -> Option<String> {
        let mut troubles = self.consumers.iter();
        troubles.find_map(|consumer| consumer.trouble.lock().now.clone())
    }

    /// Returns how many messages wait in the queue, as far as that is known.
    pub fn behind(&self) -> u64 {
        let behind = self.consumers.iter();
        behind.map(|c| c.behind.load(Ordering::Relaxed)).sum()
    }

    /// Returns how many messages were skipped for a reason.
    pub fn skipped(&self, skip: Skip) -> u64 {
        self.skipped[skip as usize].load(Ordering::Relaxed)
    }

    /// Returns how often a message had to wait for room.
    pub fn waits(&self) -> u64 {
        self.waits.load(Ordering::Relaxed)
    }

    fn skip(&self, skip: Skip, messages: u64, why: &str) {
        let before = self.skipped[skip as usize].fetch_add(messages, Ordering::Relaxed);
        let n = before + messages;
        // The first, and ever fewer of the next: a broken sender does not fill the log.
        if n.checked_ilog2() > before.checked_ilog2() {
            let (transport, reason) = (self.transport.name(), skip.name());
            tracing::warn!(
                transport,
                reason,
                skipped = n,
                error = why,
                "message skipped"
            );
        }
    }
}

/// What a consumer works with.
#[derive(Debug)]
pub struct Intake {
    inlet: Inlet,
    standing: Arc<Standing>,
    number: usize,
    ending: watch::Receiver<bool>,
}

/// What became of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is stored, or never will be: acknowledge it.
    Done,
    /// The process ends: leave it to be delivered again.
    Left,
}

/// What is known of a message once it was admitted.
#[derive(Debug)]
#[must_use = "a message is acknowledged when its receipt settles"]
pub enum Receipt {
    /// Nothing has to be waited for.
    Settled(Fate),
    /// Its spans are on their way.
    Held(Box<Held>),
}

impl Intake {
    /// Takes a message in; waits while there is no room.
    pub async fn admit(&self, payload: &[u8]) -> Receipt {
        let Some((format, body)) = list_of(payload) else {
            self.inlet.count_failed(self.standing.transport);
            self.standing
                .skip(Skip::Unknown, 1, "it is no list of spans");
            return Receipt::Settled(Fate::Done);
        };
        let message = Message {
            transport: self.standing.transport,
            format,
            encoding: Encoding::Identity,
            body,
        };
        let taken = self
            .inlet
            .take_patiently(&message, &self.ending, || self.waited());
        let skip = match taken.await {
            Ok(Some(held)) => return Receipt::Held(Box::new(held)),
            Ok(None) => return Receipt::Settled(Fate::Done),
            Err(Refusal::Unstored(_)) => return Receipt::Settled(Fate::Left),
            Err(Refusal::Malformed(why)) => (Skip::Malformed, why),
            Err(Refusal::TooLarge(why)) => (Skip::TooLarge, why),
        };
        self.standing.skip(skip.0, 1, skip.1.trim_end());
        Receipt::Settled(Fate::Done)
    }

    /// Waits until it is known what became of a message.
    pub async fn settle(&self, receipt: Receipt) -> Fate {
        let held = match receipt {
            Receipt::Settled(fate) => return fate,
            Receipt::Held(held) => held,
        };
        let settled = self.inlet.settle(*held, &self.ending, || self.waited());
        match settled.await {
            Ok(()) => Fate::Done,
            Err(_) => Fate::Left,
        }
    }

    /// Counts messages that never come out of the broker's batch, nor ever will.
    pub fn skip_unreadable(&self, messages: u64, why: &str) {
        self.inlet.count_failures(self.standing.transport, messages);
        self.standing.skip(Skip::Unreadable, messages, why);
    }

    /// Says that messages are being fetched.
    pub fn connected(&self) {
        let Some(consumer) = self.consumer() else {
            return;
        };
        let trouble = std::mem::take(&mut *consumer.trouble.lock());
        if trouble.now.is_some() {
            tracing::info!(
                consumer = self.number,
                "{} is connected",
                self.standing.name
            );
        }
    }

    /// Says why none are.
    pub fn failed(&self, why: String) {
        let Some(consumer) = self.consumer() else {
            return;
        };
        let mut trouble = consumer.trouble.lock();
        if trouble.told.len() < TOLD_MAX && !trouble.told.contains(&why) {
            let name = &self.standing.name;
            tracing::warn!(consumer = self.number, error = why, "{name} takes no spans");
            trouble.told.push(why.clone());
        }
        trouble.now = Some(why);
    }

    /// Says how many messages wait in the part of the queue that this consumer reads.
    pub fn behind(&self, messages: u64) {
        if let Some(consumer) = self.consumer() {
            consumer.behind.store(messages, Ordering::Relaxed);
        }
    }

    /// Returns which consumer of the transport it is, counted from 0.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Returns once the process is ending.
    pub async fn ended(&self) {
        let mut ending = self.ending.clone();
        // A sender that is gone has ended too.
        let _ended = ending.wait_for(|ending| *ending).await;
    }

    /// Returns whether the process is ending.
    pub fn is_ending(&self) -> bool {
        *self.ending.borrow() || self.ending.has_changed().is_err()
    }

    fn consumer(&self) -> Option<&Consumer> {
        self.standing.consumers.get(self.number)
    }

    fn waited(&self) {
        self.standing.waits.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where a consumer stands among the threads that hand over.
#[derive(Debug)]
pub struct Seat {
    /// Its number among the threads.
    pub shard: u32,
    /// Where its outcomes come.
    pub mailbox: Arc<Mailbox>,
    /// Its number among the consumers of the transport.
    pub number: usize,
    /// How the transport stands.
    pub standing: Arc<Standing>,
    /// Turns true when the process is ending.
    pub ending: watch::Receiver<bool>,
}

/// Runs one consumer to its end, in a local runtime.
pub async fn consume<C, F>(shared: Shared, seat: Seat, consumer: C)
where
    C: FnOnce(Rc<Intake>) -> F,
    F: Future<Output = ()>,
{
    let waiters = Rc::new(Waiters::default());
    let handover: Arc<Handover> = Arc::clone(&shared.handover);
    let delivery = tokio::task::spawn_local(Rc::clone(&waiters).deliver(seat.mailbox, handover));
    let inlet = Inlet::new(shared, seat.shard, waiters);
    inlet.open(seat.standing.transport);
    let intake = Intake {
        inlet,
        standing: seat.standing,
        number: seat.number,
        ending: seat.ending,
    };
    consumer(Rc::new(intake)).await;
    delivery.abort();
}

/// The header of a thrift list of one struct.
const LIST_OF_ONE: [u8; 5] = [0x0c, 0, 0, 0, 1];

/// Returns the format of a payload and its bytes, in memory of their own: a client's would keep
/// alive all that came with it. Old senders write one span of thrift without a list around it,
/// which begins with the type of a field and the field's number, that no list begins with.
fn list_of(payload: &[u8]) -> Option<(Format, Bytes)> {
    if let [1..=11 | 13..=16, 0, 1..=12, ..] = payload {
        let list = [&LIST_OF_ONE[..], payload].concat();
        return Some((Format::Thrift, list.into()));
    }
    // Nothing is no list either, but it is not worth a word: Zipkin passes it by.
    let format = match payload {
        [] => Format::JsonV2,
        _ => Format::detect(payload)?,
    };
    Some((format, Bytes::copy_from_slice(payload)))
}

#[cfg(test)]
mod tests;
