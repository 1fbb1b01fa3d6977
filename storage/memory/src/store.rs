//! The two halves of the contract over one lock. What is stored how lies in the modules beside.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::RwLock;
use speargun_model::link::link_traces;
use speargun_model::{DependencyLink, Span, SpanBatch, TraceId};
use speargun_storage::order::group_by_millisecond;
use speargun_storage::{
    Extent, IdMode, Position, ReadContext, ReadError, SpanReader, SpanWriter, TraceRequest, Window,
    WriteError,
};

use crate::names::Names;
use crate::traces::Traces;

/// How many traces are looked at between two looks at the deadline.
const TRACES_PER_CHECK: usize = 64;

/// How much is held, and how it is asked for.
#[derive(Clone, Debug)]
pub struct Config {
    /// Spans held; the oldest traces go when more come (`MEM_MAX_SPANS`).
    pub spans_max: usize,
    /// How trace ids are compared.
    pub id_mode: IdMode,
    /// Tags whose values are listed.
    pub autocomplete_keys: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            spans_max: 500_000,
            id_mode: IdMode::default(),
            autocomplete_keys: Vec::new(),
        }
    }
}

/// A bounded store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    spans_max: usize,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    traces: Traces,
    names: Names,
    durable: Position,
}

// === impl MemoryStore ===

impl MemoryStore {
    /// Returns an empty store.
    pub fn new(config: &Config) -> Self {
        Self {
            spans_max: config.spans_max,
            state: RwLock::new(State {
                traces: Traces::new(config.id_mode),
                names: Names::new(&config.autocomplete_keys),
                durable: Position(0),
            }),
        }
    }

    /// Returns how many spans are held.
    pub fn spans_count(&self) -> usize {
        self.state.read().traces.spans_count()
    }
}

impl State {
    /// Makes room for a batch by evicting the oldest traces, before it is known how many of its
    /// spans are new: as Zipkin does.
    fn make_room(&mut self, spans_count: usize, spans_max: usize) {
        while self.traces.spans_count() + spans_count > spans_max {
            let Some((low, spans)) = self.traces.evict_oldest() else {
                return;
            };
            self.names.evict(low, spans.iter().map(AsRef::as_ref));
        }
    }

    fn push(&mut self, span: Span) {
        let span = Arc::new(span);
        if self.traces.push(span.clone()) {
            self.names.push(&span);
        }
    }
}

impl SpanWriter for MemoryStore {
    fn write(&self, group: &[Arc<SpanBatch>], end: Position) -> Result<(), WriteError> {
        if let Some(batch) = group.iter().find(|b| b.spans.len() > self.spans_max) {
            let (count, max) = (batch.spans.len(), self.spans_max);
            return Err(WriteError::Busy(format!(
                "a batch of {count} spans exceeds the {max} that are held in memory"
            )));
        }
        for batch in group {
            // Decoding needs no lock.
            let spans: Vec<Span> = batch.views().map(|view| view.to_span()).collect();
            let mut state = self.state.write();
            state.make_room(spans.len(), self.spans_max);
            for span in spans {
                state.push(span);
            }
        }
        self.state.write().durable = end;
        Ok(())
    }

    /// Nothing is ever on disk, but what was written is all there will ever be: the journal may
    /// forget it.
    fn durable_position(&self) -> Position {
        self.state.read().durable
    }

    fn close(&self) -> Result<(), WriteError> {
        Ok(())
    }
}

impl SpanReader for MemoryStore {
    fn describe(&self) -> String {
        "InMemoryStorage{}".into()
    }

    fn check(&self) -> Result<(), ReadError> {
        Ok(())
    }

    fn trace(&self, id: TraceId, _context: &ReadContext) -> Result<Vec<Span>, ReadError> {
        let spans = self.state.read().traces.spans(id);
        Ok(owned(ordered(spans)))
    }

    fn search(
        &self,
        request: &TraceRequest,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError> {
        let mut found = Vec::new();
        let state = self.state.read();
        let mut seen = HashSet::new();
        for (count, id) in state.traces.newest_first(request.window).enumerate() {
            if count % TRACES_PER_CHECK == 0 {
                context.check()?;
            }
            if found.len() >= request.limit {
                break;
            }
            let service = request.service_name.as_deref();
            let candidate = service.is_none_or(|name| state.names.is_in_trace(name, id.low));
            if !candidate || !seen.insert(id) {
                continue;
            }
            let spans = ordered(state.traces.spans(id));
            if request.test(spans.iter().map(AsRef::as_ref)) {
                found.push(spans);
            }
        }
        drop(state);
        Ok(found.into_iter().map(owned).collect())
    }

    fn service_names(&self, _context: &ReadContext) -> Result<Vec<String>, ReadError> {
        Ok(self.state.read().names.services())
    }

    fn span_names(&self, service: &str, _context: &ReadContext) -> Result<Vec<String>, ReadError> {
        Ok(self.state.read().names.span_names(service))
    }

    fn remote_service_names(
        &self,
        service: &str,
        _context: &ReadContext,
    ) -> Result<Vec<String>, ReadError> {
        Ok(self.state.read().names.remote_services(service))
    }

    fn tag_values(&self, key: &str, _context: &ReadContext) -> Result<Vec<String>, ReadError> {
        Ok(self.state.read().names.tag_values(key))
    }

    fn dependencies(
        &self,
        window: Window,
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        let mut traces = Vec::new();
        let state = self.state.read();
        let mut seen = HashSet::new();
        for (count, id) in state.traces.newest_first(window).enumerate() {
            if count % TRACES_PER_CHECK == 0 {
                context.check()?;
            }
            if seen.insert(id.low) {
                traces.push(state.traces.spans_of_low(id.low));
            }
        }
        // Links borrow names from the spans, which stay alive here; writers need not wait.
        drop(state);
        let traces = traces.into_iter().map(ordered).collect::<Vec<_>>();
        let spans = traces.iter().map(|trace| trace.iter().map(AsRef::as_ref));
        context.check()?;
        Ok(link_traces(spans))
    }

    fn extent(&self, _context: &ReadContext) -> Result<Extent, ReadError> {
        let state = self.state.read();
        Ok(Extent {
            spans: Some(state.traces.spans_count() as u64),
            bytes: None,
            times_us: state.traces.times_us(),
        })
    }
}

fn ordered(mut spans: Vec<Arc<Span>>) -> Vec<Arc<Span>> {
    group_by_millisecond(&mut spans);
    spans
}

fn owned(spans: Vec<Arc<Span>>) -> Vec<Span> {
    spans.into_iter().map(Arc::unwrap_or_clone).collect()
}
