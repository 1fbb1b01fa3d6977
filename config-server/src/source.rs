//! Where files come from: git repositories and folders, several of them in an order. Requests read
//! snapshots in memory; what takes time happens in the background.
//!
//! # Layout
//!
//! - [`config`]: what there is to say about a source.
//! - [`location`]: folders within a repository in which requests look.
//! - [`pattern`]: which repository an application has.
//! - `repository`: one git repository, kept up to date; `git` speaks to it.
//! - `folder`: one folder, kept up to date.
//! - `changed`: what differs from what was served before.
//! - `news`: what there is to tell of all sources.
//! - `slot`: the repositories that one address stands for.
//! - [`sources`]: all of them; [`plain`] finds a file among them.

mod changed;
pub mod config;
pub(crate) mod folder;
pub(crate) mod git;
pub mod location;
pub(crate) mod news;
pub mod pattern;
pub mod plain;
pub(crate) mod repository;
mod slot;
pub mod sources;

use crate::environment::assemble::BrokenFile;

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no such branch, tag or commit.
    #[error("there is no label {0:?}")]
    NoLabel(String),
    /// The repository could not be read even once.
    #[error("{uri} can't be read: {why}")]
    Unavailable {
        /// Which.
        uri: String,
        /// What happened.
        why: String,
    },
    /// The repository is being read for the first time.
    #[error("{0} is being read for the first time")]
    NotReady(String),
    /// A file that counts is broken, and so it was in all commits that were looked at.
    #[error(transparent)]
    Broken(#[from] BrokenFile),
    /// A value that counts can't be decrypted.
    #[error("the value of {key} ({path}:{place}) can't be decrypted: {why}")]
    Undecryptable {
        /// The key.
        key: String,
        /// The file.
        path: String,
        /// Line and column.
        place: crate::document::Place,
        /// What happened.
        why: String,
    },
}
