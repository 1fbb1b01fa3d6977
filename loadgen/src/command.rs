//! What the command prints and how it ends: 0 when targets were met, 1 when one was missed, 2 when
//! it was asked in the wrong way or something failed on this side, 3 when the target could not be
//! reached.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::meter::Second;
use crate::options::{Command, Options};
use crate::report::{Report, compare, page, table};
use crate::session::{self, Failure};

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
    match session::run(options, &mut each) {
        Ok(report) => {
            let met = report.missed.is_empty();
            match show(&report, options) {
                Ok(()) if met => ExitCode::SUCCESS,
                Ok(()) => ExitCode::from(MISSED),
                Err(error) => failed(&format!("{error:#}"), USAGE),
            }
        }
        Err(Failure::Usage(text)) => failed(&text, USAGE),
        Err(Failure::Unreachable(text)) => failed(&text, UNREACHABLE),
        Err(Failure::Broken(error)) => failed(&format!("{error:#}"), USAGE),
    }
}

fn show(report: &Report, options: &Options) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let text = table::text(report, out.is_terminal());
    out.write_all(text.as_bytes())?;
    if let Some(path) = &options.output.json {
        let json = serde_json::to_vec_pretty(report)?;
        write(path, &json)?;
    }
    if let Some(path) = &options.output.html {
        write(path, page::text(report).as_bytes())?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
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
