//! Tells running applications to read their configuration again, without a broker: their instances
//! are looked up in the registry and asked one after the other, since each takes itself out of the
//! registry for a moment. What comes in meanwhile is put together.
//!
//! Whom a commit concerns is found in the files that differ, and kept until it was told. What a
//! webhook names beside is told once, when every source was fetched or is known to be away, and
//! when what is held back since then is served. Whoever is away, a repository, the registry or an
//! instance, is tried again until it is back, or for a day.
//!
//! Without `on-change` only a webhook has applications told. Differences that none came for in time
//! are forgotten: of several servers behind one address another one was told, and to tell
//! everything again with a later webhook would be in vain.
//!
//! # Layout
//!
//! - [`names`]: which applications a changed file concerns.
//! - [`registry`]: instances, as the registry tells of them.
//! - `fetch`: what webhooks have fetched, and when whom they name is told.
//! - `away`: sources that gave no answer.
//! - `held`: names that wait for what is held back.
//! - `owed`: what applications are owed until they have it.
//! - `course`: when it is tried again.
//! - `roll`: asking instances.
//! - `outcome`: what became of it.

mod away;
mod course;
mod fetch;
mod held;
pub mod names;
mod outcome;
mod owed;
pub mod registry;
mod roll;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use course::Course;
use held::Held;
pub use names::Names;
use outcome::Outcomes;
pub use outcome::{Debts, Report};
use owed::{OwedInstances, OwedNames};
use registry::{Instance, Registries};
use roll::Turn;

use crate::source::sources::Sources;

/// Names that a report of a failure tells.
const NAMES_SHOWN_MAX: usize = 5;

/// How applications are refreshed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefreshConfig {
    /// Registries of Eureka; nobody is told without one.
    pub registries: Vec<String>,
    /// The application of configuration servers, which are not told.
    pub own_application: String,
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
    /// How much earlier than a webhook a change may have been served that is told of with it.
    pub kept_for: Duration,
    /// User and password of applications' actuators.
    pub credentials: Option<(String, String)>,
}

impl Default for RefreshConfig {
    fn default() -> Self {
        Self {
            registries: Vec::new(),
            own_application: registry::SERVERS.to_owned(),
            at_once: 1,
            pause: Duration::ZERO,
            timeout: Duration::from_secs(30),
            fetch_within: Duration::from_secs(10),
            others_fetch_within: Duration::from_secs(5),
            on_change: false,
            kept_for: Duration::from_mins(10),
            credentials: None,
        }
    }
}

