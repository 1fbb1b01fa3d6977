//! One git repository, kept up to date in the background. What it answers from is in memory and
//! changes all at once: requests never wait for git, but for the first commit of a label.
//!
//! # Layout
//!
//! - [`state`]: what is served, and how it stands.
//! - [`choose`]: which commit of a label is served.
//! - [`ask`]: what requests ask for, and [`asked`]: when they did.
//! - [`take_up`]: what a fetch brought.
//! - [`trouble`]: what is wrong beside failed fetches, and a damaged clone.

mod ask;
mod asked;
mod choose;
mod state;
mod take_up;
mod trouble;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};

use super::changed::Changed;
use super::config::{GitConfig, shown};
use super::git::{Git, GitError, Labels, read};
use crate::snapshot::Reading;
use asked::Asked;
use state::State;
pub(crate) use state::{Health, Served};

/// The branch of requests without label, and what it was called before.
const MAIN: &str = "main";
const MASTER: &str = "master";
/// Labels that are loaded at a time.
const LOADING_MAX: usize = 2;

/// How fetches go on.
#[derive(Clone, Copy, Debug, Default)]
struct Fetches {
    /// Those that ended, well or not.
    ended: u64,
    /// When the one began that goes on.
    since: Option<Instant>,
}

/// A repository.
#[derive(Debug)]
pub struct Repository {
    config: GitConfig,
    uri: String,
    git: Arc<Git>,
    /// Held while the clone is written to.
    clone: Arc<Mutex<()>>,
    reading: Arc<Reading>,
    state: ArcSwap<State>,
    asked: Asked,
    /// Whether the clone is to be made again with the next fetch.
    is_damaged: AtomicBool,
    /// When that was asked for last.
    mended: Mutex<Option<Instant>>,
    /// Held while the state is made anew from the one before.
    known: Mutex<choose::Known>,
    fetches: watch::Sender<Fetches>,
    wake: Notify,
    loading: Semaphore,
    /// Tells when something new is served.
    changed: watch::Sender<u64>,
    /// The paths of what is new, until they are taken.
    changed_paths: Mutex<Changed>,
}

impl Repository {
    /// Returns a repository that nothing is known of yet, by its address and what is held while its
    /// clone is written to.
    pub(crate) fn new(
        config: GitConfig,
        (uri, clone): (String, Arc<Mutex<()>>),
        base: &Path,
        reading: &Arc<Reading>,
    ) -> Arc<Self> {
        let git = Arc::new(Git::new(&config, &uri, base));
        Arc::new(Self {
            config,
            uri,
            git,
            clone,
            reading: Arc::clone(reading),
            state: ArcSwap::default(),
            asked: Asked::default(),
            is_damaged: AtomicBool::new(false),
            mended: Mutex::default(),
            known: Mutex::default(),
            fetches: watch::Sender::default(),
            wake: Notify::new(),
            loading: Semaphore::new(LOADING_MAX),
            changed: watch::Sender::new(0),
            changed_paths: Mutex::default(),
        })
    }

    /// Returns what is set.
    pub fn config(&self) -> &GitConfig {
        &self.config
    }

    /// Returns its address, as it may be shown.
    pub fn shown(&self) -> String {
        shown(&self.uri)
    }

    /// Returns the address in front of the names of sources.
    pub(crate) fn source_name(&self, path: &str) -> String {
        format!("{}/{path}", self.shown().trim_end_matches('/'))
    }

    /// Returns how the last fetches went, and what is wrong beside.
    pub fn health(&self) -> Health {
        let state = self.state.load();
        let mut health = state.health.clone();
        if health.error.is_none() {
            health.error = self.lasting().or_else(|| self.lacking(&state));
        }
        health
    }

    /// Returns whether somebody's request made it.
    pub fn is_on_demand(&self) -> bool {
        self.config.uri.contains('{')
    }

    /// Returns whether anything is served of it.
    pub fn is_serving(&self) -> bool {
        !self.state.load().loaded.is_empty()
    }

    /// Returns whether it was made for a request and is not there: it is not fetched any more.
    pub(crate) fn is_gone(&self) -> bool {
        let state = self.state.load();
        self.is_on_demand() && state.labels.is_empty() && state.health.error.is_some()
    }

    /// Asks a fetch that goes on to end.
    pub(crate) fn interrupt(&self) {
        self.git.interrupt();
    }

    /// Returns its branches and tags.
    pub(crate) fn labels(&self) -> Arc<Labels> {
        Arc::clone(&self.state.load().labels)
    }

    /// Returns what is served for all labels that were asked for.
    pub fn served(&self) -> HashMap<String, Served> {
        self.state.load().loaded.clone()
    }

    /// Returns what tells when something new is served.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Fetches soon, and returns when that ended or the time is over; an error when what is served
    /// may be out of date.
    pub(crate) async fn fetch_now(&self, within: Duration) -> Result<(), String> {
        let mut fetches = self.fetches.subscribe();
        let now = *fetches.borrow_and_update();
        self.wake.notify_one();
        // One that goes on may have begun before what it is to bring was there.
        let enough = now.ended + 1 + u64::from(now.since.is_some());
        let ended = fetches.wait_for(|fetches| fetches.ended >= enough);
        let in_time = tokio::time::timeout(within, ended).await.is_ok();
        let state = self.state.load();
        if state.loaded.is_empty() {
            return Ok(());
        }
        match &state.health.error {
            Some(why) => Err(why.clone()),
            None if in_time => Ok(()),
            None => Err(format!("{} gave no answer in {within:?}", self.shown())),
        }
    }

