//! Lists that come again, processes side by side, and retention: what is stored once stays once.

use std::time::Duration;

use speargun_clickhouse::Config;
use speargun_model::{Span, TraceId};
use speargun_storage::contract::spans::full_span;
use speargun_storage::contract::{Sketch, span};
use speargun_storage::{Database, ReadContext, SpanReader};

use crate::support;

fn spans(count: u64) -> Vec<Span> {
    let one = |n: u64| {
        span(u128::from(1 + n / 4), n)
            .by("a")
            .named("get")
            .tag("k", "v")
    };
    (0..count)
        .map(|n| one(n).at(i64::try_from(n).unwrap()))
        .collect()
}

fn rows(config: &Config, table: &str) -> u64 {
    let text = format!("SELECT count() FROM {}.{table}", config.database);
    support::server().run(&text).unwrap().parse().unwrap()
}

#[test]
fn a_list_that_comes_again_is_stored_once() {
    let config = support::config();
    let all = spans(1000);
    for _ in 0..3 {
        // Each time as after a crash: nobody remembers anything.
        let engine = support::open(&config);
        engine.store(&support::list("one", 1), &all).unwrap();
    }
    assert_eq!(rows(&config, "spans"), 1000);
    assert_eq!(rows(&config, "traces"), 250);
    let engine = support::open(&config);
    engine.store(&support::list("one", 2), &all).unwrap();
    engine.store(&support::list("two", 1), &all).unwrap();
    assert_eq!(rows(&config, "spans"), 3000, "other names are other lists");
    let trace = engine.trace(TraceId::from_u128(1), &ReadContext::default());
    assert_eq!(trace.unwrap(), all[..4], "equal spans are answered once");
}

#[test]
fn a_list_larger_than_a_block_is_stored_once() {
    let config = support::config();
    let all = spans(120_000);
    for _ in 0..2 {
        support::open(&config)
            .store(&support::list("one", 1), &all)
            .unwrap();
    }
    assert_eq!(rows(&config, "spans"), 120_000);
}

#[test]
fn processes_may_start_at_the_same_time() {
    let config = support::config();
    std::thread::scope(|scope| {
        for process in 0..4 {
            let config = &config;
            scope.spawn(move || {
                let engine = support::open(config);
                let list = support::list(&format!("process-{process}"), 1);
                let id = u128::from(process + 1_u64);
                engine.store(&list, &[full_span(id, 1)]).unwrap();
            });
        }
    });
    let engine = support::open(&config);
    for id in 1..=4 {
        let trace = engine.trace(TraceId::from_u128(id), &ReadContext::default());
        assert_eq!(trace.unwrap(), [full_span(id, 1)]);
    }
}

#[test]
fn retention_follows_the_configuration() {
    let config = support::config();
    support::open(&config).prepare().unwrap();
    let ttl = |table: &str| {
        let text = format!("SHOW CREATE TABLE {}.{table}", config.database);
        let text = support::server().run(&text).unwrap();
        let (_, days) = text.split_once("toIntervalDay(")?;
        days.split(')').next()?.parse::<u32>().ok()
    };
    assert_eq!(
        (ttl("spans"), ttl("traces"), ttl("names")),
        (Some(7), Some(8), Some(9))
    );
    for (days, expected) in [(Some(30), Some(30)), (None, None), (Some(1), Some(1))] {
        let changed = Config {
            retention_days: days,
            ..config.clone()
        };
        support::open(&changed).prepare().unwrap();
        assert_eq!(ttl("spans"), expected);
        assert_eq!(ttl("traces"), expected.map(|days| days + 1));
    }
}

#[test]
fn names_of_one_process_are_read_by_another() {
    let config = Config {
        autocomplete_keys: vec!["k".into()],
        ..support::config()
    };
    let (one, other) = (support::open(&config), support::open(&config));
    one.store(&support::list("one", 1), &spans(10)).unwrap();
    let context = ReadContext::default();
    assert_eq!(other.service_names(&context).unwrap(), ["a"]);
    assert_eq!(other.span_names("a", &context).unwrap(), ["get"]);
    assert_eq!(other.tag_values("k", &context).unwrap(), ["v"]);
    // A second list says nothing new, and what was said is not said again.
    one.store(&support::list("one", 2), &spans(20)).unwrap();
    assert_eq!(rows(&config, "names"), 3);
}

#[test]
fn a_passed_deadline_is_told() {
    let engine = support::engine();
    engine.store(&support::list("one", 1), &spans(10)).unwrap();
    let deadline = std::time::Instant::now()
        .checked_sub(Duration::from_millis(1))
        .unwrap();
    let context = ReadContext {
        deadline: Some(deadline),
    };
    let answer = engine.trace(TraceId::from_u128(1), &context);
    let error = answer.unwrap_err().to_string();
    assert_eq!(error, "the query took longer than its deadline");
}
