//! What an engine on the process's own disk offers when it stands in front of a database: what was
//! acknowledged lies in it until it was moved, a portion at a time. It knows no database.

use std::time::Duration;

use speargun_model::Span;

use crate::database::ListName;
use crate::error::ReadError;
use crate::read::{ReadContext, SpanReader};
use crate::request::Window;
use crate::write::SpanWriter;

/// How much waits to be moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Backlog {
    /// Spans, those of a portion until all of it was moved.
    pub spans: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// When the oldest of them arrived, milliseconds since the epoch; 0 when nothing waits.
    pub oldest_ms: u64,
}

/// A list of spans as it goes into a database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedList {
    /// Its name.
    pub name: ListName,
    /// Its spans, those of a trace in order of arrival.
    pub spans: Vec<Span>,
}

/// Spans that are moved together: they are forgotten here when all are there.
pub trait Portion: Send + std::fmt::Debug {
    /// Returns the next list. A portion always gives the same lists under the same names, after an
    /// error, a restart or a crash too. After an error the same list is the next one.
    fn next_list(&mut self) -> Result<Option<NamedList>, ReadError>;

    /// Forgets the spans, durably; what an error leaves may come again.
    fn forget(&mut self) -> Result<(), ReadError>;
}

/// Traces by when they were last added to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recent {
    /// The newest millisecond of a trace that lies in the window (0 when none does), and the lower
    /// half of its id; the newest first.
    pub traces: Vec<(u64, u64)>,
    /// Whether these are all.
    pub all: bool,
}

/// An engine that spans wait in.
pub trait Local: SpanWriter + SpanReader {
    /// Returns what queries see now; what is moved meanwhile stays in it.
    fn view(&self) -> Box<dyn LocalView>;

    /// Returns how much waits.
    fn backlog(&self) -> Backlog;

    /// Makes portions of all that was written so far.
    fn seal(&self) -> Result<(), crate::error::WriteError>;

    /// Returns the oldest portion, the same one until it is forgotten; `None` while there is none.
    /// It stays as it is from now on, through restarts and crashes.
    fn next_portion(&self) -> Result<Option<Box<dyn Portion>>, ReadError>;

    /// Waits until there is a portion, or so long.
    fn wait(&self, patience: Duration);
}

/// What was there at one moment.
pub trait LocalView: std::fmt::Debug {
    /// Returns what answers from it.
    fn reader(&self) -> &dyn SpanReader;

    /// Returns the raw spans of the traces whose ids have these lower halves, a list a lower half,
    /// in order of arrival.
    fn traces(&self, lows: &[u64], context: &ReadContext) -> Result<Vec<Vec<Span>>, ReadError>;

    /// Returns the traces that may matter to a window: those with a span inside it, a span within
    /// an hour of it, or a span without a timestamp, and some of the others; without a window all.
    /// When there are more than `count_max`, these are about the newest of them.
    fn recent(
        &self,
        window: Option<Window>,
        count_max: usize,
        context: &ReadContext,
    ) -> Result<Recent, ReadError>;
}
