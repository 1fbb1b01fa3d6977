//! Looks for the highest rate that meets the targets: doubles it until it is missed, then halves
//! what is left between. It sends nothing.

/// The last two rates are this close at the end.
const CLOSE: f64 = 1.05;
/// So many tries, whatever they give.
const TRIES_MAX: usize = 24;

/// A search under way.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Search {
    next: f64,
    met: Option<f64>,
    missed: Option<f64>,
    tries: usize,
}

impl Search {
    /// Begins with a rate.
    pub fn new(first: f64) -> Self {
        Self {
            next: first,
            met: None,
            missed: None,
            tries: 0,
        }
    }

    /// Returns the rate to try next; `None` when the search is over.
    pub fn next(&self) -> Option<f64> {
        let close = match (self.met, self.missed) {
            (Some(met), Some(missed)) => missed / met <= CLOSE,
            (None, Some(missed)) => missed < 2.0,
            _ => false,
        };
        (!close && self.tries < TRIES_MAX).then_some(self.next)
    }

    /// Takes what the try gave.
    pub fn tried(&mut self, was_met: bool) {
        self.tries += 1;
        if was_met {
            self.met = Some(self.next);
        } else {
            self.missed = Some(self.next);
        }
        self.next = match (self.met, self.missed) {
            (Some(met), Some(missed)) => f64::midpoint(met, missed),
            (Some(met), None) => met * 2.0,
            (None, Some(missed)) => missed / 2.0,
            (None, None) => self.next,
        };
    }

    /// Returns the highest rate that met the targets.
    pub fn highest(&self) -> Option<f64> {
        self.met
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn search(first: f64, limit: f64) -> Search {
        let mut search = Search::new(first);
        while let Some(rate) = search.next() {
            search.tried(rate <= limit);
        }
        search
    }

    #[test]
    fn a_server_that_never_meets_the_targets_ends_the_search() {
        let search = search(10_000.0, 0.0);
        assert_eq!(search.highest(), None);
        assert!(search.tries < TRIES_MAX);
    }

    proptest! {
        #[test]
        fn the_limit_is_found_from_below(first in 100.0_f64..1e6, limit in 100.0_f64..1e6) {
            let found = search(first, limit).highest().unwrap();
            let near = found <= limit && found * CLOSE >= limit * 0.999;
            prop_assert!(near, "{} of {}", found, limit);
        }
    }
}
