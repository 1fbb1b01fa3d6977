//! `speargun storage`: what the engine of the database finds out about it, a line each. It knows no
//! database itself, and it starts no server.

use std::io::Write;

use anyhow::bail;
use speargun_storage::{Finding, Inspect, Verdict};

use crate::Flags;
use crate::settings::{Engine, Settings};
use crate::wiring::database;

/// Prints how the database is; fails when something is bad.
pub(crate) fn check(flags: Flags) -> anyhow::Result<()> {
    print(&inspector(flags)?.check())
}

/// Makes the schema and prints what was done; fails when that was not all.
pub(crate) fn init(flags: Flags) -> anyhow::Result<()> {
    print(&inspector(flags)?.init())
}

fn inspector(flags: Flags) -> anyhow::Result<Box<dyn Inspect>> {
    let settings = Settings::parse(&flags.texts()?)?;
    match settings.engine {
        Engine::Database(kind) => database::inspector(kind, &settings),
        Engine::Segment | Engine::Memory => bail!(
            "STORAGE_TYPE names no database: there is nothing to look at, and no schema to make"
        ),
    }
}

fn print(findings: &[Finding]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    findings
        .iter()
        .try_for_each(|finding| writeln!(out, "{}", line(finding)))?;
    let bad = findings.iter().filter(|f| f.verdict == Verdict::Bad);
    match bad.count() {
        0 => Ok(()),
        1 => bail!("one thing is wrong"),
        count => bail!("{count} things are wrong"),
    }
}

fn line(finding: &Finding) -> String {
    let verdict = match finding.verdict {
        Verdict::Good => "good",
        Verdict::Odd => "odd ",
        Verdict::Bad => "bad ",
    };
    let what = &finding.what;
    match finding.advice.as_str() {
        "" => format!("{verdict}  {what}"),
        advice => format!("{verdict}  {what}: {advice}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_with_its_advice() {
        assert_eq!(line(&Finding::good("connected")), "good  connected");
        assert_eq!(line(&Finding::odd("old", "wait")), "odd   old: wait");
        assert_eq!(
            line(&Finding::bad("read-only", "grant it")),
            "bad   read-only: grant it"
        );
    }

    #[test]
    fn what_is_bad_fails() {
        print(&[Finding::good("all"), Finding::odd("nearly", "")]).unwrap();
        let one = print(&[Finding::bad("it", "")]).unwrap_err();
        assert_eq!(one.to_string(), "one thing is wrong");
    }
}
