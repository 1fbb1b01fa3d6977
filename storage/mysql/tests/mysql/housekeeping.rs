//! Work in the background: links of days are exact, one process of several works, and what is old
//! is forgotten with all that belongs to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use speargun_e2e::mariadb::MariaDb;
use speargun_model::{Kind, Span};
use speargun_mysql::housekeeping::{Chores, Report};
use speargun_mysql::{Housekeeping, MySqlStore};
use speargun_runtime::ManualClock;
use speargun_storage::contract::{NOW_MS, Sketch, span};
use speargun_storage::{Database, SpanReader, Window};

use crate::{NEVER, config, count, fresh, open, sql};

const DAY_MS: u64 = 86_400_000;
const DAY_US: i64 = 86_400_000_000;

const LINKS: Chores = Chores {
    links: true,
    retention_ms: None,
};

fn work(store: &Arc<MySqlStore>, owner: &str, chores: Chores) -> Housekeeping {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    Housekeeping::new(store.clone(), owner, chores, clock)
}

/// Returns a store on a new database, whose clock is handed out too.
fn fresh_at(clock: &Arc<ManualClock>) -> (Arc<MySqlStore>, String) {
    let server = MariaDb::shared().unwrap();
    let database = server.database().unwrap();
    let store = MySqlStore::open(config(server, &database)).unwrap();
    (Arc::new(store.with_clock(clock.clone())), database)
}

fn fresh_now() -> (Arc<MySqlStore>, String) {
    fresh_at(&Arc::new(ManualClock::new(NOW_MS)))
}

/// Returns how many days are marked to be linked again.
fn marked(database: &str) -> String {
    let marks = "SELECT COUNT(*) FROM speargun_leases WHERE name LIKE 'relink-%'";
    sql(database, marks).trim().to_owned()
}

/// Makes a pass while a table is locked, does something once the pass waits for the table, and then
/// unlocks it.
fn while_locked(
    (database, table): (&str, &str),
    work: &Housekeeping,
    meanwhile: impl FnOnce(),
) -> Report {
    let server = MariaDb::shared().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address = format!("mysql://root@127.0.0.1:{}/{database}", server.port());
    let mut lock = runtime
        .block_on(Conn::new(mysql_async::Opts::from_url(&address).unwrap()))
        .unwrap();
    let locking = format!("LOCK TABLES {table} WRITE");
    runtime.block_on(lock.query_drop(locking)).unwrap();
    std::thread::scope(|scope| {
        let pass = scope.spawn(|| work.pass().unwrap());
        let deadline = Instant::now() + Duration::from_mins(1);
        let waits = format!(
            "SELECT COUNT(*) FROM information_schema.processlist \
             WHERE db = '{database}' AND state LIKE '%metadata lock%'"
        );
        while sql(database, &waits).trim() == "0" {
            assert!(Instant::now() < deadline, "no pass waits");
            assert!(!pass.is_finished(), "the pass did not wait");
            speargun_e2e::server::pause();
        }
        meanwhile();
        runtime.block_on(lock.query_drop("UNLOCK TABLES")).unwrap();
        pass.join().unwrap()
    })
}

fn call(trace: u128, from: &str, to: &str) -> Span {
    span(trace, 1).kind(Kind::Client).by(from).to(to)
}

/// Returns the links of days since today, both included, as text.
fn links(store: &MySqlStore, first: u64, last: u64) -> Vec<(String, String, u64, u64)> {
    let window = days(first, last);
    let mut links = store.dependencies(window, &NEVER).unwrap();
    links.sort();
    links
        .into_iter()
        .map(|l| (l.parent, l.child, l.call_count, l.error_count))
        .collect()
}

fn days(first: u64, last: u64) -> Window {
    let today_ms = NOW_MS / DAY_MS * DAY_MS;
    let end_ms = today_ms - last * DAY_MS + DAY_MS - 1;
    Window {
        end_ms,
        lookback_ms: end_ms - (today_ms - first * DAY_MS),
    }
}

fn said(from: &str, to: &str, calls: u64, errors: u64) -> (String, String, u64, u64) {
    (from.into(), to.into(), calls, errors)
}

