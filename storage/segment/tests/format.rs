//! Stores of formats 1 and 2 are read for ever. `testdata/v1` and `v2` were made by
//! `examples/make_testdata.rs`; what they hold is in `spans.txt` beside, as the memory engine told
//! it.

#![expect(clippy::unwrap_used, reason = "test harness")]

#[path = "support/text.rs"]
mod text;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use speargun_runtime::{Disk, ManualClock, SimulatedDisk};
use speargun_segment::{Config, OpenError, SegmentStore};
use speargun_storage::contract::NOW_MS;
use speargun_storage::contract::spans::with_terms;
use speargun_storage::{Position, ReadContext, SpanReader, SpanWriter, TraceRequest, Window};

const SEGMENT: &str = "/v1/000000000003-000000000003.segment";
const FOOTER_BYTES: usize = 36;
const ALL_TIME: Window = Window {
    end_ms: i64::MAX as u64 / 1000,
    lookback_ms: i64::MAX as u64 / 1000,
};

/// Returns the fixture on a disk in memory, so that opening it never changes the files.
fn fixture() -> SimulatedDisk {
    fixture_of("v1")
}

/// Returns the fixture of a version.
fn fixture_of(version: &str) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata")
        .join(version);
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            let name = Path::new("/v1").join(path.file_name().unwrap());
            disk.put(&name, std::fs::read(&path).unwrap());
        }
    }
    disk
}

fn open(disk: &SimulatedDisk) -> Result<Arc<SegmentStore>, OpenError> {
    let config = Config {
        retention_age_ms: None,
        seal_age_ms: u64::MAX,
        ..Config::new("/v1")
    };
    // In the partition of the fixture's last segments, so that they are not merged.
    let clock = Arc::new(ManualClock::new(NOW_MS + 2 * 3_600_000));
    SegmentStore::open(config, Arc::new(disk.clone()), clock)
}

fn crc(bytes: &[u8]) -> u32 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

#[test]
fn format_1_is_read() {
    let disk = fixture();
    let store = open(&disk).unwrap();
    assert_eq!(store.durable_position(), Position(4));
    let stats = store.stats();
    assert_eq!(
        (stats.segments, stats.segment_rows),
        (3, 8_774),
        "{stats:?}"
    );
    let expected = include_str!("../testdata/v1/spans.txt");
    let found = text::text(&*store);
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.lines().count(), expected.lines().count());
    assert_eq!(store.stats().corrupt_reads, 0);
    store.close().unwrap();
}

#[test]
fn format_2_is_read_and_its_filters_find_what_is_there() {
    let store = open(&fixture_of("v2")).unwrap();
    assert_eq!(store.durable_position(), Position(4));
    let stats = store.stats();
    assert_eq!(
        (stats.segments, stats.segment_rows),
        (2, 8_774),
        "{stats:?}"
    );
    assert!(text::text(&*store) == include_str!("../testdata/v2/spans.txt"));
    for (term, count) in [
        ("distinct=7", 1),
        ("distinct=8398", 1),
        ("numbered=77", 2),
        ("distinct=0", 0),
    ] {
        let found = with_terms(&[term]);
        let found = TraceRequest {
            window: ALL_TIME,
            ..found
        };
        let found = store.search(&found, &ReadContext::default()).unwrap();
        let spans = found.iter().flatten();
        let (key, value) = term.split_once('=').unwrap();
        let spans = spans.filter(|span| span.tags.iter().any(|(k, v)| k == key && v == value));
        assert_eq!(spans.count(), count, "{term}");
    }
    assert_eq!(store.stats().corrupt_reads, 0);
    store.close().unwrap();
}

#[test]
fn a_summary_of_links_in_format_1_is_read_and_says_what_the_rows_say() {
    let plain = fixture();
    let summed = fixture();
    let name = "000000000001-000000000002.segment";
    let file = include_bytes!("../testdata/v1-links/000000000001-000000000002.segment");
    summed.put(&Path::new("/v1").join(name), file.to_vec());
    let window = ALL_TIME;
    let [plain, summed] = [plain, summed].map(|disk| {
        let store = open(&disk).unwrap();
        let links = store.dependencies(window, &ReadContext::default()).unwrap();
        assert!(text::text(&*store) == include_str!("../testdata/v1/spans.txt"));
        assert_eq!(store.stats().corrupt_reads, 0);
        store.close().unwrap();
        links
    });
    assert!(!plain.is_empty());
    assert_eq!(plain, summed);
}

#[test]
fn format_1_is_found_again_without_its_manifest_and_merged() {
    let disk = fixture();
    disk.remove(Path::new("/v1/MANIFEST")).unwrap();
    let config = Config {
        retention_age_ms: None,
        ..Config::new("/v1")
    };
    let clock = Arc::new(ManualClock::new(NOW_MS * 2));
    let store = SegmentStore::open(config, Arc::new(disk), clock).unwrap();
    assert_eq!(store.durable_position(), Position(4));
    store.compact().unwrap();
    assert_eq!(store.stats().segments, 2);
    assert!(text::text(&*store) == include_str!("../testdata/v1/spans.txt"));
    store.close().unwrap();
}

#[test]
fn a_newer_segment_is_named_and_left_alone() {
    let disk = fixture();
    let mut content = disk.content(Path::new(SEGMENT)).unwrap();
    let footer = content.len() - FOOTER_BYTES;
    content[footer + 20..footer + 24].copy_from_slice(&3_u32.to_le_bytes());
    let sum = crc(&content[footer..footer + 24]);
    content[footer + 24..footer + 28].copy_from_slice(&sum.to_le_bytes());
    disk.put(Path::new(SEGMENT), content.clone());
    let Err(OpenError::TooNew { path, found, known }) = open(&disk) else {
        panic!("a newer segment is not read");
    };
    assert_eq!((path, found, known), (PathBuf::from(SEGMENT), 3, 2));
    assert_eq!(disk.content(Path::new(SEGMENT)).unwrap(), content);
}

#[test]
fn a_newer_manifest_is_named_and_left_alone() {
    let disk = fixture();
    let path = Path::new("/v1/MANIFEST");
    let mut content = disk.content(path).unwrap();
    let version = 2_u32.to_le_bytes();
    content[8..12].copy_from_slice(&version);
    let sum = crc(&version) ^ crc(&content[16..]);
    content[12..16].copy_from_slice(&sum.to_le_bytes());
    disk.put(path, content.clone());
    assert!(matches!(
        open(&disk),
        Err(OpenError::TooNew { found: 2, .. })
    ));
    assert_eq!(disk.content(path).unwrap(), content);
}
