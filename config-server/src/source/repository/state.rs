//! What a repository serves, and how it stands with it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crate::environment::assemble::BrokenFile;
use crate::snapshot::Snapshot;
use crate::source::git::Labels;

/// What is served for a label.
#[derive(Clone, Debug)]
pub struct Served {
    /// The files.
    pub snapshot: Arc<Snapshot>,
    /// What is broken in the newest commit of the label.
    pub broken: Vec<BrokenFile>,
    /// Why the newest commit can't be served, when no file of it is to blame.
    pub refused: Option<String>,
    /// The newest commit of the label.
    pub newest: String,
}

impl Served {
    /// Returns whether the newest commit of the label is held back.
    pub fn is_held_back(&self) -> bool {
        self.snapshot.version.as_deref() != Some(&*self.newest)
    }
}

/// How it stands, all of one moment.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) labels: Arc<Labels>,
    pub(super) loaded: HashMap<String, Served>,
    pub(super) health: Health,
}

/// How the last fetches went.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Fetches that ended.
    pub fetches: u64,
    /// Those that failed.
    pub failures: u64,
    /// Why the last one failed, if it did.
    pub error: Option<String>,
    /// Of which label there is nothing that can be served, and why.
    pub refused: Option<String>,
    /// When one went well last.
    pub good: Option<Instant>,
    /// Whether the labels are those of a clone that was there already.
    pub is_old: bool,
}
