//! A database of its own for Zipkin's server. What is in it Zipkin alone decides.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use speargun_e2e::mariadb::MariaDb;

/// User, password and database of Zipkin.
pub const NAME: &str = "zipkin";
/// Room for all that is stored, and no waiting for the disk at each row, of which Zipkin commits
/// every one by itself: that is kinder than what an acknowledged span of ours costs.
const SETTINGS: [&str; 3] = [
    "--innodb-buffer-pool-size=1G",
    "--innodb-flush-log-at-trx-commit=2",
    "--max-connections=100",
];

/// A running database. Dropping it ends the process and removes the data.
#[derive(Debug)]
pub struct Database(MariaDb);

impl Database {
    /// Starts one with Zipkin's tables in it.
    pub fn start(schema: &Path) -> Result<Self> {
        let server = MariaDb::start(&SETTINGS)?;
        server.sql(&format!(
            "CREATE DATABASE {NAME}; CREATE USER {NAME}@'%' IDENTIFIED BY '{NAME}'; \
             GRANT ALL ON {NAME}.* TO {NAME}@'%'; USE {NAME}; {}",
            std::fs::read_to_string(schema)?
        ))?;
        Ok(Self(server))
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.0.port()
    }

    /// Returns the process id.
    pub fn pid(&self) -> u32 {
        self.0.pid()
    }

    /// Returns how many rows were written, ever.
    pub fn rows_written(&self) -> Result<u64> {
        let answer = self.0.sql(
            "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
             WHERE VARIABLE_NAME = 'HANDLER_WRITE'",
        )?;
        answer.trim().parse().context("count the rows")
    }

    /// Returns the folder of Zipkin's tables.
    pub fn data(&self) -> PathBuf {
        self.0.data().join(NAME)
    }
}
