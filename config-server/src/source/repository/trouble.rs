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

    /// Returns that there is nothing for requests of a label that is there, or without one.
    pub(super) fn lacking(&self, state: &State) -> Option<String> {
        if state.health.refused.is_some() {
            return state.health.refused.clone();
        }
        state.health.good?;
        if state.labels.is_empty() {
            return Some("it has no branch".to_owned());
        }
        let default = self.label_for(None, &state.labels);
        let is_there = state.labels.contains_key(&default) || state.loaded.contains_key(&default);
        (!is_there && !read::is_id(&default))
            .then(|| format!("there is no label {default}, which is the default"))
    }

    /// Has a damaged clone made again by the next fetch; returns whether waiting for it may help:
    /// not when that was done a moment ago and changed nothing.
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
            return true;
        }
        // Somebody else asked, and it is not done yet.
        self.is_damaged.load(Ordering::Relaxed) || self.fetches.borrow().since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::source::config::GitConfig;

    #[test]
    fn a_clone_that_was_made_again_just_now_is_not_waited_for() {
        let folder = std::path::Path::new("/nowhere");
        let made = |uri: &str| {
            let config = GitConfig::default();
            let place = (uri.to_owned(), Arc::default());
            Repository::new(config, place, folder, &Arc::default())
        };
        let clone = made("https://example.org/x.git");
        assert!(clone.mend("it"));
        assert!(clone.mend("it"), "the fetch is still to come");
        assert!(clone.is_damaged.swap(false, Ordering::Relaxed));
        clone
            .fetches
            .send_modify(|fetches| fetches.since = Some(Instant::now()));
        assert!(clone.mend("it"), "the fetch goes on");
        clone.fetches.send_modify(|fetches| fetches.since = None);
        assert!(!clone.mend("it"));
        assert!(!made("/a/repository/here").mend("it"));
    }
}
