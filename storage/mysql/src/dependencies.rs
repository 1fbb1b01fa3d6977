//! Links between services: of whole days from Zipkin's table once somebody feeds it, as Zipkin's
//! server does, else from the spans of the traces in the window.

use std::collections::HashMap;

use mysql_async::{Row, Value};
use speargun_model::link::link_traces;
use speargun_model::{DependencyLink, Span, TraceId, merge_links};
use speargun_storage::order::millisecond;
use speargun_storage::{IdMode, Window};

use crate::error::Fault;
use crate::fetch::{self, Budget};
use crate::link::{Session, int, text};
use crate::search::{grouped, window_us};

/// Traces that are linked at a time.
const TRACES_AT_A_TIME: usize = fetch::TRACES_MAX;

/// Pairs of services of one answer.
const LINKS_MAX: usize = 1 << 20;

/// What it takes to remember the id of a trace that will be linked.
const ID_BYTES: usize = size_of::<TraceId>();

pub(crate) const DAY_MS: u64 = 86_400_000;

/// Days before today whose links are put into the table; those of older ones are computed when they
/// are asked for.
pub(crate) const DAYS_MAX: u64 = 3650;

/// The lease row that says since when days are in the table by our doing.
pub(crate) const LINKED_SINCE: &str = "linked-since";

/// Returns the links of a window without those of some traces, whose lower halves are sorted.
pub(crate) async fn links(
    session: &mut Session,
    window: Window,
    without: &[u64],
    answer_bytes: usize,
) -> Result<Vec<DependencyLink>, Fault> {
    if !is_fed(session).await? {
        return computed(session, window, without, answer_bytes).await;
    }
    let since_ms = linked_since_ms(session).await?;
    let start_ms = window.start_ms().max(since_ms);
    let mut links = Vec::new();
    if window.start_ms() < since_ms {
        let end_ms = window.end_ms.min(since_ms - 1);
        let earlier = Window {
            end_ms,
            lookback_ms: end_ms - window.start_ms().min(end_ms),
        };
        links = computed(session, earlier, without, answer_bytes).await?;
    }
    if start_ms <= window.end_ms {
        let days = (start_ms / DAY_MS, window.end_ms / DAY_MS);
        links.extend(of_days(session, days).await?);
        let counted = of_traces(session, without, days, answer_bytes).await?;
        return Ok(less(merge_links(links), &counted));
    }
    Ok(merge_links(links))
}

async fn is_fed(session: &mut Session) -> Result<bool, Fault> {
    if !session.schema.has_dependencies {
        return Ok(false);
    }
    let rows = session
        .rows("SELECT 1 FROM zipkin_dependencies LIMIT 1", Vec::new())
        .await?;
    Ok(!rows.is_empty())
}

/// Returns the first millisecond of the first day that our own links cover; 0 when somebody else
/// feeds the table.
async fn linked_since_ms(session: &mut Session) -> Result<u64, Fault> {
    if !session.schema.has_own {
        return Ok(0);
    }
    let sql = "SELECT until_ms FROM speargun_leases WHERE name = ?";
    let rows = session.rows(sql, vec![LINKED_SINCE.into()]).await?;
    let since = rows.first().and_then(|row| int(row, 0));
    Ok(since.map_or(0, i64::unsigned_abs))
}

/// Returns the sums of the table over days since the epoch, both included.
async fn of_days(
    session: &mut Session,
    (first, last): (u64, u64),
) -> Result<Vec<DependencyLink>, Fault> {
    let errors = if session.schema.has_error_count {
        "error_count"
    } else {
        "0"
    };
    let sql = format!(
        "SELECT parent, child, CAST(SUM(call_count) AS SIGNED), \
         CAST(SUM(COALESCE({errors}, 0)) AS SIGNED) FROM zipkin_dependencies \
         WHERE day BETWEEN ? AND ? GROUP BY parent, child"
    );
    let mut links = Vec::new();
    let count = |row: &Row, place| int(row, place).unwrap_or_default().max(0).unsigned_abs();
    let take = |row: &Row| {
        if links.len() == LINKS_MAX {
            return Err(Fault::TooMuch(LINKS_MAX));
        }
        links.push(DependencyLink {
            parent: text(row, 0).unwrap_or_default(),
            child: text(row, 1).unwrap_or_default(),
            call_count: count(row, 2),
            error_count: count(row, 3),
        });
        Ok(())
    };
    let values = vec![date(first).into(), date(last).into()];
    session.each(&sql, values, take).await?;
    Ok(links)
}

/// Returns the links of these traces as the table counts them: on the day of their least time.
async fn of_traces(
    session: &mut Session,
    lows: &[u64],
    (first, last): (u64, u64),
    answer_bytes: usize,
) -> Result<Vec<DependencyLink>, Fault> {
    let mut links = Vec::new();
    for lows in lows.chunks(TRACES_AT_A_TIME) {
        let mut budget = Budget::of(answer_bytes);
        let mut traces = of_lows(session, lows, &[], &mut budget).await?;
        let days = first..=last;
        traces.retain(|spans| least_ms(spans).is_some_and(|ms| days.contains(&(ms / DAY_MS))));
        links.extend(link_traces(&traces));
        links = merge_links(links);
    }
    Ok(links)
}

