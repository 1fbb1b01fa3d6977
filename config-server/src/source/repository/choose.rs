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
    /// Returns what is served of a label at a commit. One that has too much is held back: what can
    /// be read of those before it is served, the newest, whatever was before, so that who starts
    /// now serves the same. Only when there is none, what was served before is.
    pub(super) fn serve(
        &self,
        commit: ObjectId,
        before: Option<&Served>,
    ) -> Result<Served, GitError> {
        let why = match self.load(commit, before) {
            Err(GitError::TooMuch(why)) => why,
            other => return other,
        };
        tracing::error!(uri = self.shown(), %commit, why, "the commit is not served");
        let instead = match (self.load_earlier((commit, &why), before), before) {
            (Err(GitError::TooMuch(_)), Some(before)) => before.clone(),
            (other, _) => other?,
        };
        Ok(Served {
            newest: commit.to_string(),
            broken: Vec::new(),
            refused: Some(why),
            ..instead
        })
    }

    fn load_earlier(
        &self,
        (commit, why): (ObjectId, &str),
        before: Option<&Served>,
    ) -> Result<Served, GitError> {
        let repository = self.git.open()?;
        let mut earlier = commit;
        for _ in 0..LOOKED_BACK_MAX {
            let Some(parent) = read::parent(&repository, earlier) else {
                break;
            };
            earlier = parent;
            match self.load(earlier, before) {
                Err(GitError::TooMuch(_)) => {}
                other => return other,
            }
        }
        Err(GitError::TooMuch(why.to_owned()))
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
            commit
        } else {
            choose(&self.history(&repository, (commit, &broken), &mut known)?).unwrap_or(commit)
        };
        self.tell(commit, chosen, &broken);
        let same = before.filter(|before| {
            let version = before.snapshot.version.as_deref();
            version == Some(&*chosen.to_string())
        });
        let snapshot = match same {
            _ if chosen == commit => newest,
            Some(before) => Arc::clone(&before.snapshot),
            None => {
                let files = &mut known.files;
                Arc::new(read::snapshot(&repository, chosen, files, &self.reading)?)
            }
        };
        Ok(Served {
            snapshot,
            broken,
            newest: commit.to_string(),
            refused: None,
        })
    }

    /// Reads a commit in the place of which no other is served.
    pub(super) fn load_itself(&self, commit: ObjectId) -> Result<Served, GitError> {
        let repository = self.git.open()?;
        let files = &mut self.known.lock().files;
        let snapshot = read::snapshot(&repository, commit, files, &self.reading)?;
        let broken = self.check(&snapshot);
        self.tell(commit, commit, &broken);
        Ok(Served {
            snapshot: Arc::new(snapshot),
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
                        // One that has too much is never served, but those before it may be.
                        Err(GitError::TooMuch(_)) => continue,
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

    fn tell(&self, commit: ObjectId, chosen: ObjectId, broken: &[BrokenFile]) {
        let uri = self.shown();
        if chosen == commit {
            tracing::info!(uri, %commit, "serving");
            for file in broken {
                tracing::warn!(uri, %commit, error = %file, "served though this file is broken");
            }
            return;
        }
        for file in broken {
            tracing::error!(uri, %commit, error = %file, "the commit is not served");
        }
        tracing::info!(uri, commit = %chosen, "serving an earlier commit");
    }

    fn check(&self, snapshot: &Snapshot) -> Vec<BrokenFile> {
        let paths = &self.config.search_paths;
        if paths.iter().any(|path| location::has_stars(path)) {
            // Not at the first request, which should not wait.
            snapshot.folders();
        }
        snapshot.check(|folder| location::is_searched(paths, folder))
    }
}

fn paths(broken: &[BrokenFile]) -> Paths {
    Arc::new(broken.iter().map(|file| file.path.clone()).collect())
}

/// Returns the commit that is served of a history, the newest of which comes first: from the oldest
/// on each one that breaks nothing that its forerunner had whole. What an instance served before
/// does not count: others never saw it.
fn choose(history: &[(ObjectId, Paths)]) -> Option<ObjectId> {
    let mut chosen: Option<&(ObjectId, Paths)> = None;
    for one in history.iter().rev() {
        if chosen.is_none_or(|(_, served)| one.1.is_subset(served)) {
            chosen = Some(one);
        }
    }
    chosen.map(|(id, _)| *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the place of the commit that is served among commits, the oldest first, of which
    /// each letter is a broken file.
    fn chosen(commits: &[&str]) -> Option<usize> {
        let broken = |letters: &str| Arc::new(letters.chars().map(String::from).collect());
        let id = |at: usize| ObjectId::Sha1([u8::try_from(at).unwrap(); 20]);
        let all = commits.iter().enumerate();
        let history: Vec<_> = all.rev().map(|(at, one)| (id(at), broken(one))).collect();
        let found = choose(&history)?;
        (0..commits.len()).find(|at| id(*at) == found)
    }

    #[test]
    fn files_that_were_broken_already_hold_nothing_back() {
        assert_eq!(chosen(&["t", "t", "t"]), Some(2));
        assert_eq!(chosen(&["t", "ta", "t"]), Some(2));
        assert_eq!(chosen(&["t", "t", "ta", "ta"]), Some(1));
        assert_eq!(chosen(&["", "a", "a"]), Some(0));
        assert_eq!(chosen(&["t", "", "t"]), Some(1));
        assert_eq!(chosen(&[]), None);
    }
}
