//! Tells running applications to read their configuration again, without a broker: their instances
//! are looked up in the registry and asked one after the other, since each takes itself out of the
//! registry for a moment. What comes in meanwhile is put together.
//!
//! Whom a commit concerns is found in the files that differ, and kept until it was told. What a
//! webhook names beside is told once a fetch went well, or at the third try. After some tries both
//! wait for the next commit or webhook.
//!
//! # Layout
//!
//! - [`names`]: which applications a changed file concerns.
//! - [`registry`]: instances, as the registry tells of them.

pub mod names;
pub mod registry;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

pub use names::Names;
use registry::{Instance, Registries};

use crate::source::sources::Sources;

/// Outcomes that are kept to be shown.
const REPORTS_MAX: usize = 200;
/// Tries in a row, when a remote or the registry is away; the next webhook or commit begins again.
const TRIES_MAX: u32 = 8;
/// At this try names are told although not all was fetched: the repository that is away may be
/// another one, and a refresh in vain costs less than one that does not come.
const TOLD_ANYWAY: u32 = 3;
/// Rest before the second try; it doubles with each.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// No rest is longer.
const REST_MAX: Duration = Duration::from_mins(1);
/// Names that a report of a failure tells.
const NAMES_SHOWN_MAX: usize = 5;
/// Bytes of an instance's answer that are looked at.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 10;

/// How applications are refreshed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefreshConfig {
    /// Registries of Eureka; nobody is told without one.
    pub registries: Vec<String>,
    /// Instances of one application that are asked at a time.
    pub at_once: usize,
    /// Rest between an application's instances.
    pub pause: Duration,
    /// How long an instance may take.
    pub timeout: Duration,
    /// How long a fetch is awaited.
    pub fetch_within: Duration,
    /// How long other configuration servers may take to fetch by themselves, when there are some.
    pub others_fetch_within: Duration,
    /// Whether changes that no webhook told of are handed on too.
    pub on_change: bool,
    /// User and password of applications' actuators.
    pub credentials: Option<(String, String)>,
}

impl Default for RefreshConfig {
    fn default() -> Self {
        Self {
            registries: Vec::new(),
            at_once: 1,
            pause: Duration::ZERO,
            timeout: Duration::from_secs(30),
            fetch_within: Duration::from_secs(10),
            others_fetch_within: Duration::from_secs(5),
            on_change: false,
            credentials: None,
        }
    }
}

/// How an instance took it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The application.
    pub application: String,
    /// The instance; empty when none could be asked.
    pub instance: String,
    /// When it was asked.
    pub at: SystemTime,
    /// Milliseconds until it answered.
    pub took_ms: u64,
    /// The keys that changed there, or what went wrong.
    pub outcome: Result<Vec<String>, String>,
}

/// Refreshes applications.
#[derive(Debug)]
pub struct Refresher {
    config: RefreshConfig,
    registries: Registries,
    client: reqwest::Client,
    /// What webhooks named, until a fetch went well.
    waiting: Mutex<Names>,
    /// Whom something concerns that is served now, until they were told.
    telling: Mutex<Names>,
    wake: Notify,
    reports: Mutex<VecDeque<Report>>,
    done: AtomicU64,
    failed: AtomicU64,
}

