//! The memory engine against a list that is searched from end to end: its indexes must not be
//! noticed. Nothing is evicted here.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use speargun_memory::{Config, MemoryStore};
use speargun_model::link::link_traces;
use speargun_model::{DependencyLink, Span, TraceId};
use speargun_storage::contract::random::NAMES;
use speargun_storage::contract::{Random, assert_agree, batch_of};
use speargun_storage::order::{group_by_millisecond, keep_first_of_equal, millisecond};
use speargun_storage::{
    IdMode, Position, ReadContext, ReadError, SpanReader, SpanWriter, TraceRequest, Window,
};

const SEEDS: u64 = 60;

/// All spans in order of arrival.
#[derive(Debug)]
struct List {
    spans: Vec<Span>,
    id_mode: IdMode,
}

impl List {
    fn is_lenient(&self) -> bool {
        self.id_mode == IdMode::Lenient
    }

    fn ordered(&self, wanted: impl Fn(&&Span) -> bool) -> Vec<Span> {
        let mut spans: Vec<Span> = self.spans.iter().filter(wanted).cloned().collect();
        keep_first_of_equal(&mut spans);
        group_by_millisecond(&mut spans);
        spans
    }

    /// The keys of traces with a span in the window, newest first, then the greater id.
    fn newest_first(&self, window: Window, lenient: bool) -> Vec<TraceId> {
        let mut newest: Vec<(u64, u64, u64)> = Vec::new();
        for span in &self.spans {
            let high = if lenient { 0 } else { span.trace_id.high };
            newest.push((millisecond(span), span.trace_id.low, high));
        }
        newest.retain(|(ms, ..)| (window.start_ms()..=window.end_ms).contains(ms));
        newest.sort_unstable_by(|a, b| b.cmp(a));
        let mut ids: Vec<TraceId> = Vec::new();
        for (_, low, high) in newest {
            let id = TraceId { high, low };
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }
}

/// Sorted as ASCII would not be: the names hold characters beyond the BMP, but none above them.
fn names<'a>(all: impl Iterator<Item = Option<&'a str>>) -> Vec<String> {
    let distinct: BTreeSet<&str> = all.flatten().collect();
    distinct.into_iter().map(str::to_owned).collect()
}

impl SpanReader for List {
    fn describe(&self) -> String {
        "List{}".into()
    }

    fn check(&self) -> Result<(), ReadError> {
        Ok(())
    }

    fn trace(&self, id: TraceId, _: &ReadContext) -> Result<Vec<Span>, ReadError> {
        let same = |span: &&Span| {
            span.trace_id.low == id.low && (self.is_lenient() || span.trace_id.high == id.high)
        };
        Ok(self.ordered(same))
    }

    fn search(
        &self,
        request: &TraceRequest,
        context: &ReadContext,
    ) -> Result<Vec<Vec<Span>>, ReadError> {
        let ids = self
            .newest_first(request.window, self.is_lenient())
            .into_iter();
        let traces = ids.map(|id| self.trace(id, context).unwrap());
        let found = traces.filter(|trace| request.test(trace));
        Ok(found.take(request.limit).collect())
    }

    fn service_names(&self, _: &ReadContext) -> Result<Vec<String>, ReadError> {
        Ok(names(self.spans.iter().map(Span::local_service_name)))
    }

    fn span_names(&self, service: &str, _: &ReadContext) -> Result<Vec<String>, ReadError> {
        let of = |s: &&Span| s.local_service_name() == Some(service);
        Ok(names(
            self.spans.iter().filter(of).map(|s| s.name.as_deref()),
        ))
    }

    fn remote_service_names(
        &self,
        service: &str,
        _: &ReadContext,
    ) -> Result<Vec<String>, ReadError> {
        let of = |s: &&Span| s.local_service_name() == Some(service);
        Ok(names(
            self.spans.iter().filter(of).map(Span::remote_service_name),
        ))
    }

    fn tag_values(&self, key: &str, _: &ReadContext) -> Result<Vec<String>, ReadError> {
        let listed = NAMES[..2].contains(&key);
        Ok(names(
            self.spans.iter().filter(|_| listed).map(|s| s.tag(key)),
        ))
    }

    fn dependencies(
        &self,
        window: Window,
        _: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError> {
        let ids = self.newest_first(window, true).into_iter();
        let traces: Vec<Vec<Span>> = ids
            .map(|id| self.ordered(|span| span.trace_id.low == id.low))
            .collect();
        Ok(link_traces(&traces))
    }
}

#[test]
fn random_writes_are_answered_like_a_list() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let id_mode = [IdMode::Strict, IdMode::Lenient][seed as usize % 2];
        let mut random = Random::seeded(seed);
        let store = MemoryStore::new(&Config {
            id_mode,
            autocomplete_keys: NAMES[..2].iter().map(|key| (*key).into()).collect(),
            ..Config::default()
        });
        let mut list = List {
            spans: Vec::new(),
            id_mode,
        };
        for _ in 0..8 {
            let spans = random.spans();
            store
                .write(&[Arc::new(batch_of(&spans))], Position(0))
                .unwrap();
            list.spans.extend(spans);
            assert_agree(&list, &store, &mut random);
        }
    }
}
