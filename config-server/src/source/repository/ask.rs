//! What requests ask a repository for: a label, which may have to be loaded first.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use gix::ObjectId;

use super::state::{Served, State};
use super::{Repository, read};
use crate::source::SourceError;
use crate::source::git::{GitError, Labels};

/// Labels of which the files are in memory.
const LOADED_MAX: usize = 64;
/// Times that a label is read which moves meanwhile.
const LOADS_MAX: usize = 3;

impl Repository {
    /// Returns what is served for a label.
    pub(crate) async fn find(self: &Arc<Self>, label: Option<&str>) -> Result<Served, SourceError> {
        let mut state = self.state.load_full();
        if state.labels.is_empty() {
            state = self.first().await?;
        }
        let label = self.label_for(label, &state.labels);
        if let Some(served) = state.loaded.get(&label) {
            self.asked.note(&label);
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

    /// Loads a label that was not asked for before; blocks. While it is read a fetch may move it,
    /// which would not look at it again.
    fn load_now(&self, label: &str) -> Result<Option<Served>, GitError> {
        let mut last = None;
        for _ in 0..LOADS_MAX {
            let commit = self.labels().get(label).copied();
            let served = match commit {
                Some(commit) => self.serve(commit, None)?,
                None => match read::by_id(&self.git.open()?, label) {
                    // Who asks for a commit gets no other, whatever is broken in it.
                    Some(commit) => self.load_itself(commit)?,
                    None => return Ok(None),
                },
            };
            if self.keep(label, commit, &served) {
                return Ok(Some(served));
            }
            last = Some(served);
        }
        Ok(last)
    }

    /// Keeps what was loaded of a label, unless that is at another commit by now; returns whether
    /// it did.
    fn keep(&self, label: &str, commit: Option<ObjectId>, served: &Served) -> bool {
        let is_kept = Cell::new(false);
        self.update(|state| {
            let mut loaded = state.loaded.clone();
            is_kept.set(state.labels.get(label).copied() == commit);
            if is_kept.get() {
                self.make_room(&mut loaded, &state.labels);
                loaded.insert(label.to_owned(), served.clone());
            }
            State {
                labels: Arc::clone(&state.labels),
                loaded,
                health: state.health.clone(),
            }
        });
        if is_kept.get() {
            self.asked.note(label);
        }
        is_kept.get()
    }

    /// Forgets labels, so that there is room for one more.
    fn make_room(&self, loaded: &mut HashMap<String, Served>, labels: &Labels) {
        let default = self.label_for(None, labels);
        while loaded.len() >= LOADED_MAX {
            let Some(weakest) = self.asked.weakest(loaded, (&default, labels)) else {
                return;
            };
            loaded.remove(&weakest);
        }
        self.asked.forget_others(loaded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::config::GitConfig;

    fn id(byte: u8) -> ObjectId {
        ObjectId::Sha1([byte; 20])
    }

    fn served(commit: ObjectId) -> Served {
        Served {
            snapshot: Arc::default(),
            broken: Vec::new(),
            refused: None,
            newest: commit.to_string(),
        }
    }

    fn repository(labels: &Labels) -> Arc<Repository> {
        let place = ("/nowhere".to_owned(), Arc::default());
        let folder = std::path::Path::new("/nowhere");
        let made = Repository::new(GitConfig::default(), place, folder, &Arc::default());
        made.update(|_| State {
            labels: Arc::new(labels.clone()),
            ..State::default()
        });
        made
    }

    #[test]
    fn a_label_that_moved_while_it_was_read_is_not_kept() {
        let made = repository(&[("side".to_owned(), id(2))].into());
        assert!(!made.keep("side", Some(id(1)), &served(id(1))));
        // A branch may have come that is called like a commit.
        assert!(!made.keep("side", None, &served(id(1))));
        assert!(made.served().is_empty());
        assert!(made.keep("side", Some(id(2)), &served(id(2))));
        assert_eq!(made.served()["side"].newest, id(2).to_string());
    }

    #[test]
    fn of_too_many_labels_the_one_asked_for_longest_ago_goes() {
        let names: Vec<String> = (0..LOADED_MAX).map(|at| format!("b{at:02}")).collect();
        let mut labels: Labels = names.iter().map(|name| (name.clone(), id(1))).collect();
        labels.insert("main".to_owned(), id(1));
        labels.insert("new".to_owned(), id(1));
        let made = repository(&labels);
        let keep = |label: &str, commit| assert!(made.keep(label, commit, &served(id(1))));
        keep("main", Some(id(1)));
        for name in names.get(1..).unwrap() {
            keep(name, Some(id(1)));
        }
        made.asked.note("b01");
        // The default one was asked for before all others, and stays.
        keep("new", Some(id(1)));
        let is_there = |label: &str| made.served().contains_key(label);
        assert!(is_there("main") && is_there("b01") && is_there("new") && !is_there("b02"));
        // Commits go before branches, whenever they were asked for.
        keep("0101", None);
        assert!(!is_there("b03"));
        keep("0202", None);
        assert!(is_there("b04") && !is_there("0101"));
        assert_eq!(made.served().len(), LOADED_MAX);
    }
}
