//! The page: built from its sources with Node, checked against what is committed, served while one
//! works on it, and walked through in a browser. The product itself needs none of this.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell::{command, root, run, say};
use crate::tools;

/// Builds `ui/dist` anew.
pub(crate) fn build() -> Result<()> {
    packages()?;
    types()?;
    run(&mut node(&["tools/build.mjs"]))
}

/// Types, unit tests, and whether the committed build is the one that the sources give.
pub(crate) fn check() -> Result<()> {
    packages()?;
    types()?;
    run(&mut node(&["tools/test.mjs"]))?;
    run(&mut node(&["tools/check.mjs"]))
}

/// Serves the sources in front of a running backend; further words go to the server.
pub(crate) fn watch(words: &[&str]) -> Result<()> {
    packages()?;
    let mut serve = node(&["tools/serve.mjs"]);
    run(serve.args(words))
}

/// Walks through the page in a browser, against the release binary; through Zipkin's own page, too.
pub(crate) fn flows(words: &[&str]) -> Result<()> {
    with_browser(&["flows/run.mjs"], words, Some(&tools::zipkin()?))
}

/// Makes the pictures of docs/ui.md and docs/tour.md.
pub(crate) fn pictures() -> Result<()> {
    with_browser(&["tools/pictures.mjs"], &[], None)?;
    with_browser(&["tools/tour.mjs"], &[], None)
}

/// Measures the page, beside Zipkin's own, and writes the result under benches/results.
pub(crate) fn bench(words: &[&str]) -> Result<()> {
    with_browser(&["tools/bench.mjs"], words, Some(&tools::zipkin()?))
}

fn with_browser(script: &[&str], words: &[&str], zipkin: Option<&Path>) -> Result<()> {
    packages()?;
    tools::browser()?;
    let server = root().join("target/release/speargun");
    let mut script = node(script);
    if let Some(jar) = zipkin {
        script.env("ZIPKIN_JAR", jar);
    }
    run(script.args(words).env("SPEARGUN", server))
}

/// The exact packages of the lock file, unless they are there.
fn packages() -> Result<()> {
    let folder = root().join("ui/web");
    let lock = std::fs::read(folder.join("package-lock.json")).context("read the lock file")?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    tools::npm()?;
    let mut install = command("npm", &["ci", "--no-audit", "--no-fund", "--silent"]);
    // Scripts of packages are not run: esbuild works without its own.
    run(install.arg("--ignore-scripts").current_dir(&folder))?;
    std::fs::write(&stamp, lock)?;
    say("installed the packages of ui/web");
    Ok(())
}

fn types() -> Result<()> {
    run(&mut node(&["node_modules/typescript/bin/tsc", "--noEmit"]))
}

fn node(arguments: &[&str]) -> Command {
    let mut node = command("node", arguments);
    node.current_dir(root().join("ui/web"));
    node
}
