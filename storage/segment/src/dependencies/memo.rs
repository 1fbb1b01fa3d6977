//! What a segment's traces need of mending because of parts in segments before it. It is remembered
//! under the segment's number, with the numbers of those before it that were read: valid as long as
//! all of them are summed. What traces of very many segments need beyond the first of them is
//! remembered under the trace. All of it takes bounded memory; what does not fit is found again.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

use super::source::Source;
use super::sums::Sums;
use crate::dictionary::text;
use crate::intern::Interner;

/// Memory of all that is remembered.
const BYTES_MAX: usize = 4 << 20;
/// Links of all that one query is going to remember.
const PENDING_LINKS_MAX: usize = 32_768;
/// Wide traces that are remembered by their ids.
const WIDE_MAX: usize = 65_536;

/// The memos of a store.
#[derive(Debug, Default)]
pub(crate) struct Memos(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    segments: HashMap<u64, Memo>,
    /// By the lower half of the trace's id.
    wide: HashMap<u64, Memo>,
    bytes: usize,
    walked: Arc<Walked>,
}

/// What walks found out: among these segments, whichever one looks at, no other traces than these
/// lie in more than the narrow ones. So a segment that has a memo and is one of them needs no walk:
/// its traces need nothing, but for those, and for those of which other sources have a part.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) segments: BTreeSet<u64>,
    /// The lower halves of their ids, in ascending order.
    pub(super) wide: Vec<u64>,
}

/// Links to add as long as what they depend on is summed: of a segment at least these segments, of
/// a wide trace exactly these.
#[derive(Clone, Debug)]
struct Memo {
    depends: Vec<u64>,
    links: Vec<Named>,
}

#[derive(Clone, Debug)]
struct Named {
    parent: Box<str>,
    child: Box<str>,
    calls: i64,
    errors: i64,
}

impl Memos {
    /// Returns the memory that memos take.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.lock().bytes as u64
    }
}

impl Kept {
    fn drop_gone(&mut self, live: &BTreeSet<u64>) {
        let is_live = |memo: &Memo| memo.depends.iter().all(|number| live.contains(number));
        let segments = &mut self.segments;
        segments.retain(|number, memo| live.contains(number) && is_live(memo));
        self.wide.retain(|_, memo| is_live(memo));
        let memos = self.segments.values().chain(self.wide.values());
        self.bytes = memos.map(Memo::memory_bytes).sum();
    }

    fn has_room(&mut self, memo: &Memo) -> bool {
        let bytes = self.bytes + memo.memory_bytes();
        let fits = bytes <= BYTES_MAX;
        if fits {
            self.bytes = bytes;
        }
        fits
    }
}

impl Memo {
    fn new(depends: Vec<u64>, sums: &Sums, services: &Interner) -> Self {
        let name = |code: u32| text(services.get(code)).into_boxed_str();
        let links = sums.iter().map(|((parent, child), (calls, errors))| Named {
            parent: name(parent),
            child: name(child),
            calls,
            errors,
        });
        Self {
            links: links.collect(),
            depends,
        }
    }

    fn memory_bytes(&self) -> usize {
        let texts = self.links.iter().map(|l| l.parent.len() + l.child.len());
        128 + self.depends.len() * 8 + self.links.len() * size_of::<Named>() + texts.sum::<usize>()
    }

    /// Returns the links by the numbers of services; `None` when one of them has none.
    fn numbered(&self, services: &Interner) -> Option<Sums> {
        let mut sums = Sums::default();
        for link in &self.links {
            let parent = services.find(link.parent.as_bytes())?;
            let child = services.find(link.child.as_bytes())?;
            sums.put((parent, child), link.calls, link.errors);
        }
        Some(sums)
    }
}

/// Sources that need no walk by themselves, and the wide traces that they may have.
pub(super) struct Idle {
    /// In ascending order.
    pub(super) passive: Vec<usize>,
    pub(super) walked: Arc<Walked>,
}

/// A memo in the making.
#[derive(Debug, Default)]
struct Open {
    /// A bit for each source.
    depends: Vec<u64>,
    sums: Sums,
    /// Whether some trace has a part before that is not summed: then nothing can be remembered.
    forbidden: bool,
}

impl Open {
    fn depend(&mut self, source: usize) {
        let (word, bit) = (source / 64, source % 64);
        if self.depends.len() <= word {
            self.depends.resize(word + 1, 0);
        }
        if let Some(word) = self.depends.get_mut(word) {
            *word |= 1 << bit;
        }
    }

    fn sources(&self) -> impl Iterator<Item = usize> {
        let words = self.depends.iter().enumerate();
        words.flat_map(|(index, &word)| {
            let bits = (0..64).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| index * 64 + bit)
        })
    }

    fn forbid(&mut self) {
        *self = Self {
            forbidden: true,
            ..Self::default()
        };
    }
}

/// What one query recalls and will remember, by source.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    numbers: Vec<Option<u64>>,
    open: Vec<Option<Open>>,
    wide: Vec<(u64, Vec<u64>, Sums)>,
    links: usize,
    /// What was known at the beginning, and is at the end.
    before: Arc<Walked>,
    walked: Walked,
}

