//! Opens the engine that the settings name, with the journal in front of it.

use std::sync::Arc;

use http::StatusCode;
use speargun_journal::Journal;
use speargun_memory::MemoryStore;
use speargun_model::batch::Bounds;
use speargun_query::QueryApi;
use speargun_runtime::SystemClock;
use speargun_storage::{SpanReader, SpanWriter};

use crate::lock::FolderLock;
use crate::front::reply;
use crate::queries::AskApi;
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
}

/// Opens the engine.
pub(crate) fn open(settings: &Settings, bounds: Bounds) -> anyhow::Result<Store> {
    match settings.engine {
        Engine::Memory => Ok(memory(settings)),
        Engine::Segment => segment(settings, bounds),
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
    }
}

fn segment(settings: &Settings, _bounds: Bounds) -> anyhow::Result<Store> {
    let _lock = FolderLock::take(&settings.data)?;
    anyhow::bail!("STORAGE_TYPE=segment is not built yet")
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
    let api = QueryApi::new(Arc::clone(reader), config, Arc::new(SystemClock));
    Arc::new(move |path, query| {
        let answer = api.answer(path, query)?;
        let status = StatusCode::from_u16(answer.status).ok()?;
        let mut reply = reply::with_body(status, answer.content_type, answer.body);
        if let Some(policy) = answer.cache_control {
            reply::cache_for(&mut reply, &policy);
        }
        Some(reply)
    })
}
