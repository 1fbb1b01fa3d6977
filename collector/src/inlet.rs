//! One shard's way in: a body is inflated, checked, decoded, sampled and handed over, all on the
//! shard's own thread while the bytes are warm. It reads no socket.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use speargun_journal::Record;
use speargun_model::SpanBatch;
use speargun_model::batch::{Bounds, LeftOut};
use speargun_model::codec::{DecodeError, Format, decode};

use crate::detect;
use crate::handover::{Handover, Parcel};
use crate::inflate::{Encoding, InflateError, Inflater};
use crate::ledger::{Count, Ledger, Page, Reason, Transport};
use crate::reply::{Outcome, Wait, Waiters};
use crate::sample::Dial;
use crate::tag::Tag;

mod patient;

pub use patient::Held;

/// Why a body was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It is not what it should be; the text is for the sender.
    Malformed(String),
    /// It is beyond a bound; the text is for the sender.
    TooLarge(String),
    /// It could not be stored.
    Unstored(Reason),
}

/// A body as it came.
#[derive(Clone, Debug)]
pub struct Message {
    /// How it came.
    pub transport: Transport,
    /// What it claims to be.
    pub format: Format,
    /// How it is compressed.
    pub encoding: Encoding,
    /// The bytes.
    pub body: Bytes,
}

/// What the inlets of all shards share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Counts.
    pub ledger: Arc<Ledger>,
    /// Where batches go.
    pub handover: Arc<Handover>,
    /// Which traces are kept.
    pub sampler: Dial,
    /// What one body may hold.
    pub bounds: Bounds,
}

/// The way in on one shard.
#[derive(Debug)]
pub struct Inlet {
    shared: Shared,
    shard: u32,
    page: Page,
    waiters: Rc<Waiters>,
    inflater: RefCell<Inflater>,
    /// Where bodies are decoded: its vectors have grown to what bodies need.
    scratch: RefCell<SpanBatch>,
}

tokio::task_local! {
    /// When the spans of the request at hand were handed over to the committer. For those who
    /// watch a request from outside; where nobody does, nothing is noted.
    pub static HANDED_OVER: Cell<Option<Instant>>;
}

/// Spans that are held and not handed over yet.
#[derive(Debug)]
struct Unsent {
    record: Record,
    batch: Arc<SpanBatch>,
    transport: Transport,
    /// What they take of the budget of bytes.
    bytes: usize,
}

impl Unsent {
    fn spans(&self) -> u64 {
        self.batch.spans.len() as u64
    }
}

/// The step at which a message fails; Zipkin counts a failed decoding twice.
enum Failure {
    Before(Refusal),
    Decoding(Refusal),
}

impl Inlet {
    /// Returns the inlet of a shard; its requests wait in `waiters`.
    pub fn new(shared: Shared, number: u32, waiters: Rc<Waiters>) -> Self {
        Self {
            page: shared.ledger.page(number as usize),
            inflater: RefCell::new(Inflater::new(shared.bounds.body_bytes_max)),
            scratch: RefCell::default(),
            shared,
            shard: number,
            waiters,
        }
    }

    /// Takes a message; returns once its spans are stored or refused, and what was none of them.
    pub async fn take(&self, message: Message) -> Result<LeftOut, Refusal> {
        let (left_out, wait) = self.admit(&message)?;
        match wait {
            None => Ok(left_out),
            Some(wait) => match wait.await {
                Outcome::Stored => Ok(left_out),
                Outcome::Refused(reason) => Err(Refusal::Unstored(reason)),
            },
        }
    }

    /// Says that a transport that is not always there is in use.
    pub fn open(&self, transport: Transport) {
        self.shared.ledger.open(transport);
    }

    /// Counts a message that failed before its body was whole.
    pub fn count_failed(&self, transport: Transport) {
        self.count_failures(transport, 1);
    }

    /// Counts several of them.
    pub fn count_failures(&self, transport: Transport, messages: u64) {
        self.count(transport, Count::Messages, messages);
        self.count(transport, Count::MessagesDropped, messages);
    }

    /// Does all that needs no waiting. `None` when there is nothing to wait for.
    fn admit(&self, message: &Message) -> Result<(LeftOut, Option<Wait>), Refusal> {
        let (left_out, unsent) = self.open_up(message)?;
        let Some(unsent) = unsent else {
            return Ok((left_out, None));
        };
        match self.hand_over(&unsent) {
            Ok(wait) => Ok((left_out, Some(wait))),
            Err(reason) => {
                self.give_up(&unsent, reason);
                Err(Refusal::Unstored(reason))
            }
        }
    }

