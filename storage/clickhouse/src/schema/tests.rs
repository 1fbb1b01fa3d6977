//! Statements as text: those of a cluster can't be run without a Keeper, so what is certain about
//! them is said here. Those of one server are run by the tests over a real one.

use super::*;

fn single() -> Config {
    Config {
        database: "traces_db".into(),
        ..Config::new("http://localhost:8123")
    }
}

fn clustered() -> Config {
    Config {
        cluster: Some("blue".into()),
        ..single()
    }
}

fn statement<'a>(all: &'a [String], start: &str) -> &'a str {
    let mut found = all.iter().filter(|text| text.starts_with(start));
    let first = found.next().unwrap();
    assert!(found.next().is_none(), "{start} comes once");
    first
}

#[test]
fn every_statement_may_be_run_again() {
    for config in [single(), clustered()] {
        let statements = (0..VERSION).flat_map(|from| migration(&config, from));
        for text in statements.chain([make_database(&config)]) {
            assert!(text.contains(" IF NOT EXISTS "), "{text}");
        }
        assert_eq!(migration(&config, VERSION), [""; 0]);
    }
}

#[test]
fn one_server_has_plain_tables() {
    let all = migration(&single(), 0);
    assert_eq!(all.len(), 5);
    let text = all.join("\n");
    for word in ["Replicated", "Distributed", "ON CLUSTER", "_local"] {
        assert!(!text.contains(word), "{word}");
    }
    let spans = statement(&all, "CREATE TABLE IF NOT EXISTS `traces_db`.spans (");
    assert!(spans.contains("\nORDER BY (service, minute, trace_low)\n"));
    assert!(spans.contains("toIntervalDay(7)"));
    assert!(spans.contains("ttl_only_drop_parts = 1"));
    assert!(spans.contains("non_replicated_deduplication_window = 10000"));
    assert!(spans.contains("fsync_after_insert = 1"));
}

#[test]
fn a_cluster_has_replicated_tables_under_distributed_ones() {
    let config = clustered();
    let all = migration(&config, 0);
    assert_eq!(all.len(), 9);
    for text in &all {
        assert!(text.contains(" ON CLUSTER `blue`"), "{text}");
    }
    let local = statement(
        &all,
        "CREATE TABLE IF NOT EXISTS `traces_db`.spans_local ON",
    );
    let engine = "ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/traces_db/spans', \
                  '{replica}')";
    assert!(local.contains(engine), "{local}");
    assert!(!local.contains("non_replicated"));
    let over = statement(&all, "CREATE TABLE IF NOT EXISTS `traces_db`.spans ON");
    let engine = "AS `traces_db`.spans_local\nENGINE = Distributed('blue', 'traces_db', \
                  'spans_local', trace_low)";
    assert!(over.ends_with(engine), "{over}");
    let names = statement(
        &all,
        "CREATE TABLE IF NOT EXISTS `traces_db`.names_local ON",
    );
    assert!(names.contains("ReplicatedReplacingMergeTree("));
    assert!(names.contains("'{replica}', seen)"));
    let view = statement(&all, "CREATE MATERIALIZED VIEW");
    assert!(view.contains("TO `traces_db`.traces_local AS"), "{view}");
    assert!(
        view.contains("FROM `traces_db`.spans_local AS spans"),
        "{view}"
    );
    // All spans of a trace lie on the shard of its companion.
    let traces = statement(&all, "CREATE TABLE IF NOT EXISTS `traces_db`.traces ON");
    assert!(traces.ends_with("'traces_local', trace_low)"), "{traces}");
}

#[test]
fn links_came_with_the_second_version() {
    let all = migration(&single(), 1);
    assert_eq!(all.len(), 3);
    let links = statement(&all, "CREATE TABLE IF NOT EXISTS `traces_db`.links (");
    assert!(links.contains("TTL kept + toIntervalDay(10)"), "{links}");
    assert!(!links.contains("PARTITION"), "a chunk is one part");
    let index = statement(&all, "ALTER TABLE `traces_db`.spans ADD INDEX");
    assert!(index.contains("arrived_ms TYPE minmax"), "{index}");
    let all = migration(&clustered(), 1);
    assert_eq!(all.len(), 5);
    for text in &all {
        assert!(text.contains(" ON CLUSTER `blue`"), "{text}");
    }
    let links = statement(&all, "CREATE TABLE IF NOT EXISTS `traces_db`.links ON");
    assert!(links.ends_with("'links_local', chunk)"), "{links}");
    let leases = statement(
        &all,
        "CREATE TABLE IF NOT EXISTS `traces_db`.leases_local ON",
    );
    assert!(leases.contains("'{replica}', asked_ms)"), "{leases}");
    let index = statement(&all, "ALTER TABLE `traces_db`.spans_local ON");
    assert!(
        index.contains("ADD INDEX IF NOT EXISTS arrived "),
        "{index}"
    );
}

#[test]
fn retention_is_read_from_what_was_made() {
    for days in [None, Some(1), Some(400)] {
        let config = Config {
            retention_days: days,
            ..single()
        };
        let all = migration(&config, 0);
        let spans = statement(&all, "CREATE TABLE IF NOT EXISTS `traces_db`.spans (");
        let on_one_line = spans.replace('\n', " ");
        assert_eq!(retention_of(&on_one_line), days);
    }
    assert_eq!(retention_of(""), None);
    assert_eq!(retention_of(" TTL toIntervalDay("), None);
}

#[test]
fn retention_is_changed_where_rows_are() {
    let changes = retention(&clustered());
    let first = &changes[0];
    let start = "ALTER TABLE `traces_db`.spans_local ON CLUSTER `blue` MODIFY TTL ";
    assert!(first.starts_with(start), "{first}");
    assert_eq!(changes.len(), 5);
    let kept = Config {
        retention_days: None,
        ..single()
    };
    assert!(retention(&kept)[0].ends_with("spans REMOVE TTL"));
}

#[test]
fn indexes_of_tags_and_syncing_are_choices() {
    let all = migration(&single(), 0).join("\n");
    assert!(all.contains("INDEX tag_values mapValues(tags)"));
    let config = Config {
        tag_index: TagIndex::None,
        sync: false,
        ..single()
    };
    let all = migration(&config, 0).join("\n");
    assert!(!all.contains("tag_values"));
    assert!(!all.contains("fsync"));
    assert!(
        all.contains("INDEX trace trace_low"),
        "that of traces is none"
    );
}
