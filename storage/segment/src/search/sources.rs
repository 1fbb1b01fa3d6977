//! In which segments a search looks, and in which order. It reads none of them.

use std::sync::Arc;

use speargun_storage::Window;

use crate::segment::Segment;

/// How far beyond the window a segment's spans may lie and still add to a trace inside it.
pub(crate) const SPREAD_MS: u64 = 3_600_000;
/// Rows of segments farther away that are searched too when there are not enough matches. Spans of
/// a trace in others are not searched, only answered.
const FAR_ROWS_MAX: u64 = 2_000_000;

/// Returns the segments that may hold spans of traces in the window, newest times first, and those
/// that may complete such traces from farther away, the nearest first.
pub(super) fn by_time<'s>(
    segments: &'s [Arc<Segment>],
    window: &Window,
) -> (Vec<&'s Segment>, Vec<&'s Segment>) {
    // Where no span has a time, nothing says that it is another one.
    let untimed = |segment: &Segment| segment.facts.rows == segment.facts.untimed;
    let distance_ms = |segment: &Segment| {
        let (least, greatest) = (segment.facts.time_min_us, segment.facts.time_max_us);
        let before = window.start_ms().saturating_sub(greatest / 1000);
        before.max((least / 1000).saturating_sub(window.end_ms))
    };
    let all = segments.iter().map(|segment| &**segment);
    let (mut near, mut far): (Vec<&Segment>, Vec<&Segment>) =
        all.partition(|segment| untimed(segment) || distance_ms(segment) <= SPREAD_MS);
    near.sort_by_key(|segment| std::cmp::Reverse(segment.facts.time_max_us));
    far.sort_by_key(|segment| distance_ms(segment));
    let mut rows = 0;
    far.retain(|segment| {
        rows += segment.facts.rows;
        rows <= FAR_ROWS_MAX
    });
    (near, far)
}
