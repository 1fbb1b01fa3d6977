//! What table `links` covers: which spans its rows were made of. Only what is still so counts.
//!
//! ```text
//! a chunk    the rows of one insert, which are there all or none: what changed in the links of all
//!            traces when some lists of spans were added to those of the chunks before it
//! a chain    chunks, each naming the one before it. Two processes that link at the same time make
//!            a fork: each branch is right by itself, the one with the newest chunk counts
//! covered    the lists of the chain's chunks: all that came until `to_ms`, but for late ones
//! ```
//!
//! The chunks say how many rows each list had. As long as a day of arrival has as many, nothing has
//! changed; else its lists are looked at: new ones are late, and a day that lost rows to retention
//! is bad and its links are computed. A list that has grown was linked before all of it was there:
//! the chain ends before it.

use std::collections::{BTreeMap, BTreeSet};

use clickhouse::Row;
use serde::Deserialize;

use super::rows::Piece;
use crate::columns::{LIST, day_of};
use crate::fault::Fault;
use crate::schema::ARRIVED_ON;
use crate::server::{Deadline, Server, query};

/// What a row of table `links` is.
pub(crate) mod kind {
    /// The lists of a chunk that came on one day.
    pub(crate) const CHUNK: u8 = 0;
    /// What a chunk changes in the calls of two services.
    pub(crate) const CALLS: u8 = 1;
    /// A trace that is linked when it is asked for, since its parts came on several days, which
    /// are not forgotten together.
    pub(crate) const TRACE: u8 = 2;
}

/// How often a chain is cut before a new one is begun.
const CUTS_MAX: usize = 8;

/// Chunks of other branches that a statement may name.
pub(crate) const ASTRAY_MAX: usize = 500;

/// What the table covers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Covered {
    /// The first chunk of the chain; 0 when there is none.
    pub(crate) root: u64,
    /// The last.
    pub(crate) tip: u64,
    /// The newest day that the chain tells of.
    pub(crate) kept: u32,
    /// Chunks of this root, before the last, that are on other branches.
    pub(crate) astray: Vec<u64>,
    /// The milliseconds until which lists are covered.
    pub(crate) to_ms: u64,
    /// Lists until then that are not, and their rows.
    pub(crate) late: BTreeMap<u64, u64>,
    /// Days of arrival whose links count.
    pub(crate) good: BTreeSet<u32>,
    /// Days of arrival of which some rows are gone.
    pub(crate) bad: BTreeSet<u32>,
}

impl Covered {
    /// Returns whether a span was linked on a day that counts.
    pub(crate) fn has(&self, piece: &Piece) -> bool {
        piece.arrived_ms <= self.to_ms
            && self.good.contains(&piece.day())
            && !self.late.contains_key(&piece.list)
    }

    /// Returns the condition that a row of `links` belongs to the chain.
    pub(crate) fn condition(&self) -> String {
        let Self { root, tip, .. } = self;
        let mut condition = format!("root = {root} AND chunk <= {tip}");
        if !self.astray.is_empty() {
            condition = format!("{condition} AND chunk NOT IN ({})", numbers(&self.astray));
        }
        condition
    }
}

/// Returns numbers with commas between.
pub(crate) fn numbers<'n, N: ToString + 'n>(numbers: impl IntoIterator<Item = &'n N>) -> String {
    let all: Vec<String> = numbers.into_iter().map(N::to_string).collect();
    all.join(", ")
}

#[derive(Row, Deserialize)]
struct ChunkRow {
    chunk: u64,
    root: u64,
    parent: u64,
    parent_kept: u32,
    kept: u32,
    to_ms: u64,
    day: u32,
    rows: u64,
}

/// How many spans came on a day.
#[derive(Row, Deserialize)]
pub(crate) struct DayRow {
    pub(crate) day: u32,
    pub(crate) rows: u64,
}

/// How many spans a list has.
#[derive(Row, Deserialize)]
pub(crate) struct ListRow {
    pub(crate) list: u64,
    pub(crate) rows: u64,
}

#[derive(Row, Deserialize)]
struct ListsRow {
    chunk: u64,
    lists: Vec<u64>,
    list_rows: Vec<u64>,
}

/// A chunk of a chain.
#[derive(Debug)]
struct Chunk {
    number: u64,
    root: u64,
    parent: u64,
    /// The newest day of this chunk and all before it, and that without this one.
    kept: u32,
    parent_kept: u32,
    to_ms: u64,
    /// The rows of its lists by day.
    days: Vec<(u32, u64)>,
}

/// Reads what is covered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Books<'s> {
    pub(crate) server: &'s Server,
    pub(crate) deadline: Deadline,
}

