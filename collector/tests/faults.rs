//! The whole write path, as the binary puts it together but without sockets, on a disk that loses
//! power, runs full and breaks: what was acknowledged is found, each span once, after any number of
//! lives. The kill of the real process is in `crash`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use speargun_collector::inlet::{Message, Shared};
use speargun_collector::ledger::{Count, Transport};
use speargun_collector::reply::Waiters;
use speargun_collector::{
    Committer, Condition, Encoding, Handover, HandoverConfig, Inlet, Ledger, Mailbox, Pace,
    Refusal, Sampler, SyncMode, replay,
};
use speargun_journal::Journal;
use speargun_model::codec::{Format, json_v2, proto3};
use speargun_model::{Bounds, Span, SpanId, TraceId};
use speargun_runtime::{Disk, ManualClock, SimulatedDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::{NOW_MS, NOW_US, Random};
use speargun_storage::{ReadContext, SpanReader, SpanWriter, WriteError};
use tokio::task::LocalSet;

const SEEDS: u64 = 12;
const LIVES: u64 = 5;
const ROUNDS: u64 = 25;

/// The parts of the binary that write, alive.
struct Life {
    store: Arc<SegmentStore>,
    ledger: Arc<Ledger>,
    handover: Arc<Handover>,
    mailbox: Arc<Mailbox>,
    condition: Arc<Condition>,
    committer: Option<JoinHandle<Result<(), WriteError>>>,
}

fn sampler() -> Sampler {
    Sampler::new(0.75).unwrap()
}

impl Life {
    fn begin(disk: &SimulatedDisk) -> Self {
        let config = Config {
            seal_rows: 40,
            merge_rows: 300,
            retention_age_ms: None,
            ..Config::new("/data/segments")
        };
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let clock = Arc::new(ManualClock::new(NOW_MS));
        let store = SegmentStore::open(config, Arc::clone(&disk), clock).unwrap();
        let journal = speargun_journal::Config {
            dir: PathBuf::from("/data/journal"),
            file_bytes: 16 << 10,
            bytes_max: 1 << 20,
        };
        let mut journal = Journal::open(disk, journal).unwrap();
        let found = replay::replay(&mut journal, &*store, Bounds::default()).unwrap();
        assert_eq!(found.unreadable, 0);
        let ledger = Arc::new(Ledger::new(1));
        let handover = Arc::new(Handover::new(HandoverConfig {
            items_max: 64,
            bytes_max: 1 << 20,
        }));
        let mailbox = Arc::new(Mailbox::new(64));
        let condition = Arc::new(Condition::default());
        let committer = Committer {
            handover: Arc::clone(&handover),
            log: Some(journal),
            sync: SyncMode::Sync,
            writer: Arc::clone(&store) as Arc<dyn SpanWriter>,
            mailboxes: vec![Arc::clone(&mailbox)],
            ledger: Arc::clone(&ledger),
            condition: Arc::clone(&condition),
            position: found.end,
            pace: Pace::default(),
        };
        Self {
            store,
            ledger,
            handover,
            mailbox,
            condition,
            committer: Some(std::thread::spawn(|| committer.run())),
        }
    }

    /// Sends the bodies at once, as so many connections would; returns what each was told.
    fn send(&self, bodies: &[Body]) -> Vec<Result<(), Refusal>> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, async {
            let waiters = Rc::new(Waiters::default());
            let (mailbox, handover) = (Arc::clone(&self.mailbox), Arc::clone(&self.handover));
            let delivery = tokio::task::spawn_local(Rc::clone(&waiters).deliver(mailbox, handover));
            let shared = Shared {
                ledger: Arc::clone(&self.ledger),
                handover: Arc::clone(&self.handover),
                sampler: sampler(),
                bounds: Bounds::default(),
            };
            let inlet = Rc::new(Inlet::new(shared, 0, waiters));
            let requests: Vec<_> = bodies
                .iter()
                .map(|body| {
                    let (inlet, message) = (Rc::clone(&inlet), body.message());
                    tokio::task::spawn_local(async move { inlet.take(message).await })
                })
                .collect();
            let mut told = Vec::new();
            for request in requests {
                told.push(request.await.unwrap());
            }
            delivery.abort();
            told
        })
    }

    fn assert_balance(&self) {
        let sum = |count| self.ledger.sum(Transport::Http, count);
        let refused = self.ledger.refused(Transport::Http);
        assert_eq!(self.ledger.held(Transport::Http), 0);
        assert_eq!(
            sum(Count::Received),
            sum(Count::Stored) + sum(Count::SampledOut) + refused
        );
    }

    /// Ends what runs, however the disk is; an orderly end when it is well.
    fn end(mut self) {
        self.handover.close();
        let ended = self.committer.take().map(JoinHandle::join);
        assert!(ended.is_some_and(|ended| ended.is_ok()), "no thread panics");
    }

    fn assert_holds(&self, acknowledged: &[Body]) {
        for body in acknowledged {
            for kept in body.kept() {
                let id = kept.trace_id;
                let found = self.store.trace(id, &ReadContext::default()).unwrap();
                let times = found.iter().filter(|span| **span == kept).count();
                assert_eq!(times, 1, "{id} {}: {found:?}", kept.id);
            }
        }
        assert_eq!(self.store.stats().corrupt_reads, 0);
    }
}

