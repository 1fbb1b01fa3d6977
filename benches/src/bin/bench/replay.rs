//! How long a start takes when the journal holds what no segment does: after a kill under full
//! load, and with a journal as large as it may become. In a running server the heads bound what is
//! not sealed, so the large one is written here, by the journal's own code and with the tag that
//! the server gave its own records.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use speargun_benches::fill::{Filling, Known, check_counts, fill, spread};
use speargun_benches::measure::{Words, per};
use speargun_benches::process;
use speargun_benches::report::Report;
use speargun_benches::workload::{Format, Traffic, batches};
use speargun_e2e::spans::now_us;
use speargun_e2e::{Options, Server};
use speargun_journal::{Config, Journal, Record};
use speargun_runtime::RealDisk;

const MIB: u64 = 1 << 20;
const WINDOW_US: u64 = 600_000_000;
const READ_BACK: usize = 50;
/// Spans of the load that is killed.
const LOADED: usize = 1_000_000;
/// Spans made at a time, and in a body.
const CHUNK: usize = 100_000;
const BATCH: usize = 100;
/// What the server's journal may have by default, and its files.
const JOURNAL_BYTES_MAX: u64 = 1 << 30;
const FILE_BYTES: u64 = 64 << 20;

pub(crate) fn run(words: Words) -> Result<()> {
    // What fits into the journal, at some 380 bytes a record's span.
    let count = words.count(4000, 2_600_000);
    let about = "Starts that have to replay: until the server is healthy, all its threads' CPU \
                 until then, and memory at most. What was acknowledged is read back after each. \
                 The second journal was written by the journal's own code, to nearly 1 GiB: a \
                 running server seals long before.";
    let mut report = Report::new("replay", about);
    report.head(&[
        "start after",
        "spans replayed",
        "journal MiB",
        "ms to healthy",
        "CPU ns a span",
        "peak MiB",
    ]);
    let (mut server, known) = killed(count.min(LOADED))?;
    report.row(&start(&mut server, "kill -9 behind a load", &known)?.0);
    let (row, replayed) = of_a_full_journal(count)?;
    ensure!(
        replayed == count as u64,
        "{replayed} of {count} were replayed"
    );
    report.row(&row);
    report.finish(words)
}

/// Returns a server that was killed as soon as it had acknowledged so many spans, and some traces.
fn killed(spans: usize) -> Result<(Server, Vec<Known>)> {
    let mut server = Server::start(Options::default())?;
    let filling = Filling {
        seed: 2,
        spans,
        begin_us: now_us() - WINDOW_US,
        length_us: WINDOW_US,
    };
    let filled = fill(server.port(), filling, &mut |_| ())?;
    server.kill()?;
    Ok((server, filled.known))
}

fn config(folder: &Path) -> Config {
    Config {
        dir: folder.into(),
        file_bytes: FILE_BYTES,
        bytes_max: JOURNAL_BYTES_MAX,
    }
}

/// Returns the tag that a server gives its records.
fn tag() -> Result<[u8; 16]> {
    let (server, _) = killed(BATCH)?;
    let mut tag = None;
    let mut journal = Journal::open(Arc::new(RealDisk), config(&server.data().join("journal")))?;
    journal.replay(0, &mut |_, record| tag = tag.or(Some(record.tag)))?;
    tag.context("the server's journal has no record")
}

/// Returns the row, and how many spans were replayed.
fn of_a_full_journal(count: usize) -> Result<(Vec<String>, u64)> {
    let mut server = Server::start(Options::default())?;
    server.kill()?;
    std::fs::remove_dir_all(server.data())?;
    let known = write_journal(&server.data().join("journal"), count, tag()?)?;
    start(&mut server, "a journal without segments", &known)
}

/// Writes spans as the server would have; returns some of the traces.
fn write_journal(folder: &Path, count: usize, tag: [u8; 16]) -> Result<Vec<Known>> {
    std::fs::create_dir_all(folder)?;
    let mut journal = Journal::open(Arc::new(RealDisk), config(folder))?;
    journal.replay(0, &mut |_, _| ())?;
    let mut traffic = Traffic::new(1);
    let mut known = Vec::new();
    let mut left = count;
    while left > 0 {
        let spans = traffic.spans(left.min(CHUNK), now_us() - WINDOW_US, WINDOW_US);
        left -= spans.len();
        let traces = spans.chunk_by(|a, b| a.trace_id == b.trace_id);
        known.extend(traces.step_by(97).map(|trace| Known {
            trace_id: trace[0].trace_id,
            spans: trace.len(),
        }));
        for group in batches(spans, BATCH).chunks(16) {
            let bodies = group.iter().map(|batch| Format::Proto.encode(batch));
            let records: Vec<Record> = bodies.map(|body| Record::new(tag, body.into())).collect();
            journal.append(&records)?;
        }
    }
    journal.sync()?;
    Ok(known)
}

/// Starts the server again; the traces have to be there. Returns the row, and how many spans were
/// replayed.
fn start(server: &mut Server, after: &str, known: &[Known]) -> Result<(Vec<String>, u64)> {
    let (_, journal_bytes) = process::disk_bytes(&server.data())?;
    let begin = Instant::now();
    server.restart()?;
    let took = begin.elapsed().as_millis();
    let cpu_ns = process::cpu_ns(server.pid())?;
    let peak_bytes = process::memory(server.pid())?.peak_bytes;
    let spans = replayed(server)?;
    check_counts(server, spread(known, READ_BACK))?;
    let row = vec![
        after.to_owned(),
        spans.to_string(),
        per(journal_bytes, MIB).to_string(),
        took.to_string(),
        per(cpu_ns, spans).to_string(),
        per(peak_bytes, MIB).to_string(),
    ];
    Ok((row, spans))
}

/// Returns how many spans the server says it read back; it says nothing when there were none.
fn replayed(server: &Server) -> Result<u64> {
    let log = server.log();
    let mut lines = log.lines().rev();
    let Some(line) = lines.find(|line| line.contains("read back from the journal")) else {
        return Ok(0);
    };
    let (_, count) = line.split_once("spans=").context("no count of spans")?;
    let digits: String = count.chars().take_while(char::is_ascii_digit).collect();
    Ok(digits.parse()?)
}
