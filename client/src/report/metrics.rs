//! What became of the spans: every span that was reported is sent, waits, or was dropped for a
//! reason.

use std::sync::atomic::{AtomicU64, Ordering};

use super::queue::Queue;
use crate::exposition::Exposition;

/// Why spans are dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// The queue is full.
    QueueFull,
    /// The reporter is closed.
    Closed,
    /// One span is larger than a message may be.
    TooLarge,
    /// The server refused the message.
    Refused,
    /// The server was away or busy at each try.
    Unreachable,
}

const CAUSES: [(Cause, &str); 5] = [
    (Cause::QueueFull, "queue_full"),
    (Cause::Closed, "closed"),
    (Cause::TooLarge, "too_large"),
    (Cause::Refused, "refused"),
    (Cause::Unreachable, "unreachable"),
];

/// Counters.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    pub(super) spans: AtomicU64,
    pub(super) spans_sent: AtomicU64,
    pub(super) messages: AtomicU64,
    pub(super) messages_dropped: AtomicU64,
    pub(super) message_bytes: AtomicU64,
    pub(super) sent_bytes: AtomicU64,
    pub(super) retries: AtomicU64,
    dropped: [AtomicU64; CAUSES.len()],
}

/// Returns the value of a counter.
pub(super) fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(count as u64, Ordering::Relaxed);
}

impl Metrics {
    pub(super) fn drop(&self, cause: Cause, spans: usize) {
        add(&self.dropped[cause as usize], spans);
    }

    pub(super) fn figures(&self, queue: &Queue) -> ReporterFigures {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ReporterFigures {
            spans: of(&self.spans),
            spans_sent: of(&self.spans_sent),
            spans_dropped: CAUSES.map(|(cause, name)| (name, of(&self.dropped[cause as usize]))),
            messages: of(&self.messages),
            messages_dropped: of(&self.messages_dropped),
            message_bytes: of(&self.message_bytes),
            sent_bytes: of(&self.sent_bytes),
            retries: of(&self.retries),
            queued_spans: queue.len(),
            queued_bytes: queue.bytes(),
        }
    }

    /// Appends the figures.
    pub(super) fn write(figures: &ReporterFigures, out: &mut Exposition) {
        let mut one = |name: &str, kind: &str, help: &str, value: u64| {
            out.family(name, kind, help);
            out.sample(name, &[], value);
        };
        one(
            "zipkin_reporter_spans_total",
            "counter",
            "Spans that ended and are kept.",
            figures.spans,
        );
        one(
            "zipkin_reporter_spans_sent_total",
            "counter",
            "Spans that Zipkin took.",
            figures.spans_sent,
        );
        one(
            "zipkin_reporter_messages_total",
            "counter",
            "Messages.",
            figures.messages,
        );
        one(
            "zipkin_reporter_messages_dropped_total",
            "counter",
            "Messages that Zipkin did not take.",
            figures.messages_dropped,
        );
        one(
            "zipkin_reporter_messages_retried_total",
            "counter",
            "Messages that were sent again.",
            figures.retries,
        );
        one(
            "zipkin_reporter_message_bytes_total",
            "counter",
            "Bytes of messages before packing.",
            figures.message_bytes,
        );
        one(
            "zipkin_reporter_sent_bytes_total",
            "counter",
            "Bytes of messages as sent.",
            figures.sent_bytes,
        );
        one(
            "zipkin_reporter_queue_spans",
            "gauge",
            "Spans that wait.",
            figures.queued_spans as u64,
        );
        one(
            "zipkin_reporter_queue_bytes",
            "gauge",
            "Bytes of memory of spans that wait.",
            figures.queued_bytes as u64,
        );
        let name = "zipkin_reporter_spans_dropped_total";
        out.family(name, "counter", "Spans that Zipkin never got, by cause.");
        for (cause, count) in figures.spans_dropped {
            out.sample(name, &[("cause", cause)], count);
        }
    }
}

/// What became of the spans.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReporterFigures {
    /// Reported.
    pub spans: u64,
    /// Taken by the server.
    pub spans_sent: u64,
    /// Dropped, by cause.
    pub spans_dropped: [(&'static str, u64); CAUSES.len()],
    /// Messages, dropped ones included.
    pub messages: u64,
    /// Messages that were not taken.
    pub messages_dropped: u64,
    /// Bytes before packing.
    pub message_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Messages sent again.
    pub retries: u64,
    /// Spans that wait.
    pub queued_spans: usize,
    /// Bytes of memory that they take.
    pub queued_bytes: usize,
}

impl ReporterFigures {
    /// Returns how many spans were dropped for this cause.
    pub fn dropped(&self, cause: &str) -> u64 {
        let all = self.spans_dropped.iter();
        all.filter(|(name, _)| *name == cause).map(|(_, n)| n).sum()
    }

    /// Returns how many spans were dropped.
    pub fn dropped_in_all(&self) -> u64 {
        self.spans_dropped.iter().map(|(_, count)| count).sum()
    }
}
