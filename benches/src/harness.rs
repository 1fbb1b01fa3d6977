//! Runs `speargun load` as anyone would, and reads its report.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use speargun_e2e::server::binary;
use speargun_loadgen::report::{Report, compare};

/// Loads a port of this machine with these words of the command line.
pub fn load(port: u16, words: &str) -> Result<Report> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("load.json");
    let status = Command::new(binary()?)
        .args(["load", "--target", &format!("127.0.0.1:{port}"), "--json"])
        .arg(&path)
        .args(words.split_whitespace())
        .stdout(Stdio::null())
        .status()
        .context("start the load")?;
    // 1 is a missed target, which is in the report.
    ensure!(
        matches!(status.code(), Some(0 | 1)),
        "load ended with {status}"
    );
    compare::read(&path)
}
