//! Settings of a service: from its arguments, its environment, a Spring Cloud Config server and its
//! own defaults, in this order, and fetched again while it runs.
//!
//! # Layout
//!
//! - [`settings`]: what is set, by name and by type. `typed`: structs made of it.
//! - `names`: one name in many spellings. `placeholder`: values that mention others.
//! - `environment`: the server's answer. `fetch`: how it is asked.

mod environment;
mod fetch;
mod names;
mod placeholder;
pub mod settings;
mod typed;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, watch};

pub use fetch::{FetchError, ServerSettings};
pub use settings::{SettingError, Settings, Source};
pub use typed::duration;

use fetch::Fetch;

/// Settings that can be fetched again. Clones are the same.
#[derive(Clone, Debug)]
pub struct Config(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Stronger than the server's.
    above: Vec<Source>,
    /// Weaker.
    below: Vec<Source>,
    fetch: Option<Fetch>,
    current: ArcSwap<Settings>,
    changes: watch::Sender<u64>,
    /// One refresh at a time.
    refreshing: Mutex<()>,
}

/// What is known without a server.
#[derive(Clone, Debug, Default)]
pub struct LocalSources {
    arguments: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    defaults: Vec<(String, String)>,
}

impl LocalSources {
    /// Takes arguments of the form `--name=value`; others are somebody else's.
    #[must_use]
    pub fn arguments(mut self, arguments: impl IntoIterator<Item = String>) -> Self {
        let read = |argument: String| {
            let (name, value) = argument.strip_prefix("--")?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        self.arguments
            .extend(arguments.into_iter().filter_map(read));
        self
    }

    /// Takes variables, whose names are `SERVER_PORT` for `server.port`.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.environment.extend(variables);
        self
    }

    /// Takes what holds when nobody says otherwise.
    #[must_use]
    pub fn defaults<K, V>(mut self, defaults: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        let pairs = defaults.into_iter().map(|(k, v)| (k.into(), v.into()));
        self.defaults.extend(pairs);
        self
    }

    fn split(self) -> (Vec<Source>, Vec<Source>) {
        let above = vec![
            Source::new("commandLineArgs", self.arguments),
            Source::of_variables("systemEnvironment", self.environment),
        ];
        (above, vec![Source::new("defaultProperties", self.defaults)])
    }

    /// Returns the settings without a server's.
    pub fn settings(self) -> Settings {
        let (above, below) = self.split();
        Settings::new(above.into_iter().chain(below).collect())
    }
}

impl Config {
    /// Returns settings that never change.
    pub fn local(sources: LocalSources) -> Self {
        let (above, below) = sources.split();
        Self::with(above, below, None)
    }

    /// Asks the server for its part.
    ///
    /// # Errors
    ///
    /// When no server answers and [`ServerSettings::optional`] is not set.
    pub async fn load(sources: LocalSources, server: ServerSettings) -> Result<Self, FetchError> {
        let (above, below) = sources.split();
        let fetch = Fetch::new(server)?;
        let fetched = fetch.at_start().await?;
        let config = Self::with(above, below, Some(fetch));
        config.0.current.store(Arc::new(config.0.merge(fetched)));
        Ok(config)
    }

    fn with(above: Vec<Source>, below: Vec<Source>, fetch: Option<Fetch>) -> Self {
        let all = above.iter().chain(&below).cloned().collect();
        Self(Arc::new(Inner {
            current: ArcSwap::from_pointee(Settings::new(all)),
            above,
            below,
            fetch,
            changes: watch::Sender::new(0),
            refreshing: Mutex::new(()),
        }))
    }

    /// Returns what is set now. It does not change any more: ask again after a refresh.
    pub fn settings(&self) -> Arc<Settings> {
        self.0.current.load_full()
    }

    /// Returns what says that something changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Asks the server again, and returns the names whose values changed, in order.
    ///
    /// # Errors
    ///
    /// When no server answers. Then everything stays as it was.
    pub async fn refresh(&self) -> Result<Vec<String>, FetchError> {
        let Some(fetch) = &self.0.fetch else {
            return Ok(Vec::new());
        };
        let _alone = self.0.refreshing.lock().await;
        let merged = self.0.merge(fetch.once().await?);
        let changed = merged.difference(&self.settings());
        if !changed.is_empty() {
            self.0.current.store(Arc::new(merged));
            self.0.changes.send_modify(|count| *count += 1);
            tracing::info!(names = changed.len(), "settings changed");
        }
        Ok(changed)
    }
}

impl Inner {
    fn merge(&self, fetched: Vec<Source>) -> Settings {
        let above = self.above.iter().cloned();
        let below = self.below.iter().cloned();
        Settings::new(above.chain(fetched).chain(below).collect())
    }
}

#[cfg(test)]
mod tests;
