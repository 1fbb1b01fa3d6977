//! The result of a benchmark: a table that says on what machine, from what commit and by what
//! command it was made. It measures nothing itself.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use speargun_e2e::server::root;
use speargun_loadgen::report::plot::{self, Plot};

use crate::measure::Words;

/// A table in the making.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    lines: Vec<String>,
    columns: usize,
    /// What each is called, and its file.
    plots: Vec<(&'static str, String)>,
}

impl Report {
    /// Begins a report with the benchmark's name and what it measures.
    pub fn new(name: &'static str, about: &str) -> Self {
        Self {
            name,
            lines: vec![wrapped(about)],
            columns: 0,
            plots: Vec::new(),
        }
    }

    /// Begins a table.
    pub fn head(&mut self, titles: &[&str]) {
        self.columns = titles.len();
        self.lines.push(String::new());
        self.lines.push(format!("| {} |", titles.join(" | ")));
        self.lines
            .push(format!("|{}", " --- |".repeat(titles.len())));
    }

    /// Adds a row, and shows it at once: a run takes minutes.
    pub fn row(&mut self, cells: &[String]) {
        debug_assert_eq!(cells.len(), self.columns, "a row fits its table");
        let line = format!("| {} |", cells.join(" | "));
        say(&line);
        self.lines.push(line);
    }

    /// Adds a sentence below the table.
    pub fn note(&mut self, text: &str) {
        self.lines.push(String::new());
        self.lines.push(wrapped(text));
    }

    /// Adds a plot, which becomes a file of its own beside the tables and is shown below them.
    /// `what` is a word for its name.
    pub fn plot(&mut self, what: &'static str, plot: &Plot) {
        self.plots.push((what, plot::file(plot)));
    }

    /// Prints the report; a run that is not tiny also writes it to `benches/results`.
    pub fn finish(self, words: Words) -> Result<()> {
        let today = date()?;
        let command: Vec<String> = std::env::args().skip(1).collect();
        let call = format!("cargo xtask bench {} {}", self.name, command.join(" "));
        let path = path(self.name, &today)?;
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let stem = stem.context("a name that is no text")?.to_owned();
        let mut text = format!(
            "# {} {today}\n\n`{}`\n\n{}\n\n{}\n",
            self.name,
            call.trim_end(),
            machine()?,
            self.lines.join("\n")
        );
        for (what, _) in &self.plots {
            text += &[
                "\n![", self.name, " by ", what, "](", &stem, "-", what, ".svg)\n",
            ]
            .concat();
        }
        say(&text);
        if !words.tiny {
            std::fs::write(&path, text)?;
            say(&format!("written to {}", path.display()));
            for (what, svg) in self.plots {
                let path = path.with_file_name(format!("{stem}-{what}.svg"));
                std::fs::write(&path, svg)?;
                say(&format!("written to {}", path.display()));
            }
        }
        Ok(())
    }
}

/// Breaks a sentence into lines of at most 100 columns.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= 100 {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.join("\n")
}

/// A second run on one day gets a number.
fn path(name: &str, today: &str) -> Result<PathBuf> {
    let folder = root().join("benches/results");
    std::fs::create_dir_all(&folder)?;
    let first = folder.join(format!("{today}-{name}.md"));
    if !first.exists() {
        return Ok(first);
    }
    (2..1000)
        .map(|number| folder.join(format!("{today}-{name}-{number}.md")))
        .find(|path| !path.exists())
        .context("too many results of one day")
}

#[expect(clippy::print_stdout, reason = "a benchmark reports here")]
fn say(line: &str) {
    println!("{line}");
}

/// Returns the machine and the commit in one sentence.
fn machine() -> Result<String> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let models: Vec<&str> = cpus
        .lines()
        .filter(|line| line.starts_with("model name"))
        .filter_map(|line| line.split_once(": "))
        .map(|(_, model)| model)
        .collect();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    #[expect(
        clippy::disallowed_methods,
        reason = "given by the menu, for the record"
    )]
    let commit = std::env::var("BENCH_COMMIT").unwrap_or_else(|_| "unknown".into());
    Ok(format!(
        "{} cores of {}, Linux {}, commit {commit}.",
        models.len(),
        models.first().unwrap_or(&"an unnamed CPU"),
        kernel.trim()
    ))
}

/// Returns today's date in UTC.
fn date() -> Result<String> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(civil(seconds / 86_400))
}

/// Days since 1970 as a date: eras of 400 years that begin on the first of March.
fn civil(days: u64) -> String {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let leap_days = day_of_era / 1460 + day_of_era / 146_096 - day_of_era / 36_524;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        for (days, date) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (20_781, "2026-11-24"),
            (47_540, "2100-02-28"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(civil(days), date);
        }
    }
}
