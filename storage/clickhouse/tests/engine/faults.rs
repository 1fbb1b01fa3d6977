//! What operators may meet: each is told in words that say what to do.

use std::time::Duration;

use speargun_clickhouse::{Config, Secret, check};
use speargun_e2e::clickhouse::{FROZEN, LONELY, OWNER, READER};
use speargun_model::TraceId;
use speargun_storage::contract::{Sketch, span};
use speargun_storage::{Database, ReadContext, ReadError, SpanReader, StoreError, Verdict};

use crate::support;

fn as_user(user: &str, password: &str) -> Config {
    Config {
        user: user.into(),
        password: Secret(password.into()),
        ..support::config()
    }
}

fn store(config: &Config) -> Result<(), StoreError> {
    let engine = support::open(config);
    let stored = engine.store(&support::list("one", 1), &[span(1, 1).by("a")]);
    stored.map(|_| ())
}

/// Returns the text of a refusal.
fn refusal(config: &Config) -> String {
    match store(config) {
        Err(StoreError::Refused(text)) => text,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

fn bad(config: &Config) -> Vec<String> {
    let findings = check(config).into_iter();
    let bad = findings.filter(|finding| finding.verdict == Verdict::Bad);
    bad.map(|finding| finding.what).collect()
}

#[test]
fn a_wrong_password_is_told() {
    let config = as_user(OWNER, "wrong");
    let text = refusal(&config);
    assert!(text.contains("CLICKHOUSE_PASSWORD"), "{text}");
    assert!(!text.contains("wrong"), "{text}");
    assert!(bad(&config)[0].contains("CLICKHOUSE_PASSWORD"));
    assert!(store(&as_user(OWNER, "right")).is_ok());
    assert_eq!(bad(&as_user(OWNER, "right")), [""; 0]);
}

#[test]
fn missing_rights_are_told() {
    let config = as_user(READER, "right");
    let text = refusal(&config);
    assert!(text.contains("grant"), "{text}");
    let found = bad(&config).join("\n");
    assert!(found.contains("GRANT INSERT, CREATE TABLE"), "{found}");
}

#[test]
fn a_user_who_may_only_read_is_told() {
    let text = refusal(&as_user(FROZEN, "right"));
    assert!(text.contains("readonly"), "{text}");
}

#[test]
fn too_many_queries_are_a_matter_of_time() {
    let owner = as_user(OWNER, "right");
    store(&owner).unwrap();
    let config = Config {
        user: LONELY.into(),
        ..owner
    };
    let engine = support::open(&config);
    let list = |n| support::list("two", n);
    // The server counts a query until some time after it has answered it.
    let store_alone = |n| {
        for _ in 0..600 {
            match engine.store(&list(n), &[span(1, 1)]) {
                Err(StoreError::Unavailable(_)) => std::thread::sleep(Duration::from_millis(50)),
                other => return other,
            }
        }
        engine.store(&list(n), &[span(1, 1)])
    };
    store_alone(0).unwrap();
    // While the one query that the user may run is running.
    let errors: Vec<StoreError> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..9)
            .map(|n| {
                let engine = &engine;
                scope.spawn(move || {
                    let lists = (0..10).map(|m| list(n * 100 + m));
                    lists
                        .map(|name| engine.store(&name, &[span(1, n)]))
                        .find_map(Result::err)
                })
            })
            .collect();
        let all = threads.into_iter().map(|thread| thread.join().unwrap());
        all.flatten().collect()
    });
    assert!(!errors.is_empty(), "eight threads never met");
    for error in errors {
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        assert!(error.to_string().contains("too many queries"), "{error}");
    }
    store_alone(1).unwrap();
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let config = Config {
        urls: vec!["http://127.0.0.1:1".into()],
        ..support::config()
    };
    let error = store(&config).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(error.to_string().contains("http://127.0.0.1:1"), "{error}");
    let engine = support::open(&config);
    assert!(matches!(engine.check(), Err(ReadError::Failed(_))));
    assert!(bad(&config)[0].contains("can't be reached"));
}

#[test]
fn the_next_server_is_asked_when_one_is_gone() {
    let config = Config {
        urls: vec!["http://127.0.0.1:1".into(), support::server().url()],
        ..support::config()
    };
    store(&config).unwrap();
}

#[test]
fn tables_that_disappear_are_made_again() {
    let config = support::config();
    let engine = support::open(&config);
    let spans = [span(1, 1).by("a").named("n")];
    engine.store(&support::list("one", 1), &spans).unwrap();
    support::server()
        .run(&format!("DROP DATABASE {} SYNC", config.database))
        .unwrap();
    let error = engine.store(&support::list("one", 2), &spans).unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    engine.store(&support::list("one", 2), &spans).unwrap();
    let context = ReadContext::default();
    let trace = engine.trace(TraceId::from_u128(1), &context).unwrap();
    assert_eq!(trace, spans);
    assert_eq!(
        engine.span_names("a", &context).unwrap(),
        ["n"],
        "names too"
    );
}

#[test]
fn missing_tables_are_told_when_they_are_not_ours_to_make() {
    let config = Config {
        manage_schema: false,
        ..support::config()
    };
    let text = refusal(&config);
    assert!(text.contains("CLICKHOUSE_SCHEMA"), "{text}");
    assert!(bad(&config)[0].starts_with("schema: there are no tables"));
    let managed = Config {
        manage_schema: true,
        ..config.clone()
    };
    support::open(&managed).prepare().unwrap();
    assert!(store(&config).is_ok());
}

#[test]
fn a_table_that_was_dropped_is_told() {
    let config = support::config();
    store(&config).unwrap();
    let database = &config.database;
    support::server()
        .run(&format!("DROP TABLE {database}.spans SYNC"))
        .unwrap();
    assert!(
        bad(&config)[0].contains("missing in database"),
        "{:?}",
        bad(&config)
    );
    let text = refusal(&config);
    assert!(text.contains("spans is missing"), "{text}");
}

#[test]
fn a_newer_schema_is_left_alone() {
    let config = support::config();
    let engine = support::open(&config);
    engine.prepare().unwrap();
    let database = &config.database;
    support::server()
        .run(&format!(
            "INSERT INTO {database}.schema_version (version) VALUES (99)"
        ))
        .unwrap();
    let text = refusal(&config);
    assert!(
        text.contains("version 99") && text.contains("update"),
        "{text}"
    );
    assert!(bad(&config)[0].contains("version 99"));
    let read = support::open(&config).service_names(&ReadContext::default());
    assert!(read.unwrap_err().to_string().contains("version 99"));
}

#[test]
fn a_healthy_server_is_described() {
    let config = support::config();
    store(&config).unwrap();
    let findings = check(&config);
    let whats: Vec<&str> = findings
        .iter()
        .filter_map(|finding| Some(finding.what.split_once(": ")?.0))
        .collect();
    assert_eq!(
        whats,
        ["connection", "clock", "rights", "schema", "size", "disk"]
    );
    let size = &findings[4].what;
    assert!(size.starts_with("size: 1 spans in 1 parts"), "{size}");
}
