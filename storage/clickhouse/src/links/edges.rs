//! The links of a window from table `links`, exactly as computing them from spans gives them. What
//! the table can't tell is computed and made up for: traces that are not linked yet, those with
//! spans in the minutes that the window cuts, those listed by themselves, and those of days of
//! which retention took a part.
//!
//! The table counts a trace under the minutes of its first and last span (and whether it has spans
//! without a time, which are filed in the first minute of 1970). It is in the window for certain
//! when one of these minutes lies in it wholly. When neither does, and the window lies between
//! them, nobody knows: then all is computed.

use std::collections::HashMap;

use clickhouse::Row;
use foldhash::fast::RandomState;
use serde::Deserialize;
use speargun_model::DependencyLink;
use speargun_storage::Window;

use super::covered::{ASTRAY_MAX, Covered, kind, numbers};
use super::minutes::Minutes;
use super::place::Place;
use super::rows::{Names, Piece, Service, Trace, calls, each_trace, statement};
use super::{Asked, inside};
use crate::columns::{minute, ms_of_list};
use crate::fault::Fault;
use crate::fetch::whereabouts;
use crate::schema::ARRIVED_ON;
use crate::server::query;

/// How often it is tried while the table changes.
const TRIES: usize = 2;

/// Late lists that a statement may name.
const LATE_MAX: usize = 500;

/// Spans that wait to be linked, of which it is not asked whether computing all is less work.
const WAITING_SPANS: u64 = 100_000;

/// Traces of a statement.
const TRACES_OF_STATEMENT: usize = 4096;

#[derive(Row, Deserialize)]
struct CallsRow {
    is_wide: u8,
    caller: String,
    callee: String,
    call_sum: i64,
    error_sum: i64,
}

#[derive(Row, Deserialize)]
struct Count {
    rows: u64,
}

/// Calls and errors of pairs of services; parts of the sums may be negative.
#[derive(Debug, Default)]
struct Sums(HashMap<(Service, Service), (i64, i64), RandomState>);

impl Sums {
    fn add(&mut self, pair: (Service, Service), (calls, errors): (i64, i64)) {
        let sum = self.0.entry(pair).or_default();
        sum.0 = sum.0.saturating_add(calls);
        sum.1 = sum.1.saturating_add(errors);
    }

    fn into_links(self, names: &Names) -> Vec<DependencyLink> {
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let counted = self.0.into_iter().filter(|(_, (calls, _))| *calls > 0);
        let links = counted.map(|((parent, child), (calls, errors))| DependencyLink {
            parent: names.text(parent).to_owned(),
            child: names.text(child).to_owned(),
            call_count: count(calls),
            error_count: count(errors),
        });
        let mut links: Vec<DependencyLink> = links.collect();
        links.sort_unstable();
        links
    }
}

/// Returns the links of a window, but for traces with these lower halves of their ids, sorted;
/// none when the table can't tell or computing all of them is less work.
pub(super) fn links(asked: &Asked<'_>) -> Result<Option<Vec<DependencyLink>>, Fault> {
    let Some(minutes) = Minutes::of(asked.window) else {
        return Ok(None);
    };
    let books = asked.books();
    let mut covered = books.covered()?;
    for _ in 0..TRIES {
        if !is_worth_it(asked, &covered)? {
            return Ok(None);
        }
        let answer = Answer {
            asked,
            minutes,
            covered: &covered,
        };
        let Some(links) = answer.links()? else {
            return Ok(None);
        };
        // Rows may have come or gone while the parts were read one after the other.
        let then = books.covered_by(covered.tip)?;
        if then == covered {
            return Ok(Some(links));
        }
        covered = books.covered()?;
    }
    Ok(None)
}

fn is_worth_it(asked: &Asked<'_>, covered: &Covered) -> Result<bool, Fault> {
    let names_too_many = covered.late.len() > LATE_MAX || covered.astray.len() > ASTRAY_MAX;
    if covered.tip == 0 || names_too_many {
        return Ok(false);
    }
    let count = |condition: &str| -> Result<u64, Fault> {
        let text = format!("SELECT count() AS rows FROM spans WHERE {condition}");
        let rows: Vec<Count> = asked.books().all(&text)?;
        Ok(rows.first().map_or(0, |row| row.rows))
    };
    let waiting = count(&format!("arrived_ms > {}", covered.to_ms))?;
    Ok(waiting <= WAITING_SPANS || waiting <= count(&inside(asked.window))? / 2)
}

struct Answer<'a> {
    asked: &'a Asked<'a>,
    minutes: Minutes,
    covered: &'a Covered,
}

