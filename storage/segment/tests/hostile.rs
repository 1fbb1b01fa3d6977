//! What senders may do to the engine within the bounds of a request: very many services, keys,
//! values, orders of keys, spans of a trace; very long values; times from end to end. The answers
//! stay right, before and after sealing and merging.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use speargun_model::span::java_order;
use speargun_model::{Annotation, Span, TraceId};
use speargun_runtime::{ManualClock, SimulatedDisk};
use speargun_segment::{Config, SegmentStore, Stats};
use speargun_storage::contract::spans::{everything, of_service, with_terms};
use speargun_storage::contract::{NOW_MS, Sketch, batch_of, span};
use speargun_storage::{
    Position, ReadContext, ReadError, SpanReader, SpanWriter, TraceRequest, Window,
};

const CONTEXT: ReadContext = ReadContext { deadline: None };

/// Less than all values of the largest test together, more than its largest trace.
const ANSWER_BYTES: usize = 128 << 20;

/// Returns a store whose merges are due at once: its segments' partition is over.
fn open(disk: &SimulatedDisk, now_ms: u64) -> Arc<SegmentStore> {
    let config = Config {
        autocomplete_keys: vec!["k".into()],
        retention_age_ms: None,
        seal_rows: usize::MAX,
        seal_bytes: usize::MAX,
        seal_age_ms: u64::MAX,
        answer_bytes: ANSWER_BYTES,
        ..Config::new("/segments")
    };
    let clock = Arc::new(ManualClock::new(now_ms));
    SegmentStore::open(config, Arc::new(disk.clone()), clock).unwrap()
}

/// Writes each part and seals it, then merges all, and lets `ask` look at each state.
fn told(parts: &[Vec<Span>], ask: impl Fn(&SegmentStore)) -> Stats {
    let disk = SimulatedDisk::new();
    let store = open(&disk, NOW_MS);
    for part in parts {
        store
            .write(&[Arc::new(batch_of(part))], Position(1))
            .unwrap();
    }
    ask(&store);
    store.close().unwrap();
    drop(store);
    let disk = SimulatedDisk::new();
    let store = open(&disk, NOW_MS);
    for part in parts {
        store
            .write(&[Arc::new(batch_of(part))], Position(1))
            .unwrap();
        store.seal().unwrap();
    }
    ask(&store);
    store.close().unwrap();
    let store = open(&disk, NOW_MS * 2);
    store.compact().unwrap();
    ask(&store);
    let stats = store.stats();
    assert_eq!((stats.corrupt_reads, stats.failed_merges), (0, 0));
    store.close().unwrap();
    stats
}

fn trace(store: &SegmentStore, low: u64) -> Vec<Span> {
    store.trace(TraceId { high: 0, low }, &CONTEXT).unwrap()
}

fn found(store: &SegmentStore, request: &TraceRequest) -> Vec<u64> {
    let found = store.search(request, &CONTEXT).unwrap();
    let mut lows: Vec<u64> = found.iter().map(|spans| spans[0].trace_id.low).collect();
    lows.sort_unstable();
    lows
}

/// Splits into two parts, so that there is something to merge.
fn halves(mut spans: Vec<Span>) -> [Vec<Span>; 2] {
    let second = spans.split_off(spans.len() / 2);
    [spans, second]
}

#[test]
fn as_many_services_as_spans() {
    let spans: Vec<Span> = (1..=65_536_u64)
        .map(|n| {
            span(n.into(), n)
                .by(&format!("s{n}"))
                .to(&format!("r{n}"))
                .tag("k", "v")
        })
        .collect();
    let some = spans[40_000].clone();
    let stats = told(&halves(spans), |store| {
        assert_eq!(store.service_names(&CONTEXT).unwrap().len(), 65_536);
        assert_eq!(found(store, &of_service("s40001")), [40_001]);
        assert_eq!(trace(store, 40_001), std::slice::from_ref(&some));
        assert_eq!(
            store.remote_service_names("s40001", &CONTEXT).unwrap(),
            ["r40001"]
        );
        assert_eq!(store.tag_values("k", &CONTEXT).unwrap(), ["v"]);
    });
    assert_eq!((stats.segments, stats.segment_rows), (1, 65_536));
}

