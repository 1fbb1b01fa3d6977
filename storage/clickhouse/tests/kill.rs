//! The server is killed at random while two processes store: what was confirmed is answered, whole
//! and once, and lists that were not come again under their names.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing step fails the test and says which"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};

use speargun_clickhouse::{ClickHouse, Config};
use speargun_e2e::Chance;
use speargun_e2e::clickhouse::ClickHouse as Process;
use speargun_e2e::server::pause;
use speargun_model::{Span, TraceId};
use speargun_storage::contract::{Sketch, span};
use speargun_storage::{Database, ListName, ReadContext, StoreError};

/// How often the server is killed unless `CLICKHOUSE_KILLS` says otherwise.
const KILLS: u64 = 3;
const WRITERS: u64 = 2;
/// A kill comes at the latest when so many lists were confirmed since the last.
const LISTS_MAX: u64 = 20;
const LIST_SPANS: u64 = 2000;
const TRACE_SPANS: u64 = 4;

#[test]
fn confirmed_lists_survive_every_kill_once() {
    let seed = Chance::seed();
    let kills = kills();
    println!("E2E_SEED={seed} CLICKHOUSE_KILLS={kills}");
    let mut chance = Chance::new(seed);
    let mut server = Process::start().unwrap();
    let config = Config::new(server.url());
    ClickHouse::new(config.clone()).unwrap().prepare().unwrap();
    let (confirmed, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (lists, retries): (Vec<u64>, Vec<u64>) = thread::scope(|scope| {
        let at_end = SetAtEnd(&over);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (config, confirmed, over) = (&config, &confirmed, &over);
                scope.spawn(move || write(config, writer, (confirmed, over)))
            })
            .collect();
        for _ in 0..kills {
            let until = confirmed.load(Ordering::Relaxed) + chance.below(LISTS_MAX);
            while confirmed.load(Ordering::Relaxed) < until {
                assert!(!writers.iter().all(ScopedJoinHandle::is_finished));
                pause();
            }
            server.kill().unwrap();
            server.restart().unwrap();
        }
        drop(at_end);
        let all = writers.into_iter().map(|writer| writer.join().unwrap());
        all.unzip()
    });
    let engine = ClickHouse::new(config).unwrap();
    for (writer, lists) in (0..).zip(&lists) {
        for number in 0..*lists {
            verify(&engine, writer, number);
        }
    }
    let spans = lists.iter().sum::<u64>() * LIST_SPANS;
    let rows: u64 = server
        .run("SELECT count() FROM speargun.spans")
        .unwrap()
        .parse()
        .unwrap();
    println!(
        "{kills} kills, {} lists again, {spans} spans confirmed and all found once, {} rows twice",
        retries.iter().sum::<u64>(),
        rows - spans,
    );
    assert!(rows >= spans, "{rows} rows of {spans} spans");
}

/// Sets what it holds when it goes, also when the test fails: the writers then end.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn kills() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "a setting of the tests alone")]
    let given = std::env::var("CLICKHOUSE_KILLS").ok();
    given.map_or(KILLS, |text| text.parse().unwrap())
}

/// Stores list after list until it is over, each until it is confirmed; returns how many, and how
/// often one came again.
fn write(config: &Config, writer: u64, (confirmed, over): (&AtomicU64, &AtomicBool)) -> (u64, u64) {
    let engine = ClickHouse::new(config.clone()).unwrap();
    let (mut number, mut retries) = (0, 0);
    while !over.load(Ordering::Relaxed) {
        let name = ListName {
            origin: format!("writer-{writer}"),
            number,
        };
        let spans = spans(writer, number);
        loop {
            match engine.store(&name, &spans) {
                Ok(_) => break,
                Err(StoreError::Unavailable(_)) => retries += 1,
                Err(error) => panic!("{error}"),
            }
            pause();
        }
        number += 1;
        confirmed.fetch_add(1, Ordering::Relaxed);
    }
    (number, retries)
}

fn trace_id(writer: u64, number: u64, trace: u64) -> TraceId {
    TraceId {
        high: writer + 1,
        low: number << 32 | trace << 8 | writer,
    }
}

fn spans(writer: u64, number: u64) -> Vec<Span> {
    let one = |n: u64| {
        let id = trace_id(writer, number, n / TRACE_SPANS);
        let service = format!("service-{}", n % 7);
        span(id.as_u128(), n)
            .by(&service)
            .named("get")
            .tag("n", &n.to_string())
    };
    (0..LIST_SPANS).map(one).collect()
}

/// Asserts that some traces of a list are there, whole and once.
fn verify(engine: &ClickHouse, writer: u64, number: u64) {
    let all = spans(writer, number);
    let ids: Vec<TraceId> = (0..LIST_SPANS / TRACE_SPANS)
        .map(|trace| trace_id(writer, number, trace))
        .collect();
    let mut traces = engine.traces(&ids, &ReadContext::default()).unwrap();
    traces.sort_by_key(|trace| trace.first().map(|span| span.id));
    let found: Vec<Span> = traces.into_iter().flatten().collect();
    assert!(
        found == all,
        "list {number} of writer {writer} has {} spans",
        found.len()
    );
}
