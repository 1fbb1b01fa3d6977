//! Any bytes as the files of a journal: opening and replaying them never panics, and what was read
//! is read again, with what was appended since, and nothing else. Input that asks for it gets its
//! checksums made right, so that the fuzzer gets behind them.

#![no_main]

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum};
use libfuzzer_sys::fuzz_target;
use speargun_journal::{Config, Journal, Record};
use speargun_runtime::SimulatedDisk;

fn crc(bytes: &[u8]) -> [u8; 4] {
    (checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32).to_le_bytes()
}

/// Small positions meet each other more often.
fn make_small(position: &mut [u8]) {
    let sequence = position[4] & 3;
    position[2..].copy_from_slice(&[0, 0, sequence, 0, 0, 0]);
}

/// Makes header checksums right, from the front, as far as the lengths lead.
fn mend(file: &mut [u8], sequence: u32) {
    if file.len() < 64 {
        return;
    }
    file[..8].copy_from_slice(b"SPRGNJRN");
    file[8..12].copy_from_slice(&1_u32.to_le_bytes());
    file[12..16].copy_from_slice(&sequence.to_le_bytes());
    for at in [16, 24] {
        make_small(&mut file[at..at + 8]);
    }
    file[32..36].fill(0);
    let sum = crc(&file[..60]);
    file[60..64].copy_from_slice(&sum);
    let mut at = 64;
    while at + 48 <= file.len() {
        let body = usize::from(file[at + 4]);
        let flaw = file[at + 5];
        file[at..at + 4].copy_from_slice(b"SgRc");
        file[at + 5..at + 8].fill(0);
        file[at + 8..at + 12].copy_from_slice(&sequence.to_le_bytes());
        file[at + 12..at + 16].copy_from_slice(&(at as u32).to_le_bytes());
        make_small(&mut file[at + 16..at + 24]);
        if flaw & 15 != 1 {
            let end = file.len().min(at + 48 + body);
            let sum = crc(&file[at + 48..end]);
            file[at + 40..at + 44].copy_from_slice(&sum);
        }
        if flaw & 15 != 2 {
            let sum = crc(&file[at..at + 44]);
            file[at + 44..at + 48].copy_from_slice(&sum);
        }
        at += (48 + body).next_multiple_of(8);
    }
}

fn open(disk: &SimulatedDisk) -> Option<Journal> {
    let config = Config {
        dir: "/j".into(),
        file_bytes: 4096,
        bytes_max: 64 * 4096,
    };
    Journal::open(Arc::new(disk.clone()), config).ok()
}

fuzz_target!(|input: &[u8]| {
    let Some((&[kinds, cut, from_file, from_offset], content)) = input.split_first_chunk::<4>()
    else {
        return;
    };
    let disk = SimulatedDisk::new();
    let first = content.len() * usize::from(cut) / 256;
    let (one, two) = content.split_at(first);
    for (number, part) in [(1, one), (2, two)] {
        let mut file = part.to_vec();
        if kinds & number == 0 {
            mend(&mut file, u32::from(number));
        }
        disk.put(&PathBuf::from(format!("/j/{number:010}.journal")), file);
    }
    let from = (u64::from(from_file & 3) << 32) + u64::from(from_offset & !7);
    let Some(mut journal) = open(&disk) else {
        return;
    };
    let mut seen = Vec::new();
    let mut bytes = 0;
    let report = journal.replay(from, &mut |end, record| {
        bytes += record.body.len();
        seen.push((end, record.body));
    });
    assert!(bytes <= content.len());
    let Ok(report) = report else {
        return;
    };
    assert_eq!(report.records, seen.len() as u64);
    assert!(seen.is_sorted_by(|one, two| one.0 < two.0));
    let added = Record::new([1; 16], Bytes::from_static(b"added"));
    let Ok(end) = journal.append(std::slice::from_ref(&added)) else {
        return;
    };
    journal.sync().expect("the disk has no faults");
    assert!(end > report.position);
    seen.push((end, added.body));
    disk.crash(u64::from(cut));
    let mut again = Vec::new();
    let mut journal = open(&disk).expect("it was open before");
    let report = journal.replay(from, &mut |end, record| again.push((end, record.body)));
    report.expect("the disk has no faults");
    assert_eq!(again, seen);
});
