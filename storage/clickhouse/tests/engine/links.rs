//! Links from their table are those that spans have: whenever lists come, in whatever order, while
//! processes link them side by side and retention takes them away.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use speargun_clickhouse::schema;
use speargun_clickhouse::{ClickHouse, Config, Housekeeping};
use speargun_e2e::Chance;
use speargun_model::{Kind, Span};
use speargun_storage::contract::spans::link;
use speargun_storage::contract::{Sketch, span};
use speargun_storage::{Database, ReadContext, SpanReader, Window};

use crate::support;

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// The minute around which random spans are.
const BASE_MS: u64 = 1_760_000_040_000;
const MINUTES: u64 = 9;

const TRACES: u64 = 150;

const SEEDS: u64 = 2;
const STEPS: u64 = 60;

/// A database with its linkers, and a second one from which lists come at any time.
struct Scene {
    config: Config,
    table: Arc<ClickHouse>,
    spans: Arc<ClickHouse>,
    houses: [Housekeeping; 2],
    staging: Vec<(Config, Arc<ClickHouse>)>,
    lists: u64,
    /// The first of the days on which lists come.
    day: u64,
}

fn run(statement: &str) -> String {
    support::server().run(statement).unwrap()
}

impl Scene {
    fn new() -> Self {
        let config = support::config();
        let table = support::open(&config);
        table.prepare().unwrap();
        let spans = support::open(&Config {
            links: false,
            ..config.clone()
        });
        let house = |owner: &str| Housekeeping::new(support::open(&config), owner);
        let staging = (0..2).map(|_| {
            let config = support::config();
            let engine = support::open(&config);
            (config, engine)
        });
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let today = u64::try_from(now.as_millis()).unwrap() / DAY_MS;
        Self {
            houses: [house("one"), house("other")],
            staging: staging.collect(),
            config,
            table,
            spans,
            lists: 0,
            day: today - 4,
        }
    }

    /// Stores a list as a process would have done at that time.
    fn store_at(&mut self, process: usize, arrived_ms: u64, spans: &[Span]) {
        self.lists += 1;
        let (config, engine) = &self.staging[process];
        let name = support::list("staging", self.lists);
        engine.store(&name, spans).unwrap();
        let (from, into) = (&config.database, &self.config.database);
        run(&format!(
            "INSERT INTO {into}.spans SELECT * REPLACE (toUInt64({arrived_ms}) AS arrived_ms) \
             FROM {from}.spans"
        ));
        run(&format!("TRUNCATE TABLE {from}.spans"));
    }

    /// Lets both link at the same time, whoever has the lease.
    fn link_side_by_side(&self) {
        std::thread::scope(|scope| {
            for house in &self.houses {
                run(&format!("TRUNCATE TABLE {}.leases", self.config.database));
                // What failed because of the other one is done again.
                scope.spawn(|| house.pass().map(|_| ()).ok());
            }
        });
    }

    fn link_all(&self) {
        for _ in 0..20 {
            let report = self.houses[0].pass().unwrap();
            if report.held && report.spans_linked == 0 {
                return;
            }
            if !report.held {
                run(&format!("TRUNCATE TABLE {}.leases", self.config.database));
            }
        }
        panic!("there is no end to it");
    }

    fn expect_agreement(&self, window: Window, without: &[u64]) {
        let context = ReadContext::default();
        let ask = |engine: &ClickHouse| {
            engine
                .dependencies_without(window, without, &context)
                .unwrap()
        };
        assert_eq!(
            ask(&self.table),
            ask(&self.spans),
            "{window:?} without {without:?}, linked {:?}",
            self.houses.each_ref().map(Housekeeping::told),
        );
    }

    /// Takes parts of the first day away, or all of it: more than comes in all steps that follow.
    fn forget_some(&self, chance: &mut Chance) {
        let database = &self.config.database;
        let partition = run(&format!("SELECT toString(toDate({}))", self.day));
        if chance.below(3) == 0 {
            run(&format!(
                "ALTER TABLE {database}.spans DROP PARTITION '{partition}'"
            ));
            return;
        }
        let parts = run(&format!(
            "SELECT name FROM system.parts WHERE database = '{database}' AND table = 'spans' AND \
             active AND partition = '{partition}' AND rows >= {}",
            STEPS / 2
        ));
        let parts: Vec<&str> = parts.lines().collect();
        if !parts.is_empty() {
            let part = parts[chance.below(parts.len() as u64) as usize];
            let drop = format!("ALTER TABLE {database}.spans DROP PART '{part}'");
            // It may have been merged meanwhile.
            support::server().run(&drop).ok();
        }
    }
}

