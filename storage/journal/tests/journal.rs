//! What the journal promises on a disk that works, and what it says when it can't.

#![expect(clippy::unwrap_used, reason = "test harness")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use speargun_journal::{Config, Journal, JournalError, Record, Replay, Tail};
use speargun_runtime::{Disk, RealDisk, SimulatedDisk};

fn config(dir: &Path) -> Config {
    Config {
        dir: dir.to_path_buf(),
        file_bytes: 4096,
        bytes_max: 4 * 4096,
    }
}

fn record(number: u32, body_bytes: usize) -> Record {
    let mut tag = [0; 16];
    tag[..4].copy_from_slice(&number.to_le_bytes());
    Record::new(tag, Bytes::from(vec![number as u8; body_bytes]))
}

fn open(disk: &SimulatedDisk) -> Journal {
    Journal::open(Arc::new(disk.clone()), config(Path::new("/j"))).unwrap()
}

fn replay(journal: &mut Journal, from: u64) -> (Vec<u32>, Replay) {
    let mut numbers = Vec::new();
    let mut last = from;
    let report = journal.replay(from, &mut |position, record| {
        assert!(position > last, "positions grow");
        last = position;
        let number = u32::from_le_bytes(*record.tag.first_chunk().unwrap());
        assert!(record.body.iter().all(|byte| *byte == number as u8));
        numbers.push(number);
    });
    let report = report.unwrap();
    assert_eq!(report.position, journal.position());
    (numbers, report)
}

#[test]
fn records_come_back_in_order_with_positions() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("j");
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let mut all = vec![(0, 0)];
    for round in 0..3 {
        let mut journal = Journal::open(Arc::clone(&disk), config(&dir)).unwrap();
        let mut seen = Vec::new();
        let report = journal.replay(0, &mut |position, record| {
            seen.push((
                position,
                u32::from_le_bytes(*record.tag.first_chunk().unwrap()),
            ));
        });
        assert_eq!(seen, all[1..]);
        assert_eq!(report.unwrap().tail, Tail::Clean);
        for number in round * 4 + 1..round * 4 + 5 {
            all.push((journal.append(&[record(number, 700)]).unwrap(), number));
        }
        journal.sync().unwrap();
        assert_eq!(journal.synced_position(), journal.position());
    }
    assert!(all.is_sorted());
    // From the middle: what lies behind, no more.
    let mut journal = Journal::open(disk, config(&dir)).unwrap();
    assert_eq!(replay(&mut journal, all[7].0).0, [8, 9, 10, 11, 12]);
}

#[test]
fn group_larger_than_a_file_goes_on_in_the_next() {
    let disk = SimulatedDisk::new();
    let mut journal = open(&disk);
    replay(&mut journal, 0);
    let group: Vec<_> = (0..10).map(|number| record(number, 1000)).collect();
    journal.append(&group).unwrap();
    journal.sync().unwrap();
    assert_eq!(journal.live_files(), 4);
    disk.crash(1);
    assert_eq!(replay(&mut open(&disk), 0).0, (0..10).collect::<Vec<_>>());
}

#[test]
fn full_journal_recovers_when_records_are_released() {
    let disk = SimulatedDisk::new();
    let mut journal = open(&disk);
    replay(&mut journal, 0);
    let mut ends = Vec::new();
    let refused = loop {
        match journal.append(&[record(ends.len() as u32, 1000)]) {
            Ok(end) => ends.push(end),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, JournalError::Full(_)), "{refused}");
    assert_eq!(ends.len(), 12);
    journal.release(ends[2]);
    let error = journal.append(&[record(12, 1000)]).unwrap_err();
    assert!(
        matches!(error, JournalError::Full(_)),
        "the file that the next replay begins in is kept"
    );
    journal.release(ends[3]);
    journal.append(&[record(12, 1000)]).unwrap();
    journal.sync().unwrap();
    assert_eq!(disk.list(Path::new("/j")).unwrap().len(), 4);
    disk.crash(7);
    assert_eq!(
        replay(&mut open(&disk), ends[3]).0,
        (4..13).collect::<Vec<_>>()
    );
}

#[test]
fn record_too_large_for_a_file_is_refused_alone() {
    let disk = SimulatedDisk::new();
    let mut journal = open(&disk);
    replay(&mut journal, 0);
    let max = journal.body_bytes_max() as usize;
    let error = journal
        .append(&[record(1, 10), record(2, max + 1)])
        .unwrap_err();
    assert!(matches!(error, JournalError::TooLarge(_)), "{error}");
    journal.append(&[record(3, max)]).unwrap();
    journal.sync().unwrap();
    assert_eq!(replay(&mut open(&disk), 0).0, [3]);
}

