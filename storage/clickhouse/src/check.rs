//! The state of the servers in plain words, for `speargun storage check`. It changes nothing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clickhouse::Row;
use serde::Deserialize;
use speargun_storage::{Finding, Inspect};

use crate::config::Config;
use crate::fault::Fault;
use crate::prepare::{anywhere, version};
use crate::schema::{VERSION, local_spans, local_tables};
use crate::server::{Deadline, Server};
use crate::store::ClickHouse;

/// How long each question may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The oldest release that understands the statements; year and month.
const RELEASE_MIN: (u32, u32) = (24, 8);

/// How far clocks may be apart before it is worth a word.
const CLOCK_MS: u64 = 2000;

/// Of the disk, less free than this part is odd.
const FREE_PART: u64 = 10;

fn good(about: &str, text: impl std::fmt::Display) -> Finding {
    Finding::good(format!("{about}: {text}"))
}

fn odd(about: &str, text: impl std::fmt::Display) -> Finding {
    Finding::odd(format!("{about}: {text}"), "")
}

fn bad(about: &str, text: impl std::fmt::Display) -> Finding {
    Finding::bad(format!("{about}: {text}"), "")
}

impl Inspect for Config {
    fn check(&self) -> Vec<Finding> {
        check(self)
    }

    /// Makes the tables that are missing.
    fn init(&self) -> Vec<Finding> {
        let made = ClickHouse::new(self.clone())
            .map_err(|error| error.to_string())
            .and_then(|engine| engine.prepare().map_err(|fault| fault.to_string()));
        vec![match made {
            Ok(()) => good("schema", "all tables are there"),
            Err(why) => bad("schema", why),
        }]
    }
}

/// Looks at the servers of a configuration. Blocks for some seconds at most for each.
pub fn check(config: &Config) -> Vec<Finding> {
    if let Err(error) = config.validate() {
        return vec![bad("configuration", error.to_string())];
    }
    let mut findings = Vec::new();
    let mut answering = None;
    for url in &config.urls {
        let alone = Config {
            urls: vec![url.clone()],
            ..config.clone()
        };
        match Server::new(&alone) {
            Err(error) => findings.push(bad("connection", error.to_string())),
            Ok(server) => match connection(&server, url) {
                Err(fault) => findings.push(bad("connection", fault.to_string())),
                Ok(found) => {
                    findings.extend(found);
                    answering = answering.or(Some(server));
                }
            },
        }
    }
    if let Some(server) = answering {
        let asked = [rights, schema, cluster, sizes];
        for ask in asked {
            match ask(&server, config) {
                Ok(found) => findings.extend(found),
                Err(fault) => findings.push(bad("server", fault.to_string())),
            }
        }
    }
    findings
}

#[derive(Row, Deserialize)]
struct Greeting {
    version: String,
    now_ms: i64,
    readonly: String,
}

fn connection(server: &Server, url: &str) -> Result<Vec<Finding>, Fault> {
    let text = "SELECT version() AS version, toUnixTimestamp64Milli(now64(3)) AS now_ms, \
                toString(getSetting('readonly')) AS readonly";
    let greeting: Greeting = one(server, text)?;
    let mut findings = vec![];
    let release = release_of(&greeting.version);
    let text = format!("ClickHouse {} answers at {url}", greeting.version);
    findings.push(if release < RELEASE_MIN {
        let (year, month) = RELEASE_MIN;
        bad(
            "version",
            format!("{text}: it must be {year}.{month} or newer"),
        )
    } else {
        good("connection", text)
    });
    findings.push(clock(greeting.now_ms));
    if greeting.readonly != "0" {
        let text = "the user may only read: its profile has readonly = ";
        findings.push(bad("rights", format!("{text}{}", greeting.readonly)));
    }
    Ok(findings)
}

