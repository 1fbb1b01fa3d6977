//! Where every span went. Each thread counts in a cell of its own; whoever asks gets the sum.
//! Zipkin's counters are read off the same figures, so the two can't disagree.
//!
//! For each transport, once nothing is under way: `received = stored + sampled_out + refused +
//! held`. Spans of a body that can't be decoded can't be counted: such a body is a dropped message.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crossbeam_utils::CachePadded;

/// A way in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// `POST /api/v2/spans`.
    Http,
    /// `zipkin.proto3.SpanService/Report`.
    Grpc,
    /// The server's own spans.
    Local,
    /// `POST /v1/traces`.
    OtlpHttp,
    /// `opentelemetry.proto.collector.trace.v1.TraceService/Export`.
    OtlpGrpc,
    /// Topics of Kafka.
    Kafka,
    /// A queue of `RabbitMQ`.
    RabbitMq,
}

impl Transport {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::Http,
        Self::Grpc,
        Self::OtlpHttp,
        Self::OtlpGrpc,
        Self::Kafka,
        Self::RabbitMq,
        Self::Local,
    ];

    /// Returns the name in metrics; OTLP's are those of Zipkin's module for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Local => "local",
            Self::OtlpHttp => "otel/http",
            Self::OtlpGrpc => "otel/grpc",
            Self::Kafka => "kafka",
            Self::RabbitMq => "rabbitmq",
        }
    }

    /// Returns whether messages wait elsewhere and are fetched: what can't be stored now is not
    /// refused but stays under way, and is tried again.
    pub fn is_queue(self) -> bool {
        matches!(self, Self::Kafka | Self::RabbitMq)
    }
}

/// Why spans that were decoded are neither stored nor sampled out. The sender was told so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The hand-over queue was full.
    Busy,
    /// The journal had no space.
    JournalFull,
    /// The engine was busy.
    StorageBusy,
    /// The journal or the engine has failed.
    Failed,
    /// The process was ending.
    Closing,
    /// The span is none, as it has no valid ids; the others of its message are not touched.
    Invalid,
}

impl Reason {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 6] = [
        Self::Busy,
        Self::JournalFull,
        Self::StorageBusy,
        Self::Failed,
        Self::Closing,
        Self::Invalid,
    ];

    /// Returns the label in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::JournalFull => "journal_full",
            Self::StorageBusy => "storage_busy",
            Self::Failed => "failed",
            Self::Closing => "closing",
            Self::Invalid => "invalid",
        }
    }
}

/// Something that is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Count {
    /// Messages seen.
    Messages,
    /// Failures of messages, as Zipkin counts them: one that fails in decoding counts twice.
    MessagesDropped,
    /// Bytes of messages after inflating.
    Bytes,
    /// Spans decoded.
    Received,
    /// Spans that the sampler left out.
    SampledOut,
    /// Spans stored.
    Stored,
    /// Spans refused.
    Refused(Reason),
}

const COUNTS: usize = 6 + Reason::ALL.len();
/// The last place of a cell: spans under way, which goes up on one thread and down on another.
const HELD: usize = COUNTS;

impl Count {
    fn index(self) -> usize {
        match self {
            Self::Messages => 0,
            Self::MessagesDropped => 1,
            Self::Bytes => 2,
            Self::Received => 3,
            Self::SampledOut => 4,
            Self::Stored => 5,
            Self::Refused(reason) => 6 + reason as usize,
        }
    }
}

#[derive(Debug, Default)]
struct Cell {
    transports: [[AtomicU64; COUNTS + 1]; Transport::ALL.len()],
}

/// The counters of one process.
#[derive(Debug)]
pub struct Ledger {
    cells: Box<[CachePadded<Cell>]>,
    /// Spans and bytes of the last message of each transport, Zipkin's two gauges.
    last: [CachePadded<[AtomicU64; 2]>; Transport::ALL.len()],
    /// Whether a transport that is not always there is in use.
    in_use: [AtomicBool; Transport::ALL.len()],
}

/// One thread's part of the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Page(usize);

impl Ledger {
    /// Returns a ledger for so many shards and the committer.
    pub fn new(shards: usize) -> Self {
        Self {
            cells: (0..=shards).map(|_| CachePadded::default()).collect(),
            last: Default::default(),
            in_use: Default::default(),
        }
    }

    /// Says that a transport is in use, which HTTP and gRPC always are.
    pub fn open(&self, transport: Transport) {
        let in_use = &self.in_use[transport as usize];
        // This is said for each request, and all threads share the line that a store would take.
        if !in_use.load(Ordering::Relaxed) {
            in_use.store(true, Ordering::Relaxed);
        }
    }

