//! Outcomes of groups: what is stored, what is refused, and that the ledger balances.

use super::*;
use crate::handover::HandoverConfig;
use crate::ledger::Transport;
use bytes::Bytes;
use speargun_model::batch::SpanRecord;
use std::sync::Mutex;

/// A journal that fails as it is told.
#[derive(Debug, Default)]
struct FakeLog {
    appended: u64,
    full: bool,
    sync_fails: bool,
    released: u64,
}

impl Log for Arc<Mutex<FakeLog>> {
    fn append(&mut self, records: &[Record]) -> Result<u64, JournalError> {
        let mut log = self.lock().unwrap();
        if log.full {
            return Err(JournalError::Full("a test".into()));
        }
        log.appended += records.len() as u64;
        Ok(log.appended)
    }

    fn sync(&mut self) -> Result<(), JournalError> {
        if self.lock().unwrap().sync_fails {
            return Err(JournalError::Failed("a test".into()));
        }
        Ok(())
    }

    fn release(&mut self, position: u64) {
        self.lock().unwrap().released = position;
    }
}

/// An engine that answers as it is told.
#[derive(Debug, Default)]
struct FakeEngine {
    busy: Mutex<bool>,
    unready: Mutex<bool>,
    groups: Mutex<Vec<(usize, u64)>>,
    closed: Mutex<bool>,
}

impl SpanWriter for FakeEngine {
    fn write(&self, group: &[Arc<SpanBatch>], end: Position) -> Result<(), WriteError> {
        if *self.busy.lock().unwrap() {
            return Err(WriteError::Busy("a test".into()));
        }
        self.groups.lock().unwrap().push((group.len(), end.0));
        Ok(())
    }

    fn ready(&self) -> Result<(), WriteError> {
        if *self.unready.lock().unwrap() {
            return Err(WriteError::Busy("a test".into()));
        }
        Ok(())
    }

    fn durable_position(&self) -> Position {
        Position(
            self.groups
                .lock()
                .unwrap()
                .last()
                .map_or(0, |group| group.1),
        )
    }

    fn close(&self) -> Result<(), WriteError> {
        *self.closed.lock().unwrap() = true;
        Ok(())
    }
}

struct Bench {
    committer: Committer<Arc<Mutex<FakeLog>>>,
    log: Arc<Mutex<FakeLog>>,
    engine: Arc<FakeEngine>,
    slot: u32,
}

impl Bench {
    fn new() -> Self {
        let log = Arc::new(Mutex::new(FakeLog::default()));
        let engine = Arc::new(FakeEngine::default());
        let writer = Arc::clone(&engine) as Arc<dyn SpanWriter>;
        Self {
            committer: Committer {
                handover: Arc::new(Handover::new(HandoverConfig {
                    items_max: 16,
                    bytes_max: 1 << 20,
                })),
                log: Some(Arc::clone(&log)),
                sync: SyncMode::Sync,
                writer,
                mailboxes: vec![Arc::new(Mailbox::new(16))],
                ledger: Arc::new(Ledger::new(1)),
                condition: Arc::default(),
                position: 0,
                pace: Pace::default(),
            },
            log,
            engine,
            slot: 0,
        }
    }

    /// Hands over a batch of so many spans.
    fn push(&mut self, spans: usize) {
        let batch = SpanBatch {
            spans: vec![SpanRecord::default(); spans],
            ..SpanBatch::default()
        };
        let ledger = &self.committer.ledger;
        ledger.hold(ledger.page(0), Transport::Http, spans as u64);
        let pushed = self.committer.handover.push(Parcel {
            record: Record::new([0; 16], Bytes::from_static(b"body")),
            batch: Arc::new(batch),
            transport: Transport::Http,
            bytes: 100,
            shard: 0,
            slot: self.slot,
        });
        assert_eq!(pushed, Ok(()));
        self.slot += 1;
    }

    /// Commits one group, and returns the outcomes in order.
    fn commit(&mut self) -> Vec<Outcome> {
        let mut group = Vec::new();
        self.committer.gather(&mut group);
        let outcome = self.committer.commit(&group);
        self.committer.answer(&mut group, outcome);
        let mailbox = &self.committer.mailboxes[0];
        std::iter::from_fn(|| mailbox.take())
            .map(|(_, outcome)| outcome)
            .collect()
    }

    fn sum(&self, count: Count) -> u64 {
        self.committer.ledger.sum(Transport::Http, count)
    }
}

#[test]
fn what_waits_is_one_group_with_one_sync() {
    let mut bench = Bench::new();
    for spans in [1, 2, 3] {
        bench.push(spans);
    }
    assert_eq!(bench.commit(), [Outcome::Stored; 3]);
    assert_eq!(bench.committer.condition.groups_and_syncs(), (1, 1));
    assert_eq!(*bench.engine.groups.lock().unwrap(), [(3, 3)]);
    assert_eq!(bench.log.lock().unwrap().released, 3);
    assert_eq!(bench.sum(Count::Stored), 6);
    assert_eq!(bench.committer.ledger.held(Transport::Http), 0);
    assert_eq!(bench.committer.handover.used().1, 0);
}

