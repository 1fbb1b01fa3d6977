//! Which lists of spans are linked next: the late ones, else those that came first of all that are
//! not linked yet. Some at a time, so that a chunk stays small.

use std::collections::BTreeMap;

use crate::columns::{LIST, day_of, ms_of_list};
use crate::fault::Fault;
use crate::links::covered::{Books, Covered, DayRow, ListRow};
use crate::schema::ARRIVED_ON;

/// Lists of a chunk.
const LISTS_MAX: usize = 500;

/// Spans of a chunk, unless its first list has more.
const SPANS_MAX: u64 = 200_000;

/// Lists to link.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// They, and their spans.
    pub(super) chosen: BTreeMap<u64, u64>,
    /// Until when lists are covered then.
    pub(super) to_ms: u64,
    /// Spans of others that might be linked now.
    pub(super) waiting: u64,
}

impl Lists {
    /// Returns the next ones of those that came until then.
    pub(super) fn next(books: Books<'_>, covered: &Covered, until_ms: u64) -> Result<Self, Fault> {
        // What a day that is being forgotten gets is computed for as long as it is there.
        let late = covered.late.iter();
        let late = late.filter(|(list, _)| !covered.bad.contains(&day_of(ms_of_list(**list))));
        let late: Vec<(u64, u64)> = late.map(|(list, rows)| (*list, *rows)).collect();
        if !late.is_empty() {
            return Ok(Self::choose(late, covered.to_ms));
        }
        let first = day_of(covered.to_ms);
        let days: Vec<DayRow> = books.all(&format!(
            "SELECT toUInt32({ARRIVED_ON}) AS day, count() AS rows FROM spans WHERE {ARRIVED_ON} \
             >= toDate({first}) GROUP BY {ARRIVED_ON} ORDER BY day"
        ))?;
        for DayRow { day, .. } in days.iter().filter(|day| day.rows > 0) {
            let rows: Vec<ListRow> = books.all(&format!(
                "SELECT {LIST} AS list, count() AS rows FROM spans WHERE {ARRIVED_ON} = \
                 toDate({day}) AND arrived_ms > {} AND arrived_ms <= {until_ms} GROUP BY list \
                 ORDER BY list",
                covered.to_ms
            ))?;
            if !rows.is_empty() {
                let all = rows.into_iter().map(|row| (row.list, row.rows));
                return Ok(Self::choose(all.collect(), covered.to_ms));
            }
        }
        Ok(Self::default())
    }

    fn choose(all: Vec<(u64, u64)>, to_ms: u64) -> Self {
        let mut lists = Self {
            to_ms,
            ..Self::default()
        };
        let mut spans = 0;
        for (list, rows) in all {
            let has_room = lists.chosen.len() < LISTS_MAX && spans + rows <= SPANS_MAX;
            if lists.waiting > 0 || (!has_room && !lists.chosen.is_empty()) {
                lists.waiting += rows;
                continue;
            }
            spans += rows;
            // Another one of this millisecond is late then.
            lists.to_ms = lists.to_ms.max(ms_of_list(list));
            lists.chosen.insert(list, rows);
        }
        lists
    }

    /// Returns how many spans the chosen ones have.
    pub(super) fn spans(&self) -> u64 {
        self.chosen.values().sum()
    }

    /// Returns when the first of the chosen ones came.
    pub(super) fn oldest_ms(&self) -> u64 {
        self.chosen
            .keys()
            .next()
            .map_or(0, |list| ms_of_list(*list))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1 << 12;

    #[test]
    fn lists_are_chosen_until_there_is_no_room() {
        let all = vec![(5 * MS, 150_000), (6 * MS, 60_000), (7 * MS, 1)];
        let lists = Lists::choose(all, 4);
        assert_eq!(lists.chosen, BTreeMap::from([(5 * MS, 150_000)]));
        assert_eq!((lists.to_ms, lists.waiting), (5, 60_001));
        assert_eq!((lists.spans(), lists.oldest_ms()), (150_000, 5));
        let many = (1..=600).map(|n| (n * MS, 1)).collect();
        let lists = Lists::choose(many, 0);
        assert_eq!(
            (lists.chosen.len(), lists.to_ms, lists.waiting),
            (500, 500, 100)
        );
    }

    #[test]
    fn a_list_that_is_too_long_is_chosen_alone() {
        let lists = Lists::choose(vec![(5 * MS, 900_000), (6 * MS, 1)], 9);
        assert_eq!((lists.spans(), lists.waiting), (900_000, 1));
        assert_eq!(lists.to_ms, 9, "late ones move nothing");
    }
}