/// A request's body.
#[derive(Clone)]
struct Body {
    spans: Vec<Span>,
    format: Format,
    zipped: bool,
}

impl Body {
    fn random(random: &mut Random, next_id: &mut u64) -> Self {
        let count = 1 + random.below(8);
        let spans = (0..count).map(|_| {
            *next_id += 1;
            // A few spans a trace, in bodies that follow one another.
            let low = (*next_id / 5 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Span {
                trace_id: TraceId { high: 7, low },
                id: SpanId(*next_id),
                name: Some(format!("call {}", random.below(4))),
                timestamp_us: NOW_US + *next_id,
                duration_us: 1 + random.below(1000),
                tags: vec![("n".to_owned(), "x".repeat(random.below(300) as usize))],
                debug: random.once_in(20),
                ..Span::default()
            }
        });
        Self {
            spans: spans.collect(),
            format: [Format::JsonV2, Format::Proto3][random.below(2) as usize],
            zipped: random.once_in(3),
        }
    }

    fn message(&self) -> Message {
        let mut body = Vec::new();
        match self.format {
            Format::JsonV2 => json_v2::encode_spans(&self.spans, &mut body),
            Format::Proto3 => proto3::encode_spans(&self.spans, &mut body),
        }
        let encoding = if self.zipped {
            use std::io::Write;
            let mut zip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            zip.write_all(&body).unwrap();
            body = zip.finish().unwrap();
            Encoding::Gzip
        } else {
            Encoding::Identity
        };
        Message {
            transport: Transport::Http,
            format: self.format,
            encoding,
            body: Bytes::from(body),
        }
    }

    /// Returns the spans that sampling keeps.
    fn kept(&self) -> Vec<Span> {
        let boundary = sampler().boundary();
        let keeps = |span: &&Span| {
            let low = span.trace_id.low.cast_signed();
            span.debug || low.checked_abs().unwrap_or(i64::MAX) <= boundary
        };
        self.spans.iter().filter(keeps).cloned().collect()
    }
}

/// Lets a round's worth of bodies in; those that are acknowledged are remembered.
fn round(life: &Life, random: &mut Random, next_id: &mut u64, acknowledged: &mut Vec<Body>) -> u64 {
    let bodies: Vec<Body> = (0..=random.below(6))
        .map(|_| Body::random(random, next_id))
        .collect();
    let told = life.send(&bodies);
    let mut refused = 0;
    for (body, told) in bodies.into_iter().zip(told) {
        match told {
            Ok(()) => acknowledged.push(body),
            Err(Refusal::Unstored(_)) => refused += 1,
            Err(other) => panic!("sound bodies are not {other:?}"),
        }
    }
    refused
}

fn used(disk: &SimulatedDisk) -> u64 {
    let size = |folder: &str| -> u64 {
        let files = disk.list(folder.as_ref()).unwrap();
        files
            .iter()
            .map(|path| disk.content(path).unwrap().len() as u64)
            .sum()
    };
    size("/data/segments") + size("/data/journal")
}

#[test]
fn what_was_acknowledged_outlives_power_cuts() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut random = Random::seeded(seed);
        let disk = SimulatedDisk::new();
        let (mut acknowledged, mut next_id) = (Vec::new(), 0);
        for life in 0..LIVES {
            let alive = Life::begin(&disk);
            alive.assert_holds(&acknowledged);
            for _ in 0..random.below(ROUNDS) {
                let refused = round(&alive, &mut random, &mut next_id, &mut acknowledged);
                assert_eq!(refused, 0, "a well disk takes all");
            }
            alive.assert_holds(&acknowledged);
            alive.assert_balance();
            // The last life ends in order, all others by a cut.
            if life + 1 < LIVES {
                disk.crash(random.below(u64::MAX));
            }
            alive.end();
        }
        assert!(!acknowledged.is_empty());
        Life::begin(&disk).assert_holds(&acknowledged);
    }
}

