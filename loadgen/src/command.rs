//! What the command prints and how it ends: 0 when targets were met, 1 when one was missed, 2 when
//! it was asked in the wrong way or something failed on this side, 3 when the target could not be
//! reached.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::meter::Second;
use crate::options::{Command, Options};
use crate::output::Outputs;
use crate::report::{Report, compare, table};
use crate::session::{self, Failure};
use crate::stop::Stop;

const MISSED: u8 = 1;
const USAGE: u8 = 2;
const UNREACHABLE: u8 = 3;

/// Does what the command line asks for.
pub fn load(options: &Options) -> ExitCode {
    if let Some(Command::Compare { base, other }) = &options.command {
        return ended(compare_files(base, other));
    }
    let mut each = |second: &Second| {
        if !options.output.quiet {
            complain(&table::progress(second));
        }
    };
    let outputs = match Outputs::open(&options.output) {
        Ok(outputs) => outputs,
        Err(error) => return failed(&format!("{error:#}"), USAGE),
    };
    let stop = Stop::on_signals().context("hear of signals");
    let report = stop
        .map_err(Failure::Broken)
        .and_then(|stop| session::run(options, &stop, &mut each));
    match report {
        Ok(report) => reported(&report, outputs),
        Err(failure) => {
            outputs.discard();
            match failure {
                Failure::Usage(text) => failed(&text, USAGE),
                Failure::Unreachable(text) => failed(&text, UNREACHABLE),
                Failure::Broken(error) => failed(&format!("{error:#}"), USAGE),
            }
        }
    }
}

/// Writes files first, for they are worth more than a terminal that is gone. A missed target is
/// told whatever else went wrong.
fn reported(report: &Report, outputs: Outputs) -> ExitCode {
    let mut errors = outputs.write(report);
    errors.extend(print(report).context("print the report").err());
    for error in &errors {
        complain(&format!("speargun load: {error:#}"));
    }
    if !report.missed.is_empty() {
        ExitCode::from(MISSED)
    } else if errors.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(USAGE)
    }
}

fn print(report: &Report) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let text = table::text(report, out.is_terminal());
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

fn compare_files(base: &Path, other: &Path) -> Result<()> {
    let text = compare::text(&compare::read(base)?, &compare::read(other)?);
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

fn ended(done: Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&format!("{error:#}"), USAGE),
    }
}

fn failed(text: &str, code: u8) -> ExitCode {
    complain(&format!("speargun load: {text}"));
    ExitCode::from(code)
}

fn complain(text: &str) {
    // Nobody is left to tell that even this could not be said.
    let _said = writeln!(std::io::stderr(), "{text}");
}
