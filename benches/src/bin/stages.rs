//! One stage of a span's life by itself, without sockets, so that callgrind can count its
//! instructions: `stages STAGE`; `cargo xtask bench --check` does. The stage runs once, in
//! [`stage`]; all before it is the way there. Files lie on a real disk, of which callgrind sees no
//! more than the system calls. A stage that works on a thread of its own is counted as the
//! difference to `stages STAGE --without`. Cost in a running server is the business of `ingest` and
//! `read`.

use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use speargun_benches::workload::{Format, Traffic, batches};
use speargun_journal::{Journal, Record};
use speargun_model::codec::{self, Format as Codec};
use speargun_model::{Bounds, SpanBatch, TraceId};
use speargun_runtime::{Clock, ManualClock, RealDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::{Position, ReadContext, SpanReader, SpanWriter};

// The allocator of the server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Spans of the stages that move each span.
const SPANS: usize = 40_000;
/// Spans in a body.
const BATCH: usize = 100;
/// Bodies that are appended together.
const GROUP: usize = 16;
/// Segments that are merged into one.
const SEGMENTS: usize = 4;
/// Traces that are read.
const TRACES: usize = 100;
const BEGIN_US: u64 = 1_760_000_000_000_000;
const LENGTH_US: u64 = 60_000_000;

/// What is counted: a symbol of its own, which callgrind is told to switch on and off at.
#[inline(never)]
fn stage<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    black_box(work())
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let folder = tempfile::tempdir()?;
    let count = match words.as_slice() {
        ["decode-json"] => decode(Format::Json)?,
        ["decode-proto"] => decode(Format::Proto)?,
        ["journal-append"] => append(folder.path())?,
        ["seal"] => seal(folder.path(), true)?,
        ["seal", "--without"] => seal(folder.path(), false)?,
        ["merge"] => merge(folder.path())?,
        ["trace-read"] => read(folder.path())?,
        _ => bail!("stages STAGE [--without], not {words:?}"),
    };
    // How many spans (or traces) the instructions are of.
    writeln!(std::io::stderr(), "{count}")?;
    Ok(())
}

fn bodies(format: Format) -> Vec<Bytes> {
    let spans = Traffic::new(1).spans(SPANS, BEGIN_US, LENGTH_US);
    let batches = batches(spans, BATCH);
    batches
        .iter()
        .map(|batch| format.encode(batch).into())
        .collect()
}

fn decoded() -> Result<Vec<Arc<SpanBatch>>> {
    let bodies = bodies(Format::Proto).into_iter();
    let decoded = bodies.map(|body| {
        let mut batch = SpanBatch::default();
        codec::decode(Codec::Proto3, body, &Bounds::default(), &mut batch)?;
        Ok(Arc::new(batch))
    });
    decoded.collect()
}

fn decode(format: Format) -> Result<usize> {
    let codec = match format {
        Format::Json => Codec::JsonV2,
        _ => Codec::Proto3,
    };
    let bodies = bodies(format);
    let mut batch = SpanBatch::default();
    stage(|| {
        for body in &bodies {
            codec::decode(codec, body.clone(), &Bounds::default(), &mut batch)?;
            black_box(&batch);
        }
        Ok(())
    })?;
    Ok(SPANS)
}

fn append(folder: &Path) -> Result<usize> {
    let config = speargun_journal::Config {
        dir: folder.into(),
        file_bytes: 64 << 20,
        bytes_max: 256 << 20,
    };
    let mut journal = Journal::open(Arc::new(RealDisk), config)?;
    journal.replay(0, &mut |_, _| ())?;
    let bodies = bodies(Format::Proto);
    stage(|| {
        for group in bodies.chunks(GROUP) {
            // The checksum is part of it.
            let records = group.iter().map(|body| Record::new([0; 16], body.clone()));
            journal.append(&records.collect::<Vec<_>>())?;
        }
        Ok(())
    })?;
    Ok(SPANS)
}

/// A store that seals and merges only when it is told to.
struct Store {
    store: Arc<SegmentStore>,
    clock: Arc<ManualClock>,
}

impl Store {
    fn open(folder: &Path) -> Result<Self> {
        let clock = Arc::new(ManualClock::new(BEGIN_US / 1000));
        let config = Config {
            seal_rows: usize::MAX,
            seal_bytes: usize::MAX,
            seal_age_ms: u64::MAX,
            ..Config::new(folder)
        };
        let disk = Arc::new(RealDisk);
        let store = SegmentStore::open(config, disk, clock.clone())?;
        Ok(Self { store, clock })
    }

    /// Writes and seals the batches as so many segments.
    fn fill(&self, decoded: &[Arc<SpanBatch>], segments: usize) -> Result<()> {
        let per_segment = decoded.len().div_ceil(segments);
        for (position, batches) in (1..).zip(decoded.chunks(per_segment)) {
            self.store.write(batches, Position(position))?;
            self.store.seal()?;
        }
        Ok(())
    }

    /// Makes the partition one that is over, so that what lies in it is merged.
    fn let_time_pass(&self) {
        self.clock.set(self.clock.now_ms() + 2 * 3_600_000);
    }
}

fn seal(folder: &Path, with: bool) -> Result<usize> {
    let store = Store::open(folder)?;
    store.store.write(&decoded()?, Position(1))?;
    if with {
        stage(|| Ok(store.store.seal()?))?;
    }
    ensure!(
        store.store.stats().segments == u64::from(with),
        "not one segment"
    );
    Ok(SPANS)
}

fn merge(folder: &Path) -> Result<usize> {
    let store = Store::open(folder)?;
    store.fill(&decoded()?, SEGMENTS)?;
    store.let_time_pass();
    stage(|| Ok(store.store.compact()?))?;
    ensure!(store.store.stats().merges == 1, "not one merge");
    Ok(SPANS)
}

fn read(folder: &Path) -> Result<usize> {
    let decoded = decoded()?;
    let records = decoded.iter().flat_map(|batch| batch.views());
    let mut ids: Vec<TraceId> = records.map(|view| view.record().trace_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let store = Store::open(folder)?;
    store.fill(&decoded, SEGMENTS)?;
    store.let_time_pass();
    store.store.compact()?;
    let step = ids.len() / TRACES;
    stage(|| {
        for id in ids.iter().step_by(step).take(TRACES) {
            let spans = store.store.trace(*id, &ReadContext::default())?;
            ensure!(!spans.is_empty(), "a trace is not there");
        }
        Ok(())
    })?;
    Ok(TRACES)
}
