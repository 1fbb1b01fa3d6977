//! A chunk: what changes in the links of all traces when some lists are added to what is covered.
//! It is found in the spans of the lists' traces, which are linked as they were and as they are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher};

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::lists::Lists;
use super::rows::{Chunk, Rows};
use crate::columns::{day_of, ms_of_list};
use crate::fault::Fault;
use crate::fetch::whereabouts;
use crate::links::covered::{Books, Covered, kind, numbers};
use crate::links::place::Place;
use crate::links::rows::{Calls, Names, Piece, Service, Trace, calls, each_trace, statement};
use crate::native;
use crate::server::query;

/// Bits of a chunk's number that are random; those above are the time it was made.
const RANDOM_BITS: u32 = 20;

/// What is to be linked.
pub(super) struct Work<'a> {
    pub(super) books: Books<'a>,
    pub(super) covered: &'a Covered,
    pub(super) lists: &'a Lists,
    /// The server's time.
    pub(super) now_ms: u64,
}

/// What changes.
#[derive(Debug, Default)]
struct Changes {
    calls: HashMap<(Place, Service, Service), (i64, i64), RandomState>,
    /// Traces to be linked when they are asked for, when they were, and a day that they came on.
    traces: Vec<(u64, Place)>,
    /// How many spans of each list were met.
    met: BTreeMap<u64, u64>,
}

impl Changes {
    fn add(&mut self, place: Place, counts: &[Calls], sign: i64) {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX) * sign;
        for count in counts {
            let key = (place, count.parent, count.child);
            let sum = self.calls.entry(key).or_default();
            sum.0 += signed(count.call_count);
            sum.1 += signed(count.error_count);
        }
    }
}

impl Work<'_> {
    /// Links the lists and writes their chunk.
    pub(super) fn link(&self) -> Result<(), Fault> {
        let (names, changes) = self.find()?;
        if changes.met != self.lists.chosen {
            // Spans are a moment earlier in their table than in that of traces, or a list is on
            // its way: what is there now would be taken for all of it.
            return Err(Fault::Answer(
                "not all spans of a list can be found yet".into(),
            ));
        }
        self.write(&names, &changes)
    }

    fn find(&self) -> Result<(Names, Changes), Fault> {
        let ms: BTreeSet<u64> = self
            .lists
            .chosen
            .keys()
            .map(|list| ms_of_list(*list))
            .collect();
        let (first, last) = (ms.first().unwrap_or(&0), ms.last().unwrap_or(&0));
        let picked = format!(
            "trace_low IN (SELECT trace_low FROM spans WHERE arrived_ms BETWEEN {first} AND {last} \
             AND arrived_ms IN ({}))",
            numbers(&ms)
        );
        let listed = if self.covered.tip == 0 {
            "0".into()
        } else {
            format!(
                "trace_low GLOBAL IN (SELECT trace_low FROM links WHERE kind = {} AND {})",
                kind::TRACE,
                self.covered.condition()
            )
        };
        let text = statement(&format!("{picked} AND {}", whereabouts(&picked)), &listed);
        let Books { server, deadline } = self.books;
        server.with_client(deadline, async |client| {
            let query = query(&client, &text, deadline)?;
            let (mut names, mut changes) = (Names::default(), Changes::default());
            each_trace(query, &mut names, |names, trace| {
                self.compare(names, trace, &mut changes);
            })
            .await?;
            changes.calls.retain(|_, counts| *counts != (0, 0));
            Ok((names, changes))
        })
    }

    /// Adds what changes in the links of a trace.
    fn compare(&self, names: &Names, trace: &Trace, changes: &mut Changes) {
        let (covered, lists) = (self.covered, &self.lists.chosen);
        let mut is_changed = false;
        for piece in trace.pieces.iter().filter(|p| lists.contains_key(&p.list)) {
            *changes.met.entry(piece.list).or_default() += 1;
            is_changed = true;
        }
        if !is_changed {
            return;
        }
        let before = || trace.pieces.iter().filter(|p| covered.has(p));
        let is_after = |list: &u64| lists.contains_key(list);
        let after = || {
            let pieces = trace.pieces.iter();
            pieces.filter(|p| covered.has(p) || is_after(&p.list))
        };
        // Those of days that are being forgotten count too: they are linked with the others.
        let is_bad = |day: u32| covered.bad.contains(&day);
        let bad = trace.pieces.iter().filter(|p| is_bad(p.day()));
        let all = after().chain(bad);
        let days: BTreeSet<u32> = all.clone().map(Piece::day).collect();
        let goes_into_list = trace.is_listed || days.len() > 1;
        if goes_into_list && let Some(place) = Place::of(all) {
            let day = days.last().copied().unwrap_or(place.day);
            changes.traces.push((trace.low, Place { day, ..place }));
        }
        if !trace.is_listed
            && let Some(place) = Place::of(before())
        {
            changes.add(place, &calls(names, before()), -1);
        }
        if !goes_into_list && let Some(place) = Place::of(after()) {
            changes.add(place, &calls(names, after()), 1);
        }
    }

    fn write(&self, names: &Names, changes: &Changes) -> Result<(), Fault> {
        let mut days: BTreeMap<u32, Vec<(u64, u64)>> = BTreeMap::new();
        for (list, rows) in &self.lists.chosen {
            let day = day_of(ms_of_list(*list));
            days.entry(day).or_default().push((*list, *rows));
        }
        let covered = self.covered;
        let newest = days.keys().last().copied().unwrap_or(0);
        let made = (self.now_ms << RANDOM_BITS) | random(RANDOM_BITS);
        let chunk = made.max(covered.tip + 1);
        let mut rows = Rows::new(Chunk {
            root: if covered.tip == 0 {
                chunk
            } else {
                covered.root
            },
            chunk,
            parent: covered.tip,
            parent_kept: covered.kept,
            to_ms: self.lists.to_ms,
        });
        for (day, lists) in &days {
            rows.push_lists((*day, covered.kept.max(newest)), lists);
        }
        for ((place, caller, callee), counts) in &changes.calls {
            let pair = (names.text(*caller), names.text(*callee));
            rows.push_calls(place, pair, *counts);
        }
        for (low, place) in &changes.traces {
            rows.push_trace(*low, place);
        }
        let token = format!("links-{chunk}");
        let block = Bytes::from(rows.into_block());
        let Books { server, deadline } = self.books;
        server.with_client(deadline, async |client| {
            let settings = [
                ("async_insert", "0"),
                ("insert_distributed_sync", "1"),
                // What comes again after a lost answer is left out.
                ("insert_deduplication_token", token.as_str()),
            ];
            Ok(native::insert(client.clone(), "links", &block, &settings).await?)
        })
    }
}

fn random(bits: u32) -> u64 {
    let seed = std::collections::hash_map::RandomState::new();
    seed.build_hasher().finish() >> (u64::BITS - bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_chunks_differ_within_a_millisecond() {
        let all: BTreeSet<u64> = (0..64).map(|_| random(RANDOM_BITS)).collect();
        assert!(all.len() > 60);
        assert!(all.iter().all(|number| *number < 1 << RANDOM_BITS));
    }
}
