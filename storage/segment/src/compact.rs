//! Merges small neighbours into larger segments and deletes what is past retention. Neighbours in
//! order of arrival only, so that arrival within a trace is kept; inside one time partition only,
//! so that retention by age can delete whole files.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use speargun_storage::Retention;

use crate::config::Config;
use crate::error::SegmentError;
use crate::format::Facts;
use crate::manifest::{Found, Manifest};
use crate::moving::Ticket;
use crate::pack::Packer;
use crate::seal;
use crate::segment::Segment;
use crate::store::{Change, Shared};
use crate::unwritten;
use crate::weave::{Failed, weave};

/// Neighbours that are worth a merge of their own.
const FAN_IN: usize = 11;
/// Segments that were never merged beyond which the sealer waits for merges.
const UNMERGED_MAX: usize = 20;
/// Unpacked bytes that a merge may hold in memory.
const RAW_BYTES_MAX: u64 = 256 << 20;

/// Does one piece of work; returns whether there may be more.
pub(crate) fn step(shared: &Shared) -> io::Result<bool> {
    let _one_at_a_time = shared.housekeeping.lock();
    let segments = shared.snapshot().segments;
    let now = shared.clock.now_ms();
    let ticket = shared.ticket();
    let expired = expired(&segments, &shared.retention, now);
    if !expired.is_empty() {
        let gone = || expired.iter();
        shared.commit(&Change {
            remove: gone().map(|segment| segment.facts.first).collect(),
            ..Change::default()
        })?;
        let rows = gone().map(|segment| segment.facts.rows).sum();
        shared
            .counters
            .expired_segments
            .fetch_add(expired.len() as u64, Ordering::Relaxed);
        shared
            .counters
            .expired_rows
            .fetch_add(rows, Ordering::Relaxed);
        return Ok(true);
    }
    let facts = mergeable(&segments, ticket.as_ref(), &shared.config, now);
    let Some(run) = choose(&facts, &shared.config, now) else {
        return Ok(false);
    };
    merge(shared, segments.get(run).unwrap_or_default())?;
    Ok(true)
}

/// Returns whether there is more to merge than there should be among these, which are all: the
/// sealer then waits.
pub(crate) fn is_behind(
    segments: &[Arc<Segment>],
    ticket: Option<&Ticket>,
    config: &Config,
    now: u64,
) -> bool {
    let is_fresh = |segment: &&Arc<Segment>| segment.facts.first == segment.facts.last;
    let fresh = segments.iter().rev().take_while(is_fresh).count();
    let newest = segments.get(segments.len() - fresh..).unwrap_or_default();
    fresh > UNMERGED_MAX && are_too_many(&mergeable(newest, ticket, config, now), config, now)
}

/// Returns whether segments that were never merged are too many, and could be fewer.
fn are_too_many(fresh: &[Facts], config: &Config, now: u64) -> bool {
    let small = fresh.iter().filter(|facts| facts.rows <= config.merge_rows);
    small.count() > UNMERGED_MAX && choose(fresh, config, now).is_some()
}

/// Returns the segments that are past retention, oldest first. One whose spans arrived while the
/// clock was ahead stays for longer and holds up none behind it.
fn expired(segments: &[Arc<Segment>], retention: &Retention, now: u64) -> Vec<Arc<Segment>> {
    let is_too_old = |segment: &&Arc<Segment>| {
        let age = now.saturating_sub(segment.facts.arrived_max_ms);
        age > retention.age_ms()
    };
    let (mut expired, young): (Vec<_>, Vec<_>) = segments.iter().partition(is_too_old);
    let mut total: u64 = young.iter().map(|segment| segment.bytes).sum();
    for segment in young {
        if total <= retention.bytes() {
            break;
        }
        total -= segment.bytes;
        expired.push(segment);
    }
    expired.into_iter().cloned().collect()
}

/// Returns the facts of segments; one that is damaged, fresh or being moved is too large to be
/// merged.
fn mergeable(
    segments: &[Arc<Segment>],
    ticket: Option<&Ticket>,
    config: &Config,
    now: u64,
) -> Vec<Facts> {
    let facts = segments.iter().map(|segment| {
        let facts = segment.facts;
        let is_fresh = now.saturating_sub(facts.arrived_max_ms) < config.merge_after_ms;
        let is_moving = ticket.is_some_and(|ticket| ticket.is_of(&facts));
        if is_fresh || is_moving || segment.damaged.load(Ordering::Relaxed) {
            return apart(facts, config);
        }
        facts
    });
    facts.collect()
}

/// Returns facts of a segment that is too large to be merged.
fn apart(facts: Facts, config: &Config) -> Facts {
    Facts {
        rows: config.merge_rows.saturating_add(1),
        ..facts
    }
}

/// Returns neighbours that are worth merging: enough of them, or almost a full segment, none of
/// which is most of the result; in a partition that is over, any that fit together.
fn choose(facts: &[Facts], config: &Config, now: u64) -> Option<Range<usize>> {
    let partition = |facts: &Facts| facts.arrived_max_ms / config.partition_ms();
    let current = now / config.partition_ms();
    let mut start = 0;
    while let Some(first) = facts.get(start) {
        let (mut rows, mut bytes, mut largest, mut end) = (0, 0, 0, start);
        for next in facts.get(start..).unwrap_or_default() {
            if partition(next) != partition(first)
                || next.rows > config.merge_rows.saturating_sub(rows)
                || next.raw_bytes > RAW_BYTES_MAX.saturating_sub(bytes)
            {
                break;
            }
            rows += next.rows;
            bytes += next.raw_bytes;
            largest = largest.max(next.rows);
            end += 1;
        }
        let count = end - start;
        let balanced = largest <= rows / 2;
        let worth = count >= FAN_IN || rows >= config.merge_rows / 4 * 3;
        let over = partition(first) < current;
        if count >= 2 && (over || balanced && worth) {
            return Some(start..end);
        }
        start += 1;
    }
    None
}

