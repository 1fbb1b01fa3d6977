//! Rules about the form of sources and prose.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use super::tree::{File, Tree};

const LINES_MAX: usize = 400;
const COLUMNS_MAX: usize = 100;
const RATCHET: &str = "xtask/ratchet.txt";

/// Every source begins by saying what it is.
pub(super) fn headers(tree: &Tree) -> Vec<String> {
    let bare = |file: &&File| {
        // Fuzz targets must begin with an attribute.
        let first = file.text.lines().find(|line| !line.starts_with("#!["));
        !first.is_some_and(|line| line.starts_with("//!"))
    };
    tree.with_ending(".rs")
        .filter(bare)
        .map(|file| format!("{}: begin with //! and what it is", file.path))
        .collect()
}

/// `foo.rs` lies beside `foo/`.
pub(super) fn no_mod_rs(tree: &Tree) -> Vec<String> {
    tree.with_ending("/mod.rs")
        .map(|file| format!("{}: name the file after its module", file.path))
        .collect()
}

/// No file is too long to be read at once; the ratchet lists those that still are.
pub(super) fn lengths(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    let mut ratchet = ratchet(tree).unwrap_or_else(|error| {
        found.push(format!("{RATCHET}: {error:#}"));
        BTreeMap::new()
    });
    for file in tree.with_ending(".rs").filter(|file| !file.is_test()) {
        let lines = file.without_tests().lines().count();
        match ratchet.remove(&file.path) {
            None if lines > LINES_MAX => found.push(format!(
                "{}: {lines} lines without tests, at most {LINES_MAX}: split it",
                file.path
            )),
            Some(limit) if lines > limit => found.push(format!(
                "{}: {lines} lines, its ratchet allows {limit}",
                file.path
            )),
            Some(_) if lines <= LINES_MAX => found.push(format!(
                "{RATCHET}: {} is short enough now: remove it",
                file.path
            )),
            Some(limit) if lines < limit => found.push(format!(
                "{RATCHET}: lower {} from {limit} to {lines}",
                file.path
            )),
            _ => {}
        }
    }
    let gone = ratchet.into_keys();
    found.extend(gone.map(|path| format!("{RATCHET}: {path} is gone: remove it")));
    found
}

fn ratchet(tree: &Tree) -> Result<BTreeMap<String, usize>> {
    let text = tree.file(RATCHET).map_or("", |file| &file.text);
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (path, limit) = line.split_once(' ').context("path and limit")?;
            Ok((path.to_owned(), limit.trim().parse()?))
        })
        .collect()
}

/// Lines fit a reader's window. Tables, code, addresses and single literals may be longer.
pub(super) fn columns(tree: &Tree) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.with_ending(".rs").chain(tree.with_ending(".md")) {
        let prose = file.ending() == "md";
        let mut in_code = false;
        for (index, line) in file.text.lines().enumerate() {
            if prose && line.trim_start().starts_with("```") {
                in_code = !in_code;
            }
            let exempt = if prose {
                in_code || line.starts_with(['|', ' ']) && !line.starts_with("  - ")
            } else {
                line.trim_start().starts_with(['"', 'b', 'r']) && line.contains('"')
            };
            if line.chars().count() > COLUMNS_MAX && !exempt && !line.contains("://") {
                found.push(format!(
                    "{}:{}: longer than {COLUMNS_MAX} columns",
                    file.path,
                    index + 1
                ));
            }
        }
    }
    found
}

/// Nothing half done is committed.
pub(super) fn leftovers(tree: &Tree) -> Vec<String> {
    // Spelt in halves, so that this file does not find itself.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("db", "g!("),
        concat!("unimple", "mented!("),
    ];
    places(tree, &words, |file| {
        matches!(file.ending(), "rs" | "sh" | "toml")
    })
}

/// The repository speaks of the product: no path of somebody's machine, no talk about how it was
/// written.
pub(super) fn foreign_words(tree: &Tree) -> Vec<String> {
    let words = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("this sess", "ion"),
        concat!("sub", "agent"),
        concat!("my br", "ief"),
    ];
    places(tree, &words, |file| file.path != "Cargo.lock")
}

fn places(tree: &Tree, words: &[&str], applies: impl Fn(&File) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in tree.files.iter().filter(|file| applies(file)) {
        for (index, line) in file.text.lines().enumerate() {
            // A URL's path is nobody's folder: "/home" counts only where a path begins.
            let word = words
                .iter()
                .find(|word| line.match_indices(**word).any(|(at, _)| begins(line, at)));
            if let Some(word) = word {
                found.push(format!("{}:{}: {word:?}", file.path, index + 1));
            }
        }
    }
    found
}

/// Whether no letter or digit stands right before `at`.
fn begins(line: &str, at: usize) -> bool {
    let before = line.get(..at).and_then(|text| text.chars().next_back());
    !before.is_some_and(|c| c.is_alphanumeric() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> Tree {
        let files = files.iter().map(|(path, text)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        });
        Tree {
            files: files.collect(),
        }
    }

    #[test]
    fn a_source_without_header_is_found() {
        let tree = tree(&[("a.rs", "fn a() {}"), ("b.rs", "//! B."), ("c.md", "c")]);
        assert_eq!(headers(&tree).len(), 1);
    }

    #[test]
    fn long_files_need_a_ratchet_that_fits_exactly() {
        let long = "//! Long.\n".repeat(401);
        let with = |ratchet: &str| {
            let tree = tree(&[("a.rs", &long), (RATCHET, ratchet)]);
            lengths(&tree)
        };
        assert_eq!(with("").len(), 1);
        assert_eq!(with("a.rs 400").len(), 1);
        assert!(with("a.rs 401").is_empty());
        assert_eq!(with("a.rs 402").len(), 1);
        assert_eq!(with("a.rs 401\nb.rs 500").len(), 1);
    }

    #[test]
    fn tests_do_not_count_as_length() {
        let text = format!(
            "//! A.\n\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            "x\n".repeat(500)
        );
        assert!(lengths(&tree(&[("a.rs", &text)])).is_empty());
    }

    #[test]
    fn long_prose_is_found_and_tables_are_not() {
        let long = "word ".repeat(30);
        let table = format!("| {long}");
        let code = format!("```\n{long}\n```");
        let found = columns(&tree(&[("a.md", &long), ("b.md", &table), ("c.md", &code)]));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn leftovers_and_foreign_paths_are_found() {
        let tree = tree(&[
            ("a.rs", concat!("// TO", "DO later")),
            ("b.md", concat!("see /wo", "rk/x")),
            ("c.md", concat!("GET http://a/wo", "rk/x")),
        ]);
        assert_eq!(leftovers(&tree).len(), 1);
        assert_eq!(foreign_words(&tree).len(), 1);
    }
}
