//! What is wrong with a repository though no fetch failed, and what is done about a clone that is
//! damaged where no fetch looks.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::state::State;
use super::{Repository, read};

/// A clone is made again no sooner than this after the last time: the remote may be damaged too.
const MENDED_EVERY: Duration = Duration::from_mins(1);
/// A fetch that lasts no longer is never said to.
const LASTING_MIN: Duration = Duration::from_secs(1);

impl Repository {
    /// Returns that a fetch goes on for longer than a remote may be silent.
    pub(super) fn lasting(&self) -> Option<String> {
        let elapsed = self.fetches.borrow().since?.elapsed();
        let is_long = elapsed > self.config.timeout.max(LASTING_MIN);
        is_long.then(|| format!("a fetch goes on for {} s without an end", elapsed.as_secs()))
    }

    /// Returns that there is nothing for requests without a label.
    pub(super) fn lacking(&self, state: &State) -> Option<String> {
        state.health.good?;
        if state.labels.is_empty() {
            return Some("it has no branch".to_owned());
        }
        let default = self.default_label(&state.labels);
        let is_there = state.labels.contains_key(&default) || state.loaded.contains_key(&default);
        (!is_there && !read::is_id(&default))
            .then(|| format!("there is no label {default}, which is the default"))
    }

    /// Has a damaged clone made again by the next fetch; returns whether waiting for it may help.
    pub(super) fn mend(&self, why: &str) -> bool {
        if !self.git.is_clone() {
            return false;
        }
        let mut mended = self.mended.lock();
        if mended.is_none_or(|at| at.elapsed() >= MENDED_EVERY) {
            *mended = Some(Instant::now());
            self.is_damaged.store(true, Ordering::Relaxed);
            tracing::warn!(
                uri = self.shown(),
                why,
                "the clone is damaged: it is made again"
            );
        }
        true
    }
}
