//! Taking up what a fetch brought: what changed of the labels that are served is loaded, and then
//! all of it is served at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::Repository;
use super::state::{Health, Served, State};
use crate::source::git::{GitError, Labels};

impl Repository {
    /// Loads what changed of the labels that are served, and then serves it.
    pub(super) fn take_up(&self, labels: Labels, health: &Health) -> Result<(), GitError> {
        let state = self.state.load_full();
        let labels = Arc::new(labels);
        let (mut loaded, mut refused) = (HashMap::new(), None);
        let mut wanted: Vec<String> = state.loaded.keys().cloned().collect();
        let default = self.label_for(None, &labels);
        if !wanted.contains(&default) {
            wanted.push(default);
        }
        for label in wanted {
            let before = state.loaded.get(&label);
            let Some(commit) = labels.get(&label).copied() else {
                // A commit that was asked for by its number stays what it is.
                if let Some(before) = before.filter(|one| one.newest.starts_with(&label)) {
                    loaded.insert(label, before.clone());
                }
                continue;
            };
            let served = match before {
                Some(before) if commit == *before.newest => Ok(before.clone()),
                before => self.serve(commit, before),
            };
            match served {
                // Of this label there is nothing to serve, which is no reason to serve no other.
                Err(GitError::TooMuch(why)) => refused = Some(format!("{label}: {why}")),
                served => {
                    loaded.insert(label, served?);
                }
            }
        }
        let news = |label: &String, served: &Served| {
            let before = state.loaded.get(label);
            before.is_none_or(|before| before.snapshot.version != served.snapshot.version)
        };
        let is_new = loaded.iter().any(|(label, served)| news(label, served));
        self.note_changed(&state, &loaded);
        self.update(|state| {
            let mut all = loaded.clone();
            // Labels that were asked for in the meantime.
            for (label, served) in &state.loaded {
                if labels.get(label).is_some_and(|id| **id == *served.newest) {
                    all.entry(label.clone()).or_insert_with(|| served.clone());
                }
            }
            State {
                labels: Arc::clone(&labels),
                loaded: all,
                health: Health {
                    refused: refused.clone(),
                    ..health.clone()
                },
            }
        });
        self.asked.forget_others(&self.state.load().loaded);
        if is_new {
            self.changed.send_modify(|count| *count += 1);
        }
        Ok(())
    }

    /// Notes which files differ from those that were served before.
    fn note_changed(&self, before: &State, after: &HashMap<String, Served>) {
        let mut paths = self.changed_paths.lock();
        for (label, served) in after {
            let Some(before) = before.loaded.get(label) else {
                continue;
            };
            let (old, new) = (&before.snapshot, &served.snapshot);
            if !Arc::ptr_eq(old, new) {
                paths.note((old, new), Instant::now());
            }
        }
    }
}
