//! Zipkin's tables of schema v1, and one of our own beside them: made, or looked at. Older schemas
//! lack the columns that came later and are served without, as Zipkin does. It changes no table
//! that is there.

use std::collections::HashMap;
use std::time::Instant;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};

use crate::config::Texts;
use crate::error::Fault;
use crate::link::{int, text};
use crate::text::TextRoom;

mod tables;

pub(crate) use tables::{TABLES, Table};

/// What the tables are like.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a column or a table that a schema may lack"
)]
pub(crate) struct Schema {
    /// What the server says it is.
    pub(crate) server: String,
    /// Ids have an upper half.
    pub(crate) has_high: bool,
    /// Spans name the service they call.
    pub(crate) has_remote_name: bool,
    /// Endpoints have an IPv6 address.
    pub(crate) has_ipv6: bool,
    /// There is a table of links.
    pub(crate) has_dependencies: bool,
    /// Links count errors.
    pub(crate) has_error_count: bool,
    /// Our own table is there.
    pub(crate) has_own: bool,
    /// What columns of text hold.
    pub(crate) room: TextRoom,
    /// Bytes of a statement that the server takes.
    pub(crate) packet_bytes: usize,
}

/// The version of our own table.
pub(crate) const OWN_VERSION: i64 = 1;

impl Schema {
    /// Returns whether it is MariaDB, which counts seconds where MySQL counts milliseconds.
    pub(crate) fn is_mariadb(&self) -> bool {
        self.server.to_ascii_lowercase().contains("mariadb")
    }

    /// Returns the statement that prepares a connection for a piece of work.
    pub(crate) fn session_settings(&self, deadline: Option<Instant>) -> Result<String, Fault> {
        let left_ms = match deadline {
            None => 0,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                // 0 is for ever.
                (left.as_millis() as u64).max(1)
            }
        };
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Fault::Deadline);
        }
        let limit = if self.is_mariadb() {
            format!(
                "max_statement_time = {}.{:03}",
                left_ms / 1000,
                left_ms % 1000
            )
        } else {
            format!("max_execution_time = {left_ms}")
        };
        // Texts travel as columns hold them, so that comparing can use indexes; rows that others
        // write at the same time are no reason to wait.
        let set = if self.room.beyond_bmp {
            "utf8mb4"
        } else {
            "utf8"
        };
        let isolation = if self.is_mariadb() {
            "tx_isolation"
        } else {
            "transaction_isolation"
        };
        Ok(format!(
            "SET character_set_client = {set}, character_set_connection = {set}, \
             character_set_results = {set}, time_zone = '+00:00', autocommit = 1, \
             {isolation} = 'READ-COMMITTED', {limit}"
        ))
    }
}

/// Looks at the tables, after making those that are missing if that is wanted.
pub(crate) async fn open(conn: &mut Conn, creates: Option<Texts>) -> Result<Schema, Fault> {
    let found = look(conn).await?;
    match creates {
        Some(texts) if !found.is_complete() => {
            create(conn, &found, texts).await?;
            look(conn).await?.schema()
        }
        _ => found.schema(),
    }
}

/// Makes the tables that are missing, and returns their names. Without the right to do so, what is
/// not needed may stay missing.
pub(crate) async fn create(
    conn: &mut Conn,
    found: &Look,
    texts: Texts,
) -> Result<Vec<&'static str>, Fault> {
    let mut made = Vec::new();
    for table in &TABLES {
        if found.columns.contains_key(table.name) {
            continue;
        }
        match conn.query_drop(table.create(texts)).await {
            Ok(()) => made.push(table.name),
            Err(error) if table.needed => return Err(error.into()),
            Err(error) => tracing::debug!(table = table.name, %error, "not made"),
        }
    }
    if let Err(error) = conn.query_drop(tables::MARK_VERSION).await {
        tracing::debug!(%error, "no version of our own table");
    }
    Ok(made)
}

/// What the server says of itself and the tables.
pub(crate) struct Look {
    pub(crate) server: String,
    pub(crate) packet_bytes: usize,
    /// By table and column, lower case.
    pub(crate) columns: HashMap<String, HashMap<String, Column>>,
    /// The version that our own table says it has.
    own_version: Option<i64>,
}

/// A column of a table.
pub(crate) struct Column {
    pub(crate) charset: Option<String>,
    chars_max: Option<i64>,
    needs_value: bool,
}