#[test]
fn days_are_linked_exactly_and_again() {
    let (store, database) = fresh_now();
    let spans = [
        call(1, "a", "b"),
        call(2, "a", "b").tag("error", ""),
        call(3, "a", "c").at(-DAY_US),
        call(4, "a", "d").at(-5 * DAY_US),
        // A trace over midnight counts where it began, as a whole.
        call(5, "x", "alias").at(-DAY_US),
        span(5, 2).under(1).kind(Kind::Server).by("y").at(0),
    ];
    crate::store(&store, &spans).unwrap();
    let before: Vec<_> = (0..7).map(|day| links(&store, day, day)).collect();
    let work = work(&store, "one", LINKS);
    let report = work.pass().unwrap();
    assert_eq!(report.days_linked, 6, "{report:?}");
    assert!(report.held);
    assert_eq!(count(&database, "zipkin_dependencies"), 4);
    assert_eq!(links(&store, 0, 0), [said("a", "b", 2, 1)]);
    assert_eq!(
        links(&store, 1, 1),
        [said("a", "c", 1, 0), said("x", "y", 1, 0)]
    );
    assert_eq!(links(&store, 5, 5), before[5]);
    assert_eq!(links(&store, 4, 2), []);
    assert_eq!(links(&store, 6, 0).iter().map(|l| l.2).sum::<u64>(), 5);
    // Late spans of a day that is linked already, and nothing twice.
    crate::store(&store, &[call(6, "a", "b"), call(7, "a", "c").at(-DAY_US)]).unwrap();
    crate::store(&store, &spans[..3]).unwrap();
    let report = work.pass().unwrap();
    assert_eq!(report.days_linked, 2, "{report:?}");
    assert_eq!(links(&store, 0, 0), [said("a", "b", 3, 1)]);
    assert_eq!(links(&store, 6, 0).iter().map(|l| l.2).sum::<u64>(), 7);
}

#[test]
fn late_spans_of_days_that_are_linked_are_counted() {
    let (store, database) = fresh_now();
    let first = [
        call(1, "a", "b").at(-9 * DAY_US),
        call(2, "a", "b").at(-4 * DAY_US),
    ];
    crate::store(&store, &first).unwrap();
    let work = work(&store, "one", LINKS);
    work.pass().unwrap();
    assert_eq!(marked(&database), "0", "all of it was linked");
    let late = [
        call(3, "a", "b").at(-9 * DAY_US),
        // The trace now begins a day earlier, and counts there.
        span(2, 2)
            .under(1)
            .kind(Kind::Server)
            .by("b")
            .at(-5 * DAY_US),
        // Days to come are not marked.
        call(5, "a", "b").at(2 * DAY_US),
    ];
    crate::store(&store, &late).unwrap();
    assert_eq!(marked(&database), "2");
    work.pass().unwrap();
    let calls = |day| links(&store, day, day).iter().map(|l| l.2).sum::<u64>();
    assert_eq!((calls(9), calls(5), calls(4)), (2, 1, 0));
    assert_eq!(marked(&database), "0");
}

#[test]
fn days_that_passed_while_nobody_linked_are_linked() {
    let clock = Arc::new(ManualClock::new(NOW_MS));
    let (store, database) = fresh_at(&clock);
    crate::store(&store, &[call(1, "a", "b")]).unwrap();
    let work = Housekeeping::new(store.clone(), "one", LINKS, clock.clone());
    work.pass().unwrap();
    for day in 1..20 {
        clock.set(NOW_MS + day * DAY_MS);
        let spans = [
            call(1000 + u128::from(day), "a", "b").at(day.cast_signed() * DAY_US),
            // Not late yet.
            call(2000 + u128::from(day), "a", "c").at((day.cast_signed() - 1) * DAY_US),
        ];
        crate::store(&store, &spans).unwrap();
    }
    clock.set(NOW_MS + 30 * DAY_MS);
    work.pass().unwrap();
    assert_eq!(marked(&database), "0");
    let window = Window {
        end_ms: NOW_MS + 40 * DAY_MS,
        lookback_ms: 41 * DAY_MS,
    };
    let links = store.dependencies(window, &NEVER).unwrap();
    let calls: Vec<u64> = links.iter().map(|l| l.call_count).collect();
    assert_eq!(calls, [20, 19]);
}

#[test]
fn a_lease_that_is_lost_meanwhile_writes_nothing() {
    let (store, database) = fresh_now();
    crate::store(&store, &[call(1, "a", "b")]).unwrap();
    let work = work(&store, "one", LINKS);
    let report = while_locked((&database, "zipkin_annotations"), &work, || {
        sql(
            &database,
            "UPDATE speargun_leases SET owner = 'two' WHERE name = 'housekeeping'",
        );
    });
    assert_eq!((report.held, report.days_linked), (true, 0));
    assert_eq!(count(&database, "zipkin_dependencies"), 0);
    sql(
        &database,
        "UPDATE speargun_leases SET until_ms = 1 WHERE name = 'housekeeping'",
    );
    work.pass().unwrap();
    assert_eq!(count(&database, "zipkin_dependencies"), 1);
}

#[test]
fn spans_that_come_while_their_day_is_linked_are_counted_next_time() {
    let (store, database) = fresh_now();
    crate::store(&store, &[call(1, "a", "b")]).unwrap();
    let work = work(&store, "one", LINKS);
    work.pass().unwrap();
    crate::store(&store, &[call(2, "a", "b").at(-5 * DAY_US)]).unwrap();
    assert_eq!(marked(&database), "1");
    while_locked((&database, "zipkin_annotations"), &work, || {
        // What storing another span of that day does.
        sql(
            &database,
            "UPDATE speargun_leases SET until_ms = until_ms + 1 WHERE name LIKE 'relink-%'",
        );
    });
    assert_eq!(marked(&database), "1");
    work.pass().unwrap();
    assert_eq!(marked(&database), "0");
}

