//! The files of the checkout as the rules see them: everything git tracks or would take, texts
//! only.

use std::path::Path;

use anyhow::Result;

use crate::shell::{command, output};

/// A text file.
#[derive(Debug)]
pub(super) struct File {
    /// From the root, with slashes.
    pub(super) path: String,
    pub(super) text: String,
}

/// All text files.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

impl Tree {
    /// Reads the checkout.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let names = output(
            command("git", &["ls-files", "-z", "-co", "--exclude-standard"]).current_dir(root),
        )?;
        let mut files = Vec::new();
        for path in names.split('\0').filter(|name| !name.is_empty()) {
            // Deleted files are still listed until the deletion is staged; binaries are no text.
            if let Ok(text) = std::fs::read_to_string(root.join(path)) {
                let path = path.to_owned();
                files.push(File { path, text });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// Returns the file at `path`.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Returns the files whose names end so.
    pub(super) fn with_ending<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |f| f.path.ends_with(ending))
    }
}

impl File {
    /// Returns what stands behind the last dot of the name.
    pub(super) fn ending(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, ending)| ending)
    }

    /// Returns whether the whole file is test code.
    pub(super) fn is_test(&self) -> bool {
        let path = &self.path;
        path.contains("/tests/") || path.ends_with("/tests.rs") || path.contains("fuzz_targets/")
    }

    /// Returns the text in front of the file's own tests.
    pub(super) fn without_tests(&self) -> &str {
        self.text
            .split_once("\n#[cfg(test)]\nmod ")
            .map_or(&self.text, |(code, _)| code)
    }
}
