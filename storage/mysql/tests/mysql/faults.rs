//! What can be wrong with a database: each time a text says what to do, and nothing is lost that
//! the caller did not keep.

use std::time::Duration;

use speargun_e2e::mariadb::MariaDb;
use speargun_mysql::{Config, check};
use speargun_runtime::SystemClock;
use speargun_storage::contract::{Sketch, span};
use speargun_storage::{SpanReader, StoreError, Verdict};

use crate::{NEVER, config, count, fresh, open, sql, store};

/// Returns the text of a store that was refused for good.
fn refused(config: Config) -> String {
    let error = store(&open(config), &[span(1, 1)]).unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    error.to_string()
}

/// Returns what is bad about a database.
fn bad(config: &Config) -> String {
    let findings = check(config, &SystemClock);
    let bad = findings.iter().filter(|f| f.verdict == Verdict::Bad);
    bad.map(|f| f.what.as_str()).collect::<Vec<_>>().join("\n")
}

/// Returns a configuration as another user, who may do this in a new database with tables.
fn as_user(user: &str, rights: &str) -> Config {
    let (root, database) = fresh();
    store(&root, &[span(1, 1).by("a")]).unwrap();
    let grant = format!("GRANT {rights} ON {database}.* TO {user}@'%' IDENTIFIED BY 'secret'");
    sql(&database, &grant);
    let server = MariaDb::shared().unwrap();
    Config {
        user: user.into(),
        password: "secret".into(),
        ..config(server, &database)
    }
}

#[test]
fn a_wrong_password_is_told_and_not_shown() {
    let config = Config {
        password: "guessed".into(),
        ..as_user("wrong_password", "ALL")
    };
    for text in [refused(config.clone()), bad(&config)] {
        assert!(text.contains("check MYSQL_USER and MYSQL_PASS"), "{text}");
        assert!(!text.contains("guessed"), "{text}");
    }
}

#[test]
fn missing_rights_are_told_and_reading_goes_on() {
    let config = as_user("may_read", "SELECT");
    let text = refused(config.clone());
    assert!(text.contains("grant the user SELECT, INSERT"), "{text}");
    let text = bad(&config);
    assert!(
        text.contains("rights") && text.contains("grant the user"),
        "{text}"
    );
    assert_eq!(open(config).service_names(&NEVER).unwrap(), ["a"]);
}

#[test]
fn a_missing_database_is_told() {
    let server = MariaDb::shared().unwrap();
    let text = refused(config(server, "nowhere"));
    assert!(
        text.contains("create the database, or check MYSQL_DB"),
        "{text}"
    );
}

#[test]
fn missing_tables_are_told_or_made() {
    let server = MariaDb::shared().unwrap();
    let database = server.database().unwrap();
    let without = Config {
        creates_tables: false,
        ..config(server, &database)
    };
    let text = refused(without.clone());
    assert!(text.contains("zipkin_spans is missing"), "{text}");
    assert!(bad(&without).contains("zipkin_spans is missing"));
    let made = speargun_mysql::check::init(&without).unwrap();
    assert_eq!(made.len(), 4, "{made:?}");
    store(&open(without), &[span(1, 1)]).unwrap();
}

#[test]
fn what_is_missing_and_not_made_is_told() {
    let (root, database) = fresh();
    store(&root, &[span(1, 1)]).unwrap();
    sql(&database, "DROP TABLE speargun_leases");
    let server = MariaDb::shared().unwrap();
    let made = config(server, &database);
    let not_made = Config {
        creates_tables: false,
        ..made.clone()
    };
    for (config, words) in [
        (made, "speargun_leases is missing and will be made"),
        (not_made, "is not made, as SPEARGUN_MYSQL_SCHEMA is false"),
    ] {
        let findings = check(&config, &SystemClock);
        let told = |f: &speargun_storage::Finding| f.what.contains(words);
        assert_eq!(
            findings.iter().filter(|f| told(f)).count(),
            1,
            "{findings:?}"
        );
        assert!(findings.iter().all(|f| f.verdict != Verdict::Bad));
    }
}

/// Sends a signal to a server, as a text of `kill`.
fn signal(server: &MariaDb, name: &str) {
    let pid = server.pid().to_string();
    let sent = std::process::Command::new("kill")
        .args([name, &pid])
        .status();
    assert!(sent.unwrap().success());
}

#[test]
fn a_server_that_hangs_is_told_and_waited_for() {
    let server = MariaDb::start(&[]).unwrap();
    let database = server.database().unwrap();
    // Making the tables takes longer than the patience, where the disk is slow.
    store(&open(config(&server, &database)), &[span(3, 1)]).unwrap();
    let spans = open(Config {
        // A row takes milliseconds, also on a machine that does much else.
        patience: Duration::from_secs(2),
        ..config(&server, &database)
    });
    let some = |from: u64| -> Vec<_> { (from..from + 2500).map(|id| span(id.into(), 1)).collect() };
    store(&spans, &[span(1, 1)]).unwrap();
    signal(&server, "-STOP");
    for _ in 0..2 {
        let error = store(&spans, &some(10_000)).unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        let text = error.to_string();
        let is_told = text.contains("has not answered") || text.contains("no connection");
        assert!(is_told, "{text}");
    }
    signal(&server, "-CONT");
    let patient = open(config(&server, &database));
    store(&patient, &some(10_000)).unwrap();
    store(&spans, &[span(2, 1)]).unwrap();
    let rows = server.sql(&format!("SELECT COUNT(*) FROM {database}.zipkin_spans"));
    assert_eq!(rows.unwrap().trim(), "2503");
}

