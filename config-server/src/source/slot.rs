//! One repository, or those that an address with placeholders makes as they are asked for. Anybody
//! may ask for any name, so that those made are few: one that is not there is forgotten, and when
//! there are too many the one that was asked for longest ago.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

use super::config::GitConfig;
use super::pattern;
use super::repository::Repository;
use crate::environment::assemble::Request;

/// Repositories that are made of one address with placeholders.
const MADE_MAX: usize = 256;
/// Fetches of them at a time. Threads that may block are few, and others need them too.
const FETCHES_MAX: usize = 64;
/// How long it is believed that a repository is not there.
const GONE_FOR: Duration = Duration::from_secs(5);

/// Repositories of one address.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) config: GitConfig,
    pub(super) made: Mutex<Made>,
    /// Fetches take turns.
    pub(super) turns: Arc<Semaphore>,
}

/// Repositories by their addresses.
#[derive(Debug, Default)]
pub(super) struct Made {
    all: HashMap<String, One>,
    /// For each address what is held while its clone is written to: a fetch for nobody any more may
    /// still end when the next one begins.
    clones: HashMap<String, Weak<Mutex<()>>>,
    /// Counts what was asked for, so that it is known what was longest ago.
    asked: u64,
}

#[derive(Debug)]
struct One {
    repository: Arc<Repository>,
    task: AbortHandle,
    since: Instant,
    asked: u64,
}

impl One {
    fn end(&self) {
        self.repository.interrupt();
        self.task.abort();
    }
}

impl Slot {
    pub(super) fn new(config: GitConfig) -> Self {
        Self {
            config,
            made: Mutex::default(),
            turns: Arc::new(Semaphore::new(FETCHES_MAX)),
        }
    }

    /// Returns whether it is for a request.
    pub(super) fn is_for(&self, request: &Request) -> bool {
        let own = [self.config.name.clone()];
        let patterns = if self.config.patterns.is_empty() {
            &own[..]
        } else {
            &self.config.patterns
        };
        pattern::any_matches(patterns, &request.application, &request.profiles)
    }
}

impl Made {
    /// Returns the repository of an address; `None` when it is to be made, or made again.
    pub(super) fn get(&mut self, uri: &str) -> Option<Arc<Repository>> {
        self.asked += 1;
        let one = self.all.get_mut(uri)?;
        if one.repository.is_gone() && one.since.elapsed() >= GONE_FOR {
            return None;
        }
        one.asked = self.asked;
        Some(Arc::clone(&one.repository))
    }

    /// Returns what is held while the clone of an address is written to.
    pub(super) fn clone_of(&mut self, uri: &str) -> Arc<Mutex<()>> {
        self.clones.retain(|_, held| held.strong_count() > 0);
        let known = self.clones.get(uri).and_then(Weak::upgrade);
        known.unwrap_or_else(|| {
            let held = Arc::default();
            self.clones.insert(uri.to_owned(), Arc::downgrade(&held));
            held
        })
    }

    /// Adds a repository and what keeps it up to date, and makes room for it.
    pub(super) fn add(&mut self, uri: &str, repository: Arc<Repository>, task: AbortHandle) {
        if self.all.len() >= MADE_MAX
            && let Some(weakest) = self.weakest()
            && let Some(one) = self.all.remove(&weakest)
        {
            one.end();
        }
        let one = One {
            repository,
            task,
            since: Instant::now(),
            asked: self.asked,
        };
        if let Some(before) = self.all.insert(uri.to_owned(), one) {
            before.end();
        }
    }

    /// Returns the address of one that is not there, else of one that serves nothing, else of one
    /// that does: of several, that which was asked for longest ago.
    fn weakest(&self) -> Option<String> {
        let worth = |one: &One| (!one.repository.is_gone(), one.repository.is_serving());
        let weakest = self
            .all
            .iter()
            .min_by_key(|(_, one)| (worth(one), one.asked));
        weakest.map(|(uri, _)| uri.clone())
    }

    /// Returns all repositories but those that are not there.
    pub(super) fn standing(&self) -> impl Iterator<Item = Arc<Repository>> {
        let all = self.all.values().map(|one| &one.repository);
        all.filter(|repository| !repository.is_gone()).cloned()
    }
}
