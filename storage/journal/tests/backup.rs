//! Copies of a journal: what is in them, and that the journal does not notice.
#![expect(clippy::unwrap_used, reason = "test code")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use speargun_journal::{Config, Copied, Journal, Record, Tail, copy};
use speargun_runtime::{Disk, RealDisk};

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk)
}

fn open(dir: &Path) -> Journal {
    let config = Config {
        dir: dir.to_owned(),
        file_bytes: 64 << 10,
        bytes_max: 1 << 20,
    };
    Journal::open(disk(), config).unwrap()
}

fn record(number: u32) -> Record {
    let body = number.to_string().repeat(400);
    Record::new([7; 16], Bytes::from(body))
}

fn append(journal: &mut Journal, numbers: std::ops::Range<u32>) -> u64 {
    for number in numbers {
        journal.append(&[record(number)]).unwrap();
    }
    journal.sync().unwrap();
    journal.position()
}

/// Returns the bodies in a copy behind a position, and how its end was.
fn read(dir: &Path, from: u64) -> (Vec<Bytes>, Tail, u64) {
    let mut bodies = Vec::new();
    let mut journal = open(dir);
    let replay = journal
        .replay(from, &mut |_, record| bodies.push(record.body))
        .unwrap();
    (bodies, replay.tail, replay.position)
}

fn bodies(numbers: std::ops::Range<u32>) -> Vec<Bytes> {
    numbers.map(|number| record(number).body).collect()
}

#[test]
fn a_copy_of_an_open_journal_holds_all_that_was_appended() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("journal"), folder.path().join("copy"));
    let mut journal = open(&from);
    journal.replay(0, &mut |_, _| {}).unwrap();
    let middle = append(&mut journal, 0..100);
    let end = append(&mut journal, 100..300);
    let copied = copy(&disk(), (&from, &to), 0).unwrap();
    assert!(copied.files > 1 && copied.bytes > 300 * 400, "{copied:?}");
    assert_eq!(read(&to, 0), (bodies(0..300), Tail::Clean, end));
    // The original goes on, and knows nothing of it.
    append(&mut journal, 300..400);
    drop(journal);
    assert_eq!(read(&from, 0).0, bodies(0..400));
    let (again, half) = (folder.path().join("again"), folder.path().join("half"));
    copy(&disk(), (&to, &again), 0).unwrap();
    assert_eq!(read(&again, middle).0, bodies(100..300));
    let fewer = copy(&disk(), (&to, &half), middle).unwrap();
    assert!(fewer.files < copied.files, "{fewer:?}");
    assert_eq!(read(&half, middle).0, bodies(100..300));
}

#[test]
fn a_record_cut_short_ends_a_copy_and_a_damaged_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("journal"), folder.path().join("copy"));
    let mut journal = open(&from);
    journal.replay(0, &mut |_, _| {}).unwrap();
    append(&mut journal, 0..3);
    append(&mut journal, 3..10);
    drop(journal);
    let file = from.join("0000000001.journal");
    let whole = std::fs::read(&file).unwrap();
    let end = whole.windows(4).rposition(|four| four == b"SgRc").unwrap();
    std::fs::write(&file, &whole[..end + 60]).unwrap();
    copy(&disk(), (&from, &to), 0).unwrap();
    assert_eq!(read(&to, 0).0, bodies(0..9));
    let mut damaged = whole.clone();
    damaged[200] ^= 1;
    std::fs::write(&file, damaged).unwrap();
    let again = folder.path().join("again");
    copy(&disk(), (&from, &again), 0).unwrap();
    let (found, tail, _) = read(&again, 0);
    assert_eq!((found, tail), (bodies(1..10), Tail::Corrupt));
}

#[test]
fn a_copy_of_nothing_is_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("journal"), folder.path().join("copy"));
    assert_eq!(copy(&disk(), (&from, &to), 0).unwrap(), Copied::default());
    assert_eq!(read(&to, 5 << 32 | 64).2, 5 << 32 | 64);
}
