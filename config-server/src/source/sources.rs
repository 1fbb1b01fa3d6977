//! All sources in their order, and what is asked of them: the environment of an application, or a
//! file.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::config::{Backend, GitConfig};
use super::folder::Folder;
use super::repository::{Repository, Served};
use super::slot::Slot;
use super::{SourceError, location};
use crate::document::{Document, Secrecy};
use crate::environment::assemble::{self, Request};
use crate::environment::{Environment, Source};
use crate::snapshot::Reading;

/// Repositories that one request may be about.
const URIS_MAX: usize = 64;

/// Labels of one request.
const LABELS_MAX: usize = 16;

/// How answers are made.
#[derive(Debug, Default)]
pub struct Answering {
    /// Stronger than all files.
    pub overrides: Option<Arc<Document>>,
    /// Whether a value that can't be decrypted is given as `invalid.<key>`, as Spring does.
    pub gives_undecryptable: bool,
    /// Whether one of several sources that fails is left out.
    pub leaves_out_failing: bool,
    /// Whether of files that are given as they are the last location counts.
    pub last_location_counts: bool,
}

/// All sources.
#[derive(Debug)]
pub struct Sources {
    pub(super) live: Vec<Live>,
    reading: Arc<Reading>,
    answering: Answering,
    base: PathBuf,
    tasks: Mutex<JoinSet<()>>,
    ending: watch::Sender<bool>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
pub(super) enum Live {
    Git {
        default: Box<Slot>,
        others: Vec<Slot>,
    },
    Native(Arc<Folder>),
}

/// A source and how it stands.
#[derive(Clone, Debug)]
pub enum Standing {
    /// A repository.
    Git(Arc<Repository>),
    /// Folders.
    Native(Arc<Folder>),
}

impl Sources {
    /// Starts keeping sources up to date, on this runtime. Clones live in `base`.
    pub fn start(
        backends: Vec<Backend>,
        reading: Reading,
        answering: Answering,
        base: PathBuf,
    ) -> Arc<Self> {
        let reading = Arc::new(reading);
        let live = backends.into_iter().map(|backend| match backend {
            Backend::Git { default, others } => Live::Git {
                default: Box::new(Slot::new(*default)),
                others: others.into_iter().map(Slot::new).collect(),
            },
            Backend::Native(config) => Live::Native(Folder::new(config, &reading)),
        });
        let sources = Arc::new(Self {
            live: live.collect(),
            reading,
            answering,
            base,
            tasks: Mutex::default(),
            ending: watch::Sender::new(false),
            changed: watch::Sender::new(0),
        });
        for live in &sources.live {
            match live {
                Live::Git { default, others } => {
                    let slots = others.iter().chain([&**default]);
                    let fixed = slots.filter(|slot| !slot.config.uri.contains('{'));
                    for slot in fixed.filter(|slot| !slot.config.uri.is_empty()) {
                        sources.repository(slot, &slot.config.uri);
                    }
                }
                Live::Native(folder) => {
                    let ending = sources.ending.subscribe();
                    sources.tasks.lock().spawn(Arc::clone(folder).run(ending));
                    sources.hand_on(folder.changes());
                }
            }
        }
        sources
    }

    /// Hands on that something new is served.
    fn hand_on(&self, mut changes: watch::Receiver<u64>) {
        let (news_of_all, mut ending) = (self.changed.clone(), self.ending.subscribe());
        self.tasks.lock().spawn(async move {
            loop {
                tokio::select! {
                    news = changes.changed() => match news {
                        Ok(()) => news_of_all.send_modify(|count| *count += 1),
                        Err(_) => return,
                    },
                    _ = ending.wait_for(|ending| *ending) => return,
                }
            }
        });
    }

    /// Returns what tells when something new is served.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Ends what goes on in the background.
    pub async fn end(&self) {
        self.ending.send_replace(true);
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        while tasks.join_next().await.is_some() {}
    }

    /// Returns the repository of an address, which is made when it is new.
    fn repository(&self, slot: &Slot, uri: &str) -> Arc<Repository> {
        let mut made = slot.made.lock();
        if let Some(repository) = made.get(uri) {
            return repository;
        }
        let base = slot.config.base.as_ref().unwrap_or(&self.base);
        let config = slot.config.clone();
        let place = (uri.to_owned(), made.clone_of(uri));
        let repository = Repository::new(config, place, base, &self.reading);
        let ending = self.ending.subscribe();
        let task = {
            let mut tasks = self.tasks.lock();
            // Those that ended are forgotten.
            while tasks.try_join_next().is_some() {}
            let turns = Arc::clone(&slot.turns);
            tasks.spawn(Arc::clone(&repository).run(ending, turns))
        };
        made.add(uri, Arc::clone(&repository), task);
        drop(made);
        self.hand_on(repository.changes());
        repository
    }

