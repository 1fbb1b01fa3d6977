//! Makes the tables when they are missing and brings them up to date, or says why they can't be
//! used. It may run in several processes at once: no statement minds being run again.

use std::time::Duration;

use clickhouse::{Client, Row};
use serde::Deserialize;

use crate::config::Config;
use crate::fault::Fault;
use crate::schema::{self, VERSION};
use crate::server::{Deadline, Failed, Server, query};

/// How long making tables may take; on a cluster each statement waits for all servers.
const PREPARE_TIMEOUT: Duration = Duration::from_mins(3);

#[derive(Row, Deserialize)]
struct VersionRow {
    version: u32,
}

#[derive(Row, Deserialize)]
struct StatementRow {
    statement: String,
}

/// Makes sure that the tables are there and are those that this code knows.
pub fn prepare(server: &Server, config: &Config) -> Result<(), Fault> {
    let deadline = Deadline::after(PREPARE_TIMEOUT);
    let found = version(server, config, deadline)?;
    if found > VERSION {
        return Err(newer(config, found));
    }
    if !config.manage_schema {
        return unmanaged(config, found);
    }
    for from in found..VERSION {
        if from == 0 {
            execute(server, &schema::make_database(config), deadline)?;
        }
        for statement in schema::migration(config, from) {
            execute(server, &statement, deadline)?;
        }
        let table = format!("`{}`.schema_version", config.database);
        let note = format!("INSERT INTO {table} (version) VALUES ({})", from + 1);
        execute(server, &note, deadline)?;
    }
    if found > 0 {
        set_retention(server, config, deadline)?;
    }
    Ok(())
}

/// Returns the version of the tables; 0 when there are none.
pub(crate) fn version(server: &Server, config: &Config, deadline: Deadline) -> Result<u32, Fault> {
    let text = format!(
        "SELECT max(version) AS version FROM `{}`.schema_version",
        config.database
    );
    let row = server.with_client(deadline, async |client| {
        Ok(anywhere(&client, &text, deadline)?
            .fetch_one::<VersionRow>()
            .await?)
    });
    match row {
        Ok(row) => Ok(row.version),
        Err(fault) if fault.is_missing_table() => Ok(0),
        Err(fault) => Err(fault),
    }
}

fn newer(config: &Config, found: u32) -> Fault {
    let Config { database, .. } = config;
    Fault::Schema(format!(
        "the tables in ClickHouse's database {database} have version {found}, made by a newer \
         Speargun; this one knows {VERSION}: update it, or set CLICKHOUSE_DATABASE to another"
    ))
}

fn unmanaged(config: &Config, found: u32) -> Result<(), Fault> {
    if found == VERSION {
        return Ok(());
    }
    let Config { database, .. } = config;
    Err(Fault::Schema(format!(
        "the tables in ClickHouse's database {database} have version {found} (0 is none) instead \
         of {VERSION}, and CLICKHOUSE_SCHEMA is false: run the statements of speargun storage \
         init, or set it to true"
    )))
}

/// Changes the retention when the tables have another one.
fn set_retention(server: &Server, config: &Config, deadline: Deadline) -> Result<(), Fault> {
    let (database, table) = (config.database.as_str(), schema::local_spans(config));
    let text = "SELECT create_table_query AS statement FROM system.tables WHERE database = \
                {database:String} AND name = {table:String}";
    let row = server.with_client(deadline, async |client| {
        let query = anywhere(&client, text, deadline)?
            .param("database", database)
            .param("table", &table);
        Ok(query.fetch_optional::<StatementRow>().await?)
    })?;
    let Some(row) = row else {
        return Err(Fault::Schema(format!(
            "table {table} is missing in ClickHouse's database {database}, which says that it was \
             made: drop the database, or set CLICKHOUSE_DATABASE to another"
        )));
    };
    if schema::retention_of(&row.statement) == config.retention_days {
        return Ok(());
    }
    for statement in schema::retention(config) {
        execute(server, &statement, deadline)?;
    }
    Ok(())
}

fn execute(server: &Server, statement: &str, deadline: Deadline) -> Result<(), Fault> {
    server.with_client(deadline, async |client| {
        let query = anywhere(&client, statement, deadline)?;
        Ok::<(), Failed>(query.execute().await?)
    })
}

/// Returns a query that names its database, since ours may not be there yet.
pub(crate) fn anywhere(
    client: &Client,
    text: &str,
    deadline: Deadline,
) -> Result<clickhouse::query::Query, Fault> {
    query(&client.clone().with_database("default"), text, deadline)
}
