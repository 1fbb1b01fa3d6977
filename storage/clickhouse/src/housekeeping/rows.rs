//! Rows of table `links`, as the block of one insert: see `links::covered` for what they are.

use crate::links::covered::kind;
use crate::links::place::Place;
use crate::native::{Block, Lists, Names, Numbers};

/// What all rows of a chunk say.
#[derive(Clone, Copy, Default)]
pub(super) struct Chunk {
    pub(super) root: u64,
    pub(super) chunk: u64,
    pub(super) parent: u64,
    pub(super) parent_kept: u32,
    pub(super) to_ms: u64,
}

/// Rows of table `links`.
#[derive(Default)]
pub(super) struct Rows<'a> {
    of: Chunk,
    count: usize,
    kinds: Numbers,
    kept: Numbers,
    days: Numbers,
    spans: Numbers,
    lists_count: usize,
    lists: Lists<Numbers>,
    list_spans: Lists<Numbers>,
    lows: Numbers,
    first: Numbers,
    last: Numbers,
    timeless: Numbers,
    callers: Names<'a>,
    callees: Names<'a>,
    calls: Numbers,
    errors: Numbers,
}

impl<'a> Rows<'a> {
    pub(super) fn new(of: Chunk) -> Self {
        Self {
            of,
            ..Self::default()
        }
    }

    pub(super) fn push_lists(&mut self, (day, kept): (u32, u32), lists: &[(u64, u64)]) {
        for (list, spans) in lists {
            self.lists.values.push(list.to_le_bytes());
            self.list_spans.values.push(spans.to_le_bytes());
        }
        self.lists_count += lists.len();
        let spans = lists.iter().map(|(_, spans)| spans).sum();
        self.push(kind::CHUNK, (day, kept), spans);
        self.push_pair(None, ("", ""), (0, 0));
        self.lows.push(0_u64.to_le_bytes());
    }

    pub(super) fn push_calls(
        &mut self,
        place: &Place,
        pair: (&'a str, &'a str),
        counts: (i64, i64),
    ) {
        self.push(kind::CALLS, (place.day, place.day), 0);
        self.push_pair(Some(place), pair, counts);
        self.lows.push(0_u64.to_le_bytes());
    }

    pub(super) fn push_trace(&mut self, low: u64, place: &Place) {
        self.push(kind::TRACE, (place.day, place.day), 0);
        self.push_pair(Some(place), ("", ""), (0, 0));
        self.lows.push(low.to_le_bytes());
    }

    fn push(&mut self, kind: u8, (day, kept): (u32, u32), spans: u64) {
        // A `Date` has 16 bits.
        let date = |day: u32| u16::try_from(day).unwrap_or(u16::MAX).to_le_bytes();
        self.count += 1;
        self.kinds.push([kind]);
        self.days.push(date(day));
        self.kept.push(date(kept));
        self.spans.push(spans.to_le_bytes());
        self.lists.end_row(self.lists_count);
        self.list_spans.end_row(self.lists_count);
    }

    fn push_pair(
        &mut self,
        place: Option<&Place>,
        (from, to): (&'a str, &'a str),
        (calls, errors): (i64, i64),
    ) {
        let of = |get: fn(&Place) -> u32| place.map_or(0, get).to_le_bytes();
        self.first.push(of(|place| place.first));
        self.last.push(of(|place| place.last));
        let is_timeless = place.is_some_and(|place| place.is_timeless);
        self.timeless.push([u8::from(is_timeless)]);
        self.callers.push(from);
        self.callees.push(to);
        self.calls.push(calls.to_le_bytes());
        self.errors.push(errors.to_le_bytes());
    }

    pub(super) fn into_block(self) -> Vec<u8> {
        const COLUMNS: usize = 19;
        const NAMES: &str = "LowCardinality(String)";
        let all = |number: u64| {
            let mut column = Numbers::default();
            (0..self.count).for_each(|_| column.push(number.to_le_bytes()));
            column
        };
        let mut parent_kept = Numbers::default();
        (0..self.count).for_each(|_| parent_kept.push(self.of.parent_kept.to_le_bytes()));
        let mut block = Block::new((COLUMNS, self.count), 0);
        block.add("kind", "UInt8", &self.kinds);
        block.add("root", "UInt64", &all(self.of.root));
        block.add("chunk", "UInt64", &all(self.of.chunk));
        block.add("parent", "UInt64", &all(self.of.parent));
        block.add("kept", "Date", &self.kept);
        block.add("parent_kept", "UInt32", &parent_kept);
        block.add("to_ms", "UInt64", &all(self.of.to_ms));
        block.add("day", "Date", &self.days);
        block.add("rows", "UInt64", &self.spans);
        block.add("lists", "Array(UInt64)", &self.lists);
        block.add("list_rows", "Array(UInt64)", &self.list_spans);
        block.add("trace_low", "UInt64", &self.lows);
        block.add("first", "UInt32", &self.first);
        block.add("last", "UInt32", &self.last);
        block.add("timeless", "UInt8", &self.timeless);
        block.add("parent_service", NAMES, &self.callers);
        block.add("child_service", NAMES, &self.callees);
        block.add("calls", "Int64", &self.calls);
        block.add("errors", "Int64", &self.errors);
        block.into_bytes()
    }
}
