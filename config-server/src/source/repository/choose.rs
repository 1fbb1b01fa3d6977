//! Which commit of a label is served: the newest that breaks nothing. A file that was broken
//! already in what is served holds nothing back, since nobody would be better off. The history
//! decides, so that every instance decides the same, whenever it started.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use gix::ObjectId;

use super::state::Served;
use super::{Repository, read};
use crate::environment::assemble::BrokenFile;
use crate::snapshot::Snapshot;
use crate::source::git::GitError;
use crate::source::location;

/// Commits looked at, from a broken one backwards, for one that is not.
const LOOKED_BACK_MAX: usize = 50;
/// Commits of which it is remembered what is broken in them.
const VERDICTS_MAX: usize = 1024;

/// The paths of files that are broken in a commit.
type Paths = Arc<BTreeSet<String>>;

/// What is known of commits that were read, so that nothing is read twice.
#[derive(Debug, Default)]
pub(super) struct Known {
    files: read::Known,
    broken: HashMap<ObjectId, Paths>,
}

impl Repository {
    /// Returns what is served of a label at a commit. One that has too much is held back: what was
    /// served before is, or else the newest before it that can be read, whenever one starts.
    pub(super) fn serve(
        &self,
        commit: ObjectId,
        before: Option<&Served>,
    ) -> Result<Served, GitError> {
        let why = match self.load(commit, before) {
            Err(GitError::Failed(why)) => why,
            other => return other,
        };
        tracing::error!(uri = self.shown(), %commit, why, "the commit is not served");
        let instead = match before {
            Some(before) => before.clone(),
            None => self.load_earlier(commit, &why)?,
        };
        Ok(Served {
            newest: commit.to_string(),
            broken: Vec::new(),
            refused: Some(why),
            ..instead
        })
    }

    fn load_earlier(&self, commit: ObjectId, why: &str) -> Result<Served, GitError> {
        let repository = self.git.open()?;
        let mut earlier = commit;
        for _ in 0..LOOKED_BACK_MAX {
            let Some(parent) = read::parent(&repository, earlier) else {
                break;
            };
            earlier = parent;
            match self.load(earlier, None) {
                Err(GitError::Failed(_)) => {}
                other => return other,
            }
        }
        Err(GitError::Failed(why.to_owned()))
    }

    /// Reads a commit and says what is served in its place, which is most often itself.
    pub(super) fn load(
        &self,
        commit: ObjectId,
        before: Option<&Served>,
    ) -> Result<Served, GitError> {
        let repository = self.git.open()?;
        let mut known = self.known.lock();
        let newest = read::snapshot(&repository, commit, &mut known.files, &self.reading)?;
        let newest = Arc::new(newest);
        let broken = self.check(&newest);
        let chosen = if broken.is_empty() {
            Some(commit)
        } else {
            let history = self.history(&repository, (commit, &broken), &mut known)?;
            choose(&history, self.beside(&history, before))
        };
        self.tell(commit, chosen, &broken);
        let same = before.filter(|before| {
            let version = before.snapshot.version.as_deref();
            chosen.is_none_or(|id| version == Some(&*id.to_string()))
        });
        let snapshot = match (chosen, same) {
            (Some(id), _) if id == commit => newest,
            (_, Some(before)) => Arc::clone(&before.snapshot),
            (Some(id), None) => {
                let files = &mut known.files;
                Arc::new(read::snapshot(&repository, id, files, &self.reading)?)
            }
            (None, None) => newest,
        };
        Ok(Served {
            snapshot,
            broken,
            newest: commit.to_string(),
            refused: None,
        })
    }