/// Returns the year and month of a version's text; 0 when it has none.
fn release_of(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn clock(now_ms: i64) -> Finding {
    let own = SystemTime::now().duration_since(UNIX_EPOCH);
    let own_ms = own.map_or(0, |time| {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    });
    let apart_ms = own_ms.abs_diff(u64::try_from(now_ms).unwrap_or(0));
    let text = format!("its clock and this one are {apart_ms} ms apart");
    if apart_ms > CLOCK_MS {
        return odd("clock", format!("{text}: retention counts by both"));
    }
    good("clock", text)
}

#[derive(Row, Deserialize)]
struct Granted {
    result: u8,
}

fn rights(server: &Server, config: &Config) -> Result<Vec<Finding>, Fault> {
    let mut wanted = vec!["SELECT", "INSERT"];
    if config.manage_schema {
        wanted.extend([
            "CREATE TABLE",
            "CREATE VIEW",
            "ALTER TABLE",
            "CREATE DATABASE",
        ]);
    }
    let mut missing = Vec::new();
    for right in wanted {
        let text = format!("CHECK GRANT {right} ON `{}`.*", config.database);
        match one::<Granted>(server, &text) {
            Ok(granted) if granted.result != 0 => {}
            Ok(_) => missing.push(right),
            // Releases before 24.10 can't be asked.
            Err(Fault::Server { code: 62, .. }) => {
                return Ok(vec![odd(
                    "rights",
                    "this release can't be asked for rights",
                )]);
            }
            Err(fault) => return Err(fault),
        }
    }
    let database = &config.database;
    let finding = if missing.is_empty() {
        good("rights", format!("the user has all it needs on {database}"))
    } else {
        let rights = missing.join(", ");
        let Config { user, .. } = config;
        bad(
            "rights",
            format!("missing: GRANT {rights} ON {database}.* TO {user}"),
        )
    };
    Ok(vec![finding])
}

#[derive(Row, Deserialize)]
struct NameRow {
    name: String,
}

fn schema(server: &Server, config: &Config) -> Result<Vec<Finding>, Fault> {
    let found = version(server, config, Deadline::after(ANSWER_TIMEOUT))?;
    let database = &config.database;
    if found == 0 {
        let text = format!("there are no tables in database {database} yet");
        return Ok(vec![if config.manage_schema {
            odd(
                "schema",
                format!("{text}: they are made at the first start"),
            )
        } else {
            bad("schema", format!("{text}, and CLICKHOUSE_SCHEMA is false"))
        }]);
    }
    if found != VERSION {
        let text = format!("the tables have version {found}, this Speargun knows {VERSION}");
        if found < VERSION && config.manage_schema {
            return Ok(vec![odd(
                "schema",
                format!("{text}: they are brought up to date at the next start"),
            )]);
        }
        return Ok(vec![bad("schema", text)]);
    }
    let text = "SELECT name FROM system.tables WHERE database = {database:String}";
    let rows = server.with_client(Deadline::after(ANSWER_TIMEOUT), async |client| {
        let query = anywhere(&client, text, Deadline::after(ANSWER_TIMEOUT))?;
        let query = query.param("database", database);
        Ok(query.fetch_all::<NameRow>().await?)
    })?;
    let mut wanted = local_tables(config);
    wanted.push("traces_of_spans".into());
    wanted.retain(|table| !rows.iter().any(|row| row.name == *table));
    Ok(vec![if wanted.is_empty() {
        good("schema", format!("all tables are there, version {found}"))
    } else {
        let tables = wanted.join(", ");
        bad(
            "schema",
            format!("missing in database {database}: {tables}"),
        )
    }])
}

#[derive(Row, Deserialize)]
struct Number {
    number: u64,
}

fn cluster(server: &Server, config: &Config) -> Result<Vec<Finding>, Fault> {
    let Some(cluster) = &config.cluster else {
        return Ok(Vec::new());
    };
    let deadline = Deadline::after(ANSWER_TIMEOUT);
    let text = "SELECT count() AS number FROM system.clusters WHERE cluster = {cluster:String}";
    let servers = server.with_client(deadline, async |client| {
        let query = anywhere(&client, text, deadline)?.param("cluster", cluster);
        Ok(query.fetch_one::<Number>().await?.number)
    })?;
    if servers == 0 {
        let text = format!("no cluster {cluster} in system.clusters");
        return Ok(vec![bad("cluster", text)]);
    }
    let text = "SELECT count() AS number FROM system.replicas WHERE is_readonly";
    let stuck: Number = one(server, text)?;
    Ok(vec![if stuck.number == 0 {
        good("cluster", format!("{servers} servers in cluster {cluster}"))
    } else {
        let Number { number } = stuck;
        bad(
            "cluster",
            format!("{number} tables take no writes: look at Keeper"),
        )
    }])
}

#[derive(Row, Deserialize)]
struct Sizes {
    spans: u64,
    bytes: u64,
    parts: u64,
}

#[derive(Row, Deserialize)]
struct Disk {
    free: u64,
    total: u64,
}

fn sizes(server: &Server, config: &Config) -> Result<Vec<Finding>, Fault> {
    let deadline = Deadline::after(ANSWER_TIMEOUT);
    let text = "SELECT sumIf(rows, table = {spans:String}) AS spans, sum(bytes_on_disk) AS bytes, \
                countIf(table = {spans:String}) AS parts FROM system.parts WHERE active AND \
                database = {database:String}";
    let spans = local_spans(config);
    let sizes = server.with_client(deadline, async |client| {
        let query = anywhere(&client, text, deadline)?
            .param("spans", &spans)
            .param("database", &config.database);
        Ok(query.fetch_one::<Sizes>().await?)
    })?;
    let text = "SELECT min(free_space) AS free, min(total_space) AS total FROM system.disks";
    let disk: Disk = one(server, text)?;
    let each = sizes.bytes.checked_div(sizes.spans).unwrap_or(0);
    let text = format!(
        "{} spans in {} parts, {} with all tables, {each} bytes a span",
        sizes.spans,
        sizes.parts,
        in_mb(sizes.bytes),
    );
    let space = format!("{} of {} are free", in_mb(disk.free), in_mb(disk.total));
    Ok(vec![
        good("size", text),
        if disk.free < disk.total / FREE_PART {
            odd("disk", space)
        } else {
            good("disk", space)
        },
    ])
}

fn in_mb(bytes: u64) -> String {
    format!("{} MB", bytes / 1_000_000)
}

fn one<T>(server: &Server, text: &str) -> Result<T, Fault>
where
    T: clickhouse::RowOwned + clickhouse::RowRead,
{
    let deadline = Deadline::after(ANSWER_TIMEOUT);
    server.with_client(deadline, async |client| {
        let query = anywhere(&client, text, deadline)?;
        Ok(query.fetch_one::<T>().await?)
    })
}

#[cfg(test)]
mod tests {
    use speargun_storage::Verdict;

    use super::*;

    #[test]
    fn releases_are_compared_by_year_and_month() {
        assert_eq!(release_of("26.7.2.1"), (26, 7));
        assert!(release_of("24.3.1") < RELEASE_MIN);
        assert_eq!(release_of("nothing"), (0, 0));
    }

    #[test]
    fn a_wrong_configuration_is_the_only_finding() {
        let findings = check(&Config::new("localhost"));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].verdict, Verdict::Bad);
    }
}
