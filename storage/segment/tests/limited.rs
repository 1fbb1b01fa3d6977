//! A limited search over a trace that lies in two segments: what makes it match in the older one,
//! its newest span in the newer one, with few or many traces as new. Random traces are the business
//! of `model`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use speargun_model::Span;
use speargun_runtime::{ManualClock, SimulatedDisk};
use speargun_segment::{Config, SegmentStore};
use speargun_storage::contract::spans::with_terms;
use speargun_storage::contract::{NOW_MS, Sketch, batch_of, span};
use speargun_storage::{Position, ReadContext, SpanReader, SpanWriter, TraceRequest};

const CONTEXT: ReadContext = ReadContext { deadline: None };
const SPREAD: u128 = 1;
const MATCH: u128 = 2;
const NOT_NEWER: u128 = 3;

fn store_of(segments: [Vec<Span>; 2]) -> Arc<SegmentStore> {
    let config = Config {
        seal_rows: usize::MAX,
        seal_age_ms: u64::MAX,
        merge_rows: 1,
        ..Config::new("/segments")
    };
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let store = SegmentStore::open(config, Arc::new(SimulatedDisk::new()), clock).unwrap();
    for (position, spans) in (1..).zip(segments) {
        let group = [Arc::new(batch_of(&spans))];
        store.write(&group, Position(position)).unwrap();
        store.seal().unwrap();
    }
    store
}

fn found(store: &SegmentStore, limit: usize) -> Vec<u128> {
    let request = TraceRequest {
        limit,
        ..with_terms(&["rare"])
    };
    let traces = store.search(&request, &CONTEXT).unwrap();
    traces.iter().map(|t| t[0].trace_id.as_u128()).collect()
}

#[test]
fn a_trace_that_an_older_segment_completes_is_not_left_out() {
    for others in [10_u64, 600, 5000] {
        let rare = |id: u128| span(id, 1).tag("rare", "yes");
        let older = vec![rare(SPREAD).at(0), rare(NOT_NEWER).at(1)];
        let mut newer = vec![rare(MATCH).at(2_000_000)];
        newer.push(span(NOT_NEWER, 2).under(1).at(1_000_000));
        newer.push(span(SPREAD, 2).under(1).at(4_000_000));
        newer.extend((0..others).map(|n| span(u128::from(100 + n), 1).at(3_000_000)));
        let store = store_of([older, newer]);
        assert_eq!(found(&store, 1), [SPREAD], "{others} others");
        assert_eq!(found(&store, 2), [SPREAD, MATCH], "{others} others");
        assert_eq!(found(&store, 3), [SPREAD, MATCH, NOT_NEWER]);
    }
}
