//! A restart without a power cut after a failed sync: the system's cache then holds bytes that are
//! not on the disk and that it takes for written. What is acknowledged behind them must outlive a
//! later power cut all the same.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use bytes::Bytes;
use speargun_journal::{Config, Journal, Record, Tail};
use speargun_runtime::SimulatedDisk;

/// Opens the journal; returns the numbers of the records found, and how it ended.
fn open(disk: &SimulatedDisk) -> (Journal, Vec<u8>, Tail) {
    let config = Config {
        dir: "/journal".into(),
        file_bytes: 4096,
        bytes_max: 40_960,
    };
    let mut journal = Journal::open(Arc::new(disk.clone()), config).unwrap();
    let mut found = Vec::new();
    let mut visit = |_, record: Record| found.push(record.tag[0]);
    let replay = journal.replay(0, &mut visit).unwrap();
    (journal, found, replay.tail)
}

fn record(number: u8, len: usize) -> Record {
    let mut tag = [0; 16];
    tag[0] = number;
    Record::new(tag, Bytes::from(vec![number; len]))
}

#[test]
fn what_follows_a_failed_sync_and_a_restart_outlives_a_power_cut() {
    for before in 0..6 {
        for seed in 0..64 {
            let disk = SimulatedDisk::new();
            let (mut journal, ..) = open(&disk);
            for number in 1..=before {
                journal.append(&[record(number, 900)]).unwrap();
                journal.sync().unwrap();
            }
            journal.append(&[record(50, 900)]).unwrap();
            disk.fail_sync(0, seed);
            journal.sync().unwrap_err();
            drop(journal);
            let (mut journal, ..) = open(&disk);
            journal.append(&[record(100, 300)]).unwrap();
            journal.sync().unwrap();
            drop(journal);
            disk.crash(seed);
            let (_, found, tail) = open(&disk);
            for number in (1..=before).chain([100]) {
                let times = found.iter().filter(|&&other| other == number).count();
                assert_eq!(
                    times, 1,
                    "{number}, {before} before, seed {seed}: {found:?}"
                );
            }
            assert_ne!(tail, Tail::Corrupt, "{before} before, seed {seed}");
        }
    }
}
