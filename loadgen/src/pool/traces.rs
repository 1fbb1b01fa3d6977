//! What has to come back: which spans each trace of a round has, and which bodies carry them.

use std::collections::BTreeMap;

use super::Expected;
use crate::workload::Span;

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
    /// The traces of which each body has a span, by their place above.
    of_bodies: Vec<Vec<u32>>,
}

impl Traces {
    pub(super) fn new(batches: &[Vec<Span>], spoken: &dyn Fn(&Span) -> Expected) -> Self {
        let mut all: BTreeMap<u128, Vec<Part>> = BTreeMap::new();
        for (body, batch) in batches.iter().enumerate() {
            for span in batch {
                all.entry(span.trace_id).or_default().push(Part {
                    body: body as u32,
                    span: spoken(span),
                });
            }
        }
        let mut of_bodies = vec![Vec::new(); batches.len()];
        for (index, parts) in all.values().enumerate() {
            for part in parts {
                let own: &mut Vec<u32> = &mut of_bodies[part.body as usize];
                if own.last() != Some(&(index as u32)) {
                    own.push(index as u32);
                }
            }
        }
        Self {
            all: all.into_iter().collect(),
            of_bodies,
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

    /// Returns the traces of which a body of the round has a span.
    pub fn of_body(&self, body: u64) -> &[u32] {
        let own = self.of_bodies.get(body as usize);
        own.map_or(&[], Vec::as_slice)
    }
}
