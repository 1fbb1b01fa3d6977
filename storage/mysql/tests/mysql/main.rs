//! The engine over a real MariaDB, which the tests start: the contract, what Zipkin's own server
//! reads and writes beside us, values no column holds, faults of all kinds, and work in the
//! background. Each test has a database of its own on one server.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failing step fails the test"
)]

mod contract;
mod faults;
mod housekeeping;
mod kills;
mod old_schema;
mod search;
mod tls;
mod values;
mod zipkin;

use std::sync::Arc;

use speargun_e2e::mariadb::MariaDb;
use speargun_model::Span;
use speargun_mysql::{Config, MySqlStore};
use speargun_storage::{Database, ListName, ReadContext, StoreError, Stored};

const NEVER: ReadContext = ReadContext { deadline: None };

/// Returns a configuration for a database on a server, as its `root`.
fn config(server: &MariaDb, database: &str) -> Config {
    Config {
        host: "127.0.0.1".into(),
        port: server.port(),
        user: "root".into(),
        database: database.into(),
        connections_max: 4,
        ..Config::default()
    }
}

fn open(config: Config) -> Arc<MySqlStore> {
    Arc::new(MySqlStore::open(config).unwrap())
}

/// Returns a store on a new database, and the database's name.
fn fresh() -> (Arc<MySqlStore>, String) {
    let server = MariaDb::shared().unwrap();
    let database = server.database().unwrap();
    (open(config(server, &database)), database)
}

fn list(number: u64) -> ListName {
    ListName {
        origin: "test".into(),
        number,
    }
}

fn store(store: &MySqlStore, spans: &[Span]) -> Result<Stored, StoreError> {
    store.store(&list(1), spans)
}

/// Runs statements in a database of the shared server.
fn sql(database: &str, statements: &str) -> String {
    let server = MariaDb::shared().unwrap();
    server
        .sql(&format!("USE {database};\n{statements}"))
        .unwrap()
}

/// Returns how many rows a table has.
fn count(database: &str, table: &str) -> u64 {
    let text = sql(database, &format!("SELECT COUNT(*) FROM {table}"));
    text.trim().parse().unwrap()
}
