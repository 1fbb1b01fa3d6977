//! What is forgotten when more comes than fits, and what outlives it.

use std::sync::Arc;

use speargun_memory::{Config, MemoryStore};
use speargun_model::{Span, TraceId};
use speargun_storage::contract::spans::{everything, span};
use speargun_storage::contract::{Sketch, batch_of};
use speargun_storage::{
    IdMode, Position, ReadContext, ReadError, SpanReader, SpanWriter, WriteError,
};

const ALWAYS: ReadContext = ReadContext { deadline: None };

fn store(spans_max: usize) -> MemoryStore {
    MemoryStore::new(&Config {
        spans_max,
        id_mode: IdMode::Strict,
        autocomplete_keys: vec!["k".into()],
    })
}

fn write(store: &MemoryStore, spans: &[Span]) -> Result<(), WriteError> {
    store.write(&[Arc::new(batch_of(spans))], Position(1))
}

fn held(store: &MemoryStore, ids: std::ops::Range<u128>) -> Vec<u128> {
    let is_held = |id: &u128| {
        let id = TraceId::from_u128(*id);
        store
            .trace(id, &ALWAYS)
            .is_ok_and(|spans| !spans.is_empty())
    };
    ids.filter(is_held).collect()
}

#[test]
fn the_trace_with_the_oldest_span_goes_whole() {
    let store = store(4);
    let first = [span(1, 1).at(0), span(1, 2).at(9_000_000)];
    write(&store, &first).unwrap();
    write(&store, &[span(2, 1).at(2000), span(3, 1).at(1000)]).unwrap();
    write(&store, &[span(4, 1).at(-5000)]).unwrap();
    assert_eq!(held(&store, 1..5), [2, 3, 4]);
    assert_eq!(store.spans_count(), 3);
    write(&store, &[span(5, 1), span(5, 2)]).unwrap();
    assert_eq!(
        held(&store, 1..6),
        [2, 3, 5],
        "the oldest by time, not by arrival"
    );
}

#[test]
fn both_forms_of_an_id_go_together() {
    let store = store(2);
    write(&store, &[span(7, 1).at(0), span(1 << 64 | 7, 2).at(5000)]).unwrap();
    write(&store, &[span(8, 1).at(1000)]).unwrap();
    assert_eq!(held(&store, 7..9), [8]);
    assert!(held(&store, (1 << 64 | 7)..(1 << 64 | 8)).is_empty());
    assert_eq!(store.spans_count(), 1);
}

#[test]
fn traces_with_a_span_without_timestamp_go_first() {
    let store = store(3);
    write(&store, &[span(1, 1).at(9000), span(1, 2).timeless()]).unwrap();
    write(&store, &[span(2, 1).at(-9000)]).unwrap();
    write(&store, &[span(3, 1)]).unwrap();
    assert_eq!(held(&store, 1..4), [2, 3]);
}

#[test]
fn room_is_made_for_duplicates_too() {
    let store = store(2);
    write(&store, &[span(1, 1).at(-1000), span(2, 1)]).unwrap();
    write(&store, &[span(2, 1)]).unwrap();
    assert_eq!(held(&store, 1..3), [2]);
    assert_eq!(store.spans_count(), 1);
}

#[test]
fn a_batch_that_can_never_fit_is_refused_and_evicts_nothing() {
    let store = store(2);
    write(&store, &[span(1, 1)]).unwrap();
    let batch = [span(2, 1), span(2, 2), span(2, 3)];
    let refused = write(&store, &batch).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "storage is busy: a batch of 3 spans exceeds the 2 that are held in memory"
    );
    assert_eq!(held(&store, 1..3), [1]);
    write(&store, &batch[..2]).unwrap();
    assert_eq!(held(&store, 1..3), [2]);
}

#[test]
fn a_service_goes_with_its_last_trace_and_names_of_others_stay() {
    let store = store(2);
    write(
        &store,
        &[span(1, 1).at(0).by("a").named("one").to("r").tag("k", "v")],
    )
    .unwrap();
    write(&store, &[span(2, 1).at(1000).by("b").named("two")]).unwrap();
    write(&store, &[span(3, 1).at(2000).by("a").named("three")]).unwrap();
    assert_eq!(held(&store, 1..4), [2, 3]);
    // Service a has a trace left: it keeps the name of the evicted one. Or it would, had it not
    // been gone for a moment: room is made before the batch is stored.
    assert_eq!(store.span_names("a", &ALWAYS).unwrap(), ["three"]);
    write(&store, &[span(4, 1).at(3000).by("a").named("four")]).unwrap();
    assert_eq!(store.service_names(&ALWAYS).unwrap(), ["a"]);
    write(&store, &[span(5, 1).at(4000).by("a").named("five")]).unwrap();
    assert_eq!(held(&store, 1..6), [4, 5]);
    let names = store.span_names("a", &ALWAYS).unwrap();
    assert_eq!(names, ["five", "four", "three"]);
    assert!(store.span_names("b", &ALWAYS).unwrap().is_empty());
    assert_eq!(store.tag_values("k", &ALWAYS).unwrap(), ["v"]);
}

#[test]
fn a_query_gives_up_at_its_deadline() {
    let store = store(10);
    write(&store, &[span(1, 1)]).unwrap();
    let late = ReadContext {
        deadline: Some(std::time::Instant::now()),
    };
    let searched = store.search(&everything(), &late);
    assert!(matches!(searched, Err(ReadError::DeadlineExceeded)));
    let linked = store.dependencies(everything().window, &late);
    assert!(matches!(linked, Err(ReadError::DeadlineExceeded)));
}

#[test]
fn the_journal_may_forget_what_was_written() {
    let store = store(10);
    store.write(&[], Position(77)).unwrap();
    assert_eq!(store.durable_position(), Position(77));
}