#[test]
fn full_disk_takes_nothing_of_the_group_and_recovers() {
    let disk = SimulatedDisk::new();
    let mut journal = open(&disk);
    replay(&mut journal, 0);
    journal.append(&[record(1, 100)]).unwrap();
    for capacity in [4096, 4200, 5000, 8192, 9000] {
        disk.set_capacity(Some(capacity));
        let group = [record(2, 2000), record(3, 2000), record(4, 3000)];
        let error = journal.append(&group).unwrap_err();
        assert!(matches!(error, JournalError::Full(_)), "{error}");
    }
    disk.set_capacity(None);
    journal.append(&[record(5, 2000)]).unwrap();
    journal.sync().unwrap();
    disk.crash(3);
    assert_eq!(replay(&mut open(&disk), 0).0, [1, 5]);
}

#[test]
fn failed_sync_or_write_ends_the_journal() {
    for at_sync in [true, false] {
        let disk = SimulatedDisk::new();
        let mut journal = open(&disk);
        replay(&mut journal, 0);
        journal.append(&[record(1, 100)]).unwrap();
        journal.sync().unwrap();
        let failed = if at_sync {
            journal.append(&[record(2, 100)]).unwrap();
            disk.fail_sync(0, 5);
            journal.sync()
        } else {
            disk.fail_write(0, 5);
            journal.append(&[record(2, 100)]).map(drop)
        };
        assert!(matches!(failed, Err(JournalError::Failed(_))));
        assert!(matches!(journal.sync(), Err(JournalError::Failed(_))));
        let again = journal.append(&[record(3, 100)]);
        assert!(matches!(again, Err(JournalError::Failed(_))));
        disk.crash(1);
        assert_eq!(replay(&mut open(&disk), 0).0[0], 1);
    }
}

#[test]
fn refused_group_does_not_come_back_behind_its_successor() {
    let disk = SimulatedDisk::new();
    let mut journal = open(&disk);
    replay(&mut journal, 0);
    disk.set_capacity(Some(4096));
    let refused = [record(1, 500), record(2, 500), record(3, 3500)];
    journal.append(&refused).unwrap_err();
    disk.set_capacity(None);
    // The first record again: the second of the refused group would lie right behind it.
    journal.append(&refused[..1]).unwrap();
    journal.sync().unwrap();
    assert_eq!(replay(&mut open(&disk), 0).0, [1]);
}

#[test]
fn lost_folder_makes_positions_jump_not_go_back() {
    let disk = SimulatedDisk::new();
    let mut journal = open(&disk);
    let from = (57 << 32) + 1000;
    assert_eq!(replay(&mut journal, from).0, [0; 0]);
    let end = journal.append(&[record(1, 10)]).unwrap();
    assert!(end > from);
    journal.sync().unwrap();
    let mut journal = open(&disk);
    assert_eq!(replay(&mut journal, from).0, [1]);
    let mut journal = open(&disk);
    let (numbers, report) = replay(&mut journal, end + (9 << 32));
    assert_eq!((numbers.len(), report.tail), (0, Tail::Clean));
    assert!(journal.append(&[record(2, 10)]).unwrap() > end + (9 << 32));
}

#[test]
fn foreign_files_and_wrong_settings_are_named() {
    let disk = SimulatedDisk::new();
    let error = |config| {
        let opened = Journal::open(Arc::new(disk.clone()) as Arc<dyn Disk>, config);
        opened.unwrap_err().to_string()
    };
    let good = config(Path::new("/j"));
    let mut wrong = good.clone();
    wrong.file_bytes = 10;
    assert!(error(wrong).contains("file_bytes is 10"));
    let mut wrong = good.clone();
    wrong.bytes_max = 5000;
    assert!(error(wrong).contains("bytes_max is 5000"));
    disk.put(Path::new("/j/0000000001.journal"), b"{\"a\": 1}".to_vec());
    assert!(error(good.clone()).contains("/j/0000000001.journal: not a journal's file"));
    disk.put(Path::new("/j/0000000001.journal"), Vec::new());
    disk.put(Path::new("/j/notes.txt"), Vec::new());
    let opened = Journal::open(Arc::new(disk.clone()) as Arc<dyn Disk>, good);
    assert!(opened.is_ok(), "what is not ours is left alone");
}
