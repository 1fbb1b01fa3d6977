//! Opens the engine that the settings name, with the journal in front of it.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use http::StatusCode;
use speargun_collector::{SyncMode, replay};
use speargun_journal::{Journal, Replay, Tail};
use speargun_memory::MemoryStore;
use speargun_query::{Answer, QueryApi, UiAnswer, UiApi};
use speargun_runtime::{Disk, RealDisk, SystemClock};
use speargun_segment::{SegmentStore, Stats};
use speargun_storage::{Retention, SpanReader, SpanWriter};

use super::database::{self, Background};
use crate::admin::Component;
use crate::front::reply::{self, Reply};
use crate::lock::FolderLock;
use crate::queries::AskApi;
use crate::self_tracing::{SelfTracing, calls};
use crate::settings::{Engine, QuerySettings, Settings};

/// An open engine.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) writer: Arc<dyn SpanWriter>,
    pub(crate) reader: Arc<dyn SpanReader>,
    /// Where bodies go first; `None` when nothing is kept.
    pub(crate) journal: Option<Journal>,
    /// The journal position behind all that the engine has.
    pub(crate) position: u64,
    pub(crate) lock: Option<FolderLock>,
    /// What is kept, of an engine that deletes by itself.
    pub(crate) retention: Option<Retention>,
    /// What is done in a database meanwhile.
    pub(crate) background: Option<Background>,
    /// The engine's own figures, for metrics.
    pub(crate) figures: Figures,
    /// The engine's parts beside what it reads, for health.
    pub(crate) parts: Parts,
}

impl Store {
    /// Notes the calls of the store from here on.
    pub(crate) fn trace(&mut self, tracing: &Arc<SelfTracing>) {
        self.reader = Arc::new(calls::Traced(Arc::clone(&self.reader)));
        let engine = std::mem::replace(&mut self.figures, Figures(Box::new(Vec::new)));
        let tracing = Arc::clone(tracing);
        self.figures = Figures(Box::new(move || {
            let dropped: Figure = (
                "speargun_self_spans_dropped_total",
                "counter",
                tracing.dropped(),
                "own spans for which there was no place",
            );
            engine.read().into_iter().chain([dropped]).collect()
        }));
    }
}

/// A metric: name, type, value, help.
pub(crate) type Figure = (&'static str, &'static str, u64, &'static str);

/// Reads an engine's figures.
pub(crate) struct Figures(Box<dyn Fn() -> Vec<Figure> + Send + Sync>);

impl Figures {
    /// Returns those that `read` reads.
    pub(super) fn new(read: impl Fn() -> Vec<Figure> + Send + Sync + 'static) -> Self {
        Self(Box::new(read))
    }

    pub(crate) fn read(&self) -> Vec<Figure> {
        (self.0)()
    }
}

impl std::fmt::Debug for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.read()).finish()
    }
}

/// Tells how the parts of an engine are.
pub(crate) struct Parts(Box<dyn Fn() -> Vec<Component> + Send + Sync>);

impl Parts {
    /// Returns those that `tell` tells of.
    pub(super) fn new(tell: impl Fn() -> Vec<Component> + Send + Sync + 'static) -> Self {
        Self(Box::new(tell))
    }

    pub(crate) fn read(&self) -> Vec<Component> {
        (self.0)()
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.read()).finish()
    }
}

/// Bytes of a journal file: small enough that space is given back often.
const JOURNAL_FILE_BYTES: u64 = 64 << 20;

/// Opens the engine.
pub(crate) fn open(settings: &Settings) -> anyhow::Result<Store> {
    match settings.engine {
        Engine::Memory => Ok(memory(settings)),
        Engine::Segment => segment(settings),
        Engine::Database(kind) => database::open(kind, settings),
    }
}

fn memory(settings: &Settings) -> Store {
    let store = Arc::new(MemoryStore::new(&speargun_memory::Config {
        spans_max: settings.mem_spans_max,
        id_mode: settings.query.id_mode,
        autocomplete_keys: settings.query.autocomplete_keys.clone(),
    }));
    Store {
        writer: Arc::clone(&store) as Arc<dyn SpanWriter>,
        reader: store,
        journal: None,
        position: 0,
        lock: None,
        retention: None,
        background: None,
        figures: Figures(Box::new(Vec::new)),
        parts: Parts::new(Vec::new),
    }
}

/// Returns the bytes of heads that may be in memory alone: none where no journal has them as well.
fn unwritten_head_bytes(settings: &Settings) -> u64 {
    match settings.sync {
        SyncMode::Off => 0,
        SyncMode::Sync | SyncMode::Os => settings.journal_bytes / JOURNAL_PARTS,
    }
}

