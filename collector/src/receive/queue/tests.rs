//! A consumer over a real committer and an engine that is told when it has room.

use super::*;
use crate::commit::{Committer, Pace, SyncMode};
use crate::handover::HandoverConfig;
use crate::ledger::{Count, Ledger, Reason};
use crate::sample::Sampler;
use speargun_journal::Journal;
use speargun_model::SpanBatch;
use speargun_model::batch::Bounds;
use speargun_storage::{Position, SpanWriter, WriteError};
use std::sync::atomic::AtomicUsize;

/// An engine without room for the first writes.
#[derive(Debug, Default)]
struct Engine {
    busy_for: AtomicUsize,
    stored: AtomicUsize,
}

impl SpanWriter for Engine {
    fn write(&self, group: &[Arc<SpanBatch>], _: Position) -> Result<(), WriteError> {
        let spans: usize = group.iter().map(|batch| batch.spans.len()).sum();
        self.stored.fetch_add(spans, Ordering::SeqCst);
        Ok(())
    }

    fn ready(&self) -> Result<(), WriteError> {
        let busy = self
            .busy_for
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
        match busy {
            Ok(_) => Err(WriteError::Busy("a test".into())),
            Err(_) => Ok(()),
        }
    }

    fn durable_position(&self) -> Position {
        Position(0)
    }

    fn close(&self) -> Result<(), WriteError> {
        Ok(())
    }
}

struct Stage {
    shared: Shared,
    engine: Arc<Engine>,
    standing: Arc<Standing>,
    ending: watch::Sender<bool>,
}

impl Stage {
    fn new(busy_for: usize) -> Self {
        let engine = Arc::new(Engine::default());
        engine.busy_for.store(busy_for, Ordering::SeqCst);
        Self {
            shared: Shared {
                ledger: Arc::new(Ledger::new(1)),
                handover: Arc::new(Handover::new(HandoverConfig {
                    items_max: 2,
                    bytes_max: 1 << 20,
                })),
                sampler: crate::Dial::new(Sampler::KEEP_ALL),
                bounds: Bounds {
                    body_bytes_max: 4096,
                    ..Bounds::default()
                },
            },
            engine,
            standing: Arc::new(Standing::new(Transport::Kafka, "Queue{}".into(), 1)),
            ending: watch::Sender::new(false),
        }
    }

