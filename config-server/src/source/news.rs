//! What there is to tell of sources: what changed since the last time, what is held back, and
//! whether what is served is all that there is. Whom it is told to is decided elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::sources::{Sources, Standing};

/// What is held back of a label.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct HeldBack {
    /// What tells it from other things that are held back.
    pub(crate) newest: String,
    /// What tells what is served from what was served before.
    pub(crate) served: String,
}

/// Why sources gave no answer, by their names.
pub(crate) type Failures = BTreeMap<String, String>;

impl Sources {
    /// Takes the paths of files that changed since the last time.
    pub(crate) fn take_changed(&self) -> BTreeSet<String> {
        let of = |standing: Standing| match standing {
            Standing::Git(repository) => repository.take_changed(),
            Standing::Native(folder) => folder.take_changed(),
        };
        self.standings().into_iter().flat_map(of).collect()
    }

    /// Forgets the paths of files that changed before a moment, and returns how many they were.
    pub(crate) fn forget_changed(&self, before: Instant) -> usize {
        let of = |standing: Standing| match standing {
            Standing::Git(repository) => repository.forget_changed(before),
            Standing::Native(folder) => folder.forget_changed(before),
        };
        self.standings().into_iter().map(of).sum()
    }

    /// Returns what is held back, by source and label.
    pub(crate) fn held_back(&self) -> BTreeMap<String, HeldBack> {
        let mut all = BTreeMap::new();
        for standing in self.standings() {
            match standing {
                Standing::Git(repository) => {
                    let served = repository.served().into_iter();
                    for (label, served) in served.filter(|(_, served)| served.is_held_back()) {
                        let held_back = HeldBack {
                            newest: served.newest,
                            served: served.snapshot.version.clone().unwrap_or_default(),
                        };
                        all.insert(format!("{} {label}", repository.shown()), held_back);
                    }
                }
                Standing::Native(folder) => {
                    all.extend(folder.held_back().map(|one| (folder.shown(), one)));
                }
            }
        }
        all
    }

    /// Fetches repositories and reads folders soon, those for which a time is told; returns why
    /// some gave no answer within it. What is asked for is a source's name and whether it failed
    /// last. Repositories that serve nothing need not be there.
    pub(crate) async fn fetch_now(
        &self,
        within: impl Fn(&str, bool) -> Option<Duration>,
    ) -> Failures {
        let mut all = JoinSet::new();
        for standing in self.standings() {
            let (name, is_failing) = match &standing {
                Standing::Git(one) => (one.shown(), one.health().error.is_some()),
                // Of folders nothing fails but reads that do not end.
                Standing::Native(one) => (one.shown(), true),
            };
            let Some(within) = within(&name, is_failing) else {
                continue;
            };
            all.spawn(async move {
                let fetched = match standing {
                    Standing::Git(repository) => repository.fetch_now(within).await,
                    Standing::Native(folder) => folder.read_now(within).await,
                };
                fetched.map_err(|why| (name, why))
            });
        }
        let mut failures = Failures::new();
        while let Some(ended) = all.join_next().await {
            failures.extend(ended.ok().and_then(Result::err));
        }
        failures
    }
}