impl Answer<'_> {
    fn links(&self) -> Result<Option<Vec<DependencyLink>>, Fault> {
        let (mut names, mut sums) = (Names::default(), Sums::default());
        let rows: Vec<CallsRow> = self.asked.books().all(&self.table_text())?;
        for row in rows {
            if row.is_wide != 0 {
                // Some of them have calls: sums of traces that moved elsewhere are 0.
                if row.call_sum != 0 || row.error_sum != 0 {
                    return Ok(None);
                }
                continue;
            }
            let pair = (names.known(&row.caller), names.known(&row.callee));
            sums.add(pair, (row.call_sum, row.error_sum));
        }
        let is_left_out = |trace: &Trace| self.asked.without.binary_search(&trace.low).is_ok();
        self.mend(
            &self.unsure(),
            (&mut names, &mut sums),
            |trace, (names, sums)| {
                if !is_left_out(trace) {
                    self.count_as_it_is(trace, (names, sums));
                    self.count_off(trace, (names, sums));
                }
            },
        )?;
        for lows in self.asked.without.chunks(TRACES_OF_STATEMENT) {
            let which = format!("trace_low IN ({})", numbers(lows));
            self.mend(&which, (&mut names, &mut sums), |trace, of| {
                self.count_off(trace, of);
            })?;
        }
        Ok(Some(sums.into_links(&names)))
    }

    /// Returns the statement that sums the table up: what is in the window for certain, and what
    /// may be, because it lies around it.
    fn table_text(&self) -> String {
        let (first, last) = self.minutes.whole();
        let held = self.minutes.condition();
        format!(
            "SELECT NOT {held} AS is_wide, toString(parent_service) AS caller, \
             toString(child_service) AS callee, sum(calls) AS call_sum, sum(errors) AS error_sum \
             FROM links WHERE kind = {} AND {} AND day IN ({}) AND ({held} OR (first < {first} AND \
             last > {last})) GROUP BY is_wide, caller, callee",
            kind::CALLS,
            self.covered.condition(),
            self.days(),
        )
    }

    /// Returns the days that count; one that nothing came on when there are none.
    fn days(&self) -> String {
        let days = self.covered.good.iter();
        let days: Vec<String> = days.map(|day| format!("toDate({day})")).collect();
        if days.is_empty() {
            return "toDate(0)".into();
        }
        days.join(", ")
    }

    /// Returns the condition that the table does not tell all of a trace.
    fn unsure(&self) -> String {
        let Covered {
            to_ms, late, bad, ..
        } = self.covered;
        let inside = inside(self.asked.window);
        let mut conditions = vec![format!("arrived_ms > {to_ms}")];
        if !late.is_empty() {
            let late: Vec<u64> = late.keys().map(|list| ms_of_list(*list)).collect();
            conditions.push(format!("arrived_ms IN ({})", numbers(&late)));
        }
        let cut: Vec<u32> = self.minutes.cut().into_iter().flatten().collect();
        if !cut.is_empty() {
            let inside = inside_exactly(self.asked.window);
            conditions.push(format!("minute IN ({}) AND {inside}", numbers(&cut)));
        }
        if !bad.is_empty() {
            let days: Vec<String> = bad.iter().map(|day| format!("toDate({day})")).collect();
            let days = days.join(", ");
            conditions.push(format!("{ARRIVED_ON} IN ({days}) AND {inside}"));
        }
        let each = conditions
            .iter()
            .map(|condition| format!("SELECT trace_low FROM spans WHERE {condition}"));
        let each: Vec<String> = each.collect();
        format!(
            "(trace_low IN ({}) OR trace_low GLOBAL IN ({} AND {}))",
            each.join(" UNION ALL "),
            self.listed(),
            self.may_be_inside(),
        )
    }

    /// Returns the condition that a trace that is listed by itself may be in the window.
    fn may_be_inside(&self) -> String {
        let (start_us, end_us) = super::microseconds(self.asked.window);
        let (first, last) = (minute(start_us), minute(end_us));
        let timeless = if first == 0 { " OR timeless = 1" } else { "" };
        format!("(first <= {last} AND last >= {first}{timeless})")
    }

    /// Returns the statement that hands out the traces that are listed by themselves.
    fn listed(&self) -> String {
        format!(
            "SELECT trace_low FROM links WHERE kind = {} AND {}",
            kind::TRACE,
            self.covered.condition()
        )
    }

    /// Changes the sums by what the traces that meet a condition add to them.
    fn mend(
        &self,
        which: &str,
        (names, sums): (&mut Names, &mut Sums),
        count: impl Fn(&Trace, (&Names, &mut Sums)),
    ) -> Result<(), Fault> {
        let listed = format!("trace_low GLOBAL IN ({})", self.listed());
        let text = statement(&format!("{which} AND {}", whereabouts(which)), &listed);
        let Asked {
            server, deadline, ..
        } = *self.asked;
        let (found, added) = server.with_client(deadline, async |client| {
            let query = query(&client, &text, deadline)?;
            let (mut names, mut sums) = (Names::default(), Sums::default());
            each_trace(query, &mut names, |names, trace| {
                count(trace, (names, &mut sums));
            })
            .await?;
            Ok((names, sums))
        })?;
        for ((parent, child), counts) in added.0 {
            let pair = (
                names.known(found.text(parent)),
                names.known(found.text(child)),
            );
            sums.add(pair, counts);
        }
        Ok(())
    }

    /// Counts the links of a trace, if it is in the window.
    fn count_as_it_is(&self, trace: &Trace, (names, sums): (&Names, &mut Sums)) {
        let is_inside = |us: u64| self.asked.window.contains_ms(us / 1000);
        let mut times = trace.pieces.iter().map(Piece::timestamp_us);
        if times.any(is_inside) {
            for count in calls(names, &trace.pieces) {
                sums.add((count.parent, count.child), counts(&count, 1));
            }
        }
    }

    /// Takes off what the table counts of a trace.
    fn count_off(&self, trace: &Trace, (names, sums): (&Names, &mut Sums)) {
        if trace.is_listed {
            return;
        }
        let linked = || trace.pieces.iter().filter(|piece| self.covered.has(piece));
        if Place::of(linked()).is_some_and(|place| self.minutes.holds(&place)) {
            for count in calls(names, linked()) {
                sums.add((count.parent, count.child), counts(&count, -1));
            }
        }
    }
}

/// Returns the calls and errors of a link, with a sign.
fn counts(count: &super::rows::Calls, sign: i64) -> (i64, i64) {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX) * sign;
    (signed(count.call_count), signed(count.error_count))
}

/// Returns the condition that a span's time is in the window, whatever its minute.
fn inside_exactly(window: Window) -> String {
    let (start_us, end_us) = super::microseconds(window);
    format!("timestamp_us BETWEEN {start_us} AND {end_us}")
}