impl Books<'_> {
    /// Returns what is covered now; nothing when there is no chain that is whole.
    pub(crate) fn covered(self) -> Result<Covered, Fault> {
        self.covered_by(u64::MAX)
    }

    /// Returns what the chain with this last chunk covers.
    pub(crate) fn covered_by(self, tip: u64) -> Result<Covered, Fault> {
        let (mut chain, others) = chain(self.chunks(tip)?);
        for _ in 0..CUTS_MAX {
            if chain.is_empty() {
                break;
            }
            let to_ms = chain.iter().map(|chunk| chunk.to_ms).max().unwrap_or(0);
            let present = self.present(to_ms)?;
            if !is_whole(&chain, &present) {
                break;
            }
            match self.compare(&chain, &present, to_ms)? {
                Ok(covered) => return Ok(with_branches(covered, &chain, &others)),
                Err(cut) => {
                    chain.truncate(cut);
                }
            }
        }
        Ok(Covered::default())
    }

    fn chunks(self, tip: u64) -> Result<Vec<Chunk>, Fault> {
        let text = format!(
            "SELECT chunk, root, parent, parent_kept, toUInt32(kept) AS kept, to_ms, toUInt32(day) \
             AS day, rows FROM links WHERE kind = {} AND chunk <= {tip} ORDER BY chunk",
            kind::CHUNK
        );
        let rows: Vec<ChunkRow> = self.all(&text)?;
        let mut chunks: Vec<Chunk> = Vec::new();
        for row in rows {
            match chunks.last_mut().filter(|last| last.number == row.chunk) {
                Some(last) => last.days.push((row.day, row.rows)),
                None => chunks.push(Chunk {
                    number: row.chunk,
                    root: row.root,
                    parent: row.parent,
                    kept: row.kept,
                    parent_kept: row.parent_kept,
                    to_ms: row.to_ms,
                    days: vec![(row.day, row.rows)],
                }),
            }
        }
        Ok(chunks)
    }

    /// Returns how many rows came until then, by day. Days that are over are counted without
    /// reading them, since they are partitions.
    fn present(self, to_ms: u64) -> Result<BTreeMap<u32, u64>, Fault> {
        let last = day_of(to_ms);
        let text = format!(
            "SELECT toUInt32({ARRIVED_ON}) AS day, count() AS rows FROM spans WHERE {ARRIVED_ON} \
             < toDate({last}) GROUP BY {ARRIVED_ON} UNION ALL SELECT toUInt32({last}) AS day, \
             count() AS rows FROM spans WHERE {ARRIVED_ON} = toDate({last}) AND arrived_ms <= \
             {to_ms}"
        );
        let rows: Vec<DayRow> = self.all(&text)?;
        let days = rows.into_iter().filter(|row| row.rows > 0);
        Ok(days.map(|row| (row.day, row.rows)).collect())
    }

    /// Returns what is covered, or where the chain has to be cut.
    fn compare(
        self,
        chain: &[Chunk],
        present: &BTreeMap<u32, u64>,
        to_ms: u64,
    ) -> Result<Result<Covered, usize>, Fault> {
        let mut linked: BTreeMap<u32, u64> = BTreeMap::new();
        for (day, rows) in chain.iter().flat_map(|chunk| &chunk.days) {
            *linked.entry(*day).or_default() += rows;
        }
        let mut covered = Covered {
            to_ms,
            ..Covered::default()
        };
        let mut cut: Option<usize> = None;
        let days: BTreeSet<u32> = linked.keys().chain(present.keys()).copied().collect();
        for day in days {
            let of = |counts: &BTreeMap<u32, u64>| counts.get(&day).copied().unwrap_or(0);
            if of(&linked) == of(present) {
                covered.good.insert(day);
                continue;
            }
            if of(present) == 0 {
                covered.bad.insert(day);
                continue;
            }
            let looked = self.look_at(day, chain, to_ms)?;
            covered.late.extend(looked.late);
            if looked.has_lost {
                covered.bad.insert(day);
            } else {
                covered.good.insert(day);
                cut = [cut, looked.grown].into_iter().flatten().min();
            }
        }
        Ok(cut.map_or(Ok(covered), Err))
    }

    /// Looks at the lists of a day.
    fn look_at(self, day: u32, chain: &[Chunk], to_ms: u64) -> Result<Looked, Fault> {
        let linked: Vec<ListsRow> = self.all(&format!(
            "SELECT chunk, lists, list_rows FROM links WHERE kind = {} AND day = toDate({day})",
            kind::CHUNK
        ))?;
        let present: Vec<ListRow> = self.all(&format!(
            "SELECT {LIST} AS list, count() AS rows FROM spans WHERE {ARRIVED_ON} = toDate({day}) \
             AND arrived_ms <= {to_ms} GROUP BY list"
        ))?;
        let mut late: BTreeMap<u64, u64> = present.iter().map(|row| (row.list, row.rows)).collect();
        let mut looked = Looked::default();
        for row in linked {
            let Ok(place) = chain.binary_search_by_key(&row.chunk, |chunk| chunk.number) else {
                continue;
            };
            for (list, rows) in row.lists.into_iter().zip(row.list_rows) {
                match late.get(&list).copied().unwrap_or(0) {
                    // What came later is not told apart from what was there.
                    now if now > rows => {
                        looked.grown = Some(looked.grown.map_or(place, |grown| grown.min(place)));
                    }
                    now => {
                        looked.has_lost |= now < rows;
                        late.remove(&list);
                    }
                }
            }
        }
        looked.late = late;
        Ok(looked)
    }

    /// Returns all rows of a statement.
    pub(crate) fn all<T>(self, text: &str) -> Result<Vec<T>, Fault>
    where
        T: clickhouse::RowOwned + clickhouse::RowRead,
    {
        self.server.with_client(self.deadline, async |client| {
            let query = query(&client, text, self.deadline)?;
            Ok(query.fetch_all::<T>().await?)
        })
    }
}