#[test]
fn a_full_journal_refuses_until_there_is_space() {
    let mut bench = Bench::new();
    bench.log.lock().unwrap().full = true;
    bench.push(5);
    assert_eq!(bench.commit(), [Outcome::Refused(Reason::JournalFull)]);
    assert!(bench.committer.condition.is_full());
    assert!(bench.committer.condition.trouble().is_some());
    assert_eq!(bench.committer.condition.failure(), None);
    bench.log.lock().unwrap().full = false;
    bench.push(5);
    assert_eq!(bench.commit(), [Outcome::Stored]);
    assert!(!bench.committer.condition.is_full());
    assert_eq!(bench.committer.condition.trouble(), None);
    assert_eq!(bench.sum(Count::Refused(Reason::JournalFull)), 5);
    assert_eq!(bench.sum(Count::Stored), 5);
}

#[test]
fn a_full_journal_is_trouble_for_a_while_only() {
    let condition = Condition::default();
    condition.set_full(true, "a test");
    assert!(condition.trouble().is_some());
    *condition.full.lock() = Instant::now().checked_sub(KNOWN_FULL);
    assert!(condition.is_full());
    assert_eq!(condition.trouble(), None);
    condition.set_full(true, "a test");
    assert!(condition.trouble().is_some(), "it was tried again");
}

#[test]
fn a_failed_sync_ends_all_writing() {
    let mut bench = Bench::new();
    bench.log.lock().unwrap().sync_fails = true;
    bench.push(1);
    assert_eq!(bench.commit(), [Outcome::Refused(Reason::Failed)]);
    bench.log.lock().unwrap().sync_fails = false;
    bench.push(1);
    assert_eq!(bench.commit(), [Outcome::Refused(Reason::Failed)]);
    assert!(bench.engine.groups.lock().unwrap().is_empty());
    assert_eq!(bench.log.lock().unwrap().appended, 1);
    let why = bench.committer.condition.failure().unwrap();
    assert!(why.contains("a test"), "{why}");
}

#[test]
fn a_busy_engine_refuses_and_recovers() {
    let mut bench = Bench::new();
    *bench.engine.busy.lock().unwrap() = true;
    bench.push(4);
    assert_eq!(bench.commit(), [Outcome::Refused(Reason::StorageBusy)]);
    *bench.engine.busy.lock().unwrap() = false;
    bench.push(4);
    assert_eq!(bench.commit(), [Outcome::Stored]);
    assert_eq!(*bench.engine.groups.lock().unwrap(), [(1, 2)]);
}

#[test]
fn without_syncing_nothing_is_synced() {
    let mut bench = Bench::new();
    bench.committer.sync = SyncMode::Os;
    bench.log.lock().unwrap().sync_fails = true;
    bench.push(1);
    assert_eq!(bench.commit(), [Outcome::Stored]);
    assert_eq!(bench.committer.condition.groups_and_syncs(), (1, 0));
}

#[test]
fn closing_writes_what_waits_and_closes_the_engine() {
    let mut bench = Bench::new();
    bench.push(2);
    bench.committer.handover.close();
    let ledger = Arc::clone(&bench.committer.ledger);
    bench.committer.run().unwrap();
    assert_eq!(ledger.sum(Transport::Http, Count::Stored), 2);
    assert!(*bench.engine.closed.lock().unwrap());
}

#[test]
fn only_a_group_smaller_than_the_one_before_waits_a_fraction_of_a_sync() {
    let mut pace = Pace::default();
    assert_eq!(pace.linger(1, 0), None, "nothing is known yet");
    for _ in 0..100 {
        pace.synced(Duration::from_millis(2));
    }
    pace.last_group = 16;
    let wait = pace.linger(3, 100).unwrap();
    assert!((Duration::from_micros(450)..=Duration::from_micros(500)).contains(&wait));
    assert_eq!(pace.linger(16, 100), None, "as many as before");
    assert_eq!(pace.linger(3, LINGER_BELOW_BYTES), None, "worth a sync");
    for _ in 0..100 {
        pace.synced(Duration::from_secs(1));
    }
    assert_eq!(pace.linger(3, 100), Some(LINGER_MAX));
    for _ in 0..100 {
        pace.synced(Duration::ZERO);
    }
    assert_eq!(pace.linger(3, 100), None, "a wait that saves nothing");
}

#[test]
fn what_an_unready_engine_refuses_is_not_in_the_journal() {
    let mut bench = Bench::new();
    *bench.engine.unready.lock().unwrap() = true;
    bench.push(4);
    assert_eq!(bench.commit(), [Outcome::Refused(Reason::StorageBusy)]);
    assert_eq!(bench.committer.position, 0);
    *bench.engine.unready.lock().unwrap() = false;
    bench.push(4);
    assert_eq!(bench.commit(), [Outcome::Stored]);
}