#[test]
fn a_hundred_thousand_keys() {
    let spans: Vec<Span> = (1..=10_000_u64)
        .map(|n| {
            let mut one = span(n.into(), n).by("s");
            one.tags = (0..10)
                .map(|i| (format!("k{}", n * 10 + i), format!("v{n}")))
                .collect();
            one.tags.sort_by(|a, b| java_order(&a.0, &b.0));
            one
        })
        .collect();
    let all = spans.clone();
    told(&halves(spans), |store| {
        for n in [1, 50, 5_000, 10_000_u64] {
            assert_eq!(trace(store, n), [all[n as usize - 1].clone()]);
            assert_eq!(
                found(store, &with_terms(&[&format!("k{}", n * 10 + 9)])),
                [n]
            );
            let term = format!("k{}=v{n}", n * 10);
            assert_eq!(found(store, &with_terms(&[&term])), [n]);
        }
        assert!(found(store, &with_terms(&["k70=v8"])).is_empty());
    });
}

#[test]
fn segments_whose_keys_fit_only_alone() {
    // Each half has 900 keys of its own, in shapes of three; a merged segment has room for 1024.
    let spans: Vec<Span> = (0..6_000_u64)
        .map(|n| {
            let first = n / 3_000 * 900 + n % 300 * 3;
            (first..first + 3).fold(span(u128::from(n) + 1, 1), |one, key| {
                one.tag(&format!("k{key}"), &format!("v{}", n % 7))
            })
        })
        .map(|one| {
            if one.trace_id.low % 5 == 0 {
                one.tag("k", "shared")
            } else {
                one
            }
        })
        .collect();
    let all = spans.clone();
    let stats = told(&halves(spans), |store| {
        for n in [0, 1, 299, 2_999, 3_000, 3_001, 5_999_usize] {
            assert_eq!(trace(store, n as u64 + 1), [all[n].clone()]);
        }
        let of_last = found(store, &with_terms(&["k1799=v0", "k1797"]));
        assert_eq!(of_last.len(), 2, "{of_last:?}");
        assert_eq!(found(store, &with_terms(&["k=shared"])).len(), 1000);
        assert_eq!(store.tag_values("k", &CONTEXT).unwrap(), ["shared"]);
    });
    assert_eq!((stats.segments, stats.merges), (1, 1));
}

#[test]
fn spans_with_thousands_of_tags_and_all_orders_of_keys() {
    let many = (0..2_000)
        .map(|n| (format!("k{n}"), format!("v{n}")))
        .collect();
    let mut wide = span(1, 1).by("wide");
    wide.tags = many;
    wide.tags.sort_by(|a, b| java_order(&a.0, &b.0));
    // Two hundred keys, each span beginning elsewhere and going on in other steps.
    let shuffled = |n: u64| {
        let mut one = span(u128::from(n) + 2, n + 2).by("shuffled");
        let steps = [1, 3, 7, 9, 11, 13, 17, 19, 21, 23];
        let step = steps[n as usize % steps.len()];
        let keys = (0..200).map(|i| (n + i * step) % 200);
        one.tags = keys
            .map(|key| (format!("k{key}"), format!("v{}", key * n)))
            .collect();
        one
    };
    let mut spans = vec![wide.clone()];
    spans.extend((0..1_500).map(shuffled));
    told(&halves(spans), |store| {
        assert_eq!(trace(store, 1), [wide.clone()]);
        for n in [0, 1, 700, 1_499] {
            let mut expected = shuffled(n);
            expected.tags.sort_by(|a, b| java_order(&a.0, &b.0));
            assert_eq!(trace(store, n + 2), [expected]);
        }
        assert_eq!(found(store, &with_terms(&["k1999=v1999"])), [1]);
        assert_eq!(found(store, &with_terms(&["k199=v298301"])), [1_501]);
    });
}

#[test]
fn long_values() {
    let long = |n: u64| format!("{n}").repeat(10 << 20);
    let spans: Vec<Span> = (1..=3_u64)
        .map(|n| {
            span(n.into(), n)
                .tag("k", &long(n))
                .note(n.cast_signed(), &long(n + 4))
        })
        .collect();
    let all = spans.clone();
    told(&halves(spans), |store| {
        for n in 1..=3 {
            assert_eq!(trace(store, n), [all[n as usize - 1].clone()]);
            assert_eq!(found(store, &with_terms(&[&format!("k={}", long(n))])), [n]);
            assert_eq!(found(store, &with_terms(&[&long(n + 4)])), [n]);
        }
        // Nobody chooses from values of megabytes.
        assert!(store.tag_values("k", &CONTEXT).unwrap().is_empty());
    });
}