/// Refreshes applications.
#[derive(Debug)]
pub struct Refresher {
    config: RefreshConfig,
    registries: Registries,
    client: reqwest::Client,
    /// What webhooks named, until all was fetched.
    waiting: Mutex<OwedNames>,
    /// What they named, until it is served.
    held: Mutex<Held>,
    /// Whom something concerns that is served now, until the registry was asked.
    telling: Mutex<OwedNames>,
    /// Instances that could not be told.
    owed: Mutex<OwedInstances>,
    /// When the first webhook came that was not looked at yet.
    pushed: Mutex<Option<Instant>>,
    wake: Notify,
    outcomes: Outcomes,
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
            registries: Registries::new(
                (config.registries.clone(), &config.own_application),
                client.clone(),
            ),
            config,
            client,
            waiting: Mutex::default(),
            held: Mutex::default(),
            telling: Mutex::default(),
            owed: Mutex::default(),
            pushed: Mutex::default(),
            wake: Notify::new(),
            outcomes: Outcomes::default(),
        }))
    }

    /// Takes applications up that are to be refreshed.
    pub fn push(&self, names: &Names) {
        let now = Instant::now();
        self.waiting.lock().add(names, now);
        self.pushed.lock().get_or_insert(now);
        self.wake.notify_one();
    }

    /// Returns the last outcomes, the newest first.
    pub fn reports(&self) -> Vec<Report> {
        self.outcomes.reports()
    }

    /// Returns how many instances did what they were told, and how many did not or could not be
    /// asked.
    pub fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.outcomes.done), count(&self.outcomes.failed))
    }

    /// Returns how much waits, and how much was let go.
    pub fn debts(&self) -> Debts {
        let names = |names: &Mutex<OwedNames>| names.lock().names().iter().count();
        let held = self.held.lock().names().iter().count();
        let owed = names(&self.waiting) + held + names(&self.telling) + self.owed.lock().count();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Debts {
            owed: owed as u64,
            given_up: count(&self.outcomes.given_up),
            forgotten: count(&self.outcomes.forgotten),
        }
    }

    /// Works until it is told to end.
    pub async fn run(self: Arc<Self>, sources: Arc<Sources>, mut ending: watch::Receiver<bool>) {
        let mut changes = sources.changes();
        let mut course = Course::default();
        loop {
            tokio::select! {
                () = self.wake.notified() => {
                    course.begin();
                    // What is served already is found now anyway.
                    changes.mark_unchanged();
                    course.held_back = course.held_back_next.clone();
                    let pushed = self.pushed.lock().take().unwrap_or_else(Instant::now);
                    self.forget(&sources, pushed);
                }
                news = changes.changed() => match news {
                    Ok(()) if self.listens() => course.begin(),
                    Ok(()) => {
                        self.forget(&sources, Instant::now());
                        continue;
                    }
                    Err(_) => return,
                },
                () = course.due() => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
            tokio::select! {
                () = self.turn(&sources, &mut course) => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
        }
    }

    /// Forgets what no webhook came for until long after it was served.
    fn forget(&self, sources: &Sources, now: Instant) {
        if self.config.on_change {
            return;
        }
        let Some(before) = now.checked_sub(self.config.kept_for) else {
            return;
        };
        let count = sources.forget_changed(before);
        outcome::add(&self.outcomes.forgotten, count);
    }

    /// Returns whether a change is told of by itself. While somebody waits it is: it may be what a
    /// webhook told of in vain.
    fn listens(&self) -> bool {
        let is_any = |names: &Mutex<OwedNames>| !names.lock().names().is_empty();
        let is_held = !self.held.lock().names().is_empty();
        self.config.on_change || is_held || is_any(&self.waiting) || is_any(&self.telling)
    }

    /// Tells whom it can, and keeps in mind whom it could not.
    async fn turn(self: &Arc<Self>, sources: &Arc<Sources>, course: &mut Course) {
        let is_asked = !self.waiting.lock().names().is_empty();
        let done = self.work(sources, course).await;
        if is_asked {
            course.held_back_next = sources.held_back();
        }
        if done.is_ok() && self.owed.lock().count() == 0 && !course.away.are_owed() {
            course.done();
        } else {
            course.left();
        }
        self.give_up(course, Instant::now());
        match done {
            Ok(()) => course.said = None,
            Err(why) => self.put_off(&why, course),
        }
    }

    /// Fetches if a webhook asks for it, and tells whom it concerns; an error is worth another try.
    async fn work(
        self: &Arc<Self>,
        sources: &Arc<Sources>,
        course: &mut Course,
    ) -> Result<(), String> {
        let fetched = self.fetch(sources, course).await;
        let mut found = Names::default();
        let changed = sources.take_changed();
        changed.iter().for_each(|path| found.add_path(path));
        let names = {
            let released = self.held.lock().release(&sources.held_back());
            let mut telling = self.telling.lock();
            telling.add(&released, Instant::now());
            telling.add(&found, Instant::now());
            telling.names().clone()
        };
        if self.config.registries.is_empty() {
            tracing::debug!("no registry is set, so no application is told");
            self.telling.lock().take();
            return fetched;
        }
        if names.is_empty() {
            self.tell_again().await?;
        } else {
            self.tell(&names).await?;
        }
        fetched
    }

    /// Looks up the instances of names, and tells them.
    async fn tell(self: &Arc<Self>, names: &Names) -> Result<(), String> {
        let applications = self.instances(names).await?;
        // Nobody else takes names away, and only this adds some.
        self.telling.lock().take();
        if self.registries.has_other_servers().await {
            tokio::time::sleep(self.config.others_fetch_within).await;
        }
        self.roll(applications, Turn::First).await;
        Ok(())
    }

    /// Tells instances that could not be told, as far as they are back; what is new goes first.
    async fn tell_again(self: &Arc<Self>) -> Result<(), String> {
        let names = self.owed.lock().applications();
        if names.is_empty() {
            return Ok(());
        }
        let mut applications = self.instances(&names).await?;
        for (application, instances) in &mut applications {
            let owed = self.owed.lock();
            instances.retain(|one| owed.contains(&(application.clone(), one.id.clone())));
        }
        tokio::select! {
            () = self.roll(applications, Turn::Again) => {}
            // It is to wake the next turn.
            () = self.wake.notified() => self.wake.notify_one(),
        }
        Ok(())
    }

    async fn instances(&self, names: &Names) -> Result<BTreeMap<String, Vec<Instance>>, String> {
        let asked = self.registries.instances(names).await;
        asked.map_err(|why| format!("the registry gives no answer: {why}"))
    }

    /// Gives up what was owed for too long.
    fn give_up(&self, course: &mut Course, now: Instant) {
        let mut old = course.away.take_old(now);
        let held = self.held.lock().take_old(now);
        old.extend(held.iter().map(str::to_owned));
        for names in [&self.waiting, &self.telling] {
            let names = names.lock().take_old(now);
            old.extend(names.iter().map(str::to_owned));
        }
        let instances = self.owed.lock().take_old(now);
        old.extend(
            instances
                .into_iter()
                .map(|(name, id)| format!("{name} {id}")),
        );
        if !old.is_empty() {
            outcome::add(&self.outcomes.given_up, old.len());
            let shown = shown(old.iter().map(String::as_str));
            tracing::error!(who = shown, "not told for too long, and not told any more");
        }
    }

    /// Says that nobody was told yet; once, while it is the same.
    fn put_off(&self, why: &str, course: &mut Course) {
        let mut names = self.telling.lock().names().clone();
        names.add_all(self.waiting.lock().names());
        names.add_all(&self.owed.lock().applications());
        let said = (shown(names.iter()), why.to_owned());
        if course.said.as_ref() == Some(&said) {
            outcome::add(&self.outcomes.failed, 1);
            return;
        }
        let application = &said.0;
        tracing::error!(application, why, "applications are not told yet");
        self.outcomes.report(Report {
            application: application.clone(),
            instance: String::new(),
            at: SystemTime::now(),
            took_ms: 0,
            outcome: Err(format!("{why}; tried again")),
        });
        // Last: who sees the count finds the report.
        outcome::add(&self.outcomes.failed, 1);
        course.said = Some(said);
    }
}

/// Returns the first names of many.
fn shown<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names = names.peekable();
    let first: Vec<&str> = names.by_ref().take(NAMES_SHOWN_MAX).collect();
    let more = if names.peek().is_some() { ", .." } else { "" };
    format!("{}{more}", first.join(", "))
}

pub(crate) fn reasons(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        crate::value::push(&mut out, format_args!(": {error}"));
        source = error.source();
    }
    out
}
