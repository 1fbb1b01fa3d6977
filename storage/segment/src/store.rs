//! The store: the head that takes writes, heads waiting to be sealed, the live segments, and the
//! two threads that move spans from the left to the right. Queries work on a snapshot; a third
//! thread goes on with links that took a query too long.
//!
//! ```text
//! write ─▶ head ──full──▶ sealing (at most 2) ──sealer──▶ segments ◀──compactor── merge, retention
//!                                                 the newest in memory alone
//! ```

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use speargun_model::SpanBatch;
use speargun_runtime::{Clock, Disk};
use speargun_storage::{Backlog, Position, Retention, SpanWriter, Window, WriteError};

use crate::cache::Cache;
use crate::config::Config;
use crate::dependencies::memo::Memos;
use crate::error::OpenError;
use crate::head::Head;
use crate::moving::Ticket;
use crate::recover;
use crate::segment::Segment;
use crate::stats::{self, Counters, Stats};

/// Frozen heads that may wait for the sealer; a writer waits while there are more.
const SEALING_MAX: usize = 2;
/// How long a thread pauses after an error.
const RETRY: Duration = Duration::from_secs(1);
/// How long closing waits for the last head to be sealed; what is not is in the journal.
const CLOSE: Duration = Duration::from_secs(8);

mod change;
mod threads;
mod waiting;

pub(crate) use change::Change;

/// The embedded store.
#[derive(Debug)]
pub struct SegmentStore {
    pub(crate) shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What threads and queries share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) retention: Retention,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) counters: Counters,
    pub(crate) link_memo: Memos,
    state: Mutex<State>,
    changed: Condvar,
    /// Held by whoever writes a segment that is in memory alone.
    pub(crate) writing: Mutex<()>,
    /// Held by whoever merges and deletes.
    pub(crate) housekeeping: Mutex<()>,
    /// Held while the manifest is replaced, so that changes of the list follow one another.
    commit: Mutex<()>,
}

#[derive(Debug)]
struct State {
    head: Head,
    sealing: VecDeque<Arc<Head>>,
    segments: Arc<Vec<Arc<Segment>>>,
    /// What the segments hold, so that who asks for each group need not look at all of them.
    in_segments: Backlog,
    durable: Position,
    /// Why the last seal failed, until one succeeds.
    trouble: Option<String>,
    /// Whether the last merge or deletion failed.
    merge_failed: bool,
    /// How often somebody asked for all to be sealed.
    asked: u64,
    closing: bool,
    /// The window of links that took too long, until somebody finds them.
    links_owed: Option<Window>,
    /// The segment that is being moved away; under `housekeeping`.
    ticket: Option<Ticket>,
}

/// What a query sees: everything written before it began, in order of arrival.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) segments: Arc<Vec<Arc<Segment>>>,
    pub(crate) heads: Vec<Arc<Head>>,
}

impl SegmentStore {
    /// Opens the store in its folder and starts its threads. A segment that is damaged is put
    /// aside and reported; the rest is served.
    pub fn open(
        config: Config,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, OpenError> {
        let cache = Arc::new(Cache::new(config.cache_bytes));
        let recovered = recover::recover(&*disk, &config.dir, &cache)?;
        let shared = Arc::new(Shared {
            retention: Retention::new(config.retention_age_ms, config.retention_bytes),
            config,
            disk,
            clock,
            cache,
            counters: Counters {
                lost_segments: recovered.lost,
                ..Counters::default()
            },
            link_memo: Memos::default(),
            state: Mutex::new(State {
                head: Head::new(recovered.next_head),
                sealing: VecDeque::new(),
                in_segments: waiting::of_segments(&recovered.segments),
                segments: Arc::new(recovered.segments),
                durable: Position(recovered.durable),
                trouble: None,
                merge_failed: false,
                asked: 0,
                closing: false,
                links_owed: None,
                ticket: recovered.ticket,
            }),
            changed: Condvar::new(),
            writing: Mutex::new(()),
            housekeeping: Mutex::new(()),
            commit: Mutex::new(()),
        });
        let store = Self {
            shared,
            threads: Mutex::new(vec![]),
        };
        store.spawn("segment-seal", threads::seal_all)?;
        store.spawn("segment-merge", threads::keep_house)?;
        store.spawn("segment-links", threads::find_links)?;
        Ok(Arc::new(store))
    }

    fn spawn(&self, name: &str, run: fn(&Shared)) -> Result<(), OpenError> {
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name(name.to_owned());
        let handle = thread
            .spawn(move || run(&shared))
            .map_err(|source| OpenError::Io {
                path: self.shared.config.dir.clone(),
                source,
            })?;
        self.threads.lock().push(handle);
        Ok(())
    }

    /// Seals what the head holds, full or not, and waits until all is in segments on disk or an
    /// attempt has failed; the sealer goes on trying.
    pub fn seal(&self) -> Result<(), WriteError> {
        self.shared.freeze();
        self.shared.wait_sealed(Duration::ZERO)?;
        self.shared.wait_written(Duration::ZERO)
    }

    /// Merges and deletes until there is nothing left to do, on the caller's thread.
    pub fn compact(&self) -> io::Result<()> {
        while crate::compact::step(&self.shared)? {}
        Ok(())
    }

    /// Returns the dial of what is kept.
    pub fn retention(&self) -> Retention {
        self.shared.retention.clone()
    }

    /// Returns the figures for metrics.
    pub fn stats(&self) -> Stats {
        stats::of(&self.shared)
    }
}

impl SpanWriter for SegmentStore {
    fn write(&self, group: &[Arc<SpanBatch>], end: Position) -> Result<(), WriteError> {
        let shared = &self.shared;
        let mut state = shared.state.lock();
        // A sealer that fails is not waited for: what is in the journal is taken beyond the bound,
        // and `ready` lets nothing more into the journal.
        while state.sealing.len() >= SEALING_MAX && state.trouble.is_none() && !state.closing {
            shared.changed.wait(&mut state);
        }
        if state.closing {
            return Err(WriteError::Busy("the store is closing".into()));
        }
        state.head.push(group, end, shared.clock.now_ms());
        let full = state.head.rows >= shared.config.seal_rows
            || state.head.bytes >= shared.config.seal_bytes;
        if full && state.sealing.len() < SEALING_MAX {
            state.freeze();
            shared.changed.notify_all();
        }
        Ok(())
    }

