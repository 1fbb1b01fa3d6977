//! The tables, described once and written out as statements for one server or for a cluster. It
//! asks no server; `prepare` does.
//!
//! ```text
//! spans    one row a span, in order of (service, minute, trace): a search reads a service's
//!          minutes, and a trace lies in one granule of each service that took part
//! traces   trace ─▶ the services and minutes of its spans, by a materialised view of spans:
//!          with them a trace is a lookup in the primary key of spans
//! names    (what, whose, name) ─▶ when it was last seen
//! links    chunks of what one process of several found out about calls between services: see
//!          `links::covered`
//! leases   which process that is
//! schema_version   what was done to these tables
//!
//! on a cluster    T_local on each server (ReplicatedMergeTree), T over them (Distributed): spans
//!                 and traces sharded by trace, names by their owner, links by chunk
//! ```
//!
//! Partitions are days of arrival, not of the spans' own time: a list goes into one or two,
//! whatever times its spans claim, and retention drops whole days.

use crate::config::{Config, TagIndex};

/// The version of the tables that this code makes and understands.
pub const VERSION: u32 = 2;

/// The day of a span's arrival, its partition.
pub(crate) const ARRIVED_ON: &str = "toDate(toDateTime(intDiv(arrived_ms, 1000), 'UTC'))";

/// Lists whose names a table remembers: the last of some hours, at one a second.
const REMEMBERED_LISTS: u32 = 10_000;

