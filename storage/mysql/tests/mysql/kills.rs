//! A server that is killed at random moments while lists are stored: what was confirmed is there
//! once, and what was not comes again. `E2E_KILLS` asks for more than a normal run has.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use speargun_e2e::Chance;
use speargun_e2e::mariadb::MariaDb;
use speargun_model::{Kind, Span};
use speargun_mysql::MySqlStore;
use speargun_storage::contract::{Sketch, span};
use speargun_storage::{Database, StoreError};

use crate::{config, list, open};

const SPANS_OF_LIST: u64 = 500;

/// How long all of it may take for each kill.
const PATIENCE: Duration = Duration::from_mins(1);

#[expect(
    clippy::disallowed_methods,
    reason = "the harness of a test has a knob"
)]
fn kills() -> u64 {
    let given = std::env::var("E2E_KILLS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(3)
}

fn spans_of(number: u64) -> Vec<Span> {
    let first = number * SPANS_OF_LIST;
    (first..first + SPANS_OF_LIST)
        .map(|id| {
            let call = span(u128::from(1 + id / 5), 1 + id).by("a").to("b");
            call.kind(Kind::Client).lasting(5).tag("k", &id.to_string())
        })
        .collect()
}

/// Stores lists until told to end, each until it is confirmed, and returns how many.
fn mover(store: &MySqlStore, ends: &AtomicBool, confirmed: &AtomicU64) -> u64 {
    let mut number = 0;
    while !ends.load(Ordering::Relaxed) {
        let spans = spans_of(number);
        loop {
            match store.store(&list(number), &spans) {
                Ok(stored) => {
                    assert_eq!((stored.refused, stored.cut), (0, 0));
                    break;
                }
                Err(StoreError::Unavailable(_)) => speargun_e2e::server::pause(),
                Err(error) => panic!("list {number}: {error}"),
            }
        }
        number += 1;
        confirmed.store(number, Ordering::Relaxed);
    }
    number
}

#[test]
fn confirmed_spans_survive_kills_once_each() {
    let mut server = MariaDb::start(&[]).unwrap();
    let database = server.database().unwrap();
    let store = open(config(&server, &database));
    let (ends, confirmed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let seed = Chance::seed();
    println!("E2E_SEED={seed}");
    let mut chance = Chance::new(seed);
    let moving = {
        let (store, ends, confirmed) = (store.clone(), ends.clone(), confirmed.clone());
        std::thread::spawn(move || mover(&store, &ends, &confirmed))
    };
    let deadline = Instant::now() + PATIENCE * u32::try_from(kills() + 1).unwrap();
    for _ in 0..kills() {
        // Some lists later, and then at any moment of the next ones.
        let target = confirmed.load(Ordering::Relaxed) + 1 + chance.below(3);
        while confirmed.load(Ordering::Relaxed) < target {
            assert!(Instant::now() < deadline, "no list was stored in time");
            assert!(!moving.is_finished(), "the mover has failed");
            speargun_e2e::server::pause();
        }
        for _ in 0..chance.below(40) {
            speargun_e2e::server::pause();
        }
        server.restart(&[]).unwrap();
    }
    ends.store(true, Ordering::Relaxed);
    let lists = moving.join().unwrap();
    let ask = |what: &str| -> u64 {
        let text = server.sql(&format!("SELECT {what}")).unwrap();
        text.trim().parse().unwrap()
    };
    let spans = lists * SPANS_OF_LIST;
    assert_eq!(
        ask(&format!("COUNT(*) FROM {database}.zipkin_spans")),
        spans
    );
    let distinct =
        format!("COUNT(DISTINCT a_value) FROM {database}.zipkin_annotations WHERE a_key = 'k'");
    assert_eq!(ask(&distinct), spans);
    // cs, cr, the tag and the address.
    assert_eq!(
        ask(&format!("COUNT(*) FROM {database}.zipkin_annotations")),
        spans * 4
    );
    println!("{spans} spans of {lists} lists over {} kills", kills());
}
