//! The engine: spans in, answers out, through the modules beside it. It runs nothing in the
//! background: merging, retention and `traces` are the server's own work, and linking is
//! `housekeeping`'s, so that any number of processes may share it and any may end at any time.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clickhouse::Row;
use parking_lot::Mutex;
use serde::Deserialize;
use speargun_model::{DependencyLink, Span, TraceId};
use speargun_storage::{
    Database, ListName, ReadContext, ReadError, SpanReader, StoreError, Stored, TraceRequest,
    Window,
};

use crate::columns::Arrival;
use crate::config::{Config, ConfigError};
use crate::fault::Fault;
use crate::fetch::{Fetch, Traces, key};
use crate::insert;
use crate::links::{Answered, Asked};
use crate::names::{self, Known, What};
use crate::prepare::prepare;
use crate::search::Search;
use crate::server::{Deadline, Server, query};

/// How long a question whether the server can serve may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a store that was large is taken to be large.
const SIZE_KNOWN: Duration = Duration::from_mins(1);

/// Spans in the tables of a `ClickHouse` server or cluster.
#[derive(Debug)]
pub struct ClickHouse {
    pub(crate) config: Config,
    pub(crate) server: Server,
    known: Known,
    /// Whether the tables are there, as far as anyone knows.
    prepared: AtomicBool,
    preparing: Mutex<()>,
    /// The last list's milliseconds.
    arrived_ms: AtomicU64,
    /// Something random of this process.
    process: u32,
    /// When the store was last seen to be large.
    large: Mutex<Option<Instant>>,
    links_read: AtomicU64,
    links_computed: AtomicU64,
}

/// How questions for links were answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkAnswers {
    /// From table `links`, as far as it knew.
    pub read: u64,
    /// From the spans of all traces of the window.
    pub computed: u64,
}

#[derive(Row, Deserialize)]
struct Count {
    spans: u64,
}

// === impl ClickHouse ===

impl ClickHouse {
    /// Returns the engine; no server is asked before the first call.
    pub fn new(config: Config) -> Result<Self, OpenError> {
        config.validate()?;
        Ok(Self {
            server: Server::new(&config)?,
            known: Known::new(&config.autocomplete_keys),
            config,
            prepared: AtomicBool::new(false),
            preparing: Mutex::new(()),
            arrived_ms: AtomicU64::new(0),
            process: std::hash::RandomState::new().build_hasher().finish() as u32,
            large: Mutex::new(None),
            links_read: AtomicU64::new(0),
            links_computed: AtomicU64::new(0),
        })
    }

    /// Makes the tables when they are missing; does nothing once they were seen.
    pub fn prepare(&self) -> Result<(), Fault> {
        if self.prepared.load(Ordering::Acquire) {
            return Ok(());
        }
        let _one_at_a_time = self.preparing.lock();
        if !self.prepared.load(Ordering::Acquire) {
            prepare(&self.server, &self.config)?;
            self.prepared.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// Returns how questions for links were answered so far.
    pub fn link_answers(&self) -> LinkAnswers {
        LinkAnswers {
            read: self.links_read.load(Ordering::Relaxed),
            computed: self.links_computed.load(Ordering::Relaxed),
        }
    }

    /// Does `work` on prepared tables; when one is gone, looks at all of them before the next.
    pub(crate) fn on_tables<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.prepare()?;
        let outcome = work();
        if outcome.as_ref().is_err_and(Fault::is_missing_table) {
            self.known.forget();
            self.prepared.store(false, Ordering::Release);
        }
        outcome
    }

    /// Returns a time for a list, later than all before: it orders the spans of a trace.
    fn arrive(&self) -> Arrival {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now_ms = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        let next = |last: u64| now_ms.max(last.saturating_add(1));
        let last = self
            .arrived_ms
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(next(last))
            });
        let (Ok(last) | Err(last)) = last;
        Arrival {
            ms: next(last),
            process: self.process,
        }
    }

    fn fetch(&self, context: &ReadContext) -> Fetch<'_> {
        Fetch {
            server: &self.server,
            mode: self.config.id_mode,
            deadline: self.server.deadline(context),
        }
    }

    /// Returns whether the store is so small that a search may look at all of it.
    fn is_small(&self, deadline: Deadline) -> Result<bool, Fault> {
        let known = |seen: Instant| seen.elapsed() < SIZE_KNOWN;
        if self.large.lock().is_some_and(known) {
            return Ok(false);
        }
        // The server knows without reading.
        let text = "SELECT count() AS spans FROM spans";
        let count = self.server.with_client(deadline, async |client| {
            let query = query(&client, text, deadline)?;
            Ok(query.fetch_one::<Count>().await?.spans)
        })?;
        let small = count <= self.config.small_store_spans;
        if !small {
            *self.large.lock() = Some(Instant::now());
        }
        Ok(small)
    }

    fn names(
        &self,
        what: What,
        owner: &str,
        context: &ReadContext,
    ) -> Result<Vec<String>, ReadError> {
        let deadline = self.server.deadline(context);
        let read = || names::read(&self.server, (what, owner), deadline);
        Ok(self.on_tables(read)?)
    }
}

