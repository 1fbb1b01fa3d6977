//! What requests ask a repository for: a label, which may have to be loaded first.

use std::sync::Arc;

use super::state::{Served, State};
use super::{Repository, read};
use crate::source::SourceError;
use crate::source::git::GitError;

/// Labels of which the files are in memory.
const LOADED_MAX: usize = 64;

impl Repository {
    /// Returns what is served for a label.
    pub(crate) async fn find(self: &Arc<Self>, label: Option<&str>) -> Result<Served, SourceError> {
        let mut state = self.state.load_full();
        if state.labels.is_empty() {
            state = self.first().await?;
        }
        let label = self.label_for(label, &state.labels);
        if let Some(served) = state.loaded.get(&label) {
            return Ok(served.clone());
        }
        self.load_label(label).await
    }

    /// Waits for the first fetch.
    async fn first(&self) -> Result<Arc<State>, SourceError> {
        let mut fetches = self.fetches.subscribe();
        let ended = fetches.wait_for(|fetches| fetches.ended > 0);
        // Whether in time or not is seen below.
        let _in_time = tokio::time::timeout(self.config.timeout, ended).await;
        let state = self.state.load_full();
        if !state.labels.is_empty() {
            return Ok(state);
        }
        let uri = self.shown();
        Err(match &state.health.error {
            Some(why) => SourceError::Unavailable {
                uri,
                why: why.clone(),
            },
            None if state.health.good.is_some() => SourceError::Unavailable {
                uri,
                why: "it has no branch".to_owned(),
            },
            None => SourceError::NotReady(uri),
        })
    }

    async fn load_label(self: &Arc<Self>, label: String) -> Result<Served, SourceError> {
        let no_label = || SourceError::NoLabel(label.clone());
        // The semaphore is never closed.
        let _turn = self.loading.acquire().await.map_err(|_| no_label())?;
        if let Some(served) = self.state.load().loaded.get(&label) {
            return Ok(served.clone());
        }
        let load = || {
            let (this, wanted) = (Arc::clone(self), label.clone());
            tokio::task::spawn_blocking(move || this.load_now(&wanted))
        };
        let mut served = load().await.map_err(|_| no_label())?;
        if let Err(GitError::Damaged(why)) = &served
            && self.mend(why)
        {
            // Whether it went well is seen by trying again.
            let _fetched = self.fetch_now(self.config.timeout).await;
            served = load().await.map_err(|_| no_label())?;
        }
        let served = served.map_err(|error| SourceError::Unavailable {
            uri: self.shown(),
            why: error.to_string(),
        })?;
        served.ok_or_else(no_label)
    }

    /// Loads a label that was not asked for before; blocks.
    fn load_now(&self, label: &str) -> Result<Option<Served>, GitError> {
        let of_label = self.labels().get(label).copied();
        let served = match of_label {
            Some(commit) => self.serve(commit, None)?,
            None => match read::by_id(&self.git.open()?, label) {
                // Who asks for a commit gets no other, whatever is broken in it.
                Some(commit) => self.load_itself(commit)?,
                None => return Ok(None),
            },
        };
        let default = self.label_for(None, &self.labels());
        self.update(|state| {
            let mut loaded = state.loaded.clone();
            if loaded.len() >= LOADED_MAX
                && let Some(one) = loaded.keys().find(|name| **name != default).cloned()
            {
                loaded.remove(&one);
            }
            loaded.insert(label.to_owned(), served.clone());
            State {
                labels: Arc::clone(&state.labels),
                loaded,
                health: state.health.clone(),
            }
        });
        Ok(Some(served))
    }
}
