//! The tables. Columns, types and keys of the first three are Zipkin's, since its server uses them
//! too; the fourth is ours, and Zipkin does not know it.

use crate::config::Texts;

/// A table that is made when it is missing.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// Whether nothing works without.
    pub(crate) needed: bool,
    /// Columns of every schema.
    pub(crate) always: &'static [&'static str],
    /// Columns that came later.
    pub(crate) later: &'static [&'static str],
    /// The statement but for the character set.
    create: &'static str,
}

impl Table {
    /// Returns the statement that makes it.
    pub(crate) fn create(&self, texts: Texts) -> String {
        let set = match texts {
            Texts::Zipkins => "CHARACTER SET=utf8 COLLATE utf8_general_ci",
            Texts::Exact => "CHARACTER SET=utf8mb4 COLLATE utf8mb4_bin",
        };
        format!("{} {set}", self.create)
    }
}

/// Says of which version our own table is.
pub(crate) const MARK_VERSION: &str =
    "INSERT IGNORE INTO speargun_leases (name, owner, until_ms) VALUES ('version', '', 1)";

/// Columns of text in which what is stored must have a place.
pub(crate) const TEXTS: [(&str, &str); 4] = [
    ("zipkin_spans", "name"),
    ("zipkin_spans", "remote_service_name"),
    ("zipkin_annotations", "a_key"),
    ("zipkin_annotations", "endpoint_service_name"),
];

pub(crate) const TABLES: [Table; 4] = [
    Table {
        name: "zipkin_spans",
        needed: true,
        always: &[
            "trace_id",
            "id",
            "name",
            "parent_id",
            "debug",
            "start_ts",
            "duration",
        ],
        later: &["trace_id_high", "remote_service_name"],
        create: "CREATE TABLE IF NOT EXISTS zipkin_spans (
            trace_id_high BIGINT NOT NULL DEFAULT 0 COMMENT 'upper half of a 128-bit id, else 0',
            trace_id BIGINT NOT NULL,
            id BIGINT NOT NULL,
            name VARCHAR(255) NOT NULL,
            remote_service_name VARCHAR(255),
            parent_id BIGINT,
            debug BIT(1),
            start_ts BIGINT COMMENT 'microseconds since the epoch',
            duration BIGINT COMMENT 'microseconds',
            PRIMARY KEY (trace_id_high, trace_id, id),
            INDEX trace_id_high (trace_id_high, trace_id),
            INDEX name (name),
            INDEX remote_service_name (remote_service_name),
            INDEX start_ts (start_ts)
        ) ENGINE=InnoDB ROW_FORMAT=COMPRESSED",
    },
    Table {
        name: "zipkin_annotations",
        needed: true,
        always: &[
            "trace_id",
            "span_id",
            "a_key",
            "a_value",
            "a_type",
            "a_timestamp",
            "endpoint_ipv4",
            "endpoint_port",
            "endpoint_service_name",
        ],
        later: &["trace_id_high", "endpoint_ipv6"],
        create: "CREATE TABLE IF NOT EXISTS zipkin_annotations (
            trace_id_high BIGINT NOT NULL DEFAULT 0 COMMENT 'upper half of a 128-bit id, else 0',
            trace_id BIGINT NOT NULL,
            span_id BIGINT NOT NULL,
            a_key VARCHAR(255) NOT NULL COMMENT 'key of a tag or an address, or an annotation',
            a_value BLOB COMMENT 'value of a tag',
            a_type INT NOT NULL COMMENT '-1 annotation, 0 address, 6 tag',
            a_timestamp BIGINT COMMENT 'of the annotation, else of the span; 0 is none',
            endpoint_ipv4 INT,
            endpoint_ipv6 BINARY(16),
            endpoint_port SMALLINT COMMENT 'those above 32767 are negative',
            endpoint_service_name VARCHAR(255),
            UNIQUE KEY trace_id_high (trace_id_high, trace_id, span_id, a_key, a_timestamp),
            INDEX trace_id_high_2 (trace_id_high, trace_id, span_id),
            INDEX trace_id_high_3 (trace_id_high, trace_id),
            INDEX endpoint_service_name (endpoint_service_name),
            INDEX a_type (a_type),
            INDEX a_key (a_key),
            INDEX trace_id (trace_id, span_id, a_key)
        ) ENGINE=InnoDB ROW_FORMAT=COMPRESSED",
    },
    Table {
        name: "zipkin_dependencies",
        needed: false,
        always: &["day", "parent", "child", "call_count"],
        later: &["error_count"],
        create: "CREATE TABLE IF NOT EXISTS zipkin_dependencies (
            day DATE NOT NULL,
            parent VARCHAR(255) NOT NULL,
            child VARCHAR(255) NOT NULL,
            call_count BIGINT,
            error_count BIGINT,
            PRIMARY KEY (day, parent, child)
        ) ENGINE=InnoDB ROW_FORMAT=COMPRESSED",
    },
    Table {
        name: "speargun_leases",
        needed: false,
        always: &["name", "owner", "until_ms"],
        later: &[],
        create: "CREATE TABLE IF NOT EXISTS speargun_leases (
            name VARCHAR(64) NOT NULL,
            owner VARCHAR(64) NOT NULL,
            until_ms BIGINT NOT NULL COMMENT 'by the clock of this server',
            PRIMARY KEY (name)
        ) ENGINE=InnoDB",
    },
];
