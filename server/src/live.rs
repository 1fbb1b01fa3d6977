//! The backend as a client of a configuration server: asked at the start and then on an interval.
//! What can change in a running process does; of the rest it is said that it waits for a restart.
//! While no server answers, everything stays as it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use speargun_client::Config;
use speargun_client::config::{LocalSources, ServerSettings};
use speargun_collector::Dial;
use speargun_storage::Retention;
use tokio::sync::Semaphore;

use crate::log::LogLevel;
use crate::settings::{ConfigurationSettings, Settings, Sources, Texts};

/// How long a start waits for the configuration server.
const START_WITHIN: Duration = Duration::from_secs(10);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// What a running process can change.
#[derive(Clone, Debug)]
pub(crate) struct Changing {
    pub(crate) sampler: Dial,
    pub(crate) log: LogLevel,
    pub(crate) connections: Arc<Semaphore>,
    /// `None` of an engine that deletes nothing.
    pub(crate) retention: Option<Retention>,
    pub(crate) following: Arc<Following>,
}

/// How following goes, for metrics.
#[derive(Debug, Default)]
pub(crate) struct Following {
    /// 1 while the server answers.
    pub(crate) up: AtomicU64,
    /// Times that it was asked in vain.
    pub(crate) failures: AtomicU64,
    /// 1 while what it says can't be taken over.
    pub(crate) refused: AtomicU64,
    /// Settings that changed in the running process.
    pub(crate) changes: AtomicU64,
    /// Settings that differ and wait for a restart.
    pub(crate) waiting: AtomicU64,
}

/// Names of settings that change without a restart.
const LIVE: [&str; 5] = [
    "COLLECTOR_SAMPLE_RATE",
    "SPEARGUN_LOG",
    "SPEARGUN_CONNECTIONS_MAX",
    "SPEARGUN_RETENTION_AGE",
    "SPEARGUN_RETENTION_BYTES",
];

/// Values by the name of their setting.
type Shown = BTreeMap<&'static str, String>;

fn shown(texts: &Texts) -> Shown {
    let all = texts.plain();
    all.map(|(name, text)| (name, text.to_owned())).collect()
}

fn asked(settings: &ConfigurationSettings) -> ServerSettings {
    ServerSettings {
        uris: settings.uris.clone(),
        profiles: settings.profiles.clone(),
        labels: settings.label.clone().into_iter().collect(),
        attempts_max: 1,
        connect_timeout: CONNECT_WITHIN,
        read_timeout: ANSWER_WITHIN,
        ..ServerSettings::new(&settings.name)
    }
}

/// Returns all that a configuration server says, by name.
fn pairs(config: &Config) -> Vec<(String, String)> {
    let settings = config.settings();
    let value = |name: &str| match settings.text(name) {
        Ok(Some(text)) => Some((name.to_owned(), text)),
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(name, %error, "a setting of the configuration server is left out");
            None
        }
    };
    settings.names().filter_map(value).collect()
}

/// Asks the configuration server once, before the start; `None` when it does not answer, and the
/// start goes on without.
pub(crate) fn at_start(settings: &ConfigurationSettings) -> Option<Vec<(String, String)>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ask = async {
        let load = Config::load(LocalSources::default(), asked(settings));
        tokio::time::timeout(START_WITHIN, load).await
    };
    match runtime.map(|runtime| runtime.block_on(ask)) {
        Ok(Ok(Ok(config))) => Some(pairs(&config)),
        Ok(Ok(Err(error))) => {
            tracing::warn!(%error, "started without the configuration server");
            None
        }
        Ok(Err(_)) => {
            tracing::warn!("started without the configuration server: it takes too long");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "started without the configuration server");
            None
        }
    }
}

/// Follows a configuration server.
pub(crate) struct Live {
    settings: ConfigurationSettings,
    /// What is known without it.
    sources: Sources,
    /// What is in force.
    running: Shown,
    changing: Changing,
    /// What was said last of settings that wait, so that it is said once.
    waiting: Vec<&'static str>,
    silent: bool,
}

impl Live {
    /// Returns what follows a server; `None` when none is set.
    pub(crate) fn new(
        settings: &Settings,
        (sources, texts): (Sources, &Texts),
        changing: Changing,
    ) -> Option<Self> {
        let settings = settings.configuration.clone()?;
        Some(Self {
            settings,
            sources,
            running: shown(texts),
            changing,
            waiting: Vec::new(),
            silent: false,
        })
    }