#[test]
fn a_full_disk_refuses_and_recovers_by_itself() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut random = Random::seeded(seed + 1000);
        let disk = SimulatedDisk::new();
        let (mut acknowledged, mut next_id) = (Vec::new(), 0);
        let alive = Life::begin(&disk);
        for _ in 0..4 {
            for _ in 0..random.below(ROUNDS) {
                round(&alive, &mut random, &mut next_id, &mut acknowledged);
            }
            disk.set_capacity(Some(used(&disk) + random.below(6000)));
            while round(&alive, &mut random, &mut next_id, &mut acknowledged) == 0 {}
            alive.assert_holds(&acknowledged);
            assert_eq!(alive.condition.failure(), None, "a full disk is no failure");
            disk.set_capacity(None);
            while round(&alive, &mut random, &mut next_id, &mut acknowledged) > 0 {}
        }
        alive.assert_holds(&acknowledged);
        alive.assert_balance();
        disk.crash(seed);
        alive.end();
        Life::begin(&disk).assert_holds(&acknowledged);
    }
}

#[test]
fn a_disk_that_fails_ends_writing_until_a_restart_and_loses_nothing() {
    let mut failed = 0;
    for seed in 0..SEEDS * 2 {
        println!("seed {seed}");
        let mut random = Random::seeded(seed + 2000);
        let disk = SimulatedDisk::new();
        let (mut acknowledged, mut next_id) = (Vec::new(), 0);
        let alive = Life::begin(&disk);
        for _ in 0..random.below(ROUNDS) {
            round(&alive, &mut random, &mut next_id, &mut acknowledged);
        }
        if random.once_in(2) {
            disk.fail_sync(random.below(3), seed);
        } else {
            disk.fail_write(random.below(3), seed);
        }
        for _ in 0..ROUNDS {
            round(&alive, &mut random, &mut next_id, &mut acknowledged);
        }
        if alive.condition.failure().is_some() {
            failed += 1;
            let before = acknowledged.len();
            assert!(round(&alive, &mut random, &mut next_id, &mut acknowledged) > 0);
            // Only bodies of which nothing is kept are taken now.
            assert!(
                acknowledged
                    .iter()
                    .skip(before)
                    .all(|body| body.kept().is_empty())
            );
        }
        alive.assert_holds(&acknowledged);
        alive.assert_balance();
        disk.crash(seed);
        disk.forget_faults();
        alive.end();
        let again = Life::begin(&disk);
        again.assert_holds(&acknowledged);
        while round(&again, &mut random, &mut next_id, &mut acknowledged) > 0 {}
        again.assert_holds(&acknowledged);
    }
    assert!(failed > 0, "some faults hit the journal");
}

#[test]
fn a_flipped_bit_in_a_segment_costs_only_its_page() {
    let mut random = Random::seeded(7);
    let disk = SimulatedDisk::new();
    let (mut acknowledged, mut next_id) = (Vec::new(), 0);
    let alive = Life::begin(&disk);
    while alive.store.stats().segments < 4 {
        round(&alive, &mut random, &mut next_id, &mut acknowledged);
    }
    let segments = disk.list("/data/segments".as_ref()).unwrap();
    let segment = segments
        .iter()
        .find(|path| path.extension().is_some())
        .unwrap();
    disk.flip_bit(segment, 400, 3).unwrap();
    alive.end();
    let again = Life::begin(&disk);
    let kept: Vec<Span> = acknowledged.iter().flat_map(Body::kept).collect();
    let mut lost = 0;
    for span in &kept {
        let found = again
            .store
            .trace(span.trace_id, &ReadContext::default())
            .unwrap();
        let times = found.iter().filter(|other| *other == span).count();
        assert!(times <= 1);
        lost += usize::from(times == 0);
    }
    assert!(lost > 0 && lost < kept.len(), "{lost} of {}", kept.len());
    assert!(again.store.stats().corrupt_reads > 0, "it is reported");
}
