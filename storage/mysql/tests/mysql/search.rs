//! Searches over more span rows than are looked at before an index is asked.

use std::sync::OnceLock;

use speargun_model::{Kind, Span};
use speargun_mysql::MySqlStore;
use speargun_storage::contract::{NOW_MS, Sketch, span};
use speargun_storage::{SpanReader, TagTerm, TraceRequest, Window};

use crate::NEVER;

const TRACES: u64 = 4000;

/// Traces of four spans, a millisecond apart; every 1500th has a tag of its own.
fn many() -> &'static MySqlStore {
    static MANY: OnceLock<std::sync::Arc<MySqlStore>> = OnceLock::new();
    MANY.get_or_init(|| {
        let (store, _) = crate::fresh();
        let mut spans: Vec<Span> = Vec::new();
        for trace in 1..=TRACES {
            let at = trace.cast_signed() * 1000;
            for id in 1..=4 {
                let call = span(trace.into(), id).at(at + id.cast_signed());
                let call = call.kind(Kind::Client).by("a").to("b").lasting(trace);
                let rare = if trace % 1500 == 0 && id == 3 {
                    "rare"
                } else {
                    "often"
                };
                spans.push(
                    call.tag("k", rare)
                        .named(if id == 4 { "last" } else { "first" }),
                );
            }
        }
        crate::store(&store, &spans).unwrap();
        store
    })
}

fn everything() -> TraceRequest {
    TraceRequest::everything(
        Window {
            end_ms: NOW_MS + 10_000,
            lookback_ms: 20_000,
        },
        10,
    )
}

fn found(request: &TraceRequest) -> Vec<u128> {
    let traces = many().search(request, &NEVER).unwrap();
    assert!(traces.iter().all(|spans| spans.len() == 4), "whole traces");
    traces.iter().map(|t| t[0].trace_id.as_u128()).collect()
}

fn tagged(value: &str) -> TraceRequest {
    TraceRequest {
        service_name: Some("a".into()),
        terms: vec![TagTerm {
            key: "k".into(),
            value: Some(value.into()),
        }],
        ..everything()
    }
}

#[test]
fn what_few_traces_have_is_found_newest_first() {
    assert_eq!(found(&tagged("rare")), [3000, 1500]);
    let one = TraceRequest {
        limit: 1,
        ..tagged("rare")
    };
    assert_eq!(found(&one), [3000]);
    let named = TraceRequest {
        remote_service_name: Some("b".into()),
        span_name: Some("last".into()),
        ..tagged("rare")
    };
    assert_eq!(found(&named), [3000, 1500]);
    let shorter = TraceRequest {
        min_duration_us: Some(1),
        max_duration_us: Some(1600),
        ..tagged("rare")
    };
    assert_eq!(found(&shorter), [1500]);
}

#[test]
fn what_no_trace_has_is_not_found() {
    assert_eq!(found(&tagged("never")), []);
    let named = TraceRequest {
        span_name: Some("never".into()),
        ..everything()
    };
    assert_eq!(found(&named), []);
    let longer = TraceRequest {
        min_duration_us: Some(TRACES + 1),
        ..everything()
    };
    assert_eq!(found(&longer), []);
}

#[test]
fn what_all_traces_have_is_found_up_to_the_limit() {
    let all = |limit| TraceRequest {
        limit,
        ..tagged("often")
    };
    let newest: Vec<u128> = (0..10).map(|n| u128::from(TRACES - n)).collect();
    assert_eq!(found(&all(10)), newest);
    assert_eq!(found(&all(usize::MAX)).len() as u64, TRACES);
    let by_duration = TraceRequest {
        min_duration_us: Some(100),
        max_duration_us: Some(102),
        ..everything()
    };
    assert_eq!(found(&by_duration), [102, 101, 100]);
}
