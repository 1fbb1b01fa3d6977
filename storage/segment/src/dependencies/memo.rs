//! What a segment's traces need of mending because of parts in segments before it. It is remembered
//! under the segment's number, with the numbers of those before it that were read: valid as long as
//! all of them are summed. Only merged segments inside a window that was asked for have one, of
//! some links each.

use std::collections::{BTreeSet, HashMap};

use parking_lot::Mutex;

use super::source::Source;
use super::sums::Sums;
use crate::dictionary::text;
use crate::intern::Interner;

/// The memos of a store.
pub(crate) type Memos = Mutex<HashMap<u64, Memo>>;

/// One segment's.
#[derive(Clone, Debug)]
pub(crate) struct Memo {
    depends: Vec<u64>,
    /// Parent, child, calls, errors.
    links: Vec<(String, String, i64, i64)>,
}

/// A memo in the making.
#[derive(Debug, Default)]
struct Open {
    depends: BTreeSet<u64>,
    sums: Sums,
    /// Whether some trace has a part before that is not summed: then nothing can be remembered.
    forbidden: bool,
}

/// What one query recalls and will remember, by source.
#[derive(Debug)]
pub(crate) struct Pending {
    numbers: Vec<Option<u64>>,
    open: Vec<Option<Open>>,
}

impl Pending {
    /// Returns memos in the making for all summed sources.
    pub(super) fn new(sources: &[Source<'_>]) -> Self {
        let numbers: Vec<Option<u64>> = sources.iter().map(Source::summed_number).collect();
        let open = numbers
            .iter()
            .map(|number| number.map(|_| Open::default()))
            .collect();
        Self { numbers, open }
    }

    /// Adds what is remembered and still valid; those memos need no making.
    pub(crate) fn recall(&mut self, memos: &Memos, services: &Interner, sums: &mut Sums) {
        let summed: BTreeSet<u64> = self.numbers.iter().flatten().copied().collect();
        let memos = memos.lock();
        for (number, open) in self.numbers.iter().zip(&mut self.open) {
            let Some(memo) = number.and_then(|number| memos.get(&number)) else {
                continue;
            };
            let names = memo.links.iter().map(|(parent, child, ..)| {
                let code = |name: &str| services.find(name.as_bytes());
                Some((code(parent)?, code(child)?))
            });
            let known: Option<Vec<(u32, u32)>> = names.collect();
            let valid = memo.depends.iter().all(|number| summed.contains(number));
            let Some(pairs) = known.filter(|_| valid) else {
                continue;
            };
            for (pair, &(_, _, calls, errors)) in pairs.into_iter().zip(&memo.links) {
                sums.put(pair, calls, errors);
            }
            *open = None;
        }
    }

    /// Returns whether the memo of a summed source is still to be made.
    pub(crate) fn is_open(&self, source: usize) -> bool {
        self.open.get(source).is_some_and(Option::is_some)
    }

    /// Says that a trace of the source has a part before it that is not summed.
    pub(crate) fn forbid(&mut self, source: usize) {
        if let Some(Some(open)) = self.open.get_mut(source) {
            open.forbidden = true;
        }
    }

    /// Adds a step of a trace with parts in the sources `before`.
    pub(crate) fn add(&mut self, source: usize, before: &[usize], step: &Sums) {
        if let Some(Some(open)) = self.open.get_mut(source) {
            let numbers = before.iter().filter_map(|&index| self.numbers.get(index));
            open.depends.extend(numbers.flatten());
            open.sums.add(step, 1);
        }
    }

    /// Keeps the memos that were made, and drops those of segments that are gone.
    pub(crate) fn remember(
        &mut self,
        memos: &Memos,
        services: &Interner,
        live: impl Iterator<Item = u64>,
    ) {
        let live: BTreeSet<u64> = live.collect();
        let mut memos = memos.lock();
        memos.retain(|number, _| live.contains(number));
        for (number, open) in self.numbers.iter().zip(&mut self.open) {
            let (Some(number), Some(open)) = (number, open.take()) else {
                continue;
            };
            if open.forbidden {
                continue;
            }
            let name = |code: u32| text(services.get(code));
            let links = open.sums.iter();
            let links = links.map(|((parent, child), (calls, errors))| {
                (name(parent), name(child), calls, errors)
            });
            let memo = Memo {
                links: links.collect(),
                depends: open.depends.into_iter().collect(),
            };
            memos.insert(*number, memo);
        }
    }
}
