//! A file of configuration, read: documents of flat keys with their values and where each stands.

use std::fmt;

use indexmap::IndexMap;

use crate::profile::Activation;
use crate::value::Value;

/// A place in a file, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A key with its value.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Flat, as in `a.b[0]`.
    pub key: Box<str>,
    /// Its value.
    pub value: Value,
    /// Where the value begins.
    pub place: Place,
    /// Whether the file hides it.
    pub secrecy: Secrecy,
}

/// Whether a value stands in its file as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Secrecy {
    /// It does.
    #[default]
    Open,
    /// It was encrypted, and the value is what it means.
    Decrypted,
    /// It can't be decrypted, and why.
    Undecryptable(String),
}

/// One document of a file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Document {
    /// In the order of the file; no key is there twice.
    pub entries: Vec<Entry>,
    /// When the document counts.
    pub activation: Activation,
}

/// Why a file can't be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {}, column {}: {what}", place.line, place.column)]
pub struct Broken {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub what: String,
}

impl Broken {
    pub(crate) fn new(place: Place, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { place, what }
    }
}

/// How much one file may hold, so that no file takes the memory of all others.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of the file.
    pub bytes_max: usize,
    /// Keys of the file, after aliases were replaced.
    pub entries_max: usize,
    /// Bytes of keys and values, after aliases were replaced.
    pub text_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            bytes_max: 4 << 20,
            entries_max: 100_000,
            text_bytes_max: 16 << 20,
        }
    }
}

/// The forms of files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Format {
    /// `.properties`, the strongest.
    Properties,
    /// `.yml`.
    Yml,
    /// `.yaml`.
    Yaml,
}

impl Format {
    /// All of them, the strongest first.
    pub const ALL: [Self; 3] = [Self::Properties, Self::Yml, Self::Yaml];

    /// Returns the ending of a file's name, without its point.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Properties => "properties",
            Self::Yml => "yml",
            Self::Yaml => "yaml",
        }
    }

    /// Returns the form of a file by its name.
    pub fn of(path: &str) -> Option<Self> {
        let (stem, ending) = path.rsplit_once('.')?;
        let named = !stem.is_empty() && !stem.ends_with('/');
        let mut all = Self::ALL.into_iter();
        all.find(|format| named && format.ending() == ending)
    }

    /// Reads a file.
    pub fn read(self, bytes: &[u8], bounds: &Bounds) -> Result<Vec<Document>, Broken> {
        if bytes.len() > bounds.bytes_max {
            let what = format!("{} bytes, at most {}", bytes.len(), bounds.bytes_max);
            return Err(Broken::new(Place { line: 1, column: 1 }, what));
        }
        match self {
            Self::Properties => crate::properties::read(bytes, bounds),
            Self::Yml | Self::Yaml => crate::yaml::read(bytes, bounds),
        }
    }
}

/// Collects the entries of a document: a later value of a key takes the place of an earlier one.
#[derive(Debug)]
pub(crate) struct Entries<'a> {
    entries: IndexMap<Box<str>, (Value, Place)>,
    budget: &'a mut Budget,
}

/// What is left of the bounds of a file.
#[derive(Debug)]
pub(crate) struct Budget {
    entries: usize,
    text_bytes: usize,
}

impl Budget {
    pub(crate) fn new(bounds: &Bounds) -> Self {
        Self {
            entries: bounds.entries_max,
            text_bytes: bounds.text_bytes_max,
        }
    }
}

impl<'a> Entries<'a> {
    pub(crate) fn new(budget: &'a mut Budget) -> Self {
        Self {
            entries: IndexMap::new(),
            budget,
        }
    }

    pub(crate) fn put(&mut self, key: &str, value: Value, place: Place) -> Result<(), Broken> {
        let bytes = key.len() + value.as_text().map_or(0, str::len);
        let left = (
            self.budget.entries.checked_sub(1),
            self.budget.text_bytes.checked_sub(bytes),
        );
        let (Some(entries), Some(text_bytes)) = left else {
            return Err(Broken::new(place, "more than one file may hold"));
        };
        *self.budget = Budget {
            entries,
            text_bytes,
        };
        self.entries.insert(key.into(), (value, place));
        Ok(())
    }

    /// Takes room for what holds nothing: through aliases it may be gone to as often as for what
    /// does.
    pub(crate) fn pass(&mut self, place: Place) -> Result<(), Broken> {
        let left = self.budget.entries.checked_sub(1);
        let too_much = || Broken::new(place, "more than one file may hold");
        self.budget.entries = left.ok_or_else(too_much)?;
        Ok(())
    }

    /// Returns the document, with what its own keys say about when it counts.
    pub(crate) fn finish(self) -> Result<Document, Broken> {
        let entry = |(key, (value, place))| Entry {
            key,
            value,
            place,
            secrecy: Secrecy::Open,
        };
        let entries: Vec<Entry> = self.entries.into_iter().map(entry).collect();
        Ok(Document {
            activation: Activation::read(&entries)?,
            entries,
        })
    }
}