    /// Keeps it up to date until it is told to end. Fetches take turns, each of which lasts as long
    /// as its thread does, whatever becomes of the repository meanwhile.
    pub(crate) async fn run(
        self: Arc<Self>,
        mut ending: watch::Receiver<bool>,
        turns: Arc<Semaphore>,
    ) {
        self.use_old_clone().await;
        loop {
            let this = Arc::clone(&self);
            let turn = tokio::select! {
                // The semaphore is never closed.
                turn = Arc::clone(&turns).acquire_owned() => turn,
                _ = ending.wait_for(|ending| *ending) => return,
            };
            let since = Some(Instant::now());
            self.fetches.send_modify(|fetches| fetches.since = since);
            let fetch = tokio::task::spawn_blocking(move || {
                this.fetch();
                drop(turn);
            });
            tokio::select! {
                ended = fetch => if ended.is_err() {
                    tracing::error!(uri = self.shown(), "a fetch panicked");
                },
                _ = ending.wait_for(|ending| *ending) => {
                    self.git.interrupt();
                    return;
                }
            }
            self.fetches.send_modify(|fetches| {
                fetches.ended += 1;
                fetches.since = None;
            });
            if self.is_gone() {
                return;
            }
            let pause = self.config.refresh;
            let rest = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = rest => {}
                () = self.wake.notified() => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
        }
    }

    /// Serves what an earlier process cloned, while the remote may be away.
    async fn use_old_clone(self: &Arc<Self>) {
        let this = Arc::clone(self);
        let opened = tokio::task::spawn_blocking(move || {
            if let Some(labels) = this.git.known() {
                let health = Health {
                    is_old: true,
                    ..Health::default()
                };
                if let Err(error) = this.take_up(labels, &health) {
                    tracing::warn!(uri = this.shown(), %error, "the old clone can't be served");
                }
            }
        });
        if opened.await.is_err() {
            tracing::error!(uri = self.shown(), "an old clone could not be read");
        }
    }

    /// Fetches once; blocks.
    fn fetch(&self) {
        let _held = self.clone.lock();
        let started = Instant::now();
        let before = self.state.load().health.clone();
        if self.is_damaged.swap(false, Ordering::Relaxed)
            && let Err(error) = self.git.forget_damaged()
        {
            tracing::warn!(uri = self.shown(), %error, "the clone is not made again");
        }
        let outcome = self.git.fetch().and_then(|labels| {
            if self.git.is_interrupted() {
                return Ok(());
            }
            let health = Health {
                fetches: before.fetches + 1,
                failures: before.failures,
                error: None,
                refused: None,
                good: Some(Instant::now()),
                is_old: false,
            };
            match self.take_up(labels, &health) {
                Err(GitError::Damaged(why)) if !self.git.is_interrupted() => {
                    self.git.forget_damaged()?;
                    Err(GitError::Failed(why))
                }
                other => other,
            }
        });
        let took_ms = started.elapsed().as_millis() as u64;
        // Another one may stand in its place by now, which waits for the folder.
        if self.git.is_interrupted() {
            if self.git.known().is_none() {
                self.git.forget();
            }
            return;
        }
        let Err(error) = outcome else {
            tracing::debug!(uri = self.shown(), took_ms, "fetched");
            return;
        };
        let error = crate::secret::without_credentials(&error.to_string());
        if before.error.as_ref() != Some(&error) {
            tracing::warn!(
                uri = self.shown(),
                error,
                "not fetched; what is there is served on"
            );
        }
        let health = Health {
            fetches: before.fetches + 1,
            failures: before.failures + 1,
            error: Some(error),
            ..before
        };
        self.update(|state| State {
            labels: Arc::clone(&state.labels),
            loaded: state.loaded.clone(),
            health: health.clone(),
        });
        if self.is_gone() && self.git.known().is_none() {
            self.git.forget();
        }
    }

    fn update(&self, change: impl Fn(&State) -> State) {
        self.state.rcu(|state| Arc::new(change(state)));
    }

    /// Takes the paths of what is new since the last time.
    pub(crate) fn take_changed(&self) -> BTreeSet<String> {
        self.changed_paths.lock().take()
    }

    /// Forgets those of before a moment, and returns how many they were.
    pub(crate) fn forget_changed(&self, before: Instant) -> usize {
        self.changed_paths.lock().forget(before)
    }

    /// Returns the label that is served for one that is asked for, or for none. As in Spring
    /// `master` stands in for `main` alone: for whoever asks for that of the repository of all, and
    /// of one of several when it is its default.
    pub(crate) fn label_for(&self, asked: Option<&str>, labels: &Labels) -> String {
        let default = &*self.config.default_label;
        let label = asked.unwrap_or(default);
        let is_of_all = self.config.name.is_empty();
        let may_be_master = self.config.try_master && (is_of_all || default == MAIN);
        let is_lacking = label == MAIN && !labels.contains_key(label);
        if may_be_master && is_lacking && labels.contains_key(MASTER) {
            return MASTER.to_owned();
        }
        label.to_owned()
    }
}
