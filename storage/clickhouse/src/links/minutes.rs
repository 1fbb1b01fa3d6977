//! Which minutes of a window are whole: the table of links counts by them.

use speargun_storage::Window;

use super::place::Place;

const MINUTE_MS: u64 = 60_000;

/// The minutes of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Minutes {
    /// Those that lie in it wholly, both included.
    whole: (u32, u32),
    /// Those of its ends, when it cuts them.
    cut: [Option<u32>; 2],
}

impl Minutes {
    /// Returns those of a window; none when it holds no whole one, or cuts the first of 1970.
    pub(super) fn of(window: Window) -> Option<Self> {
        let (start_ms, end_ms) = (window.start_ms(), window.end_ms);
        let (start, end) = (start_ms / MINUTE_MS, end_ms.checked_add(1)? / MINUTE_MS);
        let starts_whole = start_ms % MINUTE_MS == 0;
        let ends_whole = (end_ms + 1) % MINUTE_MS == 0;
        let first = if starts_whole { start } else { start + 1 };
        let last = end.checked_sub(1)?;
        if first > last || last >= u64::from(u32::MAX) || (start == 0 && !starts_whole) {
            return None;
        }
        let minute = |minute: u64| u32::try_from(minute).ok();
        Some(Self {
            whole: (minute(first)?, minute(last)?),
            cut: [
                (!starts_whole).then_some(minute(start)?),
                (!ends_whole).then_some(minute(end)?),
            ],
        })
    }

    /// Returns the first and the last whole minute.
    pub(super) fn whole(&self) -> (u32, u32) {
        self.whole
    }

    /// Returns those of the ends that are not.
    pub(super) fn cut(&self) -> [Option<u32>; 2] {
        self.cut
    }

    fn has(&self, minute: u32) -> bool {
        (self.whole.0..=self.whole.1).contains(&minute)
    }

    /// Returns whether a trace that is counted there is in the window for certain.
    pub(super) fn holds(&self, place: &Place) -> bool {
        self.has(place.first) || self.has(place.last) || (place.is_timeless && self.has(0))
    }

    /// Returns what [`Self::holds`] is in a statement.
    pub(super) fn condition(&self) -> String {
        let (first, last) = self.whole;
        let timeless = if first == 0 { " OR timeless = 1" } else { "" };
        format!("(first BETWEEN {first} AND {last} OR last BETWEEN {first} AND {last}{timeless})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = ((u32, u32), [Option<u32>; 2]);

    fn minutes(start_ms: u64, end_ms: u64) -> Option<Found> {
        let window = Window {
            end_ms,
            lookback_ms: end_ms - start_ms,
        };
        Minutes::of(window).map(|minutes| (minutes.whole, minutes.cut))
    }

    #[test]
    fn windows_cut_the_minutes_of_their_ends() {
        assert_eq!(minutes(60_000, 119_999), Some(((1, 1), [None, None])));
        assert_eq!(minutes(60_001, 180_000), Some(((2, 2), [Some(1), Some(3)])));
        assert_eq!(minutes(60_000, 119_998), None, "no minute is whole");
        assert_eq!(minutes(0, 59_999), Some(((0, 0), [None, None])));
        assert_eq!(minutes(1, 600_000), None, "spans without time are cut");
        assert_eq!(minutes(60_000, u64::MAX), None);
    }

    #[test]
    fn a_trace_is_held_by_either_end() {
        let minutes = Minutes {
            whole: (5, 9),
            cut: [None, None],
        };
        let place = |first, last| Place {
            day: 1,
            first,
            last,
            is_timeless: true,
        };
        assert!(minutes.holds(&place(1, 5)) && minutes.holds(&place(9, 20)));
        assert!(!minutes.holds(&place(4, 10)) && !minutes.holds(&place(1, 4)));
        let all = Minutes {
            whole: (0, 9),
            cut: [None, None],
        };
        assert!(all.holds(&place(20, 20)));
        assert!(all.condition().contains("timeless"));
    }
}