    /// Returns the repositories that an address stands for in a request.
    fn repositories(&self, slot: &Slot, request: &Request) -> Vec<Arc<Repository>> {
        let uris = uris(&slot.config, request);
        let first = uris.iter().take(URIS_MAX);
        first.map(|uri| self.repository(slot, uri)).collect()
    }

    /// Returns all sources.
    pub fn standings(&self) -> Vec<Standing> {
        let mut all = Vec::new();
        for live in &self.live {
            match live {
                Live::Git { default, others } => {
                    for slot in others.iter().chain([&**default]) {
                        all.extend(slot.made.lock().standing().map(Standing::Git));
                    }
                }
                Live::Native(folder) => all.push(Standing::Native(Arc::clone(folder))),
            }
        }
        all
    }

    /// Returns the environment of an application with its profiles.
    pub async fn environment(&self, request: &Request) -> Result<Environment, SourceError> {
        let mut environment = Environment {
            name: request.application.clone(),
            profiles: if request.profiles.is_empty() {
                "default".to_owned()
            } else {
                request.profiles.clone()
            },
            label: request.label.clone(),
            ..Environment::default()
        };
        let fixed = |name, document: &Arc<Document>| Source::fixed(name, Arc::clone(document));
        let overrides = self.answering.overrides.as_ref();
        environment
            .sources
            .extend(overrides.map(|document| fixed("overrides", document)));
        for live in &self.live {
            let part = match self.part(live, request).await {
                Err(error) if self.is_left_out(&error) => continue,
                part => part?,
            };
            environment.sources.extend(part.sources);
            (environment.version, environment.state) = (part.version, part.state);
        }
        if self.live.len() > 1 {
            (environment.version, environment.state) = (None, None);
        }
        if !self.answering.gives_undecryptable {
            refuse_undecryptable(&environment)?;
        }
        Ok(environment)
    }

    /// Returns whether sources that fail are left out of answers.
    pub(crate) fn leaves_out(&self) -> bool {
        self.answering.leaves_out_failing && self.live.len() > 1
    }

    /// Returns whether a source that failed is left out. One that is being read for the first time
    /// is waited for, or clients that start with the server would lack its values.
    pub(super) fn is_left_out(&self, error: &SourceError) -> bool {
        let is_asked_too_early = matches!(error, SourceError::NotReady(_));
        let is_one = self.leaves_out() && !is_asked_too_early;
        if is_one {
            // Anybody may ask for a label that one source lacks; outages are told by fetches.
            tracing::debug!(%error, "a source is left out of an answer");
        }
        is_one
    }

    /// Returns all sources in the order in which files that are given as they are are looked for.
    pub(super) fn in_order_of_files(&self) -> Vec<&Live> {
        let mut all: Vec<&Live> = self.live.iter().collect();
        if self.answering.last_location_counts {
            all.reverse();
        }
        all
    }

    /// Returns locations in that order.
    pub(super) fn ordered(&self, mut locations: Vec<String>) -> Vec<String> {
        if self.answering.last_location_counts {
            locations.reverse();
        }
        locations
    }

    /// Returns what one source gives for a request.
    async fn part(&self, live: &Live, request: &Request) -> Result<Environment, SourceError> {
        let mut part = Environment::default();
        match live {
            Live::Git { default, others } => {
                for request in each_label(request)? {
                    let (repository, served) = self.find(default, others, &request).await?;
                    let config = repository.config();
                    let paths = (&*config.search_paths, &*config.default_label);
                    let snapshot = &served.snapshot;
                    let locations = location::of_request(snapshot, paths, &request);
                    let name = |path: &str| repository.source_name(path);
                    let sources = assemble::collect(snapshot, &request, &locations, name)?;
                    part.sources.extend(sources);
                    add_version(&mut part, snapshot.version.as_deref());
                }
                part.state = Some(String::new());
            }
            Live::Native(folder) => {
                let snapshot = folder.snapshot();
                let locations = folder.locations(&snapshot, request);
                let name = |path: &str| format!("file:{path}");
                part.sources = assemble::collect(&snapshot, request, &locations, name)?;
                part.version.clone_from(&snapshot.version);
            }
        }
        Ok(part)
    }

