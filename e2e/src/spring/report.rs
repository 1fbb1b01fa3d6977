//! What was run and what came of it: a table for the documents, one file a train.

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::train::Train;
use crate::server::root;

/// What came of the assertions of one train.
#[derive(Debug)]
pub struct Report {
    train: Train,
    rows: Vec<(String, Result<String>)>,
}

impl Report {
    /// Returns an empty report.
    pub fn new(train: Train) -> Self {
        Self {
            train,
            rows: Vec::new(),
        }
    }

    /// Runs a group of assertions and notes what it says; a failure stops no other group.
    pub fn group(&mut self, name: &str, run: impl FnOnce() -> Result<String>) {
        let began = Instant::now();
        let outcome = run();
        let said = match &outcome {
            Ok(said) => said.clone(),
            Err(error) => format!("FAILED: {error:#}"),
        };
        progress(&format!(
            "{} / {name} ({} s): {said}",
            self.train.name,
            began.elapsed().as_secs()
        ));
        self.rows.push((name.to_owned(), outcome));
    }

    /// Writes the table into `e2e/spring/results`; fails when a group did, and then writes nothing:
    /// what lies there is what passed.
    pub fn finish(self) -> Result<()> {
        let failed = self.rows.iter().filter(|(_, it)| it.is_err()).count();
        let all = self.rows.len();
        ensure!(failed == 0, "{failed} of {all} groups failed, see above");
        let folder = root().join("e2e/spring/results");
        std::fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{}.md", self.train.name));
        std::fs::write(&file, self.table()).with_context(|| file.display().to_string())
    }

    fn table(&self) -> String {
        #[expect(
            clippy::disallowed_methods,
            reason = "given by the menu, for the record"
        )]
        let commit = std::env::var("E2E_COMMIT").unwrap_or_else(|_| "unknown".into());
        let mut text = format!(
            "# {}\n\nWritten by `cargo xtask e2e spring`, commit {commit}.\n\n\
             | what | outcome | seen |\n| --- | --- | --- |\n",
            self.train.title
        );
        for (name, outcome) in &self.rows {
            let (word, said) = match outcome {
                Ok(said) => ("passed", said.clone()),
                Err(error) => ("**failed**", error.to_string()),
            };
            let said = said.replace(['\n', '|'], " ");
            // Writing to a text can't fail.
            writeln!(text, "| {name} | {word} | {said} |").ok();
        }
        text
    }
}

#[expect(clippy::print_stderr, reason = "a run of minutes says how far it is")]
fn progress(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;
    use crate::spring::train::HOXTON;

    #[test]
    fn a_group_that_fails_is_in_the_table_and_stops_no_other() {
        let mut report = Report::new(HOXTON);
        report.group("one", || bail!("a | b"));
        report.group("two", || Ok("fine".to_owned()));
        let table = report.table();
        assert!(table.contains("| one | **failed** | a   b |"), "{table}");
        assert!(table.contains("| two | passed | fine |"), "{table}");
    }
}
