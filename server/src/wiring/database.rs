//! Puts the spool together: the engine in the data folder, the database that the settings name, and
//! what health and metrics tell of both. Here is the one place where engines over databases are
//! opened.

use std::sync::Arc;
use std::time::SystemTime;

use speargun_runtime::SystemClock;
use speargun_spool::{Spool, Stats};
use speargun_storage::{Database, Inspect, Local, SpanReader, SpanWriter};

mod background;
mod clickhouse;
mod mysql;

pub(crate) use background::Background;

use super::engine::{Embedded, Figure, Figures, Parts, SEGMENTS, Store};
use crate::admin::Component;
use crate::settings::{DatabaseKind, Settings};

/// A database, and what its engine tells of itself.
struct Connected {
    database: Arc<dyn Database>,
    figures: Figures,
    parts: Parts,
    background: Option<Background>,
}

impl Connected {
    /// Returns one whose engine tells nothing.
    fn plain(database: Arc<dyn Database>) -> Self {
        Self {
            database,
            figures: Figures::new(Vec::new),
            parts: Parts::new(Vec::new),
            background: None,
        }
    }
}

/// Returns a name for this process that no other one has, as the owner of leases.
fn owner() -> anyhow::Result<String> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(format!("{}-{}", std::process::id(), since.as_nanos()))
}

/// Returns the database. It need not be reachable: spans wait until it is.
fn connect(kind: DatabaseKind, settings: &Settings) -> anyhow::Result<Connected> {
    match kind {
        DatabaseKind::Mysql => mysql::connect(settings),
        DatabaseKind::Clickhouse => clickhouse::connect(settings),
    }
}

/// Returns what looks at the database for `speargun storage`.
pub(crate) fn inspector(
    kind: DatabaseKind,
    settings: &Settings,
) -> anyhow::Result<Box<dyn Inspect>> {
    match kind {
        DatabaseKind::Mysql => mysql::inspector(settings),
        DatabaseKind::Clickhouse => clickhouse::inspector(settings),
    }
}

/// Opens the spool and starts moving what waits in it.
pub(super) fn open(kind: DatabaseKind, settings: &Settings) -> anyhow::Result<Store> {
    let Connected {
        database,
        figures: of_engine,
        parts,
        background,
    } = connect(kind, settings)?;
    let folder = settings.data.join(SEGMENTS);
    let embedded = Embedded::open(settings, speargun_segment::Config::waiting(&folder))?;
    let config = speargun_spool::Config {
        id_mode: settings.query.id_mode,
        bytes_max: settings.spool.bytes,
        age_max: settings.spool.age,
        ..speargun_spool::Config::default()
    };
    let local = Arc::clone(&embedded.store) as Arc<dyn Local>;
    let spool = Arc::new(Spool::new(config, local, database, Arc::new(SystemClock)));
    spool.start()?;
    let (figures, of_segments) = (Arc::clone(&spool), embedded.figures());
    let (told, name) = (
        Arc::clone(&spool),
        format!("Spool{{dir={}}}", folder.display()),
    );
    Ok(Store {
        retention: None,
        writer: Arc::clone(&spool) as Arc<dyn SpanWriter>,
        reader: spool as Arc<dyn SpanReader>,
        journal: embedded.journal,
        position: embedded.replayed.end,
        lock: Some(embedded.lock),
        background,
        figures: Figures::new(move || {
            let mut all = of_segments.read();
            all.extend(spool_figures(&figures.stats()));
            all.extend(of_engine.read());
            all
        }),
        parts: Parts::new(move || {
            let mut all = vec![component(name.clone(), told.stats())];
            all.extend(parts.read());
            all
        }),
    })
}

/// Returns what health tells of the spool. That the database is down is told of the database.
fn component(name: String, stats: Stats) -> Component {
    Component {
        name,
        wrong: stats.full.map(|why| format!("WriteError: {why}")),
        warning: None,
        figures: vec![
            ("spans", stats.waiting.spans),
            ("bytes", stats.waiting.bytes),
            ("seconds", stats.age_ms / 1000),
        ],
    }
}

#[rustfmt::skip]
fn spool_figures(stats: &Stats) -> [Figure; 11] {
    [
        ("speargun_spool_spans", "gauge", stats.waiting.spans, "spans that wait for the database"),
        ("speargun_spool_bytes", "gauge", stats.waiting.bytes, "bytes on disk of those"),
        ("speargun_spool_age_seconds", "gauge", stats.age_ms / 1000,
            "how long the oldest of them has waited"),
        ("speargun_spool_full", "gauge", u64::from(stats.full.is_some()),
            "1 while no more may wait and spans are refused"),
        ("speargun_spool_database_down", "gauge", u64::from(stats.outage.is_some()),
            "1 while the database can't be used"),
        ("speargun_spool_stored_spans_total", "counter", stats.stored,
            "spans that the database took"),
        ("speargun_spool_refused_spans_total", "counter", stats.refused,
            "spans that the database can't hold, left out"),
        ("speargun_spool_cut_spans_total", "counter", stats.cut,
            "spans of which a value was cut to what the database holds"),
        ("speargun_spool_lists_total", "counter", stats.lists,
            "lists of spans that the database took"),
        ("speargun_spool_failures_total", "counter", stats.failures,
            "attempts that failed and were made again"),
        ("speargun_spool_outages_total", "counter", stats.outages,
            "times that the database could not be used"),
    ]
}
