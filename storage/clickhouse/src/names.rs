//! Names of services and spans and values of tags: which of a list are new to table `names`, and
//! those that are asked for. Which keys are listed is decided by each process that writes.

use std::collections::HashSet;
use std::hash::BuildHasher;

use clickhouse::Row;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use serde::Deserialize;
use speargun_model::Span;
use speargun_model::span::java_order;

use crate::fault::Fault;
use crate::server::{Deadline, Server, query};

/// What a name is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub(crate) enum What {
    /// A local service; it has no owner.
    Service = 0,
    /// Of a span; the owner is its service.
    SpanName = 1,
    /// Of a called service; the owner is the caller.
    RemoteService = 2,
    /// A value of a tag; the owner is its key.
    TagValue = 3,
}

/// A row of table `names`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) what: What,
    pub(crate) owner: &'a str,
    pub(crate) name: &'a str,
}

/// Names remembered as known; with more all are forgotten and said again.
const KNOWN_MAX: usize = 1 << 20;

/// Bytes of names that one answer lists.
const NAMES_BYTES_MAX: usize = 64 << 20;

/// What a name costs beside its text.
const ENTRY_BYTES: usize = 64;

const DAY_MS: u64 = 24 * 3600 * 1000;

/// What this process already put into the table today.
#[derive(Debug)]
pub(crate) struct Known {
    keys: Vec<String>,
    hasher: RandomState,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The day that all of this was said on: tomorrow it is said again, so that retention sees
    /// what is in use.
    day: u64,
    /// Hashes of entries and of whole spans' names. Two names share one once in 2^64 pairs, under
    /// a key that nobody knows.
    hashes: HashSet<u64, RandomState>,
}

/// New names of a list, and what to remember once they are stored.
#[derive(Debug, Default)]
pub(crate) struct News<'a> {
    pub(crate) entries: Vec<Entry<'a>>,
    hashes: Vec<u64>,
    day: u64,
}

// === impl Known ===

impl Known {
    pub(crate) fn new(autocomplete_keys: &[String]) -> Self {
        Self {
            keys: autocomplete_keys.to_vec(),
            hasher: RandomState::default(),
            state: Mutex::default(),
        }
    }

    /// Returns the names in the spans that were not said today.
    pub(crate) fn news<'a>(&self, spans: &'a [Span], now_ms: u64) -> News<'a> {
        let mut state = self.state.lock();
        let day = now_ms / DAY_MS;
        if state.day != day || state.hashes.len() > KNOWN_MAX {
            *state = State {
                day,
                ..State::default()
            };
        }
        let mut finder = Finder {
            known: &state.hashes,
            hasher: &self.hasher,
            fresh: HashSet::default(),
            entries: Vec::new(),
        };
        for span in spans {
            finder.look_at(span, &self.keys);
        }
        News {
            entries: finder.entries,
            hashes: finder.fresh.into_iter().collect(),
            day,
        }
    }

    /// Remembers names that are in the table now.
    pub(crate) fn remember(&self, news: &News<'_>) {
        let mut state = self.state.lock();
        if state.day == news.day {
            state.hashes.extend(&news.hashes);
        }
    }

    /// Forgets all, since the table is no longer the one it was.
    pub(crate) fn forget(&self) {
        *self.state.lock() = State::default();
    }
}

struct Finder<'k, 'a> {
    known: &'k HashSet<u64, RandomState>,
    hasher: &'k RandomState,
    fresh: HashSet<u64, RandomState>,
    entries: Vec<Entry<'a>>,
}

impl<'a> Finder<'_, 'a> {
    fn look_at(&mut self, span: &'a Span, keys: &[String]) {
        if let Some(service) = span.local_service_name() {
            let (name, remote) = (span.name.as_deref(), span.remote_service_name());
            // One look for all three: they are seldom new.
            if self.is_new(&(service, name, remote)) {
                self.add(What::Service, "", Some(service));
                self.add(What::SpanName, service, name);
                self.add(What::RemoteService, service, remote);
            }
        }
        if keys.is_empty() {
            return;
        }
        for (key, value) in &span.tags {
            if keys.contains(key) {
                self.add(What::TagValue, key, Some(value));
            }
        }
    }

    fn add(&mut self, what: What, owner: &'a str, name: Option<&'a str>) {
        let Some(name) = name else { return };
        let entry = Entry { what, owner, name };
        if self.is_new(&entry) {
            self.entries.push(entry);
        }
    }

    fn is_new(&mut self, value: &impl std::hash::Hash) -> bool {
        let hash = self.hasher.hash_one(value);
        !self.known.contains(&hash) && self.fresh.insert(hash)
    }
}

#[derive(Row, Deserialize)]
struct NameRow {
    name: String,
}

/// Returns the names of one kind and owner, sorted in Java's order, once each. What takes more than
/// [`NAMES_BYTES_MAX`] is not listed: a sender that puts numbers into names must not end queries.
pub(crate) fn read(
    server: &Server,
    (what, owner): (What, &str),
    deadline: Deadline,
) -> Result<Vec<String>, Fault> {
    let mut names = server.with_client(deadline, async |client| {
        let text = "SELECT DISTINCT name FROM names WHERE what = {what:UInt8} AND owner = \
                    {owner:String}";
        let query = query(&client, text, deadline)?
            .param("what", what as u8)
            .param("owner", owner);
        let mut rows = query.fetch::<NameRow>()?;
        let (mut names, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next().await? {
            bytes += row.name.len() + ENTRY_BYTES;
            if bytes > NAMES_BYTES_MAX {
                break;
            }
            names.push(row.name);
        }
        Ok(names)
    })?;
    names.sort_unstable_by(|a, b| java_order(a, b));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use speargun_storage::contract::{NOW_MS, Sketch, span};

    use super::*;

    fn entry<'a>(what: What, owner: &'a str, name: &'a str) -> Entry<'a> {
        Entry { what, owner, name }
    }

    #[test]
    fn names_are_new_once_a_day() {
        let known = Known::new(&["az".into()]);
        let spans = [
            span(1, 1).by("a").named("get").to("b").tag("az", "x"),
            span(1, 2).by("a").named("get").tag("other", "x"),
            span(1, 3).named("lost").to("c"),
        ];
        let news = known.news(&spans, NOW_MS);
        let expected = [
            entry(What::Service, "", "a"),
            entry(What::SpanName, "a", "get"),
            entry(What::RemoteService, "a", "b"),
            entry(What::TagValue, "az", "x"),
        ];
        assert_eq!(news.entries, expected);
        let again = known.news(&spans, NOW_MS);
        assert_eq!(
            again.entries, expected,
            "nothing is known before it is stored"
        );
        known.remember(&news);
        assert_eq!(known.news(&spans, NOW_MS).entries, []);
        assert_eq!(known.news(&spans, NOW_MS + DAY_MS).entries, expected);
    }

    #[test]
    fn what_was_forgotten_is_new() {
        let known = Known::new(&[]);
        let spans = [span(1, 1).by("a")];
        let news = known.news(&spans, NOW_MS);
        known.remember(&news);
        known.forget();
        assert_eq!(known.news(&spans, NOW_MS).entries.len(), 1);
    }
}
