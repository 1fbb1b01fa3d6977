//! Files of format 1 stay readable for ever. `testdata/v1.journal` was made by a program of its own
//! from the drawing in `docs/journal-format.md`: it is file 7, three records, and behind them a
//! record of file 3, whose bytes it was written over.

#![expect(clippy::unwrap_used, reason = "test harness")]

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use speargun_journal::{Config, Journal, Record, Tail};
use speargun_runtime::SimulatedDisk;

const V1: &[u8] = include_bytes!("../testdata/v1.journal");
const FILE: &str = "/j/0000000007.journal";
const BEFORE: u64 = (6 << 32) + 4096;

fn replay(disk: &SimulatedDisk) -> (Journal, Vec<(u64, Record)>, Tail) {
    let config = Config {
        dir: "/j".into(),
        file_bytes: 2048,
        bytes_max: 8192,
    };
    let mut journal = Journal::open(Arc::new(disk.clone()), config).unwrap();
    let mut seen = Vec::new();
    let report = journal.replay(BEFORE, &mut |end, record| seen.push((end, record)));
    let tail = report.unwrap().tail;
    (journal, seen, tail)
}

fn bodies(seen: &[(u64, Record)]) -> Vec<Bytes> {
    seen.iter().map(|(_, record)| record.body.clone()).collect()
}

#[test]
fn format_1_is_read() {
    let disk = SimulatedDisk::new();
    disk.put(Path::new(FILE), V1.to_vec());
    let (_, seen, tail) = replay(&disk);
    assert_eq!(tail, Tail::Clean);
    assert_eq!(seen.len(), 3);
    assert_eq!(&seen[0].1.tag, b"tag-of-the-first");
    assert_eq!(&seen[0].1.body[..], br#"[{"traceId":"1","id":"2"}]"#);
    assert_eq!(seen[1].1.tag, [0; 16]);
    assert!(seen[1].1.body.is_empty());
    assert_eq!(seen[2].1.tag[0], 240);
    assert_eq!(seen[2].1.body.len(), 768);
    let ends = seen.iter().map(|(end, _)| end - (7 << 32));
    assert_eq!(ends.collect::<Vec<_>>(), [144, 192, 1008]);
}

#[test]
fn file_cut_at_any_byte_gives_its_whole_records_and_goes_on() {
    let ends = [144, 192, 1008];
    for len in 0..=V1.len() {
        let disk = SimulatedDisk::new();
        disk.put(Path::new(FILE), V1[..len].to_vec());
        let (mut journal, seen, tail) = replay(&disk);
        // A record without a body needs no more than its header.
        let whole = ends.iter().filter(|end| len >= **end).count();
        // The padding is no part of what must be there.
        let whole = whole.max(usize::from(len >= 138));
        assert_eq!(seen.len(), whole, "cut at {len}");
        assert_ne!(tail, Tail::Corrupt);
        let added = Record::new([1; 16], Bytes::from_static(b"added"));
        journal.append(std::slice::from_ref(&added)).unwrap();
        journal.sync().unwrap();
        disk.crash(len as u64);
        let (_, again, tail) = replay(&disk);
        let mut expected = bodies(&seen);
        expected.push(added.body);
        assert_eq!(bodies(&again), expected, "cut at {len}");
        assert_eq!(tail, Tail::Clean, "cut at {len}");
    }
}