#[test]
fn work_that_fails_is_told_until_it_succeeds() {
    let (store, database) = fresh_now();
    crate::store(&store, &[call(1, "a", "b")]).unwrap();
    let work = work(&store, "one", LINKS);
    sql(&database, "RENAME TABLE zipkin_annotations TO hidden");
    assert!(work.pass().is_err());
    let told = work.told();
    let trouble = told.trouble.unwrap();
    assert!(trouble.contains("speargun storage init"), "{trouble}");
    assert_eq!((told.failures, told.days_linked), (1, 0));
    sql(&database, "RENAME TABLE hidden TO zipkin_annotations");
    work.pass().unwrap();
    let told = work.told();
    assert_eq!((told.trouble, told.failures), (None, 1));
    assert!(told.days_linked > 0);
}

#[test]
fn traces_that_lie_elsewhere_are_left_out_of_days() {
    let (store, _) = fresh();
    crate::store(
        &store,
        &[call(1, "a", "b"), call(2, "a", "b"), call(3, "a", "c")],
    )
    .unwrap();
    let without = |lows: &[u64]| {
        let links = store
            .dependencies_without(days(0, 0), lows, &NEVER)
            .unwrap();
        links.iter().map(|l| l.call_count).sum::<u64>()
    };
    assert_eq!((without(&[]), without(&[1, 3]), without(&[4])), (3, 1, 3));
    work(&store, "one", LINKS).pass().unwrap();
    assert_eq!((without(&[]), without(&[1, 3]), without(&[4])), (3, 1, 3));
}

#[test]
fn one_process_of_several_works() {
    let (one, database) = fresh();
    let server = MariaDb::shared().unwrap();
    let other = open(config(server, &database));
    crate::store(&one, &[call(1, "a", "b")]).unwrap();
    let (first, second) = (work(&one, "one", LINKS), work(&other, "two", LINKS));
    assert!(first.pass().unwrap().held);
    assert_eq!(second.pass().unwrap(), Report::default());
    assert!(first.pass().unwrap().held);
    // The first one dies: its lease runs out.
    sql(
        &database,
        "UPDATE speargun_leases SET until_ms = 1 WHERE name = 'housekeeping'",
    );
    assert!(second.pass().unwrap().held);
    assert!(!first.pass().unwrap().held);
    // The second one ends in peace.
    second.end().unwrap();
    assert!(first.pass().unwrap().held, "it need not wait");
    assert!(!second.pass().unwrap().held, "it asks no more");
}

#[test]
fn a_pass_that_is_under_way_at_the_end_writes_nothing() {
    let (store, database) = fresh();
    crate::store(&store, &[call(1, "a", "b")]).unwrap();
    let (first, second) = (work(&store, "one", LINKS), work(&store, "two", LINKS));
    let report = while_locked((&database, "zipkin_spans"), &first, || {
        first.end().unwrap();
    });
    assert_eq!(report.days_linked, 0);
    assert_eq!(second.pass().unwrap().days_linked, 2);
}

#[test]
fn links_that_others_feed_are_left_alone() {
    let (store, database) = fresh();
    crate::store(&store, &[call(1, "a", "b")]).unwrap();
    sql(
        &database,
        "INSERT INTO zipkin_dependencies VALUES ('2023-11-14', 'x', 'y', 3, 1)",
    );
    let report = work(&store, "one", LINKS).pass().unwrap();
    assert_eq!(report.days_linked, 0);
    assert_eq!(links(&store, 0, 0), [said("x", "y", 3, 1)]);
}

#[test]
fn old_spans_are_forgotten_with_their_rows() {
    let (store, database) = fresh();
    let mut spans: Vec<Span> = (1..=450)
        .map(|id| call(id, "old", "b").at(-8 * DAY_US).tag("k", "v"))
        .collect();
    spans.extend((1000..1010).map(|id| call(id, "new", "b").at(-6 * DAY_US)));
    crate::store(&store, &spans).unwrap();
    work(&store, "one", LINKS).pass().unwrap();
    let chores = Chores {
        links: true,
        retention_ms: Some(7 * DAY_MS),
    };
    let report = work(&store, "one", chores).pass().unwrap();
    assert_eq!(
        (report.spans_deleted, report.annotations_deleted),
        (450, 450 * 3)
    );
    assert_eq!(store.service_names(&NEVER).unwrap(), ["new"]);
    assert_eq!(count(&database, "zipkin_spans"), 10);
    assert_eq!(count(&database, "zipkin_annotations"), 20);
    assert_eq!(links(&store, 10, 0), [said("new", "b", 10, 0)]);
    assert_eq!(work(&store, "one", chores).pass().unwrap().spans_deleted, 0);
}
