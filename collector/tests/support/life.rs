//! The parts of the binary that write, put together as it does but without sockets, from a start to
//! an end of one kind or another.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use speargun_collector::inlet::Shared;
use speargun_collector::ledger::{Count, Transport};
use speargun_collector::replay::{self, Summary};
use speargun_collector::reply::Waiters;
use speargun_collector::{
    Committer, Condition, Dial, Handover, HandoverConfig, Inlet, Ledger, Mailbox, Pace, Refusal,
    SyncMode,
};
use speargun_journal::Journal;
use speargun_model::{Bounds, SpanBatch};
use speargun_runtime::{Disk, Machine, ManualClock};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::{NOW_MS, Random};
use speargun_storage::{Position, SpanWriter, WriteError};
use tokio::task::LocalSet;

use crate::sent::{Body, Sent, sampler};

/// A process, from its start on.
pub(crate) struct Life {
    pub(crate) machine: Machine,
    pub(crate) store: Arc<SegmentStore>,
    pub(crate) condition: Arc<Condition>,
    /// What the start read back.
    pub(crate) replayed: Summary,
    ledger: Arc<Ledger>,
    handover: Arc<Handover>,
    mailbox: Arc<Mailbox>,
    committer: JoinHandle<Result<(), WriteError>>,
}

/// The engine of a process, which does not end in order when its machine is off.
#[derive(Debug)]
struct Engine {
    machine: Machine,
    store: Arc<SegmentStore>,
}

impl SpanWriter for Engine {
    fn write(&self, group: &[Arc<SpanBatch>], end: Position) -> Result<(), WriteError> {
        self.store.write(group, end)
    }

    fn ready(&self) -> Result<(), WriteError> {
        self.store.ready()
    }

    fn durable_position(&self) -> Position {
        self.store.durable_position()
    }

    fn close(&self) -> Result<(), WriteError> {
        if self.machine.is_on() {
            self.store.close()
        } else {
            Err(WriteError::Failed("the machine is off".into()))
        }
    }
}

impl Life {
    /// Starts on a machine that does not fail meanwhile.
    pub(crate) fn begin(machine: &Machine) -> Self {
        Self::try_begin(machine).unwrap()
    }

    pub(crate) fn try_begin(machine: &Machine) -> Result<Self, Box<dyn std::error::Error>> {
        let config = Config {
            seal_rows: 40,
            merge_rows: 300,
            retention_age_ms: None,
            ..Config::new("/data/segments")
        };
        let disk: Arc<dyn Disk> = Arc::new(machine.clone());
        let clock = Arc::new(ManualClock::new(NOW_MS));
        let store = SegmentStore::open(config, Arc::clone(&disk), clock)?;
        let journal = speargun_journal::Config {
            dir: PathBuf::from("/data/journal"),
            file_bytes: 16 << 10,
            bytes_max: 1 << 20,
        };
        let mut journal = Journal::open(disk, journal)?;
        let replayed = replay::replay(&mut journal, &*store)?;
        assert_eq!(replayed.unreadable, 0);
        let ledger = Arc::new(Ledger::new(1));
        let handover = Arc::new(Handover::new(HandoverConfig {
            items_max: 64,
            bytes_max: 1 << 20,
        }));
        let mailbox = Arc::new(Mailbox::new(64));
        let condition = Arc::new(Condition::default());
        let engine = Engine {
            machine: machine.clone(),
            store: Arc::clone(&store),
        };
        let committer = Committer {
            handover: Arc::clone(&handover),
            log: Some(journal),
            sync: SyncMode::Sync,
            writer: Arc::new(engine),
            mailboxes: vec![Arc::clone(&mailbox)],
            ledger: Arc::clone(&ledger),
            condition: Arc::clone(&condition),
            position: replayed.end,
            pace: Pace::default(),
        };
        Ok(Self {
            machine: machine.clone(),
            store,
            condition,
            replayed,
            ledger,
            handover,
            mailbox,
            committer: std::thread::spawn(|| committer.run()),
        })
    }

    /// Sends some new bodies at once, as so many connections would; returns how many were refused.
    pub(crate) fn round(&self, random: &mut Random, sent: &mut Sent) -> u64 {
        let bodies: Vec<Body> = (0..=random.below(6)).map(|_| sent.body(random)).collect();
        let was_failed = self.condition.failure().is_some();
        let mut refused = 0;
        for (body, told) in bodies.iter().zip(self.send(&bodies)) {
            match told {
                Ok(()) => {
                    let taken = body.kept().count();
                    assert!(
                        !was_failed || taken == 0,
                        "nothing is taken after a failure"
                    );
                    sent.note(body, true);
                }
                Err(Refusal::Unstored(_)) => {
                    sent.note(body, false);
                    refused += 1;
                }
                Err(other) => panic!("sound bodies are not {other:?}"),
            }
        }
        refused
    }

    /// Returns what each body was told.
    fn send(&self, bodies: &[Body]) -> Vec<Result<(), Refusal>> {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().unwrap();
        LocalSet::new().block_on(&runtime, async {
            let waiters = Rc::new(Waiters::default());
            let (mailbox, handover) = (Arc::clone(&self.mailbox), Arc::clone(&self.handover));
            let delivery = tokio::task::spawn_local(Rc::clone(&waiters).deliver(mailbox, handover));
            let shared = Shared {
                ledger: Arc::clone(&self.ledger),
                handover: Arc::clone(&self.handover),
                sampler: Dial::new(sampler()),
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
                told.push(
                    request
                        .await
                        .unwrap()
                        .map(|left_out| assert_eq!(left_out.spans, 0)),
                );
            }
            delivery.abort();
            told
        })
    }

    /// Asserts that the store answers rightly, unless the machine fails meanwhile.
    pub(crate) fn assert_holds(&self, sent: &Sent) {
        let checked = sent.check(&self.store);
        if self.machine.is_on() {
            checked.unwrap();
        }
    }

    pub(crate) fn assert_balance(&self) {
        let sum = |count| self.ledger.sum(Transport::Http, count);
        let refused = self.ledger.refused(Transport::Http);
        assert_eq!(self.ledger.held(Transport::Http), 0);
        assert_eq!(
            sum(Count::Received),
            sum(Count::Stored) + sum(Count::SampledOut) + refused
        );
    }

    /// Ends in order if the machine is on, else lets go of what is dead.
    pub(crate) fn end(self) {
        self.handover.close();
        let ended = self.committer.join();
        let written = ended.expect("the committer does not panic");
        if self.machine.is_on() && self.condition.failure().is_none() {
            written.unwrap();
        }
    }
}