#[test]
fn tables_that_go_away_are_looked_for_again() {
    let (spans, database) = fresh();
    store(&spans, &[span(1, 1).by("a")]).unwrap();
    sql(&database, "DROP TABLE zipkin_annotations");
    let error = store(&spans, &[span(2, 1).by("a")]).unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    store(&spans, &[span(2, 1).by("a")]).unwrap();
    assert_eq!(spans.service_names(&NEVER).unwrap(), ["a"]);
    assert_eq!(count(&database, "zipkin_spans"), 2);
}

#[test]
fn a_wrong_character_set_is_told() {
    let (root, database) = fresh();
    root.check().unwrap();
    sql(
        &database,
        "ALTER TABLE zipkin_spans CONVERT TO CHARACTER SET latin1",
    );
    let server = MariaDb::shared().unwrap();
    for text in [
        refused(config(server, &database)),
        bad(&config(server, &database)),
    ] {
        assert!(
            text.contains("has the character set latin1: convert"),
            "{text}"
        );
    }
}

#[test]
fn a_newer_schema_is_told() {
    let server = MariaDb::shared().unwrap();
    let (root, database) = fresh();
    root.check().unwrap();
    sql(
        &database,
        "ALTER TABLE zipkin_annotations ADD COLUMN tenant INT NOT NULL",
    );
    let text = refused(config(server, &database));
    assert!(
        text.contains("tenant") && text.contains("newer schema"),
        "{text}"
    );
    let (root, database) = fresh();
    root.check().unwrap();
    sql(
        &database,
        "UPDATE speargun_leases SET until_ms = 2 WHERE name = 'version'",
    );
    let text = refused(config(server, &database));
    assert!(text.contains("made by a newer speargun"), "{text}");
}

#[test]
fn too_many_connections_are_told_and_waited_for() {
    let config = as_user("one_connection", "ALL");
    sql(
        &config.database,
        "GRANT USAGE ON *.* TO one_connection@'%' WITH MAX_USER_CONNECTIONS 1",
    );
    let first = open(config.clone());
    store(&first, &[span(2, 1)]).unwrap();
    let error = store(&open(config), &[span(3, 1)]).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(
        error.to_string().contains("lower MYSQL_MAX_CONNECTIONS"),
        "{error}"
    );
    store(&first, &[span(3, 1)]).unwrap();
}

#[test]
fn a_server_that_takes_no_writes_is_told_and_waited_for() {
    let server = MariaDb::start(&[]).unwrap();
    let database = server.database().unwrap();
    let root = open(config(&server, &database));
    store(&root, &[span(1, 1).by("a")]).unwrap();
    // Those who may do everything may still write.
    let plain = "CREATE USER plain@'%'; \
                 GRANT SELECT, INSERT, UPDATE, DELETE ON *.* TO plain@'%'; \
                 SET GLOBAL read_only = 1";
    server.sql(plain).unwrap();
    let config = Config {
        user: "plain".into(),
        ..config(&server, &database)
    };
    let plain = open(config.clone());
    let error = store(&plain, &[span(2, 1)]).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(
        error
            .to_string()
            .contains("point MYSQL_HOST at the primary"),
        "{error}"
    );
    assert!(bad(&config).contains("read_only is on"));
    assert_eq!(plain.service_names(&NEVER).unwrap(), ["a"]);
    server.sql("SET GLOBAL read_only = 0").unwrap();
    store(&plain, &[span(2, 1)]).unwrap();
}

#[test]
fn a_server_that_is_away_is_told_and_waited_for() {
    let mut server = MariaDb::start(&[]).unwrap();
    let database = server.database().unwrap();
    let spans = open(config(&server, &database));
    store(&spans, &[span(1, 1).by("a")]).unwrap();
    server.kill().unwrap();
    let error = store(&spans, &[span(2, 1)]).unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(spans.check().is_err());
    assert!(spans.service_names(&NEVER).is_err());
    let text = bad(&config(&server, &database));
    assert!(text.contains("the connection failed"), "{text}");
    server.restart(&[]).unwrap();
    // Connections of before are dead, and nobody need know.
    store(&spans, &[span(2, 1).by("b")]).unwrap();
    assert_eq!(spans.service_names(&NEVER).unwrap(), ["a", "b"]);
    spans.check().unwrap();
}

#[test]
fn a_good_database_has_no_bad_findings() {
    let server = MariaDb::shared().unwrap();
    let (root, database) = fresh();
    store(&root, &[span(1, 1)]).unwrap();
    let findings = check(&config(server, &database), &SystemClock);
    let about: Vec<_> = findings
        .iter()
        .filter_map(|f| Some(f.what.split_once(": ")?.0))
        .collect();
    for subject in [
        "connection",
        "clock",
        "settings",
        "schema",
        "character set",
        "rights",
        "size",
    ] {
        assert!(about.contains(&subject), "{subject}: {findings:?}");
    }
    assert!(
        findings.iter().all(|f| f.verdict != Verdict::Bad),
        "{findings:?}"
    );
    // Looking leaves nothing behind.
    assert_eq!(count(&database, "zipkin_spans"), 1);
}

#[test]
fn a_deadline_ends_a_question() {
    let (root, _) = fresh();
    store(&root, &[span(1, 1)]).unwrap();
    let passed = speargun_storage::ReadContext {
        deadline: Some(std::time::Instant::now()),
    };
    let error = root.service_names(&passed).unwrap_err();
    assert!(
        matches!(error, speargun_storage::ReadError::DeadlineExceeded),
        "{error}"
    );
}