#[test]
fn one_long_trace() {
    let spans: Vec<Span> = (1..=200_000_u64)
        .map(|n| {
            let mut one = span(7, n)
                .at(n.cast_signed())
                .by("s")
                .tag("k", &format!("{n}"));
            one.parent_id = (n > 1).then_some(speargun_model::SpanId(n / 2));
            one.annotations = vec![Annotation {
                timestamp_us: n.cast_signed(),
                value: "a".into(),
            }];
            one
        })
        .collect();
    let all = spans.clone();
    told(&halves(spans), |store| {
        assert!(
            trace(store, 7) == all,
            "the trace comes back whole and in order"
        );
        assert_eq!(found(store, &with_terms(&["k=150000", "a"])), [7]);
        let links = store.dependencies(everything().window, &CONTEXT).unwrap();
        assert!(links.is_empty());
    });
}

#[test]
fn times_from_end_to_end_and_none() {
    let greatest = i64::MAX.unsigned_abs();
    let times = [0, 1, 2, NOW_MS * 1000, greatest - 1, greatest];
    let spans: Vec<Span> = (0..60_u64)
        .map(|n| {
            let mut one = span(u128::from(n % 12) + 1, n + 1).by("s");
            one.timestamp_us = times[n as usize % times.len()];
            one.duration_us = times[(n as usize + 1) % times.len()];
            one.note(i64::MIN, "least")
                .note(i64::MAX, "greatest")
                .note(0, "none")
        })
        .collect();
    let all = spans.clone();
    let end_ms = greatest / 1000 + 1;
    let window = Window {
        end_ms,
        lookback_ms: end_ms,
    };
    told(&halves(spans), |store| {
        for low in 1..=12 {
            let mut expected: Vec<Span> = all.clone();
            expected.retain(|one| one.trace_id.low == low);
            assert_eq!(trace(store, low), expected);
        }
        let request = TraceRequest {
            window,
            ..everything()
        };
        // Of twelve traces two have no time at all.
        assert_eq!(found(store, &request).len(), 10);
        let early = Window {
            end_ms: 0,
            lookback_ms: 0,
        };
        let request = TraceRequest {
            window: early,
            ..everything()
        };
        assert!(found(store, &request).is_empty());
    });
}

#[test]
fn nothing_and_rows_without_time() {
    let timeless: Vec<Span> = (1..=10)
        .map(|n| span(n, 1).timeless().by("a").to("b"))
        .collect();
    let all = timeless.clone();
    let stats = told(&[vec![], timeless, vec![], vec![]], |store| {
        assert_eq!(trace(store, 3), [all[2].clone()]);
        assert!(found(store, &everything()).is_empty());
        assert_eq!(store.service_names(&CONTEXT).unwrap(), ["a"]);
        let zero = Window {
            end_ms: 0,
            lookback_ms: 0,
        };
        assert_eq!(
            store.dependencies(zero, &CONTEXT).unwrap()[0].call_count,
            10
        );
    });
    assert_eq!((stats.segments, stats.segment_rows), (1, 10));
}

#[test]
fn a_million_distinct_values() {
    let part = |first: u64| -> Vec<Span> {
        let value = |n: u64| format!("value {n}");
        let of = |n: u64| {
            span(u128::from(n) + 1, 1)
                .tag("k", &value(n * 2))
                .tag("l", &value(n))
        };
        (first..first + 250_000).map(of).collect()
    };
    let parts = [part(0), part(250_000)];
    told(&parts, |store| {
        assert_eq!(store.tag_values("k", &CONTEXT).unwrap().len(), 500_000);
        assert_eq!(
            found(store, &with_terms(&["k=value 800002", "l=value 400001"])),
            [400_002]
        );
        assert!(found(store, &with_terms(&["k=value 800001"])).is_empty());
        assert_eq!(
            Span::tag(&trace(store, 123_457)[0], "l"),
            Some("value 123456")
        );
    });
}

#[test]
fn an_answer_beyond_its_bound_is_refused_and_others_are_given() {
    let long = "x".repeat(1 << 20);
    let spans: Vec<Span> = (1..=150_u64)
        .map(|n| span((1 + n / 130).into(), n).by("s").tag("note", &long))
        .collect();
    told(&halves(spans), |store| {
        let large = store.trace(TraceId { high: 0, low: 1 }, &CONTEXT);
        assert!(matches!(large, Err(ReadError::TooMuch(ANSWER_BYTES))));
        assert_eq!(trace(store, 2).len(), 21);
        let all = store.search(&of_service("s"), &CONTEXT);
        assert!(matches!(all, Err(ReadError::TooMuch(ANSWER_BYTES))));
    });
}
