//! Measures the CPU time of appending and syncing on the real disk, for bodies of 1 and of 100
//! spans, and of the two checksums in question. It judges nothing.
//!
//! `cargo run --release -p speargun-journal --example append_bench [folder]`

#![expect(clippy::print_stdout, reason = "a program for the terminal")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use rustix::time::{ClockId, clock_gettime};
use speargun_journal::{Config, Journal, Record};
use speargun_runtime::RealDisk;

const SPAN_BYTES: usize = 583;
const ROUNDS: usize = 5;
const SPANS: usize = 400_000;

struct Case {
    name: &'static str,
    body_spans: usize,
    group: usize,
    sync_every: Option<usize>,
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Returns CPU nanoseconds a span for records made before, appended in groups.
fn run(dir: &Path, case: &Case) -> Result<f64, Box<dyn Error>> {
    let config = Config {
        dir: dir.to_path_buf(),
        file_bytes: 64 << 20,
        bytes_max: 256 << 20,
    };
    let mut journal = Journal::open(Arc::new(RealDisk), config)?;
    let mut position = 0;
    journal.replay(0, &mut |end, _| position = end)?;
    journal.release(position);
    let body = Bytes::from(vec![b'x'; SPAN_BYTES * case.body_spans]);
    let records = vec![Record::new([0; 16], body); case.group];
    let group_spans = case.group * case.body_spans;
    let start = cpu_ns();
    for group in 1..=SPANS / group_spans {
        let end = journal.append(&records)?;
        if case.sync_every.is_some_and(|every| group % every == 0) {
            journal.sync()?;
        }
        journal.release(end);
    }
    let spent = cpu_ns() - start;
    journal.sync()?;
    Ok(spent as f64 / (SPANS / group_spans * group_spans) as f64)
}

fn median(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
    (at(values.len() / 2), at(0), at(values.len() - 1))
}

fn checksum_ns(algorithm: CrcAlgorithm, body: &[u8]) -> f64 {
    let rounds = 200_000_000 / (body.len() + 500);
    let mut sum = 0;
    let start = cpu_ns();
    for _ in 0..rounds {
        sum ^= crc_fast::checksum(algorithm, std::hint::black_box(body));
    }
    let spent = cpu_ns() - start;
    std::hint::black_box(sum);
    spent as f64 / rounds as f64
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| PathBuf::from("target/append_bench"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    println!("checksum, CPU ns a call");
    for bytes in [44, SPAN_BYTES, 100 * SPAN_BYTES] {
        let body = vec![7; bytes];
        let crc32 = checksum_ns(CrcAlgorithm::Crc32Iscsi, &body);
        let crc64 = checksum_ns(CrcAlgorithm::Crc64Nvme, &body);
        println!("  {bytes:>6} bytes: CRC-32/ISCSI {crc32:>7.1}   CRC-64/NVME {crc64:>7.1}");
    }
    println!("append, CPU ns a span: median [least..most] of {ROUNDS}, {SPANS} spans each");
    let case = |name, body_spans, group, sync_every| Case {
        name,
        body_spans,
        group,
        sync_every,
    };
    let cases = [
        case("bodies of 100 spans, alone, no sync", 100, 1, None),
        case("bodies of 100 spans, groups of 10, no sync", 100, 10, None),
        case(
            "bodies of 100 spans, groups of 10, sync each 2",
            100,
            10,
            Some(2),
        ),
        case(
            "bodies of 100 spans, groups of 10, sync each",
            100,
            10,
            Some(1),
        ),
        case("bodies of 1 span, alone, no sync", 1, 1, None),
        case("bodies of 1 span, groups of 100, no sync", 1, 100, None),
        case(
            "bodies of 1 span, groups of 100, sync each",
            1,
            100,
            Some(1),
        ),
    ];
    for case in &cases {
        let mut spent = Vec::with_capacity(ROUNDS);
        // The first round makes the files, the others recycle them.
        let fresh = run(&folder, case)?;
        for _ in 0..ROUNDS {
            spent.push(run(&folder, case)?);
        }
        let (middle, least, most) = median(spent);
        println!(
            "  {middle:>7.1} [{least:.1}..{most:.1}], first run {fresh:.1}: {}",
            case.name
        );
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