    /// Returns what is broken in commits, the newest first, back to one that is whole.
    fn history(
        &self,
        repository: &gix::Repository,
        (newest, broken): (ObjectId, &[BrokenFile]),
        known: &mut Known,
    ) -> Result<Vec<(ObjectId, Paths)>, GitError> {
        let mut history = vec![(newest, paths(broken))];
        let mut earlier = newest;
        for _ in 0..LOOKED_BACK_MAX {
            let Some(parent) = read::parent(repository, earlier) else {
                break;
            };
            earlier = parent;
            let found = match known.broken.get(&earlier) {
                Some(found) => Arc::clone(found),
                None => {
                    match read::snapshot(repository, earlier, &mut known.files, &self.reading) {
                        Ok(snapshot) => paths(&self.check(&snapshot)),
                        // One that is too large was never served; nothing is known of those before.
                        Err(GitError::Failed(_)) => break,
                        Err(error) => return Err(error),
                    }
                }
            };
            // Most often the same files are broken in all of them.
            let found = match history.last() {
                Some((_, later)) if *later == found => Arc::clone(later),
                _ => found,
            };
            let is_whole = found.is_empty();
            history.push((earlier, found));
            if is_whole {
                break;
            }
        }
        if known.broken.len() + history.len() > VERDICTS_MAX {
            known.broken.clear();
        }
        known.broken.extend(history.iter().cloned());
        Ok(history)
    }

    /// Returns what is broken in what was served before, where the history does not say it.
    fn beside(&self, history: &[(ObjectId, Paths)], before: Option<&Served>) -> Option<Paths> {
        let snapshot = &before?.snapshot;
        let version = snapshot.version.as_deref();
        let ends_whole = history.last().is_some_and(|(_, paths)| paths.is_empty());
        let is_in = |(id, _): &(ObjectId, Paths)| version == Some(&*id.to_string());
        if ends_whole || history.iter().any(is_in) {
            return None;
        }
        Some(paths(&self.check(snapshot)))
    }

    fn tell(&self, commit: ObjectId, chosen: Option<ObjectId>, broken: &[BrokenFile]) {
        let uri = self.shown();
        if chosen == Some(commit) {
            tracing::info!(uri, %commit, "serving");
            for file in broken {
                tracing::warn!(uri, %commit, error = %file, "served though this file is broken");
            }
            return;
        }
        for file in broken {
            tracing::error!(uri, %commit, error = %file, "the commit is not served");
        }
        if let Some(earlier) = chosen {
            tracing::info!(uri, commit = %earlier, "serving an earlier commit");
        }
    }

    fn check(&self, snapshot: &Snapshot) -> Vec<BrokenFile> {
        let paths = &self.config.search_paths;
        snapshot.check(|folder| location::is_searched(paths, folder))
    }
}

fn paths(broken: &[BrokenFile]) -> Paths {
    Arc::new(broken.iter().map(|file| file.path.clone()).collect())
}

/// Returns the commit that is served of a history, the newest of which comes first: from the oldest
/// on each one that breaks nothing that its forerunner had whole. `None` is what was served before
/// the history begins.
fn choose(history: &[(ObjectId, Paths)], before: Option<Paths>) -> Option<ObjectId> {
    let mut served = before;
    let mut chosen = None;
    for (id, broken) in history.iter().rev() {
        if served
            .as_ref()
            .is_none_or(|served| broken.is_subset(served))
        {
            served = Some(Arc::clone(broken));
            chosen = Some(*id);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the place of the commit that is served among commits, the oldest first, of which
    /// each letter is a broken file.
    fn chosen(commits: &[&str], before: Option<&str>) -> Option<usize> {
        let broken = |letters: &str| Arc::new(letters.chars().map(String::from).collect());
        let id = |at: usize| ObjectId::Sha1([u8::try_from(at).unwrap(); 20]);
        let all = commits.iter().enumerate();
        let history: Vec<_> = all.rev().map(|(at, one)| (id(at), broken(one))).collect();
        let found = choose(&history, before.map(broken))?;
        (0..commits.len()).find(|at| id(*at) == found)
    }

    #[test]
    fn files_that_were_broken_already_hold_nothing_back() {
        assert_eq!(chosen(&["t", "t", "t"], None), Some(2));
        assert_eq!(chosen(&["t", "ta", "t"], None), Some(2));
        assert_eq!(chosen(&["t", "t", "ta", "ta"], None), Some(1));
        assert_eq!(chosen(&["", "a", "a"], None), Some(0));
        assert_eq!(chosen(&["t", "", "t"], None), Some(1));
    }

    #[test]
    fn what_was_served_before_counts_where_history_does_not_reach_it() {
        assert_eq!(chosen(&["a", "a"], Some("")), None);
        assert_eq!(chosen(&["ta", "t", "ta"], Some("t")), Some(1));
        assert_eq!(chosen(&["t", "t"], Some("t")), Some(1));
    }
}