    /// Counts, decodes and samples a message. `None` when nothing of it is to be stored; else its
    /// spans are held from now on.
    fn open_up(&self, message: &Message) -> Result<(LeftOut, Option<Unsent>), Refusal> {
        let transport = message.transport;
        self.count(transport, Count::Messages, 1);
        let batch = match self.read(message) {
            Ok(None) => return Ok((LeftOut::default(), None)),
            Ok(Some(batch)) => batch,
            Err(failure) => {
                let (times, refusal) = match failure {
                    Failure::Decoding(refusal) if transport == Transport::Http => (2, refusal),
                    Failure::Before(refusal) | Failure::Decoding(refusal) => (1, refusal),
                };
                self.count(transport, Count::MessagesDropped, times);
                return Err(refusal);
            }
        };
        let left_out = batch.left_out;
        let invalid = u64::from(left_out.spans);
        let spans = batch.spans.len() as u64 + invalid;
        self.count(transport, Count::Received, spans);
        self.shared.ledger.note_spans(transport, spans);
        if invalid > 0 {
            self.count(transport, Count::Refused(Reason::Invalid), invalid);
        }
        Ok((left_out, self.sample(message, batch)))
    }

    fn read(&self, message: &Message) -> Result<Option<SpanBatch>, Failure> {
        if message.body.is_empty() {
            return Ok(None);
        }
        let body = self
            .inflater
            .borrow_mut()
            .inflate(message.encoding, &message.body)
            .map_err(|error| Failure::Before(error.into()))?;
        if detect::is_empty_list(message.format, &body) {
            return Ok(None);
        }
        let ledger = &self.shared.ledger;
        self.count(message.transport, Count::Bytes, body.len() as u64);
        ledger.note_bytes(message.transport, body.len() as u64);
        let mut batch = self.scratch.borrow_mut();
        decode(message.format, body, &self.shared.bounds, &mut batch).map_err(|error| {
            let refusal = |error: DecodeError| error.into();
            match error {
                DecodeError::NotAList { .. } => Failure::Before(refusal(error)),
                _ => Failure::Decoding(refusal(error)),
            }
        })?;
        Ok(Some(batch.take_exact()))
    }

    /// Leaves out what is not sampled. A body of which nothing stays never reaches the journal.
    fn sample(&self, message: &Message, mut batch: SpanBatch) -> Option<Unsent> {
        let transport = message.transport;
        // The journal keeps the sampler that was used: a replay leaves out the same spans.
        let sampler = self.shared.sampler.now();
        let sampled_out = sampler.apply(&mut batch) as u64;
        if sampled_out > 0 {
            self.count(transport, Count::SampledOut, sampled_out);
        }
        if batch.spans.is_empty() {
            return None;
        }
        batch.more_bytes += message.encoding.packed_bytes(&message.body);
        let tag = Tag {
            format: message.format,
            encoding: message.encoding,
            sampler,
        };
        let unsent = Unsent {
            record: Record::new(tag.encode(), message.body.clone()),
            transport,
            bytes: batch.memory_bytes(),
            batch: Arc::new(batch),
        };
        self.shared
            .ledger
            .hold(self.page, transport, unsent.spans());
        Some(unsent)
    }

    fn hand_over(&self, unsent: &Unsent) -> Result<Wait, Reason> {
        let wait = self.waiters.begin();
        let parcel = Parcel {
            record: unsent.record.clone(),
            transport: unsent.transport,
            bytes: unsent.bytes,
            batch: Arc::clone(&unsent.batch),
            shard: self.shard,
            slot: wait.slot(),
        };
        if let Err(reason) = self.shared.handover.push(parcel) {
            wait.cancel();
            return Err(reason);
        }
        // An error says that nobody watches.
        let _watched = HANDED_OVER.try_with(|at| at.set(Some(Instant::now())));
        Ok(wait)
    }

    /// Counts spans that will not be stored.
    fn give_up(&self, unsent: &Unsent, reason: Reason) {
        let (transport, spans) = (unsent.transport, unsent.spans());
        self.shared.ledger.let_go(self.page, transport, spans);
        self.count(transport, Count::Refused(reason), spans);
    }

    fn count(&self, transport: Transport, count: Count, n: u64) {
        self.shared.ledger.add(self.page, transport, (count, n));
    }
}

impl From<InflateError> for Refusal {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::TooLarge(_) => Self::TooLarge(error.to_string()),
            _ => Self::Malformed(error.to_string()),
        }
    }
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::Malformed(text) => Self::Malformed(text),
            DecodeError::NotAList { .. } => Self::Malformed(error.to_string()),
            DecodeError::TooLarge { .. } => Self::TooLarge(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
