//! What the refresher remembers from one turn to the next: how often it failed, and when it tries
//! again.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::away::Away;
use crate::source::news::HeldBack;

/// Rest before the second try; it doubles with each.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// No rest is longer, so that what is owed reaches who is back within this time.
const REST_MAX: Duration = Duration::from_mins(1);

/// What is remembered.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Tries that failed in a row.
    tries: u32,
    /// When the next one is due.
    due: Option<Instant>,
    /// The commits that were held back when the webhook before the last one was done with: what
    /// was fetched by itself since then may be what the last one tells of.
    pub(super) held_back: BTreeMap<String, HeldBack>,
    /// The same of the last one.
    pub(super) held_back_next: BTreeMap<String, HeldBack>,
    /// The sources that gave no answer.
    pub(super) away: Away,
    /// What was said last of a failure.
    pub(super) said: Option<(String, String)>,
}

impl Course {
    /// Begins anew: something came.
    pub(super) fn begin(&mut self) {
        self.tries = 0;
    }

    /// Notes that a turn ended with nothing left to do.
    pub(super) fn done(&mut self) {
        (self.tries, self.due) = (0, None);
    }

    /// Notes that a turn left something.
    pub(super) fn left(&mut self) {
        self.tries = self.tries.saturating_add(1);
        self.due = Instant::now().checked_add(rest(self.tries));
    }

    /// Returns when the next try is due; never, when nothing is left.
    pub(super) async fn due(&self) {
        match self.due {
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

/// Returns how long to rest after so many tries.
fn rest(tries: u32) -> Duration {
    let doubled = 1u32.checked_shl(tries.saturating_sub(1));
    TRY_AGAIN_AFTER
        .saturating_mul(doubled.unwrap_or(u32::MAX))
        .min(REST_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_a_minute_and_no_further() {
        let rests = [1, 2, 3, 6, 7, 8, 40, u32::MAX].map(|tries| rest(tries).as_secs());
        assert_eq!(rests, [1, 2, 4, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn what_is_left_is_tried_however_often_it_failed() {
        let mut course = Course::default();
        assert!(course.due.is_none());
        for _ in 0..100_000 {
            course.left();
        }
        assert!(
            course
                .due
                .is_some_and(|due| due <= Instant::now() + REST_MAX)
        );
        course.done();
        assert!(course.due.is_none());
    }
}