/// What the lists of a day show.
#[derive(Debug, Default)]
struct Looked {
    late: BTreeMap<u64, u64>,
    /// Whether rows are gone.
    has_lost: bool,
    /// The first chunk with a list that has more rows now.
    grown: Option<usize>,
}

/// Returns the chain that ends with the newest chunk, the oldest first, and all others of its
/// root.
fn chain(chunks: Vec<Chunk>) -> (Vec<Chunk>, Vec<u64>) {
    let (mut chain, mut others) = (Vec::new(), Vec::new());
    let root = chunks.last().map(|chunk| chunk.root);
    let mut next = chunks.last().map_or(0, |chunk| chunk.number);
    for chunk in chunks.into_iter().rev() {
        if Some(chunk.root) != root {
            continue;
        }
        // A parent has a smaller number.
        if chunk.number == next {
            next = chunk.parent;
            chain.push(chunk);
        } else {
            others.push(chunk.number);
        }
    }
    chain.reverse();
    (chain, others)
}

/// Returns whether no chunk is missing but those that were forgotten with their spans. A chunk is
/// kept as long as the newest day of all before it, so that the oldest go first.
fn is_whole(chain: &[Chunk], present: &BTreeMap<u32, u64>) -> bool {
    let Some(first) = chain.first() else {
        return false;
    };
    let oldest = present.keys().next().copied().unwrap_or(u32::MAX);
    first.parent == 0 || first.parent_kept < oldest
}

fn with_branches(mut covered: Covered, chain: &[Chunk], others: &[u64]) -> Covered {
    if let Some(last) = chain.last() {
        covered.root = last.root;
        covered.tip = last.number;
        covered.kept = last.kept;
    }
    let before = others.iter().filter(|other| **other < covered.tip);
    covered.astray = before.copied().collect();
    covered.astray.sort_unstable();
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(number: u64, parent: u64) -> Chunk {
        Chunk {
            number,
            root: 1,
            parent,
            kept: 6,
            parent_kept: 5,
            to_ms: 0,
            days: vec![(6, 1)],
        }
    }

    fn numbers_of(chain: &[Chunk]) -> Vec<u64> {
        chain.iter().map(|chunk| chunk.number).collect()
    }

    #[test]
    fn the_branch_with_the_newest_chunk_counts() {
        let all = [(1, 0), (2, 1), (3, 2), (4, 1), (5, 3)];
        let chunks = all.map(|(number, parent)| chunk(number, parent));
        let (found, others) = chain(chunks.into());
        assert_eq!(numbers_of(&found), [1, 2, 3, 5]);
        assert_eq!(others, [4]);
        let covered = with_branches(Covered::default(), &found, &others);
        assert_eq!((covered.root, covered.tip, covered.kept), (1, 5, 6));
        assert_eq!(
            covered.condition(),
            "root = 1 AND chunk <= 5 AND chunk NOT IN (4)"
        );
    }

    #[test]
    fn a_chain_may_lack_what_was_forgotten_alone() {
        let (found, _) = chain(vec![chunk(3, 2), chunk(4, 3)]);
        assert_eq!(numbers_of(&found), [3, 4]);
        assert!(is_whole(&found, &BTreeMap::from([(6, 1)])));
        assert!(!is_whole(&found, &BTreeMap::from([(5, 1), (6, 1)])));
        assert!(!is_whole(&[], &BTreeMap::new()));
    }
}