fn segment(settings: &Settings) -> anyhow::Result<Store> {
    let defaults = speargun_segment::Config::new(settings.data.join(SEGMENTS));
    let config = speargun_segment::Config {
        retention_age_ms: Some(settings.retention_age.as_millis() as u64),
        retention_bytes: Some(settings.retention_bytes),
        unwritten_head_bytes: unwritten_head_bytes(settings).min(defaults.unwritten_head_bytes),
        ..defaults
    };
    let embedded = Embedded::open(settings, config)?;
    let figures = embedded.figures();
    Ok(Store {
        retention: Some(embedded.store.retention()),
        writer: Arc::clone(&embedded.store) as Arc<dyn SpanWriter>,
        reader: embedded.store,
        journal: embedded.journal,
        position: embedded.replayed.end,
        lock: Some(embedded.lock),
        background: None,
        figures,
        parts: Parts::new(Vec::new),
    })
}

/// The part of the journal's bytes that segments in memory alone may keep it from letting go, and
/// so the start has to read back.
const JOURNAL_PARTS: u64 = 3;

/// The folder of segments, in the data folder.
pub(super) const SEGMENTS: &str = "segments";
/// The folder of the journal, in the data folder.
pub(super) const JOURNAL: &str = "journal";

/// The engine in the data folder, with what its journal held in it.
pub(super) struct Embedded {
    pub(super) store: Arc<SegmentStore>,
    pub(super) journal: Option<Journal>,
    pub(super) replayed: replay::Summary,
    pub(super) lock: FolderLock,
}

impl Embedded {
    pub(super) fn open(
        settings: &Settings,
        config: speargun_segment::Config,
    ) -> anyhow::Result<Self> {
        let lock = FolderLock::take(&settings.data)?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let config = speargun_segment::Config {
            id_mode: settings.query.id_mode,
            autocomplete_keys: settings.query.autocomplete_keys.clone(),
            ..config
        };
        let store = SegmentStore::open(config, Arc::clone(&disk), Arc::new(SystemClock))?;
        let mut journal = Journal::open(
            disk,
            speargun_journal::Config {
                dir: settings.data.join(JOURNAL),
                file_bytes: JOURNAL_FILE_BYTES.min(settings.journal_bytes / 2),
                bytes_max: settings.journal_bytes,
            },
        )?;
        sync_names(&settings.data)?;
        let replayed = replay::replay(&mut journal, &*store)?;
        tell(&replayed);
        Ok(Self {
            store,
            journal: (settings.sync != SyncMode::Off).then_some(journal),
            replayed,
            lock,
        })
    }

    pub(super) fn figures(&self) -> Figures {
        let (store, replayed) = (Arc::clone(&self.store), self.replayed);
        Figures::new(move || {
            let mut all = segment_figures(&store.stats());
            all.extend(journal_figures(&replayed));
            all
        })
    }
}

/// Says what was read back, when there was anything, and what was not.
fn tell(summary: &replay::Summary) {
    let (spans, unreadable) = (summary.spans, summary.unreadable);
    let Replay {
        cut_bytes,
        lost_bytes,
        tail,
        ..
    } = summary.journal;
    if tail == Tail::Corrupt || unreadable > 0 {
        tracing::error!(
            spans,
            unreadable,
            lost_bytes,
            cut_bytes,
            "the journal was damaged: some spans are lost"
        );
    } else if tail == Tail::Torn {
        tracing::warn!(
            spans,
            cut_bytes,
            "the journal's end was torn and is cut off"
        );
    } else if spans > 0 {
        tracing::info!(spans, "read back from the journal");
    }
}

#[rustfmt::skip]
fn journal_figures(summary: &replay::Summary) -> [Figure; 3] {
    let Replay { lost_bytes, cut_bytes, .. } = summary.journal;
    [
        ("speargun_journal_lost_bytes", "gauge", lost_bytes,
            "bytes of the journal that the start could not read back"),
        ("speargun_journal_cut_bytes", "gauge", cut_bytes,
            "bytes of unfinished writes that the start cut off the journal"),
        ("speargun_journal_unreadable", "gauge", summary.unreadable,
            "requests in the journal that the start could not decode"),
    ]
}

