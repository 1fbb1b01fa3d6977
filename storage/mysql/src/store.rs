//! The engine's face: [`Database`] over a pool of connections. What each question becomes in SQL is
//! in the files named after the questions.

use std::ops::Range;
use std::sync::Arc;

use speargun_model::{DependencyLink, Span, TraceId};
use speargun_runtime::{Clock, SystemClock};
use speargun_storage::{
    Database, IdMode, ListName, ReadContext, ReadError, SpanReader, StoreError, Stored,
    TraceRequest, Window,
};

use crate::config::Config;
use crate::dependencies::{DAY_MS, DAYS_MAX};
use crate::error::Fault;
use crate::fetch::{self, Budget};
use crate::link::Link;
use crate::search::{self, Manner};
use crate::{dependencies, insert, names};

/// Spans in the tables of a MySQL or MariaDB server.
#[derive(Debug)]
pub struct MySqlStore {
    pub(crate) link: Link,
    pub(crate) config: Config,
    clock: Arc<dyn Clock>,
}

/// Spans that are older, by half a day and their day's rest, come late: the links of their day may
/// be counted already.
const LATE_MS: u64 = DAY_MS / 2;

impl MySqlStore {
    /// Makes a store. No connection is opened before the first question: the server may be away,
    /// and tables are looked at when it is there.
    pub fn open(config: Config) -> std::io::Result<Self> {
        Ok(Self {
            link: Link::new(&config)?,
            config,
            clock: Arc::new(SystemClock),
        })
    }

    /// Returns the store with another clock, which tells what comes late.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Returns the days whose spans come late.
    fn late_days(&self) -> Range<u64> {
        let now_ms = self.clock.now_ms();
        let first = (now_ms / DAY_MS).saturating_sub(DAYS_MAX);
        first..now_ms.saturating_sub(LATE_MS) / DAY_MS
    }

    fn manner(&self) -> Manner {
        Manner {
            mode: self.config.id_mode,
            answer_bytes: self.config.answer_bytes,
        }
    }

    /// Returns the spans of traces, their ids compared as `mode` says.
    fn traces_by(
        &self,
        ids: &[TraceId],
        mode: IdMode,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError> {
        let answer_bytes = self.config.answer_bytes;
        let traces = self.link.read(context, async |session| {
            let all = fetch::full_ids(session, ids, mode).await?;
            let mut budget = Budget::of(answer_bytes);
            let traces = fetch::traces(session, &all, &mut budget).await?;
            Ok(search::grouped(&all, traces, mode))
        });
        Ok(traces?)
    }

    fn links(
        &self,
        window: Window,
        without: &[u64],
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        let bytes = self.config.answer_bytes;
        let work =
            async |session: &mut _| dependencies::links(session, window, without, bytes).await;
        Ok(self.link.read(context, work)?)
    }
}

impl SpanReader for MySqlStore {
    fn describe(&self) -> String {
        let Config {
            host,
            port,
            database,
            ..
        } = &self.config;
        format!("MySQLStorage{{{host}:{port}/{database}}}")
    }

    fn check(&self) -> Result<(), ReadError> {
        let asked = self.link.read(&check_context(), async |session| {
            let sql = "SELECT trace_id FROM zipkin_spans LIMIT 1";
            session.rows(sql, Vec::new()).await.map(|_| ())
        });
        Ok(asked?)
    }

    fn trace(&self, id: TraceId, context: &ReadContext) -> Result<Vec<Span>, ReadError> {
        let traces = self.traces_by(&[id], self.config.id_mode, context)?;
        Ok(traces.into_iter().next().unwrap_or_default())
    }

    fn search(
        &self,
        request: &TraceRequest,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError> {
        let manner = self.manner();
        let work = async |session: &mut _| search::search(session, request, manner).await;
        Ok(self.link.read(context, work)?)
    }

    fn service_names(&self, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        let work = async |session: &mut _| names::services(session).await;
        Ok(self.link.read(context, work)?)
    }

    fn span_names(&self, service: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        let work = async |session: &mut _| names::span_names(session, service).await;
        Ok(self.link.read(context, work)?)
    }

    fn remote_service_names(
        &self,
        service: &str,
        context: &ReadContext,
    ) -> Result<Vec<String>, ReadError> {
        let work = async |session: &mut _| names::remote_services(session, service).await;
        Ok(self.link.read(context, work)?)
    }

    fn tag_values(&self, key: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        if !self
            .config
            .autocomplete_keys
            .iter()
            .any(|known| known == key)
        {
            return Ok(Vec::new());
        }
        let work = async |session: &mut _| names::tag_values(session, key).await;
        Ok(self.link.read(context, work)?)
    }

    fn dependencies(
        &self,
        window: Window,
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        self.links(window, &[], context)
    }
}

impl Database for MySqlStore {
    /// The tables remember no names of lists: rows that are there already stay as they are, so that
    /// a list that comes again changes nothing. The traces of a large one are stored over several
    /// connections, a transaction each.
    fn store(&self, _name: &ListName, spans: &[Span]) -> Result<Stored, StoreError> {
        if spans.is_empty() {
            return Ok(Stored::default());
        }
        let parts = insert::parts(spans, self.config.connections_max);
        let late = &self.late_days();
        let store = |spans: &[&Span]| {
            let work = async |session: &mut _| insert::store(session, spans, late).await;
            self.link.run(self.config.patience, work)
        };
        // The server does the work, and one connection keeps one of its cores busy.
        let stored: Vec<Result<Stored, Fault>> = std::thread::scope(|scope| {
            let (first, others) = parts
                .split_first()
                .map_or((&[][..], &[][..]), |(f, o)| (f, o));
            let others: Vec<_> = others
                .iter()
                .map(|part| {
                    let thread = std::thread::Builder::new().name("mysql-store".into());
                    let thread = thread.spawn_scoped(scope, move || store(part));
                    // What finds no thread is stored in turn.
                    thread.map_err(|_| part)
                })
                .collect();
            let mut all = vec![store(first)];
            let gone = |_| Err(Fault::Schema("a thread that stored spans is gone".into()));
            all.extend(others.into_iter().map(|thread| match thread {
                Ok(thread) => thread.join().unwrap_or_else(gone),
                Err(part) => store(part),
            }));
            all
        });
        let mut sum = Stored::default();
        for stored in stored {
            let stored = stored?;
            sum.refused += stored.refused;
            sum.cut += stored.cut;
        }
        Ok(sum)
    }

    fn traces(&self, ids: &[TraceId], context: &ReadContext) -> Result<Vec<Vec<Span>>, ReadError> {
        self.traces_by(ids, IdMode::Lenient, context)
    }

    fn dependencies_without(
        &self,
        window: Window,
        lows: &[u64],
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        self.links(window, lows, context)
    }
}

/// How long a question about health may take.
fn check_context() -> ReadContext {
    const CHECK_MAX: std::time::Duration = std::time::Duration::from_secs(5);
    ReadContext {
        deadline: Some(std::time::Instant::now() + CHECK_MAX),
    }
}