impl Pending {
    /// Returns memos in the making for all summed sources.
    pub(super) fn new(sources: &[Source<'_>]) -> Self {
        let numbers: Vec<Option<u64>> = sources.iter().map(Source::summed_number).collect();
        let open = numbers
            .iter()
            .map(|number| number.map(|_| Open::default()))
            .collect();
        Self {
            numbers,
            open,
            wide: vec![],
            links: 0,
            before: Arc::default(),
            walked: Walked::default(),
        }
    }

    /// Adds what is remembered and still valid; those memos need no making.
    pub(super) fn recall(&mut self, memos: &Memos, services: &Interner, sums: &mut Sums) {
        let summed: BTreeSet<u64> = self.numbers.iter().flatten().copied().collect();
        let kept = memos.0.lock();
        self.before = Arc::clone(&kept.walked);
        for (number, open) in self.numbers.iter().zip(&mut self.open) {
            let memo = number.and_then(|number| kept.segments.get(&number));
            let memo = memo.filter(|memo| memo.depends.iter().all(|n| summed.contains(n)));
            if let Some(links) = memo.and_then(|memo| memo.numbered(services)) {
                sums.add(&links, 1);
                *open = None;
            }
        }
    }

    /// Returns the sources whose traces need nothing unless another source has them too, and notes
    /// what walking the others is going to find out. Idle are the summed ones whose memo was
    /// recalled, as far as their wide traces are known; and those before all others of which no
    /// span is asked for: had one of them a part of a trace of a summed one, that one's memo would
    /// not have been recalled, or the trace is wide.
    pub(super) fn begin_walk(&mut self, sources: &[Source<'_>]) -> Idle {
        let is_unasked = |source: &&Source<'_>| !source.is_touched() && !source.is_summed();
        let unasked = sources.iter().take_while(is_unasked).count();
        let mut passive = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let was_walked = |number| self.before.segments.contains(&number);
            let was_walked = source.number().is_some_and(was_walked);
            let is_closed = source.is_summed() && !self.is_open(index);
            let is_idle = index < unasked || is_closed && was_walked;
            if is_idle {
                passive.push(index);
            }
            if !is_idle || was_walked {
                self.walked.segments.extend(source.number());
            }
        }
        Idle {
            passive,
            walked: Arc::clone(&self.before),
        }
    }

    /// Notes a wide trace.
    pub(super) fn see_wide(&mut self, low: u64) {
        if self.walked.wide.len() == WIDE_MAX {
            self.walked.segments.clear();
        } else {
            self.walked.wide.push(low);
        }
    }

    /// Returns what is remembered of a wide trace that lies in these summed sources.
    pub(super) fn recall_wide(
        &self,
        memos: &Memos,
        services: &Interner,
        low: u64,
        sources: &[usize],
    ) -> Option<Sums> {
        let numbers = self.numbers(sources);
        let kept = memos.0.lock();
        let memo = kept.wide.get(&low)?;
        let is_valid = memo.depends == numbers;
        is_valid.then(|| memo.numbered(services)).flatten()
    }

    fn numbers(&self, sources: &[usize]) -> Vec<u64> {
        let number = |&index: &usize| self.numbers.get(index).copied().flatten();
        sources.iter().filter_map(number).collect()
    }

    /// Returns whether the memo of a summed source is still to be made.
    pub(super) fn is_open(&self, source: usize) -> bool {
        self.open.get(source).is_some_and(Option::is_some)
    }

    /// Says that a trace of the source has a part before it that is not summed.
    pub(super) fn forbid(&mut self, source: usize) {
        if let Some(Some(open)) = self.open.get_mut(source) {
            open.forbid();
        }
    }

    /// Says that a trace of the source has parts in the sources `before`.
    pub(super) fn depend(&mut self, source: usize, before: &[usize]) {
        if let Some(Some(open)) = self.open.get_mut(source)
            && !open.forbidden
        {
            before.iter().for_each(|&index| open.depend(index));
        }
    }

    /// Adds a step of a trace with parts in the sources `before`.
    pub(super) fn add(&mut self, source: usize, before: &[usize], step: &Sums) {
        self.depend(source, before);
        if let Some(Some(open)) = self.open.get_mut(source)
            && !open.forbidden
        {
            let links = open.sums.len();
            open.sums.add(step, 1);
            self.links += open.sums.len() - links;
            if self.links > PENDING_LINKS_MAX {
                self.links -= open.sums.len();
                open.forbid();
            }
        }
    }

    /// Adds what a trace that lies in these summed sources needs beyond the narrow ones.
    pub(super) fn add_wide(&mut self, low: u64, sources: &[usize], step: Sums) {
        let links = step.len() + sources.len();
        if self.links + links <= PENDING_LINKS_MAX {
            self.links += links;
            self.wide.push((low, self.numbers(sources), step));
        }
    }

    /// Keeps the memos that were made, and drops those of segments that are gone.
    pub(super) fn remember(
        &mut self,
        memos: &Memos,
        services: &Interner,
        live: impl Iterator<Item = u64>,
    ) {
        let mut kept = memos.0.lock();
        let live: BTreeSet<u64> = live.collect();
        if kept.walked.segments.last() > live.last() {
            // A later snapshot knows better.
            return;
        }
        kept.drop_gone(&live);
        kept.walked = Arc::new(std::mem::take(&mut self.walked));
        for index in 0..self.open.len() {
            let number = self.numbers.get(index).copied().flatten();
            let open = self.open.get_mut(index).and_then(Option::take);
            let (Some(number), Some(open)) = (number, open.filter(|open| !open.forbidden)) else {
                continue;
            };
            let depends: Vec<usize> = open.sources().collect();
            let memo = Memo::new(self.numbers(&depends), &open.sums, services);
            let old = kept.segments.remove(&number);
            kept.bytes -= old.map_or(0, |old| old.memory_bytes());
            if kept.has_room(&memo) {
                kept.segments.insert(number, memo);
            }
        }
        for (low, numbers, sums) in self.wide.drain(..) {
            let memo = Memo::new(numbers, &sums, services);
            let old = kept.wide.remove(&low);
            kept.bytes -= old.map_or(0, |old| old.memory_bytes());
            if kept.has_room(&memo) {
                kept.wide.insert(low, memo);
            }
        }
    }
}