/// Looks at the server and its tables.
pub(crate) async fn look(conn: &mut Conn) -> Result<Look, Fault> {
    let row: Option<Row> = conn
        .query_first("SELECT VERSION(), @@max_allowed_packet, DATABASE()")
        .await?;
    let row = row.ok_or_else(|| Fault::Schema("the server says nothing of itself".into()))?;
    if text(&row, 2).is_none() {
        return Err(Fault::Schema("no database is chosen: set MYSQL_DB".into()));
    }
    let mut columns: HashMap<String, HashMap<String, Column>> = HashMap::new();
    let rows: Vec<Row> = conn
        .query(
            "SELECT LOWER(table_name), LOWER(column_name), LOWER(character_set_name), \
             character_maximum_length, \
             is_nullable = 'NO' AND column_default IS NULL \
             AND extra NOT LIKE '%auto_increment%' AND extra NOT LIKE '%generated%' \
             FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name IN \
             ('zipkin_spans', 'zipkin_annotations', 'zipkin_dependencies', 'speargun_leases')",
        )
        .await?;
    for row in &rows {
        let (Some(table), Some(name)) = (text(row, 0), text(row, 1)) else {
            continue;
        };
        let column = Column {
            charset: text(row, 2),
            chars_max: int(row, 3),
            needs_value: int(row, 4) == Some(1),
        };
        columns.entry(table).or_default().insert(name, column);
    }
    let own_version = if columns.contains_key("speargun_leases") {
        let sql = "SELECT until_ms FROM speargun_leases WHERE name = 'version'";
        let row: Option<Row> = conn.query_first(sql).await?;
        row.and_then(|row| int(&row, 0))
    } else {
        None
    };
    Ok(Look {
        server: text(&row, 0).unwrap_or_default(),
        packet_bytes: int(&row, 1).map_or(1 << 20, |bytes| bytes.unsigned_abs() as usize),
        columns,
        own_version,
    })
}

impl Look {
    fn is_complete(&self) -> bool {
        let there = |table: &tables::Table| self.columns.contains_key(table.name);
        self.own_version.is_some() && TABLES.iter().all(there)
    }

    fn has(&self, table: &str, column: &str) -> bool {
        let columns = self.columns.get(table);
        columns.is_some_and(|columns| columns.contains_key(column))
    }

    /// Returns what the tables are like, or why they can't be used.
    pub(crate) fn schema(&self) -> Result<Schema, Fault> {
        for table in &TABLES {
            self.check(table)?;
        }
        if let Some(version) = self.own_version.filter(|version| *version > OWN_VERSION) {
            return Err(Fault::Schema(format!(
                "the table speargun_leases has version {version}, made by a newer speargun, and \
                 this one knows {OWN_VERSION}: update this one"
            )));
        }
        Ok(Schema {
            server: self.server.clone(),
            has_high: self.has("zipkin_spans", "trace_id_high")
                && self.has("zipkin_annotations", "trace_id_high"),
            has_remote_name: self.has("zipkin_spans", "remote_service_name"),
            has_ipv6: self.has("zipkin_annotations", "endpoint_ipv6"),
            has_dependencies: self.columns.contains_key("zipkin_dependencies"),
            has_error_count: self.has("zipkin_dependencies", "error_count"),
            has_own: self.own_version.is_some(),
            room: self.room()?,
            packet_bytes: self.packet_bytes,
        })
    }

    /// Refuses a table that lacks what every schema had, or wants what none had.
    fn check(&self, table: &Table) -> Result<(), Fault> {
        let Some(columns) = self.columns.get(table.name) else {
            if table.needed {
                return Err(Fault::Schema(format!(
                    "the table {} is missing: run speargun storage init, let it be made \
                     (SPEARGUN_MYSQL_SCHEMA=true), or apply Zipkin's mysql.sql",
                    table.name
                )));
            }
            return Ok(());
        };
        if let Some(missing) = table
            .always
            .iter()
            .find(|name| !columns.contains_key(**name))
        {
            return Err(Fault::Schema(format!(
                "the table {} has no column {missing}: it is not of Zipkin's schema v1",
                table.name
            )));
        }
        let known = |name: &str| table.always.contains(&name) || table.later.contains(&name);
        let unknown = columns
            .iter()
            .find(|(name, column)| column.needs_value && !known(name));
        match unknown {
            Some((name, _)) => Err(Fault::Schema(format!(
                "the table {} has a column {name} that needs a value and is unknown here: a newer \
                 schema, for a newer speargun",
                table.name
            ))),
            None => Ok(()),
        }
    }

    /// Returns what all columns of text hold.
    fn room(&self) -> Result<TextRoom, Fault> {
        let mut room = TextRoom {
            chars_max: usize::MAX,
            beyond_bmp: true,
        };
        for (table, name) in tables::TEXTS {
            let Some(column) = self.columns.get(table).and_then(|c| c.get(name)) else {
                continue;
            };
            match column.charset.as_deref() {
                Some("utf8mb4") => {}
                Some("utf8" | "utf8mb3") => room.beyond_bmp = false,
                other => {
                    return Err(Fault::Schema(format!(
                        "the column {table}.{name} has the character set {}: convert the table to \
                         utf8 or utf8mb4 (ALTER TABLE {table} CONVERT TO CHARACTER SET utf8)",
                        other.unwrap_or("binary")
                    )));
                }
            }
            let chars = column.chars_max.unwrap_or(255).unsigned_abs() as usize;
            room.chars_max = room.chars_max.min(chars);
        }
        Ok(room)
    }
}
