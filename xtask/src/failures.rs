//! Runs tests and remembers what the failed ones said, so that it stands at the end of a long log
//! too, where a reader looks first and where a log that is cut still has it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::shell::{line, say};

/// Lines of one failed test that are said again.
const LINES_MAX: usize = 40;
/// Failed tests whose lines are said again.
const TESTS_MAX: usize = 40;

/// Runs tests, their output shown. The error says what failed, with the output of each test.
pub(crate) fn run_tests(command: &mut Command) -> Result<()> {
    say(&format!("$ {}", line(command)));
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", line(command)))?;
    let mut told = Told::default();
    for text in BufReader::new(child.stdout.take().context("no pipe")?).split(b'\n') {
        let text = text?;
        let text = String::from_utf8_lossy(&text);
        say(&text);
        told.read(&text);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}{}", line(command), told.lines);
    }
    Ok(())
}

/// What failed tests said, taken from the output of Rust's test harness.
#[derive(Default)]
struct Told {
    /// The lines, each behind a line's end.
    lines: String,
    tests: usize,
    /// Lines of the test that is being told, when one is.
    of_this: Option<usize>,
}

impl Told {
    fn read(&mut self, line: &str) {
        if line.starts_with("---- ") && line.ends_with(" ----") {
            self.tests += 1;
            self.of_this = (self.tests <= TESTS_MAX).then_some(0);
        } else if line == "failures:" || line.starts_with("test result:") {
            self.of_this = None;
        }
        let Some(count) = &mut self.of_this else {
            return;
        };
        *count += 1;
        if *count <= LINES_MAX && !line.is_empty() {
            self.lines.push('\n');
            self.lines.push_str(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_tests_said_is_kept_and_nothing_else() {
        let mut told = Told::default();
        for line in [
            "test a ... ok",
            "test b ... FAILED",
            "",
            "failures:",
            "",
            "---- b stdout ----",
            "Error: nobody answers",
            "",
            "---- c stdout ----",
            "thread 'c' panicked at src/lib.rs:1:1:",
            "failures:",
            "    b",
            "    c",
            "test result: FAILED. 1 passed; 2 failed",
            "test d ... ok",
        ] {
            told.read(line);
        }
        let expected = "\n---- b stdout ----\nError: nobody answers\n---- c stdout ----\nthread \
                        'c' panicked at src/lib.rs:1:1:";
        assert_eq!(told.lines, expected);
    }

    #[test]
    fn it_is_bounded() {
        let mut told = Told::default();
        for _ in 0..2 * TESTS_MAX {
            told.read("---- b stdout ----");
            (0..2 * LINES_MAX).for_each(|_| told.read("word"));
        }
        assert_eq!(told.lines.lines().count(), 1 + TESTS_MAX * LINES_MAX);
    }
}