    /// Returns the transports in use, in the order in which they are shown.
    pub fn transports(&self) -> impl Iterator<Item = Transport> {
        Transport::ALL.into_iter().filter(|transport| {
            matches!(transport, Transport::Http | Transport::Grpc)
                || self.in_use[*transport as usize].load(Ordering::Relaxed)
        })
    }

    /// Returns how many threads have a page beside the committer.
    pub fn threads(&self) -> usize {
        self.cells.len() - 1
    }

    /// Returns the page of a shard; those beyond the last share one.
    pub fn page(&self, shard: usize) -> Page {
        Page(shard.min(self.cells.len() - 1))
    }

    /// Returns the committer's page.
    pub fn committers_page(&self) -> Page {
        Page(self.cells.len() - 1)
    }

    /// Adds to a counter.
    pub fn add(&self, page: Page, transport: Transport, (count, n): (Count, u64)) {
        self.at(page, transport, count.index())
            .fetch_add(n, Ordering::Relaxed);
    }

    /// Says that `n` spans are under way.
    pub fn hold(&self, page: Page, transport: Transport, n: u64) {
        self.at(page, transport, HELD)
            .fetch_add(n, Ordering::Relaxed);
    }

    /// Says that `n` spans are under way no more. The page may be another one; the sum counts.
    pub fn let_go(&self, page: Page, transport: Transport, n: u64) {
        self.at(page, transport, HELD)
            .fetch_sub(n, Ordering::Relaxed);
    }

    /// Notes the size of the message now seen.
    pub fn note_bytes(&self, transport: Transport, bytes: u64) {
        self.last[transport as usize][1].store(bytes, Ordering::Relaxed);
    }

    /// Notes the number of spans of the message now seen.
    pub fn note_spans(&self, transport: Transport, spans: u64) {
        self.last[transport as usize][0].store(spans, Ordering::Relaxed);
    }

    /// Returns a counter's sum.
    pub fn sum(&self, transport: Transport, count: Count) -> u64 {
        self.sum_at(transport, count.index())
    }

    /// Returns how many spans are under way.
    pub fn held(&self, transport: Transport) -> u64 {
        self.sum_at(transport, HELD)
    }

    /// Returns the sum of all refused spans.
    pub fn refused(&self, transport: Transport) -> u64 {
        Reason::ALL
            .iter()
            .map(|reason| self.sum(transport, Count::Refused(*reason)))
            .sum()
    }

    /// Returns spans and bytes of the last message.
    pub fn last_message(&self, transport: Transport) -> (u64, u64) {
        let [spans, bytes] = &*self.last[transport as usize];
        (spans.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed))
    }

    fn at(&self, page: Page, transport: Transport, index: usize) -> &AtomicU64 {
        &self.cells[page.0].transports[transport as usize][index]
    }

    fn sum_at(&self, transport: Transport, index: usize) -> u64 {
        self.cells
            .iter()
            .map(|cell| cell.transports[transport as usize][index].load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_change_threads_are_held_once() {
        let ledger = Ledger::new(2);
        ledger.hold(ledger.page(0), Transport::Http, 5);
        ledger.hold(ledger.page(1), Transport::Http, 7);
        ledger.let_go(ledger.committers_page(), Transport::Http, 9);
        assert_eq!(ledger.held(Transport::Http), 3);
        assert_eq!(ledger.held(Transport::Grpc), 0);
    }

    #[test]
    fn a_transport_is_shown_once_it_is_in_use() {
        let ledger = Ledger::new(1);
        let shown = || ledger.transports().map(Transport::name).collect::<Vec<_>>();
        assert_eq!(shown(), ["http", "grpc"]);
        for _ in 0..2 {
            ledger.open(Transport::Local);
            assert_eq!(shown(), ["http", "grpc", "local"]);
        }
    }

    #[test]
    fn every_count_has_a_place_of_its_own() {
        let ledger = Ledger::new(1);
        let mut counts = vec![
            Count::Messages,
            Count::MessagesDropped,
            Count::Bytes,
            Count::Received,
            Count::SampledOut,
            Count::Stored,
        ];
        counts.extend(Reason::ALL.map(Count::Refused));
        for (n, count) in (1..).zip(&counts) {
            ledger.add(ledger.page(0), Transport::Grpc, (*count, n));
        }
        for (n, count) in (1..).zip(&counts) {
            assert_eq!(ledger.sum(Transport::Grpc, *count), n, "{count:?}");
        }
        assert_eq!(ledger.held(Transport::Grpc), 0);
    }
}