/// A table.
#[derive(Clone, Copy, Debug)]
struct Table {
    name: &'static str,
    columns: &'static str,
    engine: Engine,
    partition: Option<&'static str>,
    order: &'static str,
    /// An expression of type `DateTime` from which retention counts.
    born: Option<&'static str>,
    /// Days that rows stay longer than spans do.
    days_more: u32,
    granularity: u32,
    shard_by: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Engine {
    Plain,
    Aggregating,
    /// Of equal keys the row with the largest value of this column stays.
    Replacing(&'static str),
}

const SPANS: Table = Table {
    name: "spans",
    // Ids are binary. An absent text is empty, an absent number 0; `flags` says which addresses
    // there are. Times of annotations count from the span's.
    columns: "\
    service LowCardinality(String) CODEC(ZSTD(1)),
    minute UInt32 CODEC(Delta, ZSTD(1)),
    trace_low UInt64 CODEC(Delta, ZSTD(1)),
    trace_high UInt64 CODEC(Delta, ZSTD(1)),
    id UInt64 CODEC(ZSTD(1)),
    parent_id UInt64 CODEC(ZSTD(1)),
    timestamp_us UInt64 CODEC(Delta, ZSTD(1)),
    duration_us UInt64 CODEC(T64, ZSTD(1)),
    kind UInt8 CODEC(ZSTD(1)),
    flags UInt8 CODEC(ZSTD(1)),
    name LowCardinality(String) CODEC(ZSTD(1)),
    local_ipv4 UInt32 CODEC(ZSTD(1)),
    local_ipv6 UInt128 CODEC(ZSTD(1)),
    local_port UInt16 CODEC(ZSTD(1)),
    remote_service LowCardinality(String) CODEC(ZSTD(1)),
    remote_ipv4 UInt32 CODEC(ZSTD(1)),
    remote_ipv6 UInt128 CODEC(ZSTD(1)),
    remote_port UInt16 CODEC(ZSTD(1)),
    tags Map(LowCardinality(String), String) CODEC(ZSTD(1)),
    annotation_offsets_us Array(Int64) CODEC(ZSTD(1)),
    annotation_values Array(LowCardinality(String)) CODEC(ZSTD(1)),
    arrived_ms UInt64 CODEC(Delta, ZSTD(1)),
    arrived_as UInt32 CODEC(ZSTD(1)),
    INDEX trace trace_low TYPE bloom_filter(0.01) GRANULARITY 1",
    engine: Engine::Plain,
    partition: Some(ARRIVED_ON),
    order: "(service, minute, trace_low)",
    born: Some("toDateTime(intDiv(arrived_ms, 1000), 'UTC')"),
    days_more: 0,
    // A trace is a granule of each of its services: small ones read less.
    granularity: 2048,
    shard_by: "trace_low",
};

const TAG_INDEXES: &str = ",
    INDEX tag_keys mapKeys(tags) TYPE bloom_filter(0.01) GRANULARITY 1,
    INDEX tag_values mapValues(tags) TYPE bloom_filter(0.01) GRANULARITY 1";

const TRACES: Table = Table {
    name: "traces",
    columns: "\
    trace_low UInt64 CODEC(Delta, ZSTD(1)),
    services SimpleAggregateFunction(groupUniqArrayArray, Array(String)) CODEC(ZSTD(1)),
    minutes SimpleAggregateFunction(groupUniqArrayArray, Array(UInt32)) CODEC(ZSTD(1)),
    arrived_ms SimpleAggregateFunction(max, UInt64) CODEC(ZSTD(1))",
    engine: Engine::Aggregating,
    // Weeks: a lookup asks a few parts, not those of each day.
    partition: Some("toMonday(toDateTime(intDiv(arrived_ms, 1000), 'UTC'))"),
    order: "trace_low",
    born: Some("toDateTime(intDiv(arrived_ms, 1000), 'UTC')"),
    days_more: 1,
    granularity: 1024,
    shard_by: "trace_low",
};

/// How a row of `traces` comes from those of a list: aggregating again gives the same, so that a
/// list that comes twice does no harm.
const TRACES_OF_SPANS: &str = "\
SELECT trace_low, groupUniqArray(toString(service)) AS services, \
groupUniqArray(minute) AS minutes, max(spans.arrived_ms) AS arrived_ms";

const NAMES: Table = Table {
    name: "names",
    columns: "\
    what UInt8,
    owner String,
    name String,
    seen DateTime",
    engine: Engine::Replacing("seen"),
    partition: None,
    order: "(what, owner, name)",
    born: Some("seen"),
    // Processes say once a day that a name is still in use.
    days_more: 2,
    granularity: 1024,
    shard_by: "cityHash64(owner)",
};

const LINKS: Table = Table {
    name: "links",
    // A chunk is one insert, and so in one part: it is there as a whole or not at all, which is why
    // there are no partitions and one table for its three kinds of rows.
    columns: "\
    kind UInt8,
    root UInt64 CODEC(ZSTD(1)),
    chunk UInt64 CODEC(Delta, ZSTD(1)),
    parent UInt64 CODEC(ZSTD(1)),
    kept Date CODEC(Delta, ZSTD(1)),
    parent_kept UInt32 CODEC(ZSTD(1)),
    to_ms UInt64 CODEC(ZSTD(1)),
    day Date CODEC(Delta, ZSTD(1)),
    rows UInt64 CODEC(ZSTD(1)),
    lists Array(UInt64) CODEC(Delta, ZSTD(1)),
    list_rows Array(UInt64) CODEC(T64, ZSTD(1)),
    trace_low UInt64 CODEC(ZSTD(1)),
    first UInt32 CODEC(Delta, ZSTD(1)),
    last UInt32 CODEC(Delta, ZSTD(1)),
    timeless UInt8 CODEC(ZSTD(1)),
    parent_service LowCardinality(String) CODEC(ZSTD(1)),
    child_service LowCardinality(String) CODEC(ZSTD(1)),
    calls Int64 CODEC(T64, ZSTD(1)),
    errors Int64 CODEC(T64, ZSTD(1)),
    INDEX ends (first, last) TYPE minmax GRANULARITY 1",
    engine: Engine::Plain,
    partition: None,
    order: "(kind, first, last)",
    born: Some("kept"),
    // Days are compared with those of spans until these are gone for certain.
    days_more: 3,
    granularity: 2048,
    shard_by: "chunk",
};

const LEASES: Table = Table {
    name: "leases",
    columns: "\
    name String,
    owner String,
    since_ms UInt64,
    until_ms UInt64,
    asked_ms UInt64",
    engine: Engine::Replacing("asked_ms"),
    partition: None,
    order: "(name, owner)",
    born: Some("toDateTime(intDiv(asked_ms, 1000), 'UTC')"),
    days_more: 0,
    granularity: 1024,
    shard_by: "cityHash64(name)",
};

/// Where lists came in a while is looked for as they are linked.
const ARRIVED_INDEX: &str = "INDEX IF NOT EXISTS arrived arrived_ms TYPE minmax GRANULARITY 1";

const VERSIONS: Table = Table {
    name: "schema_version",
    columns: "\
    version UInt32,
    made DateTime DEFAULT now()",
    engine: Engine::Plain,
    partition: None,
    order: "version",
    born: None,
    days_more: 0,
    granularity: 1024,
    shard_by: "version",
};

/// Returns the statement that makes the database.
pub fn make_database(config: &Config) -> String {
    let database = &config.database;
    format!(
        "CREATE DATABASE IF NOT EXISTS `{database}`{}",
        on_cluster(config)
    )
}

/// Returns the statements that lead from one version to the next; 0 is an empty database. None is
/// harmful when it was run before: processes may do it at the same time.
pub fn migration(config: &Config, from: u32) -> Vec<String> {
    match from {
        0 => first(config),
        1 => second(config),
        _ => Vec::new(),
    }
}

fn first(config: &Config) -> Vec<String> {
    let tables = [VERSIONS, SPANS, TRACES, NAMES];
    let mut statements: Vec<String> = tables.iter().map(|t| make(config, t)).collect();
    statements.push(make_view(config));
    if config.cluster.is_some() {
        statements.extend(tables.iter().map(|t| make_distributed(config, t)));
    }
    statements
}

fn second(config: &Config) -> Vec<String> {
    let tables = [LINKS, LEASES];
    let mut statements: Vec<String> = tables.iter().map(|t| make(config, t)).collect();
    let (spans, cluster) = (local(config, &SPANS), on_cluster(config));
    statements.push(format!("ALTER TABLE {spans}{cluster} ADD {ARRIVED_INDEX}"));
    if config.cluster.is_some() {
        statements.extend(tables.iter().map(|t| make_distributed(config, t)));
    }
    statements
}

/// Returns the statement that sets a table's retention, for each that has one.
pub fn retention(config: &Config) -> Vec<String> {
    let tables = [SPANS, TRACES, NAMES, LINKS, LEASES];
    let each = tables.iter().map(|table| {
        let change = match time_to_live(config, table) {
            Some(ttl) => format!("MODIFY TTL {ttl}"),
            None => "REMOVE TTL".into(),
        };
        let (table, cluster) = (local(config, table), on_cluster(config));
        format!("ALTER TABLE {table}{cluster} {change}")
    });
    each.collect()
}

/// Returns the retention that a table's own statement tells of, in days.
pub fn retention_of(create_table: &str) -> Option<u32> {
    let (_, ttl) = create_table.split_once(" TTL ")?;
    let (_, days) = ttl.split_once("toIntervalDay(")?;
    days.split(')').next()?.parse().ok()
}

/// Returns the names of the tables that hold rows on each server.
pub fn local_tables(config: &Config) -> Vec<String> {
    let tables = [SPANS, TRACES, NAMES, LINKS, LEASES, VERSIONS];
    tables
        .iter()
        .map(|table| local_name(config, table))
        .collect()
}

/// Returns the name of the table that holds spans on each server.
pub fn local_spans(config: &Config) -> String {
    local_name(config, &SPANS)
}

fn make(config: &Config, table: &Table) -> String {
    let Table {
        order, granularity, ..
    } = table;
    let indexes = match config.tag_index {
        TagIndex::Bloom if table.name == SPANS.name => TAG_INDEXES,
        _ => "",
    };
    let partition = table.partition.map(|by| format!("\nPARTITION BY {by}"));
    let ttl = time_to_live(config, table).map(|ttl| format!("\nTTL {ttl}"));
    format!(
        "CREATE TABLE IF NOT EXISTS {}{} (\n    {}{indexes}\n)\nENGINE = {}{}\nORDER BY \
         {order}{}\nSETTINGS index_granularity = {granularity}{}",
        local(config, table),
        on_cluster(config),
        table.columns.trim_start(),
        engine(config, table),
        partition.unwrap_or_default(),
        ttl.unwrap_or_default(),
        settings(config, table),
    )
}

/// Returns the settings beside the granularity. Replicated tables remember lists by themselves.
fn settings(config: &Config, table: &Table) -> String {
    let drop_parts = match (table.born, table.partition) {
        (None, _) => "",
        (Some(_), Some(_)) => ", ttl_only_drop_parts = 1",
        // Names have no partitions by time: single rows go.
        (Some(_), None) => ", ttl_only_drop_parts = 0",
    };
    let remember = match &config.cluster {
        Some(_) => String::new(),
        None => format!(", non_replicated_deduplication_window = {REMEMBERED_LISTS}"),
    };
    let sync = if config.sync {
        ", fsync_after_insert = 1, fsync_part_directory = 1"
    } else {
        ""
    };
    format!("{drop_parts}{remember}{sync}")
}

fn make_view(config: &Config) -> String {
    let (spans, traces) = (local(config, &SPANS), local(config, &TRACES));
    let view = format!("`{}`.traces_of_spans", config.database);
    format!(
        "CREATE MATERIALIZED VIEW IF NOT EXISTS {view}{} TO {traces} AS\n{TRACES_OF_SPANS}\nFROM \
         {spans} AS spans\nGROUP BY trace_low",
        on_cluster(config),
    )
}

fn make_distributed(config: &Config, table: &Table) -> String {
    let Config { database, .. } = config;
    let cluster = config.cluster.as_deref().unwrap_or_default();
    let (name, shard_by, local) = (table.name, table.shard_by, local_name(config, table));
    format!(
        "CREATE TABLE IF NOT EXISTS `{database}`.{name}{} AS `{database}`.{local}\nENGINE = \
         Distributed('{cluster}', '{database}', '{local}', {shard_by})",
        on_cluster(config),
    )
}

fn engine(config: &Config, table: &Table) -> String {
    let (kind, argument) = match table.engine {
        Engine::Plain => ("MergeTree", ""),
        Engine::Aggregating => ("AggregatingMergeTree", ""),
        Engine::Replacing(column) => ("ReplacingMergeTree", column),
    };
    if config.cluster.is_none() {
        return format!("{kind}({argument})");
    }
    // The macros are those that the manual has every server of a cluster define.
    let Config { database, .. } = config;
    let path = format!(
        "'/clickhouse/tables/{{shard}}/{database}/{}', '{{replica}}'",
        table.name
    );
    let comma = if argument.is_empty() { "" } else { ", " };
    format!("Replicated{kind}({path}{comma}{argument})")
}

fn time_to_live(config: &Config, table: &Table) -> Option<String> {
    let days = config.retention_days?.saturating_add(table.days_more);
    Some(format!("{} + toIntervalDay({days})", table.born?))
}

fn on_cluster(config: &Config) -> String {
    match &config.cluster {
        Some(cluster) => format!(" ON CLUSTER `{cluster}`"),
        None => String::new(),
    }
}

fn local(config: &Config, table: &Table) -> String {
    format!("`{}`.{}", config.database, local_name(config, table))
}

fn local_name(config: &Config, table: &Table) -> String {
    let suffix = if config.cluster.is_some() {
        "_local"
    } else {
        ""
    };
    format!("{}{suffix}", table.name)
}

#[cfg(test)]
mod tests;
