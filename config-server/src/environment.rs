//! What an application with its profiles is to know: property sources, the strongest first, in the
//! order and with the names that Spring's clients rely on. It reads no files itself.
//!
//! # Layout
//!
//! - [`assemble`]: which documents of a snapshot count, and in which order.
//! - [`json`]: the answer in its two forms.
//! - [`merged`]: all sources as one document: YAML, properties or JSON.
//! - [`placeholder`]: values that name other values.
//! - `tree`: flat keys nested again; `yaml_text` writes them.

pub mod assemble;
pub mod json;
pub mod merged;
pub mod placeholder;
mod tree;
mod yaml_text;

use std::sync::Arc;

use crate::document::{Document, Entry, Secrecy};
use crate::snapshot::File;

/// The answer to a request.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// The application as it was asked for.
    pub name: String,
    /// The profiles as they were asked for.
    pub profiles: String,
    /// The label, when one was asked for.
    pub label: Option<String>,
    /// The commit.
    pub version: Option<String>,
    /// Empty from git, absent otherwise.
    pub state: Option<String>,
    /// The strongest first.
    pub sources: Vec<Source>,
}

/// One document that counts.
#[derive(Clone, Debug)]
pub struct Source {
    /// Ends in the file's name, by which clients tell profiles apart.
    pub name: String,
    /// The file's path in its repository; empty when it is none.
    pub path: String,
    contents: Contents,
}

#[derive(Clone, Debug)]
enum Contents {
    /// A document of a file, by its index.
    File(Arc<File>, usize),
    /// What settings say.
    Fixed(Arc<Document>),
}

impl Source {
    /// Returns the source of a document of a file.
    pub(crate) fn of_file(name: String, path: String, (file, index): (Arc<File>, usize)) -> Self {
        let contents = Contents::File(file, index);
        Self {
            name,
            path,
            contents,
        }
    }

    /// Returns the source of what is set.
    pub(crate) fn fixed(name: &str, document: Arc<Document>) -> Self {
        Self {
            name: name.to_owned(),
            path: String::new(),
            contents: Contents::Fixed(document),
        }
    }

    /// Returns its entries, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        match &self.contents {
            Contents::File(file, index) => {
                let document = file.documents().ok().and_then(|all| all.get(*index));
                document.map_or(&[], |document| &document.entries)
            }
            Contents::Fixed(document) => &document.entries,
        }
    }

    /// Returns its entries in the order in which answers have them: Spring's server takes what is
    /// encrypted out and puts it back behind the rest.
    fn told(&self) -> impl Iterator<Item = &Entry> {
        let plain = |entry: &&Entry| entry.secrecy == Secrecy::Open;
        let rest = self.entries().iter().filter(move |entry| !plain(entry));
        self.entries().iter().filter(plain).chain(rest)
    }

    /// Returns whether values know where they stand.
    pub fn has_places(&self) -> bool {
        matches!(self.contents, Contents::File(..))
    }
}

impl Environment {
    /// Returns the value that clients see for a key: that of the strongest source.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        let mut sources = self.sources.iter();
        sources.find_map(|source| {
            let mut entries = source.entries().iter();
            entries.find(|entry| &*entry.key == key)
        })
    }
}

#[cfg(test)]
mod tests;
