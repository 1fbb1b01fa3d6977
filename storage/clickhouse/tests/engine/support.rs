//! The server that the tests of this binary share, and databases on it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use speargun_clickhouse::{ClickHouse, Config};
use speargun_e2e::clickhouse::ClickHouse as Process;
use speargun_storage::ListName;

/// It ends with this process, since nobody drops it.
static SERVER: LazyLock<Process> = LazyLock::new(|| Process::start().unwrap());

static DATABASES: AtomicU64 = AtomicU64::new(0);

/// Returns the server.
pub(crate) fn server() -> &'static Process {
    &SERVER
}

/// Returns a configuration with a database that nobody has.
pub(crate) fn config() -> Config {
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    Config {
        database: format!("test_{number}"),
        // Lists here are tiny and many, and no machine fails.
        sync: false,
        link_lag: Duration::ZERO,
        // The machine runs other tests too.
        store_timeout: Duration::from_mins(2),
        query_timeout: Duration::from_mins(2),
        ..Config::new(server().url())
    }
}

/// Returns an engine over a database of its own.
pub(crate) fn engine() -> Arc<ClickHouse> {
    open(&config())
}

/// Returns an engine.
pub(crate) fn open(config: &Config) -> Arc<ClickHouse> {
    Arc::new(ClickHouse::new(config.clone()).unwrap())
}

/// Returns the name of a list of a folder.
pub(crate) fn list(origin: &str, number: u64) -> ListName {
    ListName {
        origin: origin.into(),
        number,
    }
}
