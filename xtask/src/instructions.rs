//! Instructions a span of the stages that cost most, counted by callgrind and compared with the
//! committed figures: unlike time, they are the same on a busy machine. What is counted is in
//! `benches/src/bin/stages.rs`; what a stage costs in a running server it does not say.

use std::collections::BTreeMap;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use crate::shell::{command, root, say};
use crate::steps::build_benches;
use crate::tools;

/// A stage, and what its instructions are divided by.
const STAGES: [(&str, &str); 6] = [
    ("decode-json", "span"),
    ("decode-proto", "span"),
    ("journal-append", "span"),
    ("seal", "span"),
    ("merge", "span"),
    ("trace-read", "trace"),
];
/// Stages that no function of the calling thread holds: all is counted, with and without them.
const ON_ANOTHER_THREAD: [&str; 1] = ["seal"];
/// Beside the results that runs write; this one is written over.
const FIGURES: &str = "benches/results/instructions.tsv";
/// The function of `stages` whose instructions count, with all that it calls.
const COUNTED: &str = "stages::stage*";
/// A stage may cost so many thousandths more than its figure.
const GROWTH_PER_MILLE: u64 = 50;

/// Counts, and fails when a stage costs more than its committed figure allows.
pub(crate) fn check() -> Result<()> {
    let text = std::fs::read_to_string(root().join(FIGURES));
    let committed = read(&text.with_context(|| format!("no {FIGURES}: {RENEW}"))?)?;
    if !comparable()? {
        say(&format!(
            "instructions: NOT compared, for {FIGURES} is of x86-64 with AVX2"
        ));
        return Ok(());
    }
    let counted = count_all()?;
    let verdict = compare(&committed, &counted);
    for note in &verdict.notes {
        say(&format!("instructions: {note}"));
    }
    for finding in &verdict.findings {
        say(&format!("instructions: FAILED: {finding}"));
    }
    ensure!(
        verdict.findings.is_empty(),
        "{}; where that is worth it, say why in the change and renew: {RENEW}",
        verdict.findings.join("; ")
    );
    Ok(())
}

/// Counts, and writes the figures to compare with from now on.
pub(crate) fn renew() -> Result<()> {
    ensure!(comparable()?, "figures are kept of x86-64 with AVX2 alone");
    let counted = count_all()?;
    std::fs::write(root().join(FIGURES), written(&counted))?;
    say(&format!("written to {FIGURES}"));
    Ok(())
}

const RENEW: &str = "cargo xtask bench --check --renew";

type Figures = BTreeMap<String, u64>;

/// What a comparison says.
#[derive(Debug, Default, PartialEq)]
struct Verdict {
    notes: Vec<String>,
    findings: Vec<String>,
}

fn compare(committed: &Figures, counted: &Figures) -> Verdict {
    let mut verdict = Verdict::default();
    for (stage, unit) in STAGES {
        let Some(new) = counted.get(stage) else {
            continue;
        };
        let Some(old) = committed.get(stage) else {
            verdict.findings.push(format!("{stage} has no figure yet"));
            continue;
        };
        let change = per_mille(*old, *new);
        let said = format!(
            "{stage}: {new} instructions a {unit}, committed are {old} ({}{}.{} %)",
            if new < old { "-" } else { "+" },
            change / 10,
            change % 10
        );
        // Exact, where the rounded change is only for showing.
        let limit = u128::from(*old) * u128::from(1000 + GROWTH_PER_MILLE);
        if u128::from(*new) * 1000 > limit {
            let most = GROWTH_PER_MILLE / 10;
            verdict
                .findings
                .push(format!("{said}; at most {most} % more are allowed"));
        } else if new < old && change > GROWTH_PER_MILLE {
            verdict.notes.push(format!(
                "{said}; it became cheaper, {RENEW} keeps it from growing back unseen"
            ));
        } else {
            verdict.notes.push(said);
        }
    }
    let gone = committed
        .keys()
        .filter(|name| !STAGES.iter().any(|(stage, _)| stage == name));
    let gone = gone.map(|name| format!("{name} is in {FIGURES} and no stage"));
    verdict.findings.extend(gone);
    verdict
}

/// Returns how much two differ, in thousandths of the old, rounded.
fn per_mille(old: u64, new: u64) -> u64 {
    (old.abs_diff(new) * 1000 + old / 2)
        .checked_div(old)
        .unwrap_or(1000)
}

fn read(text: &str) -> Result<Figures> {
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut cells = line.split('\t');
            let (Some(stage), Some(_unit), Some(count)) =
                (cells.next(), cells.next(), cells.next())
            else {
                bail!("{FIGURES}: {line:?} is not stage, unit and count");
            };
            let count = count.trim().parse();
            let count = count.with_context(|| format!("{FIGURES}: {line:?}"))?;
            Ok((stage.to_owned(), count))
        })
        .collect()
}

