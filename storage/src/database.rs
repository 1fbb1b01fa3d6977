//! What a database server offers in which several processes keep their spans. What is acknowledged
//! but not yet in it lies in front of it, on the process's own disk, and is moved list by list.

use speargun_model::{DependencyLink, Span, TraceId};

use crate::error::{ReadError, StoreError};
use crate::read::{ReadContext, SpanReader};
use crate::request::Window;

/// Names a list of spans for ever: after an error or a crash the same spans come again, in the same
/// order and under the same name, so that a database which remembers names stores them once.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ListName {
    /// The process's data folder: a random name it got when it was made.
    pub origin: String,
    /// The list's number there.
    pub number: u64,
}

impl std::fmt::Display for ListName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.origin, self.number)
    }
}

/// What became of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stored {
    /// Spans that the database can't hold, left out by themselves.
    pub refused: u64,
    /// Spans of which a value was cut to what the schema holds.
    pub cut: u64,
}

/// A database server. Its [`SpanReader`] half answers from what it holds, whoever stored it; the
/// methods here are what moving spans into it and answering over both places need besides. All
/// calls block: [`Database::store`] comes from one thread, the others from query threads, which
/// they hold for little longer than the deadline, whatever the server does. [`SpanReader::check`]
/// asks the server, as the thread that stores does while it has nothing to store.
pub trait Database: SpanReader {
    /// Stores the spans, those of a trace in order of arrival; once this returns they are durable
    /// there and every query that starts later sees them. After an error some of them may be
    /// stored; the list comes again under the same name.
    fn store(&self, name: &ListName, spans: &[Span]) -> Result<Stored, StoreError>;

    /// Returns the raw spans of these traces, those of a trace in order of arrival as far as it is
    /// known; unknown traces are left out. Ids are compared by their lower halves, whatever the
    /// mode, since links are of traces by those: who asks tells full ids apart.
    fn traces(&self, ids: &[TraceId], context: &ReadContext) -> Result<Vec<Vec<Span>>, ReadError>;

    /// Returns the links of the window as [`SpanReader::dependencies`] does, but for the traces
    /// with these lower halves of their ids, sorted: parts of them lie elsewhere.
    fn dependencies_without(
        &self,
        window: Window,
        lows: &[u64],
        context: &ReadContext,
    ) -> Result<Vec<DependencyLink>, ReadError>;
}

/// Something that `speargun storage check` found out about a database, in plain words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// How good it is.
    pub verdict: Verdict,
    /// What was looked at and what was seen, in a sentence or less.
    pub what: String,
    /// What somebody should do about it; empty when nothing.
    pub advice: String,
}

/// How good a [`Finding`] is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It works, and somebody should know.
    Odd,
    /// It does not work.
    Bad,
}

impl Finding {
    /// Returns a finding that asks for nothing.
    pub fn good(what: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Good,
            what: what.into(),
            advice: String::new(),
        }
    }

    /// Returns a finding that somebody should know of.
    pub fn odd(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Odd,
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// Returns a finding that somebody has to do something about.
    pub fn bad(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Bad,
            what: what.into(),
            advice: advice.into(),
        }
    }
}

/// What `speargun storage` asks of a database that is configured, reachable or not.
pub trait Inspect: Send + Sync + std::fmt::Debug {
    /// Looks at the connection, the rights, the schema, versions, clocks and sizes, as far as it
    /// gets, and changes nothing.
    fn check(&self) -> Vec<Finding>;

    /// Makes the schema where it is missing, brings an older one up to date, and says what it did.
    fn init(&self) -> Vec<Finding>;
}
