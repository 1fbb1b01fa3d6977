//! A database that fails, hangs, loses answers and comes back: nothing acknowledged is lost or
//! stored twice, bounds hold, and readers miss nothing meanwhile.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/model.rs"]
mod model;
#[path = "support/pair.rs"]
mod pair;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use speargun_model::{Span, TraceId};
use speargun_runtime::Clock;
use speargun_storage::contract::spans::everything;
use speargun_storage::contract::{Config as Case, Random, Sketch, batch_of, span};
use speargun_storage::{Position, ReadContext, ReadError, SpanReader, SpanWriter, WriteError};

use crate::model::Fault;
use crate::pair::Pair;

const CONTEXT: ReadContext = ReadContext { deadline: None };

fn spans(from: u64, count: u64) -> Vec<Span> {
    let one = |id: u64| span(u128::from(1 + id % 5), id).by("a").tag("k", "v");
    (from..from + count).map(one).collect()
}

#[test]
fn lost_lists_and_lost_answers_come_again_and_are_stored_once() {
    for seed in 0..20 {
        println!("seed {seed}");
        let mut random = Random::seeded(seed);
        let mut pair = Pair::new(&Case::default(), 4);
        let kinds = [Fault::Before, Fault::After, Fault::Refused];
        let faults = (0..12).map(|_| kinds[random.below(3) as usize]);
        pair.database.plan(faults.collect());
        pair.spool.start().unwrap();
        for from in 0..30 {
            pair.write(&spans(1 + from * 10, 3));
        }
        pair.local.seal().unwrap();
        pair.wait_moved();
        let stats = pair.spool.stats();
        assert_eq!((stats.failures, stats.outage), (12, None));
        assert!((1..=12).contains(&stats.outages), "{}", stats.outages);
        assert_eq!(stats.stored, 90);
        assert_eq!(pair.database.rows(), 90, "each once");
        pair.spool.close().unwrap();
    }
}

#[test]
fn an_outage_ends_in_refusals_and_then_in_nothing_lost() {
    let mut pair = Pair::new(&Case::default(), 1 << 20);
    pair.config.bytes_max = 2000;
    pair.restart();
    pair.database.set_down(true);
    pair.spool.start().unwrap();
    let mut written = 0;
    let why = loop {
        match pair.spool.ready() {
            Err(WriteError::Busy(why)) => break why,
            ready => ready.unwrap(),
        }
        pair.write(&spans(1 + written, 10));
        pair.local.seal().unwrap();
        written += 10;
    };
    assert!(why.contains("and 2000 may"), "{why}");
    pair.database.wait_calls(3);
    let stats = pair.spool.stats();
    assert_eq!(stats.waiting.spans, written);
    assert!(stats.full.is_some() && stats.failures > 1, "{stats:?}");
    assert_eq!(stats.outages, 1);
    // What waits is here, but an answer without the rest would be a wrong one.
    assert_down(&pair);
    pair.database.set_down(false);
    pair.wait_moved();
    let stats = pair.spool.stats();
    pair.spool.ready().unwrap();
    pair.spool.check().unwrap();
    assert_eq!(
        (stats.full, stats.outage, stats.stored),
        (None, None, written)
    );
    assert_eq!(pair.database.rows() as u64, written);
    assert_eq!(trace(&pair).len() as u64, written / 5);
    pair.spool.close().unwrap();
}

fn trace(pair: &Pair) -> Vec<Span> {
    let id = TraceId { high: 0, low: 1 };
    pair.spool.trace(id, &CONTEXT).unwrap()
}

fn assert_down(pair: &Pair) {
    let id = TraceId { high: 0, low: 1 };
    let is_down =
        |error: ReadError| matches!(error, ReadError::Failed(why) if why.contains("down"));
    assert!(is_down(pair.spool.check().unwrap_err()));
    assert!(is_down(pair.spool.trace(id, &CONTEXT).unwrap_err()));
    assert!(is_down(
        pair.spool.search(&everything(), &CONTEXT).unwrap_err()
    ));
    assert!(is_down(pair.spool.service_names(&CONTEXT).unwrap_err()));
    let window = everything().window;
    assert!(is_down(
        pair.spool.dependencies(window, &CONTEXT).unwrap_err()
    ));
}