/// Returns links with fewer calls.
fn less(links: Vec<DependencyLink>, counted: &[DependencyLink]) -> Vec<DependencyLink> {
    let counted: HashMap<(&str, &str), &DependencyLink> = counted
        .iter()
        .map(|link| ((link.parent.as_str(), link.child.as_str()), link))
        .collect();
    let less = |mut link: DependencyLink| {
        if let Some(known) = counted.get(&(link.parent.as_str(), link.child.as_str())) {
            link.call_count = link.call_count.saturating_sub(known.call_count);
            link.error_count = link.error_count.saturating_sub(known.error_count);
        }
        (link.call_count != 0).then_some(link)
    };
    links.into_iter().filter_map(less).collect()
}

/// Returns the least time of a trace, which it counts at.
pub(crate) fn least_ms(spans: &[Span]) -> Option<u64> {
    spans.iter().map(millisecond).filter(|ms| *ms != 0).min()
}

/// Returns the links of the traces in a window, each linked in full.
async fn computed(
    session: &mut Session,
    window: Window,
    without: &[u64],
    answer_bytes: usize,
) -> Result<Vec<DependencyLink>, Fault> {
    let mut links = Vec::new();
    let ids = ids_in(session, window, &mut Budget::of(answer_bytes)).await?;
    each_trace(session, &ids, (without, answer_bytes), |traces| {
        links.extend(link_traces(&traces));
        links = merge_links(std::mem::take(&mut links));
        if links.len() > LINKS_MAX {
            return Err(Fault::TooMuch(LINKS_MAX));
        }
        Ok(())
    })
    .await?;
    Ok(links)
}

/// Returns the ids of traces that have a span row in the window, sorted by their lower halves.
pub(crate) async fn ids_in(
    session: &mut Session,
    window: Window,
    budget: &mut Budget,
) -> Result<Vec<TraceId>, Fault> {
    let high = if session.schema.has_high {
        "trace_id_high"
    } else {
        "0"
    };
    let (start_us, end_us) = window_us(window);
    let timeless = if start_us == 0 {
        " OR start_ts IS NULL"
    } else {
        ""
    };
    let sql = format!(
        "SELECT DISTINCT {high}, trace_id FROM zipkin_spans \
         WHERE start_ts BETWEEN ? AND ?{timeless}"
    );
    let mut ids: Vec<TraceId> = Vec::new();
    let take = |row: &Row| {
        budget.take(ID_BYTES)?;
        ids.push(TraceId {
            high: int(row, 0).unwrap_or_default().cast_unsigned(),
            low: int(row, 1).unwrap_or_default().cast_unsigned(),
        });
        Ok(())
    };
    let values = vec![Value::Int(start_us), Value::Int(end_us)];
    session.each(&sql, values, take).await?;
    ids.sort_unstable_by_key(|id| (id.low, id.high));
    Ok(ids)
}

/// Hands out the spans of all traces with these ids, some traces at a time, by the lower halves of
/// their ids alone.
pub(crate) async fn each_trace(
    session: &mut Session,
    ids: &[TraceId],
    (without, answer_bytes): (&[u64], usize),
    mut take: impl FnMut(Vec<Vec<Span>>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let wanted: Vec<TraceId> = ids
        .iter()
        .copied()
        .filter(|id| without.binary_search(&id.low).is_err())
        .collect();
    // Both forms of an id stay together.
    let traces: Vec<&[TraceId]> = wanted.chunk_by(|one, other| one.low == other.low).collect();
    for some in traces.chunks(TRACES_AT_A_TIME) {
        let lows: Vec<u64> = some
            .iter()
            .filter_map(|ids| Some(ids.first()?.low))
            .collect();
        let known: Vec<TraceId> = some.iter().copied().flatten().copied().collect();
        let mut budget = Budget::of(answer_bytes);
        take(of_lows(session, &lows, &known, &mut budget).await?)?;
    }
    Ok(())
}

/// Returns the traces with these lower halves.
async fn of_lows(
    session: &mut Session,
    lows: &[u64],
    known: &[TraceId],
    budget: &mut Budget,
) -> Result<Vec<Vec<Span>>, Fault> {
    let mut ids = known.to_vec();
    if session.schema.has_high {
        // Spans of the other form that have no annotation are not found so, and link nothing.
        ids.extend(fetch::ids_of_lows(session, lows, "zipkin_annotations").await?);
    } else {
        ids.extend(lows.iter().map(|low| TraceId { high: 0, low: *low }));
    }
    let ids = fetch::distinct(ids.into_iter());
    let traces = fetch::traces(session, &ids, budget).await?;
    Ok(grouped(&ids, traces, IdMode::Lenient))
}

/// Returns a day since the epoch as SQL writes it; none is later than the year 9999.
pub(crate) fn date(day: u64) -> String {
    const LAST: u64 = 2_932_896;
    // Howard Hinnant's way from days to a civil date, with years that begin in March.
    let day = day.min(LAST) + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day_of_month:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        for (day, text) in [
            (0, "1970-01-01"),
            (59, "1970-03-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_453, "2025-12-31"),
            (u64::MAX / 2, "9999-12-31"),
        ] {
            assert_eq!(date(day), text);
        }
    }

    #[test]
    fn links_of_traces_that_lie_elsewhere_are_taken_off() {
        let link = |child: &str, call_count, error_count| DependencyLink {
            parent: "a".into(),
            child: child.into(),
            call_count,
            error_count,
        };
        let rest = less(
            vec![link("b", 5, 1), link("c", 1, 0)],
            &[link("b", 2, 1), link("c", 1, 0)],
        );
        assert_eq!(rest, [link("b", 3, 0)]);
    }
}