impl SpanReader for ClickHouse {
    fn describe(&self) -> String {
        let urls: Vec<&str> = self.server.urls().collect();
        let Config { database, .. } = &self.config;
        format!("ClickHouse{{urls={}, database={database}}}", urls.join(","))
    }

    fn check(&self) -> Result<(), ReadError> {
        let ask = || {
            let deadline = Deadline::after(CHECK_TIMEOUT);
            self.server.with_client(deadline, async |client| {
                let query = query(&client, "SELECT count() AS spans FROM spans", deadline)?;
                query.fetch_one::<Count>().await?;
                Ok(())
            })
        };
        Ok(self.on_tables(ask)?)
    }

    fn trace(&self, id: TraceId, context: &ReadContext) -> Result<Vec<Span>, ReadError> {
        let fetch = self.fetch(context);
        let (mut traces, _) =
            self.on_tables(|| fetch.traces(&[id.low], self.config.answer_bytes))?;
        Ok(traces.remove(&key(fetch.mode, id)).unwrap_or_default())
    }

    fn search(
        &self,
        request: &TraceRequest,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError> {
        let fetch = self.fetch(context);
        Ok(self.on_tables(|| {
            let everywhere = self.is_small(fetch.deadline)?;
            Search::new(fetch, request, self.config.answer_bytes, everywhere).run()
        })?)
    }

    fn service_names(&self, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        self.names(What::Service, "", context)
    }

    fn span_names(&self, service: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        self.names(What::SpanName, service, context)
    }

    fn remote_service_names(
        &self,
        service: &str,
        context: &ReadContext,
    ) -> Result<Vec<String>, ReadError> {
        self.names(What::RemoteService, service, context)
    }

    fn tag_values(&self, key: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        // Another process may list more keys.
        if !self.config.autocomplete_keys.iter().any(|k| k == key) {
            return Ok(Vec::new());
        }
        self.names(What::TagValue, key, context)
    }

    fn dependencies(
        &self,
        window: Window,
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        self.dependencies_without(window, &[], context)
    }
}

impl Database for ClickHouse {
    fn store(&self, name: &ListName, spans: &[Span]) -> Result<Stored, StoreError> {
        let deadline = Deadline::after(self.config.store_timeout);
        let into = (&self.server, &self.known);
        self.on_tables(|| insert::store(into, name, spans, (self.arrive(), deadline)))?;
        Ok(Stored::default())
    }

    fn traces(&self, ids: &[TraceId], context: &ReadContext) -> Result<Vec<Vec<Span>>, ReadError> {
        let fetch = self.fetch(context);
        let mut lows: Vec<u64> = ids.iter().map(|id| id.low).collect();
        lows.sort_unstable();
        lows.dedup();
        let read = || fetch.traces(&lows, self.config.answer_bytes);
        let (traces, _): (Traces, usize) = self.on_tables(read)?;
        Ok(traces.into_values().collect())
    }

    fn dependencies_without(
        &self,
        window: Window,
        lows: &[u64],
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        let asked = Asked {
            server: &self.server,
            window,
            without: lows,
            deadline: self.server.deadline(context),
        };
        let (counter, links) = match self.on_tables(|| asked.links(self.config.links))? {
            Answered::Table(links) => (&self.links_read, links),
            Answered::Spans(links) => (&self.links_computed, links),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(links)
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The process can have no more threads or sockets.
    #[error("no threads for connections to ClickHouse: {0}")]
    Runtime(#[from] std::io::Error),
}