    /// Returns the first repository that is for a request and answers, and what it serves.
    pub(super) async fn find(
        &self,
        default: &Slot,
        others: &[Slot],
        request: &Request,
    ) -> Result<(Arc<Repository>, Served), SourceError> {
        let label = request.label.as_deref();
        for slot in others.iter().filter(|slot| slot.is_for(request)) {
            for repository in self.repositories(slot, request) {
                match repository.find(label).await {
                    Ok(served) => return Ok((repository, served)),
                    Err(error) => tracing::debug!(%error, "the next repository is asked"),
                }
            }
        }
        let mut last = SourceError::Unavailable {
            uri: super::config::shown(&default.config.uri),
            why: "it stands for no repository here".to_owned(),
        };
        for repository in self.repositories(default, request) {
            match repository.find(label).await {
                Ok(served) => return Ok((repository, served)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Returns a request for each of its labels, the strongest, which is the last, first.
fn each_label(request: &Request) -> Result<Vec<Request>, SourceError> {
    let Some(list) = request.label.as_ref().filter(|label| label.contains(',')) else {
        return Ok(vec![request.clone()]);
    };
    let labels = list.split(',').map(str::trim);
    let labels: Vec<&str> = labels.filter(|label| !label.is_empty()).collect();
    if labels.is_empty() || labels.len() > LABELS_MAX {
        return Err(SourceError::NoLabel(list.clone()));
    }
    let of = |label: &&str| Request {
        label: Some((*label).to_owned()),
        ..request.clone()
    };
    Ok(labels.iter().rev().map(of).collect())
}

/// Puts the commit of a label in front of those of stronger ones: commits are told in the order of
/// the request, sources the other way round.
fn add_version(environment: &mut Environment, version: Option<&str>) {
    let Some(version) = version else {
        return;
    };
    environment.version = Some(match &environment.version {
        Some(stronger) => format!("{version},{stronger}"),
        None => version.to_owned(),
    });
}

fn refuse_undecryptable(environment: &Environment) -> Result<(), SourceError> {
    for source in &environment.sources {
        for entry in source.entries() {
            if let Secrecy::Undecryptable(why) = &entry.secrecy {
                return Err(SourceError::Undecryptable {
                    key: entry.key.to_string(),
                    path: source.path.clone(),
                    place: entry.place,
                    why: why.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Returns the addresses that one with placeholders stands for. What fills them must not lead
/// elsewhere, so the place of the host is left alone. A request without label has the default one.
fn uris(config: &GitConfig, request: &Request) -> Vec<String> {
    let uri = &*config.uri;
    if !uri.contains('{') {
        return vec![uri.to_owned()];
    }
    let host_end = match uri.split_once("://") {
        Some((scheme, rest)) => scheme.len() + 3 + rest.find('/').unwrap_or(rest.len()),
        None => 0,
    };
    if uri.find('{').is_some_and(|at| at < host_end) {
        return Vec::new();
    }
    let safe = |uri: &String| !uri.split('/').any(|part| part == "..");
    let label = request.label.as_ref().unwrap_or(&config.default_label);
    let labelled = Request {
        label: Some(label.clone()),
        ..request.clone()
    };
    let mut filled = location::filled(uri, &labelled);
    // As elsewhere, the last application and the last profile win.
    filled.reverse();
    filled.into_iter().filter(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_default_label_when_none_is_asked_for() {
        let filled = |uri: &str, label: Option<&str>| {
            let config = GitConfig {
                uri: uri.to_owned(),
                default_label: "trunk".to_owned(),
                ..GitConfig::default()
            };
            let request = Request {
                application: "a,b".to_owned(),
                profiles: String::new(),
                label: label.map(str::to_owned),
            };
            uris(&config, &request)
        };
        assert_eq!(
            filled("https://h/{label}.git", None),
            ["https://h/trunk.git"]
        );
        assert_eq!(
            filled("https://h/{label}.git", Some("v1")),
            ["https://h/v1.git"]
        );
        assert_eq!(
            filled("/x/{application}/{label}", None),
            ["/x/b/trunk", "/x/a/trunk"]
        );
        assert!(filled("/x/{label}/y", Some("..")).is_empty());
        assert!(filled("https://{label}/x", None).is_empty());
    }
}
