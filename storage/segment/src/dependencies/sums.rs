//! Calls by parent and child, which may go below zero while they are mended.

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use speargun_model::link::LinkCount;

use crate::links::Link;

/// Calls and errors by the numbers of parent and child.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums(HashMap<(u32, u32), (i64, i64), RandomState>);

impl Sums {
    pub(crate) fn put(&mut self, pair: (u32, u32), calls: i64, errors: i64) {
        let sum = self.0.entry(pair).or_default();
        sum.0 = sum.0.wrapping_add(calls);
        sum.1 = sum.1.wrapping_add(errors);
    }

    /// Adds others, `sign` times.
    pub(crate) fn add(&mut self, other: &Self, sign: i64) {
        for (&pair, &(calls, errors)) in &other.0 {
            self.put(pair, calls.wrapping_mul(sign), errors.wrapping_mul(sign));
        }
    }

    /// Adds what a linker counted, `sign` times.
    pub(crate) fn add_counts(&mut self, counts: &[LinkCount<u32>], sign: i64) {
        for count in counts {
            let (calls, errors) = (count.call_count, count.error_count);
            let signed = |n: u64| n.cast_signed().wrapping_mul(sign);
            self.put((count.parent, count.child), signed(calls), signed(errors));
        }
    }

    /// Adds links of a summary whose services are numbered `names` here.
    pub(crate) fn add_links(&mut self, links: &[Link], names: &[u32]) {
        let name = |code: u32| names.get(code as usize).copied().unwrap_or(u32::MAX);
        for link in links {
            let pair = (name(link.parent), name(link.child));
            self.put(pair, link.calls.cast_signed(), link.errors.cast_signed());
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns all that is not zero.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ((u32, u32), (i64, i64))> {
        let all = self.0.iter().map(|(&pair, &sum)| (pair, sum));
        all.filter(|&(_, sum)| sum != (0, 0))
    }

    /// Returns parent, child, calls and errors of what was called at all.
    pub(crate) fn positive(&self) -> impl Iterator<Item = (u32, u32, u64, u64)> {
        self.iter()
            .filter_map(|((parent, child), (calls, errors))| {
                let errors = u64::try_from(errors).unwrap_or_default();
                let calls = u64::try_from(calls).ok().filter(|&calls| calls > 0)?;
                Some((parent, child, calls, errors))
            })
    }
}
