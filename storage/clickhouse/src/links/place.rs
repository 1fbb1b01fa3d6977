//! Where the links of a trace are counted in table `links`.

use super::rows::Piece;

/// The place of a trace whose spans came on one day.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Place {
    /// The day of their arrival: what is counted there goes when they do.
    pub(crate) day: u32,
    /// The minutes of the first and of the last span; 0 when no span has a time.
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// Whether there are spans without a time, or of the first minute of 1970.
    pub(crate) is_timeless: bool,
}

impl Place {
    /// Returns the place of some spans of a trace, of which all came on one day; none when there
    /// are none.
    pub(crate) fn of<'p>(pieces: impl IntoIterator<Item = &'p Piece>) -> Option<Self> {
        let mut place: Option<Self> = None;
        for piece in pieces {
            let minute = piece.minute();
            let place = place.get_or_insert(Self {
                day: piece.day(),
                first: minute,
                last: minute,
                is_timeless: false,
            });
            if minute == 0 {
                place.is_timeless = true;
                continue;
            }
            place.first = if place.first == 0 {
                minute
            } else {
                place.first.min(minute)
            };
            place.last = place.last.max(minute);
        }
        place
    }
}
