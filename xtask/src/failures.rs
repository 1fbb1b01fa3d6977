//! Runs tests and remembers what the failed ones said, so that it stands at the end of a long log
//! too, where a reader looks first and where a log that is cut still has it. Tests that hang are
//! ended, so that the ones behind them still run.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::processes;
use crate::shell::{line, say};

/// Lines of one failed test that are said again.
const LINES_MAX: usize = 40;
/// Failed tests whose lines are said again.
const TESTS_MAX: usize = 40;
/// How long tests may say nothing. The longest take three minutes, and more where syncs are slow.
const SILENCE: Duration = Duration::from_mins(20);

/// Runs tests, their output shown. The error says what failed, with the output of each test.
pub(crate) fn run_tests(command: &mut Command) -> Result<()> {
    run_watched(command, SILENCE)
}

fn run_watched(command: &mut Command, silence: Duration) -> Result<()> {
    say(&format!("$ {}", line(command)));
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", line(command)))?;
    let lines = lines_of(child.stdout.take().context("no pipe")?);
    let mut told = Told::default();
    // Until the first line they are being compiled, for which there is no limit.
    let mut next = lines.recv().map_err(RecvTimeoutError::from);
    let mut ended = false;
    loop {
        match next {
            Ok(text) => {
                say(&text);
                told.read(&text);
                ended = false;
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                told.hang(silence);
                if let Err(error) = processes::end_below(child.id()) {
                    say(&format!("what hangs is not ended: {error:#}"));
                }
                // It goes on with the tests behind, or hangs itself; or something that it began
                // and that is not below it any more holds the pipe.
                if ended {
                    child.kill()?;
                    break;
                }
                ended = true;
            }
        }
        next = lines.recv_timeout(silence);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}{}", line(command), told.lines);
    }
    Ok(())
}

/// Returns the lines that come out of a pipe; a thread waits for them.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    const LINES_AHEAD: usize = 1000;
    let (sender, lines) = sync_channel(LINES_AHEAD);
    std::thread::spawn(move || {
        for text in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            if sender
                .send(String::from_utf8_lossy(&text).into_owned())
                .is_err()
            {
                break;
            }
        }
    });
    lines
}

/// What failed tests said, taken from the output of Rust's test harness.
#[derive(Default)]
struct Told {
    /// The lines, each behind a line's end.
    lines: String,
    tests: usize,
    /// Lines of the test that is being told, when one is.
    of_this: Option<usize>,
    /// The tests that took long, the last one last: one of them may be the one that hangs.
    slow: Vec<String>,
}

impl Told {
    fn read(&mut self, line: &str) {
        if let Some((test, _)) = line.split_once(" has been running for over") {
            self.slow.push(test.to_owned());
        } else if let Some((test, _)) = line.split_once(" ... ") {
            self.slow.retain(|slow| slow != test);
        }
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

    /// Says that nothing was said for so long, and which tests may be why.
    fn hang(&mut self, silence: Duration) {
        let slow = self.slow.join(", ");
        let text = format!("nothing was said for {silence:?}; tests that took long: {slow}");
        say(&text);
        self.lines.push('\n');
        self.lines.push_str(&text);
        self.slow.clear();
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

    #[cfg(target_os = "linux")]
    #[test]
    fn what_hangs_is_ended_and_named_and_the_next_one_runs() {
        let script = "echo 'test a::b has been running for over 60 seconds'; \
                      echo 'test c has been running for over 60 seconds'; echo 'test c ... ok'; \
                      sleep 1000; echo '---- d ----'; echo behind; exit 1";
        let mut tests = crate::shell::command("sh", &["-c", script]);
        let error = run_watched(&mut tests, Duration::from_secs(3)).unwrap_err();
        let error = error.to_string();
        let (_, said) = error.split_once("exit status: 1").unwrap();
        assert_eq!(
            said,
            "\nnothing was said for 3s; tests that took long: test a::b\n---- d ----\nbehind"
        );
    }
}