fn random_span(chance: &mut Chance) -> Span {
    const KINDS: [Kind; 4] = [Kind::Client, Kind::Server, Kind::Producer, Kind::Consumer];
    const SERVICES: [&str; 5] = ["a", "b", "c", "d", "e"];
    let trace_id = u128::from(1 + chance.below(TRACES)) | u128::from(chance.below(2)) << 64;
    let mut made = span(trace_id, 1 + chance.below(6));
    if chance.below(3) > 0 {
        made = made.under(1 + chance.below(6));
    }
    if chance.below(8) > 0 {
        made = made.by(SERVICES[chance.below(5) as usize]);
    }
    if chance.below(2) > 0 {
        made = made.to(SERVICES[chance.below(5) as usize]);
    }
    if chance.below(6) > 0 {
        made = made.kind(KINDS[chance.below(4) as usize]);
    }
    if chance.below(4) == 0 {
        made = made.tag("error", "");
    }
    if chance.below(5) == 0 {
        made = made.sharing();
    }
    made.timestamp_us = match chance.below(12) {
        0 => 0,
        1 => 1 + chance.below(MINUTE_MS * 1000),
        // Most traces are short; their ids say when they were.
        _ => {
            let minute = (made.trace_id.low * 7 + chance.below(2)) % MINUTES;
            let start_us = (BASE_MS + minute * MINUTE_MS) * 1000;
            match chance.below(4) {
                0 => start_us,
                1 => start_us - 1,
                2 => start_us + MINUTE_MS * 1000 - 1,
                _ => start_us + chance.below(MINUTE_MS * 1000),
            }
        }
    };
    made.normalise();
    made
}

/// Returns an end of a window: often where a minute begins.
fn random_ms(chance: &mut Chance) -> u64 {
    let minute_ms = BASE_MS + chance.below(MINUTES + 2) * MINUTE_MS - MINUTE_MS;
    match chance.below(3) {
        0 => minute_ms,
        1 => minute_ms - 1,
        _ => minute_ms + chance.below(MINUTE_MS),
    }
}

fn random_window(chance: &mut Chance) -> Window {
    let (one, other) = (random_ms(chance), random_ms(chance));
    let end_ms = one.max(other);
    let lookback_ms = match chance.below(5) {
        0 => end_ms,
        1 => DAY_MS,
        _ => end_ms - one.min(other),
    };
    Window {
        end_ms,
        lookback_ms,
    }
}

#[test]
fn random_lists_are_linked_as_their_spans_are() {
    let first = Chance::seed();
    println!("E2E_SEED={first}");
    let mut read = 0;
    for seed in first..first + SEEDS {
        println!("seed {seed}");
        let mut chance = Chance::new(seed);
        let mut scene = Scene::new();
        let mut arrived_ms = (scene.day + 1) * DAY_MS - 30_000;
        for step in 0..STEPS {
            let forgets = step > STEPS / 2;
            match chance.below(12) {
                0..6 => {
                    // From the first day over midnight; some late, some in one millisecond.
                    arrived_ms += chance.below(3) * 1500;
                    let late_ms = [0, 0, 0, 1500, 40_000, DAY_MS][chance.below(6) as usize];
                    let at_ms = arrived_ms - late_ms;
                    // Never as many as are forgotten, which nobody would notice.
                    let count = if forgets && at_ms / DAY_MS == scene.day {
                        1
                    } else {
                        STEPS / 2 + chance.below(20)
                    };
                    let spans: Vec<Span> = (0..count).map(|_| random_span(&mut chance)).collect();
                    scene.store_at(chance.below(2) as usize, at_ms, &spans);
                }
                6..8 => scene.link_all(),
                8 => scene.link_side_by_side(),
                9 if forgets => scene.forget_some(&mut chance),
                10 => {
                    let database = &scene.config.database;
                    run(&format!("OPTIMIZE TABLE {database}.spans FINAL"));
                }
                _ => {}
            }
            for _ in 0..2 {
                let mut without: Vec<u64> = (0..chance.below(4))
                    .map(|_| 1 + chance.below(TRACES))
                    .collect();
                without.sort_unstable();
                without.dedup();
                scene.expect_agreement(random_window(&mut chance), &without);
            }
        }
        read += scene.table.link_answers().read;
    }
    assert!(
        read > SEEDS * STEPS / 3,
        "{read} answers were from the table"
    );
}