fn written(counted: &Figures) -> String {
    let head = format!(
        "# Instructions by callgrind, written by {RENEW}; x86-64 with AVX2 and\n\
         # without AVX-512, which valgrind hides. Stages: benches/src/bin/stages.rs\n"
    );
    let lines = STAGES.iter().filter_map(|(stage, unit)| {
        let count = counted.get(*stage)?;
        Some(format!("{stage}\t{unit}\t{count}\n"))
    });
    std::iter::once(head).chain(lines).collect()
}

/// Whether this machine runs the code whose instructions were counted: vector code is chosen by
/// what the processor has.
fn comparable() -> Result<bool> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let mut words = cpus.split_whitespace();
    Ok(cfg!(target_arch = "x86_64") && words.any(|word| word == "avx2"))
}

fn count_all() -> Result<Figures> {
    tools::valgrind()?;
    build_benches("stages")?;
    let counts = STAGES
        .iter()
        .map(|(stage, _)| Ok(((*stage).to_owned(), count(stage)?)));
    counts.collect()
}

/// Returns a stage's instructions a span or trace.
fn count(stage: &str) -> Result<u64> {
    let toggle = format!("--toggle-collect={COUNTED}");
    let (collected, divisor) = if ON_ANOTHER_THREAD.contains(&stage) {
        let (with, divisor) = callgrind(&[], &[stage])?;
        let (without, _) = callgrind(&[], &[stage, "--without"])?;
        (with.saturating_sub(without), divisor)
    } else {
        callgrind(&[&toggle], &[stage])?
    };
    Ok((collected + divisor / 2) / divisor)
}

/// Runs `stages` under callgrind; returns what was collected, and of how many.
fn callgrind(options: &[&str], words: &[&str]) -> Result<(u64, u64)> {
    let mut valgrind = command("valgrind", &["--tool=callgrind"]);
    valgrind
        .args(options)
        .arg("--callgrind-out-file=/dev/null")
        .arg(root().join("target/release/stages"))
        .args(words)
        .stdin(Stdio::null());
    let out = valgrind.output().context("start valgrind")?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(
        out.status.success(),
        "{words:?} under valgrind ended with {}: an illegal instruction means that it ran code for \
         a processor that valgrind does not know\n{said}",
        out.status
    );
    counts_in(&said)
        .with_context(|| format!("{words:?}: nothing was counted; valgrind said\n{said}"))
}

/// Returns what was collected, and of how many; valgrind's own lines begin with a mark.
fn counts_in(said: &str) -> Option<(u64, u64)> {
    let (mut collected, mut divisor) = (None, None);
    for line in said.lines() {
        if !line.starts_with("==") {
            divisor = line.trim().parse().ok().or(divisor);
        } else if let Some((_, count)) = line.split_once("Collected : ") {
            collected = count.trim().parse().ok();
        }
    }
    let counts = collected.zip(divisor)?;
    (counts.0 > 0 && counts.1 > 0).then_some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(seal: u64) -> Figures {
        let all = STAGES.iter().map(|(stage, _)| ((*stage).to_owned(), 1000));
        let mut all: Figures = all.collect();
        all.insert("seal".into(), seal);
        all
    }

    #[test]
    fn growth_beyond_five_per_cent_is_found_with_both_figures() {
        assert!(compare(&figures(2000), &figures(2100)).findings.is_empty());
        let found = compare(&figures(2000), &figures(2101)).findings;
        assert_eq!(found.len(), 1);
        for part in ["seal", "2101", "2000", "+5.1 %"] {
            assert!(found[0].contains(part), "{part} in {found:?}");
        }
    }

    #[test]
    fn what_became_cheaper_is_told_and_no_failure() {
        let verdict = compare(&figures(2000), &figures(1800));
        assert!(verdict.findings.is_empty());
        let told = verdict.notes.iter().filter(|note| note.contains("cheaper"));
        assert_eq!(told.count(), 1);
    }

    #[test]
    fn stages_and_figures_must_be_the_same() {
        let mut committed = figures(1000);
        committed.remove("merge");
        committed.insert("old".into(), 7);
        let found = compare(&committed, &figures(1000)).findings;
        assert_eq!(
            found,
            [
                "merge has no figure yet".to_owned(),
                format!("old is in {FIGURES} and no stage"),
            ]
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let all = figures(77);
        assert_eq!(read(&written(&all)).unwrap(), all);
        for bad in ["seal", "seal\tspan", "seal\tspan\tmany"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts_are_found_between_valgrinds_lines() {
        let said = "==7== Callgrind\n400\n==7== \n==7== Collected : 123456\n";
        assert_eq!(counts_in(said), Some((123_456, 400)));
        assert_eq!(counts_in("==7== Collected : 0\n400\n"), None);
        assert_eq!(counts_in("==7== Collected : 5\n"), None);
    }
}
