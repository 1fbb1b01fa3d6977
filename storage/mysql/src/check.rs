//! Looks at a database from outside and says in plain words what it finds: for an operator, before
//! a start or when something is wrong. It makes and changes nothing that lasts.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row};
use speargun_runtime::{Clock, SystemClock};
use speargun_storage::{Finding, Inspect, Verdict};

use crate::config::{Config, Tls};
use crate::error::Fault;
use crate::link::{Link, bytes, int, text};
use crate::schema::{self, TABLES, Table};

/// A clock that differs by more is worth a word: windows of searches are told by it.
const CLOCK_DIFFERENCE_MS: u64 = 2000;

/// Below this a statement holds few rows.
const PACKET_BYTES_MIN: i64 = 1 << 20;

/// Looks at everything; stops at the first thing without which the rest can't be seen.
pub fn check(config: &Config, clock: &dyn Clock) -> Vec<Finding> {
    let mut found = Found::default();
    let link = match Link::new(config) {
        Ok(link) => link,
        Err(error) => {
            found.add(Verdict::Bad, "connection", error.to_string());
            return found.0;
        }
    };
    let looked = link.bare(async |conn| look(conn, config, clock, &mut found).await);
    if let Err(fault) = looked {
        let text = format!("{}:{}: {fault}", config.host, config.port);
        found.add(Verdict::Bad, "connection", text);
    }
    found.0
}

impl Inspect for Config {
    fn check(&self) -> Vec<Finding> {
        check(self, &SystemClock)
    }

    /// Makes the tables that are missing.
    fn init(&self) -> Vec<Finding> {
        let mut found = Found::default();
        match init(self) {
            Ok(made) if made.is_empty() => {
                found.add(Verdict::Good, "schema", "all tables were there");
            }
            Ok(made) => found.add(Verdict::Good, "schema", format!("made {}", made.join(", "))),
            Err(why) => found.add(Verdict::Bad, "schema", why),
        }
        found.0
    }
}

/// Makes the tables that are missing, and returns their names.
pub fn init(config: &Config) -> Result<Vec<&'static str>, String> {
    let link = Link::new(config).map_err(|error| error.to_string())?;
    let made = link.bare(async |conn| {
        let found = schema::look(conn).await?;
        let made = schema::create(conn, &found, config.new_texts).await?;
        schema::look(conn).await?.schema()?;
        Ok(made)
    });
    made.map_err(|fault| fault.to_string())
}

#[derive(Default)]
struct Found(Vec<Finding>);

impl Found {
    fn add(&mut self, verdict: Verdict, about: &str, text: impl std::fmt::Display) {
        self.0.push(Finding {
            verdict,
            what: format!("{about}: {text}"),
            advice: String::new(),
        });
    }

    fn choose(&mut self, good: bool, about: &str, texts: (String, String)) {
        if good {
            self.add(Verdict::Good, about, texts.0);
        } else {
            self.add(Verdict::Odd, about, texts.1);
        }
    }
}

async fn look(
    conn: &mut Conn,
    config: &Config,
    clock: &dyn Clock,
    found: &mut Found,
) -> Result<(), Fault> {
    let looked = schema::look(conn).await?;
    let address = format!("{}:{}/{}", config.host, config.port, config.database);
    let how = match config.tls {
        Tls::Off => "not encrypted",
        Tls::Unverified => "encrypted, the server's certificate not checked",
        Tls::Verified(_) => "encrypted",
    };
    let text = format!("{address} answers, {}, {how}", looked.server);
    found.add(Verdict::Good, "connection", text);
    clocks(conn, clock, found).await?;
    settings(conn, found).await?;
    for table in &TABLES {
        let there = looked.columns.get(table.name);
        let missing = there.map(|columns| {
            let missing = table
                .later
                .iter()
                .filter(|name| !columns.contains_key(**name));
            missing.copied().collect::<Vec<_>>().join(", ")
        });
        match missing {
            // What is needed is told of below.
            None if table.needed && !config.creates_tables => {}
            None => found.add(Verdict::Odd, "schema", missing_table(table, config)),
            Some(missing) => found.choose(
                missing.is_empty(),
                "schema",
                (
                    format!("{} is there", table.name),
                    format!("{} is of an older schema, without {missing}", table.name),
                ),
            ),
        }
    }
    if looked.columns.contains_key("zipkin_spans") || !config.creates_tables {
        match looked.schema() {
            Ok(schema) => found.choose(
                schema.room.beyond_bmp,
                "character set",
                (
                    "utf8mb4: names are held as they are".into(),
                    "utf8: in names, characters beyond the BMP become ? (tag values do not)".into(),
                ),
            ),
            Err(fault) => {
                found.add(Verdict::Bad, "schema", fault.to_string());
                return Ok(());
            }
        }
        rights(conn, found).await;
        sizes(conn, found).await?;
    }
    Ok(())
}

fn missing_table(table: &Table, config: &Config) -> String {
    let name = table.name;
    if config.creates_tables {
        return format!("{name} is missing and will be made");
    }
    let without = match name {
        "zipkin_dependencies" => "links are computed when they are asked for",
        _ => "nothing is done in the background, neither links nor retention",
    };
    format!(
        "{name} is missing and is not made, as SPEARGUN_MYSQL_SCHEMA is false: {without}, until \
         speargun storage init has made it"
    )
}