fn merge(shared: &Shared, segments: &[Arc<Segment>]) -> io::Result<()> {
    let (Some(first), Some(last)) = (segments.first(), segments.last()) else {
        return Ok(());
    };
    let arrived = |of: fn(&Facts) -> u64| segments.iter().map(move |s| of(&s.facts));
    let facts = Facts {
        first: first.facts.first,
        last: last.facts.last,
        end_position: last.facts.end_position,
        arrived_min_ms: arrived(|f| f.arrived_min_ms).min().unwrap_or_default(),
        arrived_max_ms: arrived(|f| f.arrived_max_ms).max().unwrap_or_default(),
        ..Facts::default()
    };
    // The merged one becomes a file, and only the newest are none.
    unwritten::write_before(shared, first.facts.first)?;
    let encoded = weave(segments, facts, &mut Packer::new()?);
    let encoded = encoded.map_err(|failed| report(shared, segments, failed))?;
    let merged = seal::write(shared, &encoded)?;
    let count = merged.facts.rows;
    let change = Change {
        remove: segments.iter().map(|segment| segment.facts.first).collect(),
        add: Some(merged.clone()),
        ..Change::default()
    };
    if let Err(error) = shared.commit(&change) {
        discard(shared, &merged);
        return Err(error);
    }
    shared.counters.merges.fetch_add(1, Ordering::Relaxed);
    shared
        .counters
        .merged_rows
        .fetch_add(count, Ordering::Relaxed);
    Ok(())
}

/// Reports a segment that can't be merged; one that is damaged is left out from now on.
fn report(shared: &Shared, segments: &[Arc<Segment>], failed: Failed) -> io::Error {
    let Failed { place, error } = failed;
    if let Some(segment) = segments.get(place) {
        shared.report_damage(&segment.path, &error);
        if matches!(error, SegmentError::Corrupt(_)) {
            segment.damaged.store(true, Ordering::Relaxed);
        }
    }
    error.into()
}

/// Deletes the file of a segment that the manifest was to name and does not: on a full disk it
/// would be in the way until the next start. Where there is doubt it stays.
pub(crate) fn discard(shared: &Shared, segment: &Segment) {
    let named = (segment.facts.first, segment.facts.last);
    if let Ok(Found::Manifest(manifest)) = Manifest::read(&*shared.disk, &shared.config.dir)
        && !manifest.segments.contains(&named)
        && let Err(error) = shared.disk.remove(&segment.path)
    {
        tracing::warn!(path = %segment.path.display(), %error, "a file stays until restart");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(all: &[(u64, u64)]) -> Vec<Facts> {
        all.iter()
            .map(|&(rows, arrived_max_ms)| Facts {
                rows,
                arrived_max_ms,
                ..Facts::default()
            })
            .collect()
    }

    fn chosen(all: &[(u64, u64)], now: u64) -> Option<Range<usize>> {
        choose(
            &facts(all),
            &Config {
                merge_rows: 1000,
                ..Config::new("d")
            },
            now,
        )
    }

    #[test]
    fn few_small_neighbours_wait_for_more() {
        assert_eq!(chosen(&[(10, 0); 10], 0), None);
        assert_eq!(chosen(&[(10, 0); 11], 0), Some(0..11));
    }

    #[test]
    fn the_sealer_waits_for_merges_that_there_are() {
        let are_too_many = |all: &[(u64, u64)]| {
            let config = Config {
                merge_rows: 1000,
                ..Config::new("d")
            };
            are_too_many(&facts(all), &config, 0)
        };
        assert!(!are_too_many(&[(10, 0); UNMERGED_MAX]));
        assert!(are_too_many(&[(10, 0); UNMERGED_MAX + 1]));
        assert!(
            !are_too_many(&[(600, 0); UNMERGED_MAX + 1]),
            "none can be merged"
        );
        let mut apart = [(1001, 0); 2 * UNMERGED_MAX];
        apart.iter_mut().take(12).for_each(|small| small.0 = 10);
        assert!(!are_too_many(&apart), "few can be merged");
    }

    #[test]
    fn almost_full_neighbours_are_merged_at_once() {
        assert_eq!(
            chosen(&[(900, 0), (250, 0), (250, 0), (250, 0)], 0),
            Some(1..4)
        );
    }

    #[test]
    fn a_large_one_is_not_written_again_for_small_ones() {
        assert_eq!(chosen(&[(700, 0), (60, 0), (60, 0)], 0), None);
    }

    #[test]
    fn a_partition_that_is_over_is_merged_whatever_its_sizes() {
        let hour = Config::new("d").partition_ms();
        assert_eq!(chosen(&[(700, 0), (60, 0), (60, 0)], hour), Some(0..3));
        assert_eq!(chosen(&[(700, 0), (60, hour)], 2 * hour), None);
    }
}
