//! Zipkin's own server as comparisons want it: with more room than it will need, over memory or a
//! database.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use speargun_e2e::zipkin::{VERSION, Zipkin, fetch, folder};

use crate::database::{Database, NAME};

/// Collections of garbage are not to be the limit, and nothing is to be forgotten.
const HEAP: &str = "-Xmx6g";
const SPANS_MAX: &str = "8000000";

/// Starts one and waits until it is healthy. It stores in the database, if one is given, else in
/// memory.
pub fn start(database: Option<&Database>) -> Result<Zipkin> {
    let Some(database) = database else {
        return Zipkin::start(&[HEAP], &[("MEM_MAX_SPANS", SPANS_MAX)]);
    };
    let port = database.port().to_string();
    let variables = [
        ("STORAGE_TYPE", "mysql"),
        ("MYSQL_HOST", "127.0.0.1"),
        ("MYSQL_TCP_PORT", &port),
        ("MYSQL_USER", NAME),
        ("MYSQL_PASS", NAME),
        ("MYSQL_DB", NAME),
    ];
    Zipkin::start(&[HEAP], &variables)
}

/// Returns the tables that Zipkin wants, out of the server's jar.
pub fn schema() -> Result<PathBuf> {
    let jar = fetch()?;
    let inner = format!("BOOT-INF/lib/zipkin-storage-mysql-v1-{VERSION}.jar");
    unpack(&jar, &inner)?;
    unpack(&folder().join(inner), "mysql.sql")?;
    Ok(folder().join("mysql.sql"))
}

fn unpack(jar: &Path, name: &str) -> Result<()> {
    let status = Command::new("jar")
        .args(["--extract", "--file"])
        .arg(jar)
        .arg(name)
        .current_dir(folder())
        .status()
        .context("jar, which comes with a Java compiler, can't be started")?;
    let there = status.success() && folder().join(name).is_file();
    ensure!(there, "{name} is not in {}", jar.display());
    Ok(())
}