    /// Runs a consumer until it returns, then the committer until it is through.
    fn run<F: Future<Output = ()>>(&self, consumer: impl FnOnce(Rc<Intake>) -> F) {
        let mailbox = Arc::new(Mailbox::new(2));
        let committer = Committer::<Journal> {
            handover: Arc::clone(&self.shared.handover),
            log: None,
            sync: SyncMode::Off,
            writer: Arc::clone(&self.engine) as Arc<dyn SpanWriter>,
            mailboxes: vec![Arc::clone(&mailbox)],
            ledger: Arc::clone(&self.shared.ledger),
            condition: Arc::default(),
            position: 0,
            pace: Pace::default(),
        };
        let committer = std::thread::spawn(move || committer.run());
        let seat = Seat {
            shard: 0,
            mailbox,
            number: 0,
            standing: Arc::clone(&self.standing),
            ending: self.ending.subscribe(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build_local(tokio::runtime::LocalOptions::default())
            .unwrap();
        runtime.block_on(consume(self.shared.clone(), seat, consumer));
        self.shared.handover.close();
        committer.join().unwrap().unwrap();
    }

    fn sum(&self, count: Count) -> u64 {
        self.shared.ledger.sum(Transport::Kafka, count)
    }

    fn held(&self) -> u64 {
        self.shared.ledger.held(Transport::Kafka)
    }
}

fn list(trace: u64) -> String {
    format!(r#"[{{"traceId":"{trace:x}","id":"1"}},{{"traceId":"{trace:x}","id":"2"}}]"#)
}

#[test]
fn messages_wait_for_room_and_all_are_stored() {
    let stage = Stage::new(3);
    stage.run(|intake| async move {
        let mut receipts = Vec::new();
        for trace in 1..=3 {
            receipts.push(intake.admit(list(trace).as_bytes()).await);
            // The queue has two places, so the third waits for the outcome of the others.
            if receipts.len() == 2 {
                for receipt in receipts.drain(..) {
                    assert_eq!(intake.settle(receipt).await, Fate::Done);
                }
            }
        }
        for receipt in receipts {
            assert_eq!(intake.settle(receipt).await, Fate::Done);
        }
    });
    assert_eq!(stage.engine.stored.load(Ordering::SeqCst), 6);
    assert_eq!(stage.sum(Count::Received), 6);
    assert_eq!(stage.sum(Count::Stored), 6);
    assert_eq!(stage.shared.ledger.refused(Transport::Kafka), 0);
    assert_eq!(stage.held(), 0);
    assert!(stage.standing.waits() >= 3);
}

#[test]
fn what_can_not_be_stored_is_left_when_the_process_ends() {
    let stage = Stage::new(usize::MAX);
    stage.run(|intake| {
        let ending = &stage.ending;
        async move {
            let receipt = intake.admit(list(1).as_bytes()).await;
            ending.send_replace(true);
            assert_eq!(intake.settle(receipt).await, Fate::Left);
            assert!(intake.is_ending());
            intake.ended().await;
        }
    });
    assert_eq!(stage.sum(Count::Received), 2);
    assert_eq!(stage.sum(Count::Refused(Reason::StorageBusy)), 2);
    assert_eq!(stage.held(), 0);
}

#[test]
fn what_is_no_list_of_spans_is_skipped_and_counted_by_reason() {
    let stage = Stage::new(0);
    stage.run(|intake| async move {
        let large = format!("[{}]", " ".repeat(5000));
        for payload in ["hello", "[{}]", "[{\"traceId\":\"x\"}]", &large, "", "[]"] {
            let receipt = intake.admit(payload.as_bytes()).await;
            assert_eq!(intake.settle(receipt).await, Fate::Done, "{payload}");
        }
        intake.skip_unreadable(40, "a checksum is wrong");
    });
    let skipped = Skip::ALL.map(|skip| stage.standing.skipped(skip));
    assert_eq!(skipped, [1, 2, 1, 40]);
    assert_eq!(stage.sum(Count::Messages), 46);
    assert_eq!(stage.sum(Count::MessagesDropped), 44);
    assert_eq!(stage.sum(Count::Received), 0);
}

#[test]
fn trouble_is_that_of_any_consumer() {
    let standing = Arc::new(Standing::new(Transport::RabbitMq, "Queue{}".into(), 2));
    assert_eq!(standing.trouble().as_deref(), Some("not connected yet"));
    let stage = Stage {
        standing: Arc::clone(&standing),
        ..Stage::new(0)
    };
    stage.run(|intake| async move {
        intake.connected();
        intake.behind(7);
    });
    assert_eq!(standing.trouble().as_deref(), Some("not connected yet"));
    assert_eq!(standing.behind(), 7);
    let stage = Stage::new(0);
    stage.run(|intake| async move {
        intake.connected();
        intake.failed("no host kafka".to_owned());
    });
    assert_eq!(stage.standing.trouble().as_deref(), Some("no host kafka"));
}

#[test]
fn one_span_of_thrift_becomes_a_list() {
    let span = b"\x0a\0\x01\0\0\0\0\0\0\0\x01\x0a\0\x04\0\0\0\0\0\0\0\x02\0";
    let (format, body) = list_of(span).unwrap();
    assert_eq!(format, Format::Thrift);
    assert_eq!(body[..5], LIST_OF_ONE);
    let mut batch = SpanBatch::default();
    speargun_model::codec::decode(format, body, &Bounds::default(), &mut batch).unwrap();
    assert_eq!(batch.spans.len(), 1);
    let list = [&LIST_OF_ONE[..], span].concat();
    assert_eq!(list_of(&list).unwrap().1, list);
    let many = b"\x0c\0\x01\0\0\x0a";
    assert_eq!(list_of(many).unwrap().1, many[..]);
    assert_eq!(list_of(b"\x0a\x01x").unwrap().0, Format::Proto3);
}