#[rustfmt::skip]
fn segment_figures(stats: &Stats) -> Vec<Figure> {
    vec![
        ("speargun_segments", "gauge", stats.segments, "segments"),
        ("speargun_segment_spans", "gauge", stats.segment_rows, "spans in segments"),
        ("speargun_segment_bytes", "gauge", stats.segment_bytes, "bytes of segments"),
        ("speargun_unwritten_bytes", "gauge", stats.unwritten_bytes,
            "bytes of segments in memory alone, whose spans are in the journal too"),
        ("speargun_head_spans", "gauge", stats.head_rows, "spans not yet in a segment"),
        ("speargun_head_bytes", "gauge", stats.head_bytes, "memory of spans not yet in a segment"),
        ("speargun_cache_bytes", "gauge", stats.cache_bytes, "memory of what queries read"),
        ("speargun_link_memo_bytes", "gauge", stats.link_memo_bytes,
            "memory of what is remembered of links"),
        ("speargun_sealed_spans_total", "counter", stats.sealed_rows, "spans put into segments"),
        ("speargun_merged_spans_total", "counter", stats.merged_rows, "spans written again"),
        ("speargun_merges_total", "counter", stats.merges, "merges of segments"),
        ("speargun_expired_segments_total", "counter", stats.expired_segments,
            "segments deleted by retention"),
        ("speargun_expired_spans_total", "counter", stats.expired_rows,
            "spans deleted by retention"),
        ("speargun_lost_segments", "gauge", stats.lost_segments,
            "segments that were damaged or missing at the start"),
        ("speargun_corrupt_reads_total", "counter", stats.corrupt_reads,
            "reads that met damaged bytes"),
        ("speargun_failed_seals_total", "counter", stats.failed_seals,
            "segments that could not be written and were tried again"),
        ("speargun_failed_merges_total", "counter", stats.failed_merges,
            "merges that failed and were tried again"),
    ]
}

/// Returns what answers queries of the API.
pub(crate) fn answer(settings: &QuerySettings, reader: &Arc<dyn SpanReader>) -> Arc<AskApi> {
    let config = speargun_query::Config {
        lookback_default_ms: settings.lookback_ms,
        names_max_age_s: settings.names_max_age_s,
        search_enabled: settings.search,
        autocomplete_keys: settings.autocomplete_keys.clone(),
        timeout: settings.timeout,
        id_mode: settings.id_mode,
    };
    let clock = Arc::new(SystemClock);
    let page = UiApi::new(Arc::clone(reader), config.clone(), clock.clone());
    let api = QueryApi::new(Arc::clone(reader), config, clock);
    Arc::new(move |path, query| match api.answer(path, query) {
        Some(answer) => reply_of(answer),
        None => match page.answer(path, query)? {
            UiAnswer::Whole(answer) => reply_of(answer),
            UiAnswer::Lines(lines) => Some(reply::with_lines(lines)),
        },
    })
}

fn reply_of(answer: Answer) -> Option<Reply> {
    let status = StatusCode::from_u16(answer.status).ok()?;
    let mut reply = reply::with_body(status, answer.content_type, answer.body);
    if let Some(policy) = answer.cache_control {
        reply::cache_for(&mut reply, &policy);
    }
    Some(reply)
}

/// Makes the names of folders that a first start made survive a power cut: those in the data
/// folder, its own in the one above, and so on.
fn sync_names(data: &Path) -> anyhow::Result<()> {
    let sync = |folder: &Path| {
        RealDisk
            .sync_dir(folder)
            .with_context(|| format!("{} can't be synced", folder.display()))
    };
    sync(data)?;
    let data = data.canonicalize()?;
    for above in data.ancestors().skip(1) {
        // Not each process may read the folders above its own.
        if let Err(error) = sync(above) {
            tracing::debug!(%error, "names of folders are left to the system");
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Sources, Texts};

    #[test]
    fn segments_stay_in_memory_as_far_as_a_journal_has_them() {
        let of = |pairs: &[(&str, &str)]| {
            let flags = pairs.iter();
            let sources = Sources {
                flags: flags
                    .map(|&(name, value)| (name.to_owned(), value.to_owned()))
                    .collect(),
                ..Sources::default()
            };
            unwritten_head_bytes(&Settings::parse(&Texts::merge(sources).unwrap()).unwrap())
        };
        let journal = ("SPEARGUN_JOURNAL_BYTES", "300MB");
        assert_eq!(of(&[journal]), 100 << 20);
        assert_eq!(of(&[journal, ("SPEARGUN_SYNC", "os")]), 100 << 20);
        assert_eq!(of(&[journal, ("SPEARGUN_SYNC", "off")]), 0);
    }
}
