//! Troubles that come again and again are told once, and then at most once a minute with how often
//! they came.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::book::Now;

const AGAIN_MS: u64 = 60_000;
/// Troubles with peers are one each; there are no more kinds than peers and a handful.
const KINDS_MAX: usize = 256;

/// What was told.
#[derive(Debug, Default)]
pub struct Complaints(Mutex<HashMap<String, Told>>);

#[derive(Debug)]
struct Told {
    at_ms: u64,
    silent: u64,
}

// === impl Complaints ===

impl Complaints {
    /// Tells of a trouble of a kind, if it is time.
    pub fn tell(&self, kind: &str, now: Now, what: &dyn std::fmt::Display) {
        if let Some(silent) = self.is_due(kind, now) {
            tracing::warn!(trouble = kind, since_last = silent, "{what}");
        }
    }

    /// Returns how many of the kind were not told since the last time, when it is time again.
    fn is_due(&self, kind: &str, now: Now) -> Option<u64> {
        let mut told = self.0.lock();
        if let Some(last) = told.get_mut(kind) {
            if now.steady_ms.saturating_sub(last.at_ms) < AGAIN_MS {
                last.silent += 1;
                return None;
            }
            last.at_ms = now.steady_ms;
            return Some(std::mem::take(&mut last.silent));
        }
        if told.len() < KINDS_MAX {
            let at_ms = now.steady_ms;
            told.insert(kind.to_owned(), Told { at_ms, silent: 0 });
        }
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_is_told_once_a_minute_with_its_number() {
        let complaints = Complaints::default();
        let due = |kind, steady_ms| {
            complaints.is_due(
                kind,
                Now {
                    wall_ms: 0,
                    steady_ms,
                },
            )
        };
        assert_eq!(due("a", 0), Some(0));
        assert_eq!(due("a", 1), None);
        assert_eq!(due("b", 1), Some(0));
        assert_eq!(due("a", 59_999), None);
        assert_eq!(due("a", 60_000), Some(2));
        assert_eq!(due("a", 120_000), Some(0));
    }
}