    fn ready(&self) -> Result<(), WriteError> {
        let state = self.shared.state.lock();
        match &state.trouble {
            Some(trouble) if state.sealing.len() >= SEALING_MAX => {
                Err(WriteError::Busy(trouble.clone()))
            }
            _ => Ok(()),
        }
    }

    fn durable_position(&self) -> Position {
        self.shared.state.lock().durable
    }

    fn close(&self) -> Result<(), WriteError> {
        self.shared.freeze();
        let until = Instant::now() + CLOSE;
        let sealed = self.shared.wait_sealed(CLOSE).and_then(|()| {
            let left = until.saturating_duration_since(Instant::now());
            self.shared.wait_written(left)
        });
        self.shared.stop();
        for thread in self.threads.lock().drain(..) {
            thread
                .join()
                .map_err(|_| WriteError::Failed("a thread panicked".into()))?;
        }
        sealed
    }
}

impl Drop for SegmentStore {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl State {
    fn freeze(&mut self) {
        if self.head.rows > 0 {
            let next = Head::new(self.head.number + 1);
            self.sealing
                .push_back(Arc::new(std::mem::replace(&mut self.head, next)));
        }
    }
}

impl Shared {
    fn freeze(&self) {
        let mut state = self.state.lock();
        state.freeze();
        state.asked += 1;
        drop(state);
        self.changed.notify_all();
    }

    /// Says that links took longer than there was time.
    pub(crate) fn owe_links(&self, window: Window) {
        self.state.lock().links_owed = Some(window);
        self.changed.notify_all();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state.lock().closing
    }

    fn stop(&self) {
        self.state.lock().closing = true;
        self.changed.notify_all();
    }

    /// Waits until no head waits for the sealer; gives up when the sealer fails and `patience` is
    /// over. It tells each attempt.
    fn wait_sealed(&self, patience: Duration) -> Result<(), WriteError> {
        let until = Instant::now() + patience;
        let failed = || self.counters.failed_seals.load(Ordering::Relaxed);
        let before = failed();
        let mut state = self.state.lock();
        while !state.sealing.is_empty() {
            if state.closing {
                return Err(WriteError::Busy("the store is closing".into()));
            }
            self.changed.wait(&mut state);
            let over = failed() > before && Instant::now() >= until;
            if let (true, Some(trouble)) = (over, &state.trouble) {
                return Err(WriteError::Busy(trouble.clone()));
            }
        }
        Ok(())
    }

    /// Returns what a query that starts now sees.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.state.lock();
        let mut heads: Vec<Arc<Head>> = state.sealing.iter().cloned().collect();
        heads.push(Arc::new(state.head.clone()));
        Snapshot {
            segments: state.segments.clone(),
            heads,
        }
    }

    /// Returns why sealing fails, if it does.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.state.lock().trouble.clone()
    }

    /// Counts and reports that a segment could not be written.
    fn report_unwritten(&self, error: &io::Error) {
        self.counters.failed_seals.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, "a segment could not be written; trying again");
        self.state.lock().trouble = Some(error.to_string());
        self.changed.notify_all();
    }

    /// Counts and reports a read that met damaged bytes.
    pub(crate) fn report_damage(&self, path: &Path, error: &crate::error::SegmentError) {
        let seen = self.counters.corrupt_reads.fetch_add(1, Ordering::Relaxed);
        if matches!(error, crate::error::SegmentError::Io(_)) {
            self.counters.refused_reads.fetch_add(1, Ordering::Relaxed);
        }
        // The first ones name the file; a damaged page is met by every query that follows.
        if seen < 32 || seen.is_power_of_two() {
            tracing::error!(path = %path.display(), %error, "a part of a segment can't be read");
        }
    }

    /// Waits for a change or the time; returns whether the store is closing.
    fn pause(&self, time: Duration) -> bool {
        let mut state = self.state.lock();
        if !state.closing {
            self.changed.wait_for(&mut state, time);
        }
        state.closing
    }

    /// Waits out the time after an error, unless somebody asks for all to be sealed; returns
    /// whether the store is closing. Who has failed as well does not end it.
    fn rest(&self) -> bool {
        let until = Instant::now() + RETRY;
        let mut state = self.state.lock();
        let asked = state.asked;
        while !state.closing && state.asked == asked {
            if self.changed.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.closing
    }
}
