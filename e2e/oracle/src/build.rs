//! Makes the Java program with Maven. It does not run it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use speargun_e2e::server::root;

/// Returns the class path of the program, built if it is missing or older than its source.
pub(crate) fn class_path() -> Result<String> {
    let source = root().join("e2e/oracle");
    let made = root().join("target/oracle");
    let class = made.join("classes/Oracle.class");
    let built = modified(&class);
    let changed = [source.join("pom.xml"), source.join("java/Oracle.java")];
    let is_old = |path: &PathBuf| built.is_none() || modified(path) > built;
    if changed.iter().any(is_old) || library(&made).is_none() {
        make(&source)?;
    }
    let library = library(&made).context("Maven made no folder with Zipkin's library")?;
    let classes = made.join("classes");
    Ok(format!("{}:{}", classes.display(), library.display()))
}

fn library(made: &Path) -> Option<PathBuf> {
    let folder = std::fs::read_dir(made.join("lib")).ok()?;
    let mut files = folder.filter_map(|entry| Some(entry.ok()?.path()));
    files.find(|path| path.extension().is_some_and(|ending| ending == "jar"))
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

fn make(source: &Path) -> Result<()> {
    let mut maven = Command::new("mvn");
    maven.args(["-q", "-B", "-f"]).arg(source.join("pom.xml"));
    let output = maven
        .args(["clean", "compile"])
        .output()
        .context("the oracle is built with Maven: install mvn and a JDK 17 or newer")?;
    ensure!(
        output.status.success(),
        "Maven could not build the oracle. It needs JDK 17 or newer and, the first time, Maven \
         Central for io.zipkin.zipkin2:zipkin and its own plugins:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
