//! Random appends, syncs, releases, restarts and crashes against a list: whatever happens, what was
//! synced is replayed once and in order, and nothing is that was not appended.

#![expect(clippy::unwrap_used, reason = "test harness")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use speargun_journal::{Config, Journal, JournalError, Record, Tail};
use speargun_runtime::SimulatedDisk;

#[derive(Clone, Debug)]
enum Action {
    Append(Vec<usize>),
    Sync,
    /// Release this many of the synced records that are held.
    Release(usize),
    /// The process ends, the machine does not.
    Restart,
    Crash(u64),
    /// Leave this many bytes free on the disk.
    Fill(u64),
    Empty,
    /// After it the machine is restarted, not only the process.
    FailAnySync(u64),
    FailDataSync(u64),
    FailWrite(u64),
}

fn action() -> impl Strategy<Value = Action> {
    // Few sizes, so that records of two lives of a file often start at the same places.
    let size = prop_oneof![
        Just(0),
        Just(40),
        Just(100),
        Just(104),
        Just(500),
        Just(850)
    ];
    prop_oneof![
        12 => proptest::collection::vec(size, 1..5).prop_map(Action::Append),
        5 => Just(Action::Sync),
        3 => (0..12_usize).prop_map(Action::Release),
        2 => Just(Action::Restart),
        4 => any::<u64>().prop_map(Action::Crash),
        1 => (0..2500_u64).prop_map(Action::Fill),
        1 => Just(Action::Empty),
        1 => any::<u64>().prop_map(Action::FailAnySync),
        1 => any::<u64>().prop_map(Action::FailDataSync),
        1 => any::<u64>().prop_map(Action::FailWrite),
    ]
}

/// A record that was appended, or that a failed write may have left.
#[derive(Clone, Debug)]
struct Held {
    number: u64,
    body_bytes: usize,
    /// 0 if the write failed: nobody was told a position.
    end: u64,
}

struct World {
    disk: SimulatedDisk,
    journal: Journal,
    /// What may be replayed, oldest first.
    held: Vec<Held>,
    /// So many of them must be after a crash.
    synced: usize,
    /// So many of them must be after a restart.
    appended: usize,
    released: u64,
    next_number: u64,
    end: u64,
    /// A failure may have lost names, which only a restart of the machine tells.
    crash_due: bool,
}

fn record(held: &Held) -> Record {
    let mut tag = [0xAB; 16];
    tag[..8].copy_from_slice(&held.number.to_le_bytes());
    Record::new(tag, Bytes::from(vec![held.number as u8; held.body_bytes]))
}

fn open(disk: &SimulatedDisk) -> Journal {
    let config = Config {
        dir: "/data/journal".into(),
        file_bytes: 2048,
        bytes_max: 10 * 2048,
    };
    Journal::open(Arc::new(disk.clone()), config).unwrap()
}

impl World {
    fn new() -> Self {
        let disk = SimulatedDisk::new();
        let mut journal = open(&disk);
        journal.replay(0, &mut |_, _| {}).unwrap();
        Self {
            disk,
            journal,
            held: Vec::new(),
            synced: 0,
            appended: 0,
            released: 0,
            next_number: 0,
            end: 0,
            crash_due: false,
        }
    }