async fn clocks(conn: &mut Conn, clock: &dyn Clock, found: &mut Found) -> Result<(), Fault> {
    let before_ms = clock.now_ms();
    let sql = "SELECT CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)";
    let row: Option<Row> = conn.query_first(sql).await?;
    let after_ms = clock.now_ms();
    let server_ms = row
        .and_then(|row| int(&row, 0))
        .unwrap_or_default()
        .unsigned_abs();
    let apart_ms = if server_ms < before_ms {
        before_ms - server_ms
    } else {
        server_ms.saturating_sub(after_ms)
    };
    let texts = (
        format!("{apart_ms} ms apart"),
        format!("{apart_ms} ms apart: set both by one time server"),
    );
    found.choose(apart_ms <= CLOCK_DIFFERENCE_MS, "clock", texts);
    Ok(())
}

async fn settings(conn: &mut Conn, found: &mut Found) -> Result<(), Fault> {
    let sql = "SELECT @@max_allowed_packet, @@innodb_flush_log_at_trx_commit, \
               @@innodb_buffer_pool_size, @@max_connections, @@read_only";
    let row: Option<Row> = conn.query_first(sql).await?;
    let Some(row) = row else { return Ok(()) };
    let packet = int(&row, 0).unwrap_or_default();
    let texts = (
        format!("max_allowed_packet {packet}"),
        format!("max_allowed_packet {packet} is small: raise it to 16M, and inserts are faster"),
    );
    found.choose(packet >= PACKET_BYTES_MIN, "settings", texts);
    let flush = int(&row, 1).unwrap_or_default();
    let texts = (
        "innodb_flush_log_at_trx_commit 1: what is stored survives a crash".into(),
        format!(
            "innodb_flush_log_at_trx_commit {flush}: what the server last confirmed may be lost \
             when its machine fails"
        ),
    );
    found.choose(flush == 1, "settings", texts);
    let mib = int(&row, 2).unwrap_or_default() >> 20;
    let connections = int(&row, 3).unwrap_or_default();
    let text = format!("innodb_buffer_pool_size {mib} MiB, max_connections {connections}");
    found.add(Verdict::Good, "settings", text);
    if int(&row, 4).unwrap_or_default() != 0 {
        let text = "read_only is on: point MYSQL_HOST at the primary";
        found.add(Verdict::Bad, "settings", text);
    }
    Ok(())
}

/// Writes, changes, reads and deletes a row, and takes all of it back.
async fn rights(conn: &mut Conn, found: &mut Found) {
    const KEY: &str = "trace_id = 0 AND id = 0";
    let tried = async {
        conn.query_drop("START TRANSACTION").await?;
        conn.query_drop("INSERT IGNORE INTO zipkin_spans (trace_id, id, name) VALUES (0, 0, '')")
            .await?;
        conn.query_drop(format!("UPDATE zipkin_spans SET duration = 1 WHERE {KEY}"))
            .await?;
        conn.query_drop("SELECT trace_id FROM zipkin_annotations LIMIT 1")
            .await?;
        conn.query_drop(format!("DELETE FROM zipkin_spans WHERE {KEY}"))
            .await
    };
    let tried: Result<(), mysql_async::Error> = tried.await;
    // An error of the rollback is the connection's, and it ends with it.
    drop(conn.query_drop("ROLLBACK").await);
    match tried {
        Ok(()) => found.add(
            Verdict::Good,
            "rights",
            "spans can be read, written and deleted",
        ),
        Err(error) => found.add(Verdict::Bad, "rights", Fault::from(error).to_string()),
    }
}

async fn sizes(conn: &mut Conn, found: &mut Found) -> Result<(), Fault> {
    let rows: Vec<Row> = conn
        .query(
            "SELECT table_name, CAST(COALESCE(table_rows, 0) AS SIGNED), \
             CAST(COALESCE(data_length + index_length, 0) AS SIGNED) \
             FROM information_schema.tables WHERE table_schema = DATABASE() \
             AND table_name IN ('zipkin_spans', 'zipkin_annotations', 'zipkin_dependencies') \
             ORDER BY table_name",
        )
        .await?;
    for row in &rows {
        let mib = int(row, 2).unwrap_or_default() >> 20;
        let name = text(row, 0).unwrap_or_default();
        let text = format!(
            "{name}: about {} rows, {mib} MiB",
            int(row, 1).unwrap_or_default()
        );
        found.add(Verdict::Good, "size", text);
    }
    let sql = "SELECT CAST(FROM_UNIXTIME(MIN(start_ts) / 1000000) AS CHAR) \
               FROM zipkin_spans WHERE start_ts > 0";
    let oldest: Option<Row> = conn.query_first(sql).await?;
    let oldest = oldest.as_ref().and_then(|row| bytes(row, 0));
    if let Some(oldest) = oldest {
        let text = format!("the oldest span is of {}", String::from_utf8_lossy(oldest));
        found.add(Verdict::Good, "size", text);
    }
    Ok(())
}
