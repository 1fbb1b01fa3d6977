//! Runs the Maven module `e2e/kit` against the binary, once for each engine, over real databases
//! too, and once with kills; reads what its tests reported. What they must have reported is for the
//! tests to say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

use crate::clickhouse::ClickHouse;
use crate::mariadb::MariaDb;
use crate::server;

/// What is shown of a long text when a test fails, in bytes.
const SHOWN_BYTES_MAX: usize = 16 << 10;

/// Databases that are made: more than the kit has tests.
const DATABASES: u32 = 120;

/// What became of the tests of one class.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    /// Tests that were found, the skipped ones included.
    pub found: u32,
    /// Tests that failed, by an assertion or otherwise.
    pub failed: u32,
    /// Tests that were skipped or gave up.
    pub skipped: u32,
}

/// What one run of Maven left behind.
#[derive(Debug)]
pub struct Reports {
    folder: PathBuf,
}

impl Reports {
    /// Makes the runs `default`, `mem`, `killed`, `mysql` and `clickhouse`. Tests that fail do not
    /// fail it; they are in the reports.
    pub fn make() -> Result<Self> {
        let folder = server::root().join("target/kit/reports");
        if folder.is_dir() {
            fs::remove_dir_all(&folder).context("remove the reports of an earlier run")?;
        }
        let out = maven(&server::binary()?.canonicalize()?, &Databases::start()?)?;
        if !out.status.success() {
            let printed = [out.stdout.as_slice(), &out.stderr].concat();
            let end = printed.len().saturating_sub(SHOWN_BYTES_MAX);
            let end = String::from_utf8_lossy(&printed[end..]);
            bail!(
                "maven ended with {}: run cargo xtask tools\n{end}",
                out.status
            );
        }
        Ok(Self { folder })
    }

    /// Returns what became of a class's tests, those of its nested classes included.
    pub fn counts(&self, run: &str, class: &str) -> Result<Counts> {
        let path = self.folder.join(format!("{run}/TEST-{class}.xml"));
        let report =
            fs::read_to_string(&path).with_context(|| format!("no report {}", path.display()))?;
        counts(&report).with_context(|| path.display().to_string())
    }

    /// Returns the names of a class's tests that failed, sorted.
    pub fn failed(&self, run: &str, class: &str) -> Result<Vec<String>> {
        let path = self.folder.join(format!("{run}/TEST-{class}.xml"));
        let report =
            fs::read_to_string(&path).with_context(|| format!("no report {}", path.display()))?;
        failed(&report).with_context(|| path.display().to_string())
    }

    /// Returns names and reasons of a class's tests that failed, as many as can be read.
    pub fn failures(&self, run: &str, class: &str) -> Result<String> {
        let mut text = fs::read(self.folder.join(format!("{run}/{class}.txt")))?;
        text.truncate(SHOWN_BYTES_MAX);
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// The databases that servers under test keep their spans in.
struct Databases {
    mariadb: MariaDb,
    clickhouse: ClickHouse,
}

impl Databases {
    /// Starts them. Each server gets a database of its own; MySQL's have to be there before.
    fn start() -> Result<Self> {
        let databases = Self {
            mariadb: MariaDb::start(&[])?,
            clickhouse: ClickHouse::start()?,
        };
        let make: Vec<String> = (1..=DATABASES)
            .map(|number| format!("CREATE DATABASE kit_{number};"))
            .collect();
        databases.mariadb.sql(&make.concat())?;
        Ok(databases)
    }
}

/// Maven takes everything from its local repository: a test does not depend on a network.
fn maven(binary: &Path, databases: &Databases) -> Result<Output> {
    Command::new("mvn")
        .args(["--batch-mode", "--quiet", "--offline"])
        .args(["--file", "e2e/kit/pom.xml", "-Dstyle.color=never"])
        .arg("-Dmaven.test.failure.ignore=true")
        .arg(format!("-Dspeargun.binary={}", binary.display()))
        .arg(format!(
            "-Dspeargun.mysql.port={}",
            databases.mariadb.port()
        ))
        .arg(format!(
            "-Dspeargun.clickhouse.url={}",
            databases.clickhouse.url()
        ))
        .arg("test")
        .current_dir(server::root())
        .output()
        .context("maven can't be started: run cargo xtask tools")
}

/// Reads the counts of a Surefire report.
fn counts(report: &str) -> Result<Counts> {
    let suite = report
        .split_once("<testsuite ")
        .and_then(|(_, rest)| rest.split_once('>'))
        .map(|(attributes, _)| attributes)
        .context("no test suite")?;
    Ok(Counts {
        found: attribute(suite, "tests")?,
        failed: attribute(suite, "failures")? + attribute(suite, "errors")?,
        skipped: attribute(suite, "skipped")?,
    })
}

/// Reads the names of the tests that failed from a Surefire report, sorted.
fn failed(report: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for case in report.split("<testcase ").skip(1) {
        let name = text_of(case, "name")?;
        let rest = case.split("</testcase>").next().unwrap_or(case);
        if rest.contains("<failure") || rest.contains("<error") {
            // What parameters it has is not in its name.
            names.push(name.split('(').next().unwrap_or(name).to_owned());
        }
    }
    names.sort();
    Ok(names)
}

fn text_of<'t>(tag: &'t str, name: &str) -> Result<&'t str> {
    // Whatever comes first: no attribute's name ends as another's does.
    let found = tag.split_once(&format!("{name}=\"")).map(|(_, rest)| rest);
    let found = found.and_then(|rest| rest.split_once('"'));
    found
        .map(|(text, _)| text)
        .with_context(|| format!("no {name}"))
}

fn attribute(tag: &str, name: &str) -> Result<u32> {
    tag.split_once(&format!(" {name}=\""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .and_then(|(value, _)| value.parse().ok())
        .with_context(|| format!("no number {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "<?xml version=\"1.0\"?>\n<testsuite name=\"a.B\" time=\"13.73\" \
        tests=\"85\" errors=\"1\" skipped=\"3\" failures=\"2\" flakes=\"0\">\n</testsuite>";

    #[test]
    fn errors_and_failures_are_failed_tests() {
        let expected = Counts {
            found: 85,
            failed: 3,
            skipped: 3,
        };
        assert_eq!(counts(REPORT).ok(), Some(expected));
    }

    #[test]
    fn tests_that_failed_are_named() {
        let report = "<testsuite>\n<testcase name=\"b\" classname=\"x\"><failure type=\"y\"/>\
            </testcase><testcase name=\"c\" classname=\"x\"/><testcase name=\"a(TestInfo)\"><error>\
            </error></testcase></testsuite>";
        assert_eq!(failed(report).ok(), Some(vec!["a".into(), "b".into()]));
        assert!(failed("<testcase ").is_err());
    }

    #[test]
    fn a_report_cut_anywhere_has_no_counts() {
        let end = REPORT.find(">\n</testsuite").unwrap_or_default();
        assert!(end > 0);
        for cut in 0..=end {
            assert!(
                counts(REPORT.get(..cut).unwrap_or_default()).is_err(),
                "cut at {cut}"
            );
        }
    }
}