    /// Follows until it is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            match Config::load(LocalSources::default(), asked(&self.settings)).await {
                Ok(config) => {
                    self.answered();
                    self.apply(pairs(&config));
                    self.follow(config).await;
                }
                Err(error) => self.complain(&error),
            }
            tokio::time::sleep(self.settings.interval).await;
        }
    }

    /// Asks again and again until no answer comes.
    async fn follow(&mut self, config: Config) {
        loop {
            tokio::time::sleep(self.settings.interval).await;
            match config.refresh().await {
                Ok(changed) if changed.is_empty() => self.answered(),
                Ok(_) => {
                    self.answered();
                    self.apply(pairs(&config));
                }
                Err(error) => return self.complain(&error),
            }
        }
    }

    fn answered(&mut self) {
        self.silent = false;
        self.changing.following.up.store(1, Ordering::Relaxed);
    }

    fn complain(&mut self, error: &dyn std::error::Error) {
        let following = &self.changing.following;
        following.up.store(0, Ordering::Relaxed);
        following.failures.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.silent, true) {
            tracing::warn!(%error, "the configuration server gives no answer; nothing changes");
        }
    }

    /// Takes over what can change, and says what can't.
    fn apply(&mut self, remote: Vec<(String, String)>) {
        let sources = Sources {
            remote,
            ..self.sources.clone()
        };
        let merged = Texts::merge(sources);
        let parsed = merged.and_then(|texts| Ok((Settings::parse(&texts)?, texts)));
        let following = Arc::clone(&self.changing.following);
        let refused = u64::from(parsed.is_err());
        following.refused.store(refused, Ordering::Relaxed);
        let (settings, texts) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                tracing::error!(%error, "the configuration server's settings are not taken over");
                return;
            }
        };
        let wanted = shown(&texts);
        let differs = |name: &&str| wanted.get(*name) != self.running.get(*name);
        let mut waiting = Vec::new();
        let changed: Vec<&'static str> = wanted
            .keys()
            .copied()
            .filter(|name| differs(name))
            .collect();
        for name in changed {
            if LIVE.contains(&name) {
                self.change(name, &settings);
                following.changes.fetch_add(1, Ordering::Relaxed);
                let value = wanted.get(name).cloned().unwrap_or_default();
                tracing::info!(name, value, "changed");
                self.running.insert(name, value);
            } else {
                waiting.push(name);
            }
        }
        following
            .waiting
            .store(waiting.len() as u64, Ordering::Relaxed);
        if waiting != self.waiting && !waiting.is_empty() {
            let names = waiting.join(", ");
            tracing::warn!(
                names,
                "changed in the configuration, in force after a restart"
            );
        }
        self.waiting = waiting;
    }

    fn keep(&self, change: impl FnOnce(&Retention)) {
        if let Some(retention) = &self.changing.retention {
            change(retention);
        }
    }

    fn change(&self, name: &str, settings: &Settings) {
        match name {
            "COLLECTOR_SAMPLE_RATE" => self.changing.sampler.set(settings.sampler),
            "SPEARGUN_LOG" => self.changing.log.set(settings.log),
            "SPEARGUN_RETENTION_AGE" => {
                let age_ms = settings.retention_age.as_millis() as u64;
                self.keep(|retention| retention.set_age_ms(age_ms));
            }
            "SPEARGUN_RETENTION_BYTES" => {
                self.keep(|retention| retention.set_bytes(settings.retention_bytes));
            }
            _ => {
                let before = self.running.get("SPEARGUN_CONNECTIONS_MAX");
                let before = before.and_then(|text| text.parse().ok()).unwrap_or(0);
                resize(
                    &self.changing.connections,
                    before,
                    settings.limits.connections_max,
                );
            }
        }
    }
}

/// Gives or takes permits; those that are in use are taken when they come back.
fn resize(connections: &Arc<Semaphore>, before: usize, after: usize) {
    if after > before {
        connections.add_permits(after - before);
        return;
    }
    let wanted = before - after;
    let left = wanted - connections.forget_permits(wanted);
    if let Some(left) = u32::try_from(left).ok().filter(|left| *left > 0) {
        let connections = Arc::clone(connections);
        tokio::spawn(async move {
            if let Ok(permits) = connections.acquire_many_owned(left).await {
                permits.forget();
            }
        });
    }
}
