//! Names and values seen in spans, with how many spans have them: what a search form offers while
//! one types. Bounded in what is looked at, so counts may be of a part; it filters no spans.

use std::collections::HashMap;

use speargun_model::Span;

use crate::error::ReadError;
use crate::read::{ReadContext, SpanReader};
use crate::request::{TraceRequest, Window};

/// Traces whose spans are counted by an engine that knows no better.
const TRACES_MAX: usize = 1_000;
/// Names that are held for one answer.
pub const NAMES_MAX: usize = 100_000;
/// Bytes of them.
pub const NAMES_BYTES_MAX: usize = 16 << 20;
/// A longer text is no name, and is not offered.
pub const NAME_BYTES_MAX: usize = 4 << 10;

/// What is listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listed {
    /// Services that recorded spans.
    Services,
    /// Names of spans.
    Operations,
    /// Services that spans name as remote.
    Remotes,
    /// Keys of tags.
    Keys,
    /// Values of the tag with this key.
    Values(String),
}

/// Which names are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamesRequest {
    /// What is listed.
    pub of: Listed,
    /// Only of spans that this service recorded.
    pub service_name: Option<String>,
    /// Spans whose time lies in here are counted; a span without one is not.
    pub window: Window,
    /// How many spans are looked at, at most, to count them.
    pub spans_max: u64,
}

/// The names and in how many spans each was seen.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ObservedNames {
    counts: HashMap<String, u64>,
    bytes: usize,
    /// Spans that were looked at.
    pub spans: u64,
    /// Whether that was all of the window, and no name was left out.
    pub is_complete: bool,
}

impl ObservedNames {
    /// Returns no names, so far complete.
    pub fn new() -> Self {
        Self {
            is_complete: true,
            ..Self::default()
        }
    }

    /// Adds to the count of a name; an empty name is none.
    pub fn add(&mut self, name: &str, spans: u64) {
        if name.is_empty() {
            return;
        }
        if let Some(count) = self.counts.get_mut(name) {
            *count += spans;
            return;
        }
        let bytes = self.bytes + name.len();
        let fits = name.len() <= NAME_BYTES_MAX
            && self.counts.len() < NAMES_MAX
            && bytes <= NAMES_BYTES_MAX;
        if fits {
            self.bytes = bytes;
            self.counts.insert(name.to_owned(), spans);
        } else {
            self.is_complete = false;
        }
    }

    /// Adds what a span has of what is listed, if it is one that is asked for.
    pub fn see(&mut self, request: &NamesRequest, span: &Span) {
        let wanted = request.service_name.as_deref();
        if !in_window(&request.window, span.timestamp_us)
            || wanted.is_some() && wanted != span.local_service_name()
        {
            return;
        }
        self.spans += 1;
        match &request.of {
            Listed::Services => self.add(span.local_service_name().unwrap_or_default(), 1),
            Listed::Operations => self.add(span.name.as_deref().unwrap_or_default(), 1),
            Listed::Remotes => self.add(span.remote_service_name().unwrap_or_default(), 1),
            Listed::Keys => {
                for (key, _) in &span.tags {
                    self.add(key, 1);
                }
            }
            Listed::Values(key) => self.add(span.tag(key).unwrap_or_default(), 1),
        }
    }

    /// Returns the names with their counts: the most spans first, then by name.
    pub fn into_sorted(self) -> Vec<(String, u64)> {
        let mut names: Vec<_> = self.counts.into_iter().collect();
        names.sort_by(|(a, of_a), (b, of_b)| of_b.cmp(of_a).then_with(|| a.cmp(b)));
        names
    }
}

/// Returns whether the millisecond of a time lies in the window.
fn in_window(window: &Window, time_us: u64) -> bool {
    time_us != 0 && window.contains_ms(time_us / 1000)
}

/// Answers [`SpanReader::observed_names`] from the lists there are, counted in the newest traces.
pub(crate) fn by_searching<R: SpanReader + ?Sized>(
    reader: &R,
    asked: &NamesRequest,
    context: &ReadContext,
) -> Result<ObservedNames, ReadError> {
    let mut names = ObservedNames::new();
    match count(reader, (asked, context), &mut names) {
        Err(ReadError::DeadlineExceeded | ReadError::TooMuch(_)) => names.is_complete = false,
        counted => counted?,
    }
    Ok(names)
}

fn count<R: SpanReader + ?Sized>(
    reader: &R,
    (asked, context): (&NamesRequest, &ReadContext),
    names: &mut ObservedNames,
) -> Result<(), ReadError> {
    let service = asked.service_name.as_deref();
    let listed = match (&asked.of, service) {
        (Listed::Services, None) => reader.service_names(context)?,
        (Listed::Operations, Some(service)) => reader.span_names(service, context)?,
        (Listed::Remotes, Some(service)) => reader.remote_service_names(service, context)?,
        (Listed::Values(key), None) => reader.tag_values(key, context)?,
        _ => Vec::new(),
    };
    for name in &listed {
        names.add(name, 0);
    }
    let request = TraceRequest {
        service_name: asked.service_name.clone(),
        ..TraceRequest::everything(asked.window, TRACES_MAX)
    };
    let traces = reader.search(&request, context)?;
    names.is_complete &= traces.len() < TRACES_MAX;
    for span in traces.iter().flatten() {
        if names.spans >= asked.spans_max {
            names.is_complete = false;
            break;
        }
        names.see(asked, span);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_bounds_are_left_out_and_it_says_so() {
        let mut names = ObservedNames::new();
        names.add("", 1);
        names.add(&"x".repeat(NAME_BYTES_MAX), 1);
        assert!(names.is_complete);
        names.add(&"x".repeat(NAME_BYTES_MAX + 1), 1);
        assert!(!names.is_complete);
        names.bytes = NAMES_BYTES_MAX;
        names.add("new", 1);
        names.add(&"x".repeat(NAME_BYTES_MAX), 4);
        let sorted = names.into_sorted();
        assert_eq!(sorted.len(), 1);
        assert_eq!(sorted[0].1, 5);
    }

    #[test]
    fn the_most_spans_come_first() {
        let mut names = ObservedNames::new();
        for (name, count) in [("b", 1), ("a", 1), ("c", 2), ("d", 0)] {
            names.add(name, count);
        }
        let sorted: Vec<String> = names
            .into_sorted()
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(sorted, ["c", "a", "b", "d"]);
    }
}