#[test]
fn spans_that_waited_too_long_let_no_more_in() {
    let mut pair = Pair::new(&Case::default(), 1 << 20);
    pair.config.age_max = Duration::from_mins(1);
    pair.restart();
    pair.write(&spans(1, 1));
    pair.clock.set(pair.clock.now_ms() + 60_000);
    pair.spool.ready().unwrap();
    pair.clock.set(pair.clock.now_ms() + 1000);
    let busy = pair.spool.ready().unwrap_err().to_string();
    assert!(busy.contains("waited 61 seconds"), "{busy}");
    assert_eq!(pair.spool.stats().age_ms, 61_000);
    pair.local.seal().unwrap();
    pair.move_lists(usize::MAX);
    pair.spool.ready().unwrap();
    assert_eq!(pair.spool.stats().age_ms, 0);
    pair.spool.close().unwrap();
}

#[test]
fn a_database_that_hangs_holds_up_no_end() {
    let mut pair = Pair::new(&Case::default(), 1 << 20);
    pair.config.close = Duration::ZERO;
    pair.restart();
    pair.write(&spans(1, 9));
    pair.local.seal().unwrap();
    pair.database.set_hanging(true);
    pair.spool.start().unwrap();
    pair.database.wait_calls(1);
    pair.restart();
    assert_eq!(pair.spool.stats().waiting.spans, 9);
    pair.database.set_hanging(false);
    pair.spool.start().unwrap();
    pair.wait_moved();
    assert_eq!(pair.database.rows(), 9);
    assert!(pair.database.calls() >= 2);
    pair.spool.close().unwrap();
}

#[test]
fn an_end_moves_what_it_can_and_leaves_the_rest() {
    let mut pair = Pair::new(&Case::default(), 1 << 20);
    pair.write(&spans(1, 7));
    pair.spool.start().unwrap();
    pair.restart();
    assert_eq!(
        (pair.database.rows(), pair.spool.stats().waiting.spans),
        (7, 0)
    );
    pair.write(&spans(20, 7));
    pair.database.set_down(true);
    pair.spool.start().unwrap();
    pair.restart();
    assert_eq!(
        (pair.database.rows(), pair.spool.stats().waiting.spans),
        (7, 7)
    );
    pair.database.set_down(false);
    // Without a thread that moves there is nothing to wait for.
    pair.restart();
    assert_eq!(pair.spool.stats().waiting.spans, 7);
}

#[test]
fn an_idle_database_that_goes_away_is_noticed() {
    let mut pair = Pair::new(&Case::default(), 1 << 20);
    pair.config.ask_every = Duration::ZERO;
    pair.restart();
    pair.spool.start().unwrap();
    for is_down in [true, false, true] {
        pair.database.set_down(is_down);
        while pair.spool.check().is_err() != is_down {
            std::thread::yield_now();
        }
    }
    assert_eq!(pair.spool.stats().outages, 2);
    pair.spool.close().unwrap();
}

#[test]
fn a_deadline_that_passed_is_told() {
    let mut pair = Pair::new(&Case::default(), 1 << 20);
    pair.write(&spans(1, 9));
    let over = ReadContext {
        deadline: Some(Instant::now()),
    };
    let searched = pair.spool.search(&everything(), &over);
    assert!(matches!(searched, Err(ReadError::DeadlineExceeded)));
    let linked = pair.spool.dependencies(everything().window, &over);
    assert!(matches!(linked, Err(ReadError::DeadlineExceeded)));
    pair.spool.close().unwrap();
}

/// Each write adds a span to one trace; readers must find at least what was written before they
/// asked, each once, while spans become segments and are moved.
#[test]
fn readers_miss_nothing_while_spans_are_moved() {
    const WRITTEN: u64 = 600;
    let pair = Pair::new(&Case::default(), 7);
    pair.spool.start().unwrap();
    let written = AtomicU64::new(0);
    let read_all = || {
        loop {
            let before = written.load(Ordering::SeqCst);
            let spans = trace(&pair);
            let ids: Vec<u64> = spans.iter().map(|span| span.id.0).collect();
            let expected: Vec<u64> = (1..=ids.len() as u64).collect();
            assert_eq!(ids, expected, "each once, in order");
            assert!(ids.len() as u64 >= before, "{} of {before}", ids.len());
            let found = pair.spool.search(&everything(), &CONTEXT).unwrap();
            assert!(found.iter().all(|spans| spans.len() as u64 >= before));
            if before == WRITTEN {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(read_all), scope.spawn(read_all)];
        for id in 1..=WRITTEN {
            let batch = Arc::new(batch_of(&[span(1, id)]));
            pair.spool.write(&[batch], Position(id)).unwrap();
            written.store(id, Ordering::SeqCst);
        }
        for reader in readers {
            reader.join().unwrap();
        }
    });
    pair.local.seal().unwrap();
    pair.wait_moved();
    assert_eq!(pair.database.rows() as u64, WRITTEN);
    pair.spool.close().unwrap();
}
