//! Disks that change or lose what they had promised to keep: each flipped bit is found, costs no
//! more than the record it hit, and is called by its name.

#![expect(clippy::unwrap_used, reason = "test harness")]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use speargun_journal::{Config, Journal, JournalError, Record, Replay, Tail};
use speargun_runtime::{Disk, SimulatedDisk};

const RECORDS: u64 = 9;

fn open(disk: &SimulatedDisk) -> Result<Journal, JournalError> {
    let config = Config {
        dir: "/j".into(),
        file_bytes: 1024,
        bytes_max: 16 * 1024,
    };
    Journal::open(Arc::new(disk.clone()), config)
}

fn append(journal: &mut Journal, number: u64) -> u64 {
    let mut tag = [0; 16];
    tag[..8].copy_from_slice(&number.to_le_bytes());
    let record = Record::new(tag, Bytes::from(vec![number as u8; 150]));
    let end = journal.append(&[record]).unwrap();
    journal.sync().unwrap();
    end
}

fn replay(journal: &mut Journal) -> Result<(Vec<u64>, Replay), JournalError> {
    let mut numbers = Vec::new();
    let report = journal.replay(0, &mut |_, record| {
        let number = u64::from_le_bytes(*record.tag.first_chunk().unwrap());
        assert_eq!(record.body[..], vec![number as u8; 150]);
        numbers.push(number);
    })?;
    Ok((numbers, report))
}

/// Three files of records, each synced before the next; returns where each lies.
fn filled() -> (SimulatedDisk, Vec<(PathBuf, Range<usize>)>) {
    let disk = SimulatedDisk::new();
    let mut journal = open(&disk).unwrap();
    replay(&mut journal).unwrap();
    let places = (0..RECORDS).map(|number| {
        let end = append(&mut journal, number);
        let path = PathBuf::from(format!("/j/{:010}.journal", end >> 32));
        let end = (end & 0xFFFF_FFFF) as usize;
        (path, end - 200..end - 2)
    });
    let places = places.collect();
    (disk, places)
}

#[test]
fn flipped_bit_costs_the_record_it_hit_and_is_reported() {
    let (pristine, places) = filled();
    let whole: Vec<u64> = (0..RECORDS).collect();
    for path in pristine.list(Path::new("/j")).unwrap() {
        let content = pristine.content(&path).unwrap();
        for at in 0..content.len() {
            let disk = SimulatedDisk::new();
            for other in pristine.list(Path::new("/j")).unwrap() {
                disk.put(&other, pristine.content(&other).unwrap());
            }
            disk.flip_bit(&path, at as u64, (at % 8) as u8).unwrap();
            let text = format!("{} at {at}", path.display());
            let mut journal = match open(&disk) {
                Ok(journal) => journal,
                Err(error) => {
                    assert!(at < 8, "{text}: {error}");
                    assert!(error.to_string().contains(path.to_str().unwrap()));
                    continue;
                }
            };
            let (seen, report) = replay(&mut journal).unwrap();
            let hit = |(file, range): &(PathBuf, Range<usize>)| {
                *file == path && (at < 64 || range.contains(&at))
            };
            let lost: Vec<u64> = (0..RECORDS).filter(|n| hit(&places[*n as usize])).collect();
            let left: Vec<u64> = whole
                .iter()
                .copied()
                .filter(|n| !lost.contains(n))
                .collect();
            assert_eq!(seen, left, "{text}, {report:?}");
            let expected = match lost.last() {
                None => Tail::Clean,
                Some(number) if *number == RECORDS - 1 => Tail::Torn,
                Some(_) => Tail::Corrupt,
            };
            let (file, range) = &places[8];
            // With an earlier sequence, the very last record looks as if it were of an earlier
            // life.
            let disguised = *file == path && (range.start + 8..range.start + 12).contains(&at);
            if !disguised {
                assert_eq!(report.tail, expected, "{text}, {report:?}");
            }
            // What was lost stays lost, what is left stays, and the log goes on.
            append(&mut journal, 99);
            drop(journal);
            disk.crash(at as u64);
            let (again, _) = replay(&mut open(&disk).unwrap()).unwrap();
            assert_eq!(again, [left, vec![99]].concat(), "{text}");
        }
    }
}

#[test]
fn missing_file_in_the_middle_is_reported_and_the_rest_is_read() {
    let (disk, _) = filled();
    disk.remove(Path::new("/j/0000000002.journal")).unwrap();
    let (seen, report) = replay(&mut open(&disk).unwrap()).unwrap();
    assert_eq!(seen, [0, 1, 2, 3, 8]);
    assert_eq!(report.tail, Tail::Corrupt);
}

#[test]
fn read_error_is_told_with_the_file_and_loses_nothing() {
    let (disk, _) = filled();
    let mut failures = 0;
    for nth in 0..30 {
        disk.fail_read(nth);
        let result = open(&disk).and_then(|mut journal| replay(&mut journal));
        match result {
            Ok((seen, _)) => assert_eq!(seen.len() as u64, RECORDS),
            Err(error) => {
                assert!(error.to_string().contains(".journal: "), "{error}");
                failures += 1;
            }
        }
        disk.forget_faults();
    }
    assert!(failures > 5, "{failures}");
    assert_eq!(
        replay(&mut open(&disk).unwrap()).unwrap().0.len() as u64,
        RECORDS
    );
}
