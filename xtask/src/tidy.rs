//! The repository's own rules, each with a name and a fix in its text. What compilers and linters
//! already say is not repeated here.
//!
//! # Layout
//!
//! - [`tree`]: the files that git knows or would take.
//! - [`text`]: form of sources and prose.
//! - [`law`]: which crate may use which.
//! - [`records`]: documents that must keep up with the code.

mod law;
mod records;
mod text;
mod tree;

use std::path::{Path, PathBuf};

use anyhow::Result;

use tree::Tree;

/// What the rules found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rules: usize,
    pub(crate) rules_failed: usize,
    /// `place: what is wrong and what to do`.
    pub(crate) findings: Vec<String>,
}

type Rule = (&'static str, fn(&Tree) -> Vec<String>);

const RULES: [Rule; 14] = [
    ("module header", text::headers),
    ("no mod.rs", text::no_mod_rs),
    ("file length", text::lengths),
    ("columns", text::columns),
    ("no leftovers", text::leftovers),
    ("the product alone", text::foreign_words),
    ("dependency law", law::dependencies),
    ("engines are wired in one place", law::engines),
    ("readers and writers apart", law::halves),
    ("decisions are linked", records::decisions),
    ("decoders are fuzzed", records::fuzz_targets),
    ("settings are documented", records::settings),
    ("metrics are documented", records::metrics),
    ("alerts are explained", records::alerts),
];

/// Runs all rules over the checkout at `root`.
pub(crate) fn run(root: &Path) -> Result<Report> {
    let tree = Tree::read(root)?;
    let mut report = Report::default();
    for (name, rule) in RULES {
        let found = rule(&tree);
        report.rules += 1;
        report.rules_failed += usize::from(!found.is_empty());
        let found = found.into_iter().map(|line| format!("[{name}] {line}"));
        report.findings.extend(found);
    }
    Ok(report)
}

/// Returns the fuzz folder that has this target.
pub(crate) fn fuzz_folder(root: &Path, target: &str) -> Result<Option<PathBuf>> {
    let file = format!("fuzz_targets/{target}.rs");
    let mut folders = fuzz_folders(root)?.into_iter();
    Ok(folders.find(|folder| folder.join(&file).is_file()))
}

/// Returns all fuzz folders.
pub(crate) fn fuzz_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let tree = Tree::read(root)?;
    let files = tree.files.iter();
    let manifests = files.filter(|file| file.path.ends_with("fuzz/Cargo.toml"));
    let folder = |path: PathBuf| path.parent().map(Path::to_owned);
    Ok(manifests
        .filter_map(|file| folder(root.join(&file.path)))
        .collect())
}
