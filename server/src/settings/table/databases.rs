//! Settings of the databases that spans may be kept in. What their values mean is the engines'
//! business.

use super::{Setting, secret, setting};

pub(super) const DATABASES: &[Setting] = &[
    setting("MYSQL_HOST", "localhost", "where MySQL or MariaDB is"),
    setting("MYSQL_TCP_PORT", "3306", "its port"),
    setting("MYSQL_USER", "", "the user there"),
    secret(setting("MYSQL_PASS", "", "the user's password")),
    setting("MYSQL_DB", "zipkin", "the database, which must exist"),
    setting(
        "MYSQL_MAX_CONNECTIONS",
        "10",
        "connections at most, 1 to 1000",
    ),
    setting("MYSQL_USE_SSL", "false", "speak TLS to MySQL"),
    secret(setting(
        "MYSQL_JDBC_URL",
        "",
        "a JDBC URL that says all of these; what it says goes before them",
    )),
    setting(
        "SPEARGUN_MYSQL_SCHEMA",
        "true",
        "make tables of MySQL that are missing; false only uses what is there",
    ),
    setting(
        "SPEARGUN_MYSQL_TEXTS",
        "zipkin",
        "texts in tables of MySQL that are made: zipkin (utf8, as mysql.sql) or exact (utf8mb4_bin)",
    ),
    setting(
        "SPEARGUN_MYSQL_LINKS",
        "true",
        "keep zipkin_dependencies fed, as zipkin-dependencies does; one process of several",
    ),
    setting(
        "SPEARGUN_MYSQL_RETENTION",
        "",
        "delete spans from MySQL that are older, as in 7d; kept for ever when not set",
    ),
    setting(
        "CLICKHOUSE_URL",
        "http://localhost:8123",
        "the HTTP interfaces of ClickHouse, with commas between; https:// for TLS",
    ),
    setting("CLICKHOUSE_USER", "default", "the user there"),
    secret(setting("CLICKHOUSE_PASSWORD", "", "the user's password")),
    setting(
        "CLICKHOUSE_DATABASE",
        "speargun",
        "the database, made when it is missing",
    ),
    setting(
        "CLICKHOUSE_CLUSTER",
        "",
        "the cluster on which replicated and distributed tables are made; one server when not set",
    ),
    setting(
        "CLICKHOUSE_SCHEMA",
        "true",
        "make and change tables of ClickHouse; false only checks them",
    ),
    setting(
        "CLICKHOUSE_RETENTION_DAYS",
        "7",
        "days after their arrival when spans are deleted; off keeps them",
    ),
    setting(
        "CLICKHOUSE_SYNC",
        "true",
        "whether tables that are made sync a list to disk before it is confirmed",
    ),
    setting(
        "CLICKHOUSE_TAG_INDEX",
        "bloom",
        "the index of tags in tables that are made: bloom or none",
    ),
    setting(
        "CLICKHOUSE_LINKS",
        "true",
        "find links between services in the background; false computes them when they are asked for",
    ),
];
