//! The same of databases, whose engines read the texts.

use super::*;

#[rustfmt::skip]
pub(super) const DATABASES: &[Line] = &[
    ("MYSQL_HOST", |s| text(s, "MYSQL_HOST"), "localhost", "db", "db"),
    ("MYSQL_TCP_PORT", |s| text(s, "MYSQL_TCP_PORT"), "3306", "3307", "3307"),
    ("MYSQL_USER", |s| text(s, "MYSQL_USER"), "", "zipkin", "zipkin"),
    ("MYSQL_PASS", |s| text(s, "MYSQL_PASS"), "", "secret", "secret"),
    ("MYSQL_DB", |s| text(s, "MYSQL_DB"), "zipkin", "spans", "spans"),
    ("MYSQL_MAX_CONNECTIONS", |s| text(s, "MYSQL_MAX_CONNECTIONS"), "10", "5", "5"),
    ("MYSQL_USE_SSL", |s| text(s, "MYSQL_USE_SSL"), "false", "true", "true"),
    ("MYSQL_JDBC_URL", |s| text(s, "MYSQL_JDBC_URL"), "", "jdbc:mysql://a/b", "jdbc:mysql://a/b"),
    (
        "CLICKHOUSE_URL",
        |s| text(s, "CLICKHOUSE_URL"),
        "http://localhost:8123", "https://a", "https://a",
    ),
    ("CLICKHOUSE_USER", |s| text(s, "CLICKHOUSE_USER"), "default", "spans", "spans"),
    ("CLICKHOUSE_PASSWORD", |s| text(s, "CLICKHOUSE_PASSWORD"), "", "secret", "secret"),
    ("CLICKHOUSE_DATABASE", |s| text(s, "CLICKHOUSE_DATABASE"), "speargun", "spans", "spans"),
    ("CLICKHOUSE_CLUSTER", |s| text(s, "CLICKHOUSE_CLUSTER"), "", "all", "all"),
    ("CLICKHOUSE_SCHEMA", |s| text(s, "CLICKHOUSE_SCHEMA"), "true", "false", "false"),
    ("CLICKHOUSE_RETENTION_DAYS", |s| text(s, "CLICKHOUSE_RETENTION_DAYS"), "7", "off", "off"),
    ("CLICKHOUSE_SYNC", |s| text(s, "CLICKHOUSE_SYNC"), "true", "false", "false"),
    ("CLICKHOUSE_TAG_INDEX", |s| text(s, "CLICKHOUSE_TAG_INDEX"), "bloom", "none", "none"),
    ("CLICKHOUSE_LINKS", |s| text(s, "CLICKHOUSE_LINKS"), "true", "false", "false"),
];

fn text(settings: &Settings, name: &str) -> String {
    settings.database.text(name).to_owned()
}