fn call(trace_id: u128, at_ms: u64) -> Span {
    let mut made = span(trace_id, 1).kind(Kind::Client).by("a").to("b");
    made.timestamp_us = at_ms * 1000;
    made
}

fn an_hour() -> Window {
    Window {
        end_ms: BASE_MS + 30 * MINUTE_MS,
        lookback_ms: 60 * MINUTE_MS,
    }
}

#[test]
fn what_was_linked_is_not_read_again() {
    let mut scene = Scene::new();
    let day_ms = scene.day * DAY_MS;
    let calls: Vec<Span> = (1..100)
        .map(|n| call(n, BASE_MS + 1000 * n as u64))
        .collect();
    scene.store_at(0, day_ms, &calls);
    scene.expect_agreement(an_hour(), &[]);
    assert_eq!(scene.table.link_answers().read, 0);
    scene.link_all();
    // Were spans read, there would be one more.
    let database = &scene.config.database;
    run(&format!("TRUNCATE TABLE {database}.traces"));
    let links = scene
        .table
        .dependencies(an_hour(), &ReadContext::default())
        .unwrap();
    assert_eq!(links, [link("a", "b", 99)]);
    assert_eq!(scene.table.link_answers().read, 1);
    let told = scene.houses[0].told();
    assert_eq!((told.spans_linked, told.chunks, told.held), (99, 1, true));
}

#[test]
fn a_list_that_grew_is_linked_anew() {
    let mut scene = Scene::new();
    let day_ms = scene.day * DAY_MS;
    scene.store_at(0, day_ms, &[call(1, BASE_MS)]);
    scene.link_all();
    scene.store_at(0, day_ms + 5, &[call(2, BASE_MS)]);
    scene.link_all();
    // The same millisecond of the same process.
    scene.store_at(0, day_ms, &[call(3, BASE_MS)]);
    scene.expect_agreement(an_hour(), &[]);
    scene.link_all();
    scene.expect_agreement(an_hour(), &[]);
    let before = scene.table.link_answers().read;
    scene.expect_agreement(an_hour(), &[2]);
    assert_eq!(scene.table.link_answers().read, before + 1);
}

#[test]
fn one_process_of_two_links() {
    let mut scene = Scene::new();
    let day_ms = scene.day * DAY_MS;
    scene.store_at(0, day_ms, &[call(1, BASE_MS)]);
    let [one, other] = &scene.houses;
    assert!(one.pass().unwrap().held);
    assert!(!other.pass().unwrap().held);
    one.end().unwrap();
    assert!(other.pass().unwrap().held, "it need not wait");
    assert!(!one.pass().unwrap().held, "it has ended");
}

#[test]
fn a_database_of_the_first_version_is_brought_up_to_date() {
    let mut scene = Scene::new();
    let config = support::config();
    let database = &config.database;
    let made = [schema::make_database(&config)].into_iter();
    for statement in made.chain(schema::migration(&config, 0)) {
        run(&statement);
    }
    run(&format!(
        "INSERT INTO {database}.schema_version (version) VALUES (1)"
    ));
    scene.config = config.clone();
    let day_ms = scene.day * DAY_MS;
    scene.store_at(0, day_ms, &[call(1, BASE_MS)]);
    let engine = support::open(&config);
    let house = Housekeeping::new(Arc::clone(&engine), "new");
    assert_eq!(house.pass().unwrap().spans_linked, 1);
    let versions = format!("SELECT max(version) FROM {database}.schema_version");
    assert_eq!(run(&versions), schema::VERSION.to_string());
    // A process of the first version goes on storing: rows as before.
    scene.store_at(0, day_ms + 1, &[call(2, BASE_MS)]);
    assert_eq!(house.pass().unwrap().spans_linked, 1);
    let links = engine
        .dependencies(an_hour(), &ReadContext::default())
        .unwrap();
    assert_eq!(links, [link("a", "b", 2)]);
    assert_eq!(engine.link_answers().read, 1);
}

#[test]
fn trouble_is_told() {
    let config = Config {
        urls: vec!["http://127.0.0.1:1".into()],
        ..support::config()
    };
    let house = Housekeeping::new(support::open(&config), "lost");
    house.pass().unwrap_err();
    let told = house.told();
    assert_eq!(told.failures, 1);
    assert!(told.trouble.unwrap().contains("can't be reached"));
}
