//! What has to come back: which spans each trace of a round has, and which bodies carry them.

use std::collections::BTreeMap;

use crate::workload::Span;

/// A span that has to come back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Expected {
    /// Its id.
    pub id: u64,
    /// Whether it is the server's half of a shared span.
    pub shared: bool,
    /// Its start as in the pool.
    pub timestamp_us: u64,
    /// Its length.
    pub duration_us: u64,
    /// How many tags it has.
    pub tags: usize,
}

/// A span and the body that carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// The number of the body in its round.
    pub body: u32,
    /// The span.
    pub span: Expected,
}

/// All traces of a round.
#[derive(Clone, Debug)]
pub struct Traces {
    all: Vec<(u128, Vec<Part>)>,
}

impl Traces {
    pub(super) fn new(batches: &[Vec<Span>]) -> Self {
        let mut all: BTreeMap<u128, Vec<Part>> = BTreeMap::new();
        for (body, batch) in batches.iter().enumerate() {
            for span in batch {
                let expected = Expected {
                    id: span.id,
                    shared: span.shared,
                    timestamp_us: span.timestamp_us,
                    duration_us: span.duration_us,
                    tags: span.tags.len(),
                };
                all.entry(span.trace_id).or_default().push(Part {
                    body: body as u32,
                    span: expected,
                });
            }
        }
        Self {
            all: all.into_iter().collect(),
        }
    }

    /// Returns how many traces a round has.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns the id of a trace as in the pool, and its parts.
    pub fn get(&self, index: usize) -> Option<(u128, &[Part])> {
        let (id, parts) = self.all.get(index)?;
        Some((*id, parts))
    }
}