    fn run(&mut self, action: &Action) {
        match action {
            Action::Append(sizes) => self.append(sizes),
            Action::Sync => match self.journal.sync() {
                Ok(()) => self.synced = self.appended,
                Err(error) => self.fail(&error, 1),
            },
            Action::Release(count) => {
                let count = (*count).min(self.synced);
                let known = |held: &Held| held.end > 0;
                let count = self.held[..count]
                    .iter()
                    .rposition(known)
                    .map_or(0, |at| at + 1);
                let Some(last) = self.held.drain(..count).next_back() else {
                    return;
                };
                self.synced -= count;
                self.appended -= count;
                self.released = last.end;
                self.journal.release(last.end);
            }
            Action::Restart => {
                // The faults planned for the journal are not for its opening.
                self.disk.forget_faults();
                self.reopen(self.appended);
            }
            Action::Crash(seed) => {
                self.disk.crash(*seed);
                self.reopen(self.synced);
            }
            Action::Fill(free) => {
                let folder = Path::new("/data/journal");
                let files = speargun_runtime::Disk::list(&self.disk, folder).unwrap();
                let used = files
                    .iter()
                    .map(|path| self.disk.content(path).unwrap().len());
                self.disk
                    .set_capacity(Some(used.sum::<usize>() as u64 + free));
            }
            Action::Empty => self.disk.set_capacity(None),
            Action::FailAnySync(seed) => {
                self.crash_due = true;
                self.disk.fail_sync(*seed % 3, *seed);
            }
            Action::FailDataSync(seed) => self.disk.fail_data_sync(*seed % 3, *seed),
            Action::FailWrite(seed) => self.disk.fail_write(*seed % 3, *seed),
        }
    }

    fn append(&mut self, sizes: &[usize]) {
        let mut group = Vec::new();
        for &body_bytes in sizes {
            self.next_number += 1;
            let number = self.next_number;
            group.push(Held {
                number,
                body_bytes,
                end: 0,
            });
        }
        let records: Vec<Record> = group.iter().map(record).collect();
        match self.journal.append(&records) {
            Ok(end) => {
                assert!(end > self.end, "positions grow");
                self.end = end;
                // Only the last one's position is told; a replay tells the others.
                group.last_mut().unwrap().end = end;
                self.held.extend(group);
                self.appended = self.held.len();
            }
            Err(JournalError::Full(_)) => {}
            Err(error) => {
                self.held.extend(group);
                self.fail(&error, 2);
            }
        }
    }

    /// After a failure the process is restarted, or the machine: what is replayed then must be on
    /// the disk, whatever the failed sync left.
    fn fail(&mut self, error: &JournalError, seed: u64) {
        assert!(matches!(error, JournalError::Failed(_)), "{error}");
        assert!(matches!(self.journal.sync(), Err(JournalError::Failed(_))));
        if self.crash_due || self.next_number.is_multiple_of(2) {
            self.disk.crash(seed + self.next_number);
        } else {
            self.disk.forget_faults();
        }
        self.reopen(self.synced);
    }

    fn reopen(&mut self, certain: usize) {
        self.journal = open(&self.disk);
        let mut seen = Vec::new();
        let report = self.journal.replay(self.released, &mut |end, record| {
            seen.push((end, record));
        });
        let report = report.unwrap();
        assert!(
            seen.len() >= certain,
            "{} of {certain} synced, {report:?}",
            seen.len()
        );
        assert!(seen.len() <= self.held.len(), "invented, {report:?}");
        assert_ne!(
            report.tail,
            Tail::Corrupt,
            "nothing was damaged, {report:?}"
        );
        assert_eq!((report.records, report.lost_bytes), (seen.len() as u64, 0));
        self.held.truncate(seen.len());
        let mut before = self.released;
        for (held, (end, record)) in self.held.iter_mut().zip(seen) {
            assert_eq!(record.tag, self::record(held).tag);
            assert_eq!(record.body, self::record(held).body);
            assert!(end > before && (held.end == 0 || held.end == end));
            before = end;
            held.end = end;
        }
        assert_eq!(report.position, before);
        self.end = before;
        self.synced = self.held.len();
        self.appended = self.held.len();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(1500)
    })]

    #[test]
    fn synced_records_are_replayed_once_and_in_order(
        actions in proptest::collection::vec(action(), 1..80)
    ) {
        let mut world = World::new();
        for action in &actions {
            world.run(action);
        }
        // Faults still planned would make the last reading fail on purpose.
        world.disk.crash(1);
        world.reopen(world.synced);
    }
}
