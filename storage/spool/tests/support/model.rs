//! A database for tests: the memory engine behind the contract of databases, with a memory for the
//! names of lists and faults that a test plans. It keeps no more than the test that made it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use speargun_memory::MemoryStore;
use speargun_model::{DependencyLink, Span, TraceId};
use speargun_storage::contract::{Config as Case, batch_of};
use speargun_storage::{
    Database, ListName, Position, ReadContext, ReadError, SpanReader, SpanWriter, StoreError,
    Stored, TraceRequest, Window,
};

/// What happens to the next list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Nothing of it is stored.
    Before,
    /// All of it is stored, and nobody is told.
    After,
    /// Nothing of it is stored, and somebody has to do something.
    Refused,
}

/// The database.
#[derive(Debug)]
pub(crate) struct Model {
    memory: MemoryStore,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lists: BTreeMap<(String, u64), Vec<Span>>,
    spans: Vec<Span>,
    faults: Vec<Fault>,
    is_down: bool,
    /// Who stores waits.
    is_hanging: bool,
    calls: u64,
}

impl Model {
    pub(crate) fn new(case: &Case) -> Arc<Self> {
        Arc::new(Self {
            memory: MemoryStore::new(&speargun_memory::Config {
                id_mode: case.id_mode,
                autocomplete_keys: case.autocomplete_keys.clone(),
                ..speargun_memory::Config::default()
            }),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Plans faults, the last of which comes first.
    pub(crate) fn plan(&self, faults: Vec<Fault>) {
        self.state.lock().faults = faults;
    }

    /// Turns the server off or on.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.state.lock().is_down = is_down;
    }

    /// Lets calls to store wait, or go on.
    pub(crate) fn set_hanging(&self, is_hanging: bool) {
        self.state.lock().is_hanging = is_hanging;
        self.changed.notify_all();
    }

    /// Waits until `count` calls to store have come, failed ones included.
    pub(crate) fn wait_calls(&self, count: u64) {
        let mut state = self.state.lock();
        while state.calls < count {
            self.changed.wait(&mut state);
        }
    }

    /// Returns how often it was asked to store, failed ones included.
    pub(crate) fn calls(&self) -> u64 {
        self.state.lock().calls
    }

    /// Returns the spans of all lists, those of a name once.
    pub(crate) fn rows(&self) -> usize {
        self.state.lock().lists.values().map(Vec::len).sum()
    }

    fn up(&self) -> Result<(), ReadError> {
        if self.state.lock().is_down {
            return Err(ReadError::Failed("the model is down".to_owned()));
        }
        Ok(())
    }
}

impl Database for Model {
    fn store(&self, name: &ListName, spans: &[Span]) -> Result<Stored, StoreError> {
        let mut state = self.state.lock();
        state.calls += 1;
        self.changed.notify_all();
        while state.is_hanging {
            self.changed.wait(&mut state);
        }
        let down = || StoreError::Unavailable("the model is down".to_owned());
        if state.is_down {
            return Err(down());
        }
        let fault = state.faults.pop();
        if fault == Some(Fault::Refused) {
            return Err(StoreError::Refused("the model is read-only".to_owned()));
        }
        if fault == Some(Fault::Before) {
            return Err(down());
        }
        let key = (name.origin.clone(), name.number);
        if let Some(known) = state.lists.get(&key) {
            assert_eq!(known, spans, "the list {name} is another one");
        } else {
            let batch = Arc::new(batch_of(spans));
            let written = self.memory.write(&[batch], Position(0));
            written.map_err(|error| StoreError::Unavailable(error.to_string()))?;
            state.spans.extend_from_slice(spans);
            state.lists.insert(key, spans.to_vec());
        }
        match fault {
            None => Ok(Stored::default()),
            Some(_) => Err(down()),
        }
    }

    fn traces(&self, ids: &[TraceId], context: &ReadContext) -> Result<Vec<Vec<Span>>, ReadError> {
        self.up()?;
        context.check()?;
        let lows: BTreeSet<u64> = ids.iter().map(|id| id.low).collect();
        let mut traces: BTreeMap<u64, Vec<Span>> = BTreeMap::new();
        for span in &self.state.lock().spans {
            if lows.contains(&span.trace_id.low) {
                let trace = traces.entry(span.trace_id.low).or_default();
                trace.push(span.clone());
            }
        }
        Ok(traces.into_values().collect())
    }

    fn dependencies_without(
        &self,
        window: Window,
        lows: &[u64],
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        self.up()?;
        assert!(lows.is_sorted(), "{lows:?}");
        let others = MemoryStore::new(&speargun_memory::Config::default());
        let spans: Vec<Span> = {
            let state = self.state.lock();
            let here = |span: &&Span| lows.binary_search(&span.trace_id.low).is_err();
            state.spans.iter().filter(here).cloned().collect()
        };
        let written = others.write(&[Arc::new(batch_of(&spans))], Position(0));
        written.map_err(|error| ReadError::Failed(error.to_string()))?;
        others.dependencies(window, context)
    }
}

impl SpanReader for Model {
    fn describe(&self) -> String {
        "Model{}".to_owned()
    }

    fn check(&self) -> Result<(), ReadError> {
        self.up()
    }

    fn trace(&self, id: TraceId, context: &ReadContext) -> Result<Vec<Span>, ReadError> {
        self.up()?;
        self.memory.trace(id, context)
    }

    fn search(
        &self,
        request: &TraceRequest,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError> {
        self.up()?;
        self.memory.search(request, context)
    }

    fn service_names(&self, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        self.up()?;
        self.memory.service_names(context)
    }

    fn span_names(&self, service: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        self.up()?;
        self.memory.span_names(service, context)
    }

    fn remote_service_names(
        &self,
        service: &str,
        context: &ReadContext,
    ) -> Result<Vec<String>, ReadError> {
        self.up()?;
        self.memory.remote_service_names(service, context)
    }

    fn tag_values(&self, key: &str, context: &ReadContext) -> Result<Vec<String>, ReadError> {
        self.up()?;
        self.memory.tag_values(key, context)
    }

    fn dependencies(
        &self,
        window: Window,
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        self.up()?;
        self.memory.dependencies(window, context)
    }
}