impl Refresher {
    /// Returns a refresher that is not running yet.
    pub fn new(config: RefreshConfig) -> Result<Arc<Self>, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(config.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("speargun/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Arc::new(Self {
            registries: Registries::new(config.registries.clone(), client.clone()),
            config,
            client,
            waiting: Mutex::default(),
            telling: Mutex::default(),
            wake: Notify::new(),
            reports: Mutex::default(),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }))
    }

    /// Takes applications up that are to be refreshed.
    pub fn push(&self, names: &Names) {
        self.waiting.lock().add_all(names);
        self.wake.notify_one();
    }

    /// Returns the last outcomes, the newest first.
    pub fn reports(&self) -> Vec<Report> {
        self.reports.lock().iter().cloned().collect()
    }

    /// Returns how many instances did what they were told, and how many did not or could not be
    /// asked.
    pub fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.done), count(&self.failed))
    }

    /// Works until it is told to end.
    pub async fn run(self: Arc<Self>, sources: Arc<Sources>, mut ending: watch::Receiver<bool>) {
        let mut changes = sources.changes();
        let mut tries: u32 = 0;
        // The commits that were held back when a webhook came last.
        let mut held_back = BTreeSet::new();
        loop {
            let rest = TRY_AGAIN_AFTER
                .saturating_mul(1 << tries.saturating_sub(1))
                .min(REST_MAX);
            tokio::select! {
                () = self.wake.notified() => {
                    tries = 0;
                    // What is served already is found now anyway.
                    changes.mark_unchanged();
                    held_back = sources.held_back();
                }
                news = changes.changed(), if self.listens() => match news {
                    Ok(()) => tries = 0,
                    Err(_) => return,
                },
                () = tokio::time::sleep(rest), if (1..TRIES_MAX).contains(&tries) => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
            let done = tokio::select! {
                done = self.work(&sources, &held_back, tries) => done,
                _ = ending.wait_for(|ending| *ending) => return,
            };
            tries = match done {
                Ok(()) => 0,
                Err(why) => {
                    self.put_off(&why, tries + 1);
                    tries + 1
                }
            };
        }
    }

    /// Returns whether a change is told of by itself. While somebody waits it is: it may be what a
    /// webhook told of in vain.
    fn listens(&self) -> bool {
        let is_any = |names: &Mutex<Names>| !names.lock().is_empty();
        self.config.on_change || is_any(&self.waiting) || is_any(&self.telling)
    }

    /// Fetches if a webhook asks for it, and tells whom it concerns; an error is worth another try.
    async fn work(
        self: &Arc<Self>,
        sources: &Arc<Sources>,
        held_back: &BTreeSet<String>,
        tries: u32,
    ) -> Result<(), String> {
        let fetched = self.fetch(sources, held_back, tries).await;
        let mut found = Names::default();
        let changed = sources.take_changed();
        changed.iter().for_each(|path| found.add_path(path));
        let names = {
            let mut telling = self.telling.lock();
            telling.add_all(&found);
            telling.clone()
        };
        if names.is_empty() {
            return fetched;
        }
        if self.config.registries.is_empty() {
            tracing::debug!("no registry is set, so no application is told");
            *self.telling.lock() = Names::default();
            return fetched;
        }
        let asked = self.registries.instances(&names).await;
        let applications = asked.map_err(|why| format!("the registry gives no answer: {why}"))?;
        // Nobody else takes names away, and only this adds some.
        *self.telling.lock() = Names::default();
        if self.registries.has_other_servers().await {
            tokio::time::sleep(self.config.others_fetch_within).await;
        }
        self.roll(applications).await;
        fetched
    }

    /// Fetches when a webhook came. What it names is told if that went well and brought no commit
    /// that is held back beside those that were: until then they would read again what they have.
    async fn fetch(
        &self,
        sources: &Sources,
        held_back: &BTreeSet<String>,
        tries: u32,
    ) -> Result<(), String> {
        let asked = std::mem::take(&mut *self.waiting.lock());
        if asked.is_empty() {
            return Ok(());
        }
        let fetched = sources.fetch_now(self.config.fetch_within).await;
        if fetched.is_ok() && sources.held_back().is_subset(held_back) {
            self.telling.lock().add_all(&asked);
        } else {
            if fetched.is_err() && tries == TOLD_ANYWAY {
                self.telling.lock().add_all(&asked);
            }
            self.waiting.lock().add_all(&asked);
        }
        fetched.map_err(|why| format!("not fetched: {why}"))
    }

    /// Says that nobody was told yet.
    fn put_off(&self, why: &str, tries: u32) {
        let mut names = self.telling.lock().clone();
        names.add_all(&self.waiting.lock());
        let shown: Vec<&str> = names.iter().take(NAMES_SHOWN_MAX).collect();
        let more = if names.iter().nth(NAMES_SHOWN_MAX).is_some() {
            ", .."
        } else {
            ""
        };
        let application = format!("{}{more}", shown.join(", "));
        let next = if tries < TRIES_MAX {
            "tried again"
        } else {
            "put off until the next commit or webhook"
        };
        tracing::error!(application, why, tries, next, "applications are not told");
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.report(Report {
            application,
            instance: String::new(),
            at: SystemTime::now(),
            took_ms: 0,
            outcome: Err(format!("{why}; {next}")),
        });
    }

    fn report(&self, report: Report) {
        let mut reports = self.reports.lock();
        reports.truncate(REPORTS_MAX - 1);
        reports.push_front(report);
    }

    /// Asks all applications at once, and of each a few instances at a time.
    async fn roll(self: &Arc<Self>, applications: BTreeMap<String, Vec<Instance>>) {
        let mut rolls = tokio::task::JoinSet::new();
        for (application, instances) in applications {
            while rolls.len() >= APPLICATIONS_AT_ONCE {
                let _ended = rolls.join_next().await;
            }
            let this = Arc::clone(self);
            rolls.spawn(async move {
                for group in instances.chunks(this.config.at_once.max(1)) {
                    let mut asked = tokio::task::JoinSet::new();
                    for instance in group {
                        let (this, instance) = (Arc::clone(&this), instance.clone());
                        let application = application.clone();
                        asked.spawn(async move { this.refresh(application, instance).await });
                    }
                    while asked.join_next().await.is_some() {}
                    tokio::time::sleep(this.config.pause).await;
                }
            });
        }
        while rolls.join_next().await.is_some() {}
    }

    async fn refresh(&self, application: String, instance: Instance) {
        let (at, started) = (SystemTime::now(), Instant::now());
        let outcome = self.ask(&instance).await;
        let took_ms = started.elapsed().as_millis() as u64;
        match &outcome {
            Ok(keys) => {
                self.done.fetch_add(1, Ordering::Relaxed);
                tracing::info!(
                    application,
                    instance = instance.id,
                    ?keys,
                    took_ms,
                    "refreshed"
                );
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(application, instance = instance.id, error, "not refreshed");
            }
        }
        self.report(Report {
            application,
            instance: instance.id,
            at,
            took_ms,
            outcome,
        });
    }

    async fn ask(&self, instance: &Instance) -> Result<Vec<String>, String> {
        let mut request = self.client.post(&instance.refresh_url);
        if let Some((user, password)) = &self.config.credentials {
            request = request.basic_auth(user, Some(password));
        }
        let answer = request.send().await.map_err(|error| reasons(&error))?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("it answered {status}"));
        }
        let body = registry::capped(answer, ANSWER_BYTES_MAX).await?;
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }
}

/// Applications that are refreshed at a time.
const APPLICATIONS_AT_ONCE: usize = 4;

pub(crate) fn reasons(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        crate::value::push(&mut out, format_args!(": {error}"));
        source = error.source();
    }
    out
}
