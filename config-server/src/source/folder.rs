//! Folders of this machine, read again on an interval. Paths are absolute. What is newly wrong with
//! one is told, and what was good is served on.
//!
//! # Layout
//!
//! - [`place`]: where they are.
//! - [`walk`]: the files that are there.
//! - [`follow`]: when they are read.

mod follow;
mod place;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::changed::Changed;
use super::config::NativeConfig;
use super::location;
use super::news::HeldBack;
use crate::document::Format;
use crate::environment::assemble::{BrokenFile, Request};
use crate::snapshot::{Reading, Snapshot};
use follow::Following;
use place::{Location, folders, root, takes_label};
use walk::{Found, Read, Walk};

#[derive(Debug, Default)]
struct State {
    snapshot: Arc<Snapshot>,
    /// What is wrong with the files that are served.
    served: Flaws,
    /// What is wrong with those that are there now.
    now: Flaws,
    /// Whether anything was read yet.
    is_read: bool,
}

/// What is wrong with files at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Flaws {
    broken: Vec<BrokenFile>,
    /// Why folders can't be read, by their paths.
    unreadable: BTreeMap<PathBuf, String>,
}

impl Flaws {
    /// Returns whether there is nothing wrong that was not so before.
    fn are_old(&self, before: &Self) -> bool {
        let mut folders = self.unreadable.keys();
        let is_known = |file: &BrokenFile| before.broken.iter().any(|one| one.path == file.path);
        folders.all(|folder| before.unreadable.contains_key(folder))
            && self.broken.iter().all(is_known)
    }
}

/// The folders.
#[derive(Debug)]
pub struct Folder {
    config: NativeConfig,
    locations: Vec<Location>,
    reading: Arc<Reading>,
    /// How files are read.
    read: Read,
    state: ArcSwap<State>,
    /// Held while files are read and until they are served.
    seen: Mutex<Found>,
    following: Following,
    changed: watch::Sender<u64>,
    /// The paths of what is new, until they are taken.
    changed_paths: Mutex<Changed>,
}

impl Folder {
    /// Returns folders that were read once.
    pub(crate) fn new(config: NativeConfig, reading: &Arc<Reading>) -> Arc<Self> {
        Self::reading_by(walk::read, config, reading)
    }

    fn reading_by(read: Read, config: NativeConfig, reading: &Arc<Reading>) -> Arc<Self> {
        let locations = config
            .search_locations
            .iter()
            .map(|location| Location::new(location));
        let folder = Self {
            locations: locations.collect(),
            config,
            reading: Arc::clone(reading),
            read,
            state: ArcSwap::default(),
            seen: Mutex::default(),
            following: Following::default(),
            changed: watch::Sender::new(0),
            changed_paths: Mutex::default(),
        };
        folder.read();
        for location in folder.locations.iter().filter(|one| !one.is_optional) {
            let root = root(&location.path);
            if !root.exists() {
                tracing::warn!(folder = %root.display(), "there is no such folder");
            }
        }
        Arc::new(folder)
    }

    /// Returns the files as they are served.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.state.load().snapshot)
    }

    /// Returns what keeps changes from being served.
    pub fn broken(&self) -> Vec<BrokenFile> {
        self.state.load().now.broken.clone()
    }

    /// Returns why folders can't be read.
    pub fn error(&self) -> Option<String> {
        let state = self.state.load();
        let all = state.now.unreadable.values().map(String::as_str);
        let all = all.collect::<Vec<_>>().join("; ");
        (!all.is_empty()).then_some(all)
    }

    /// Returns whether what is served was read whole.
    pub fn is_whole(&self) -> bool {
        self.state.load().served.unreadable.is_empty()
    }

    /// Returns what is held back: what is there now, when it is not what is served.
    pub(crate) fn held_back(&self) -> Option<HeldBack> {
        let state = self.state.load();
        let broken = state.now.broken.iter().map(ToString::to_string);
        let unreadable = state.now.unreadable.values().cloned();
        let newest: Vec<String> = broken.chain(unreadable).collect();
        (state.now != state.served).then(|| HeldBack {
            newest: newest.join("; "),
            served: self.changed.borrow().to_string(),
        })
    }

    /// Returns what is set.
    pub fn config(&self) -> &NativeConfig {
        &self.config
    }

    /// Returns the folders, as they may be shown.
    pub fn shown(&self) -> String {
        let paths = self.locations.iter().map(|location| &location.path);
        let locations = paths.map(|path| format!("file:{path}"));
        locations.collect::<Vec<_>>().join(", ")
    }

    /// Returns what tells when something new is served.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Takes the paths of what is new since the last time.
    pub(crate) fn take_changed(&self) -> BTreeSet<String> {
        self.changed_paths.lock().take()
    }

    /// Forgets those of before a moment, and returns how many they were.
    pub(crate) fn forget_changed(&self, before: Instant) -> usize {
        self.changed_paths.lock().forget(before)
    }

    /// Returns the folders of a request, the weakest first.
    pub(crate) fn locations(&self, snapshot: &Snapshot, request: &Request) -> Vec<String> {
        let label = request.label.as_ref();
        let label = label.unwrap_or(&self.config.default_label);
        let request = Request {
            label: Some(label.clone()),
            ..request.clone()
        };
        let mut all: Vec<String> = Vec::new();
        let mut add = |path: String| {
            if !all.contains(&path) {
                all.push(path);
            }
        };
        for location in &self.locations {
            folders(&location.path, snapshot, &request).for_each(&mut add);
        }
        let label = Some(label.trim()).filter(|label| !label.is_empty());
        let label = label.filter(|_| self.config.label_locations);
        let Some(label) = label.and_then(location::normal) else {
            return all;
        };
        let paths = self.locations.iter().map(|location| &location.path);
        for path in paths.filter(|path| takes_label(path)) {
            let within = folders(path, snapshot, &request);
            within.for_each(|path| add(format!("{path}{label}")));
        }
        all
    }

    /// Reads what is there, and serves it unless something is newly wrong with it: whoever has all
    /// must not lose it because a volume is away. Blocks.
    fn read(&self) {
        let mut seen = self.seen.lock();
        let state = self.state.load_full();
        let (found, changed, unreadable) = self.walk(&seen, &state.snapshot);
        let same = found.len() == seen.len()
            && found
                .iter()
                .zip(seen.iter())
                .all(|((path, (stamp, _)), (before, (old, _)))| path == before && stamp == old);
        if same && state.is_read && state.now.unreadable == unreadable {
            return;
        }
        let files = found
            .iter()
            .map(|(path, (_, file))| (path.clone(), Arc::clone(file)));
        let mut snapshot = Snapshot::new(self.config.version.clone(), files.collect());
        snapshot.changed = changed;
        if self
            .locations
            .iter()
            .any(|one| location::has_stars(&one.path))
        {
            // Not at the first request, which should not wait.
            snapshot.folders();
        }
        let mut broken = snapshot.check(|folder| self.is_searched(folder));
        broken.extend(lost(&state.snapshot, &snapshot));
        let now = Flaws { broken, unreadable };
        *seen = found;
        for file in &now.broken {
            tracing::error!(error = %file, "a file of the folder is broken");
        }
        for why in now.unreadable.values() {
            tracing::error!(why, "a folder can't be read");
        }
        let has_files = state.snapshot.files().next().is_some();
        if has_files && !now.are_old(&state.served) {
            tracing::warn!("changes of the folder are not served");
            self.state.store(Arc::new(State {
                snapshot: Arc::clone(&state.snapshot),
                served: state.served.clone(),
                now,
                is_read: true,
            }));
            return;
        }
        self.note_changed(&state.snapshot, &snapshot);
        self.state.store(Arc::new(State {
            snapshot: Arc::new(snapshot),
            served: now.clone(),
            now,
            is_read: true,
        }));
        self.changed.send_modify(|count| *count += 1);
    }

    /// Returns the files that are there, when they changed last, and why folders can't be read. One
    /// in which nothing is left counts as such: a volume that is away leaves an empty folder. One
    /// that never was is none, as in Spring, while there is another.
    fn walk(
        &self,
        seen: &Found,
        served: &Snapshot,
    ) -> (Found, Option<SystemTime>, BTreeMap<PathBuf, String>) {
        let mut walk = Walk::new(seen, &self.reading, self.read);
        let (mut unreadable, mut missing) = (BTreeMap::new(), BTreeMap::new());
        let mut is_any_read = false;
        for location in &self.locations {
            let root = root(&location.path);
            match look(&root, &mut walk, served) {
                Ok(()) => is_any_read = true,
                Err(Lack::Unreadable(why)) => {
                    unreadable.insert(root, why);
                }
                Err(Lack::Missing(_)) if location.is_optional => {}
                Err(Lack::Missing(why)) => {
                    missing.insert(root, why);
                }
            }
        }
        if !is_any_read {
            unreadable.extend(missing);
        }
        (walk.found, walk.changed, unreadable)
    }

    /// Notes which files differ from those that were served before, if any were.
    fn note_changed(&self, before: &Snapshot, after: &Snapshot) {
        let is_first = *self.changed.borrow() == 0;
        if !is_first {
            self.changed_paths
                .lock()
                .note((before, after), Instant::now());
        }
    }

    fn is_searched(&self, folder: &str) -> bool {
        let paths = self.locations.iter().flat_map(|Location { path, .. }| {
            let labelled = format!("{path}/{{label}}");
            let is_labelled = self.config.label_locations && takes_label(path);
            [Some(path.clone()), is_labelled.then_some(labelled)]
        });
        let paths: Vec<String> = paths.flatten().collect();
        location::is_searched(&paths, folder.trim_start_matches('/'))
    }
}

/// Why there is nothing of a location.
enum Lack {
    /// It never was.
    Missing(String),
    Unreadable(String),
}

/// Reads the files of a location.
fn look(root: &Path, walk: &mut Walk<'_>, served: &Snapshot) -> Result<(), Lack> {
    let is_within = |path: &str| Path::new(path).starts_with(root);
    let was_there = served.files().any(|(path, _)| is_within(path));
    let within = root.canonicalize().map_err(|error| {
        let why = format!("{} is no folder that can be read", root.display());
        if error.kind() == ErrorKind::NotFound && !was_there {
            Lack::Missing(why)
        } else {
            Lack::Unreadable(why)
        }
    })?;
    walk.folder(root, &within).map_err(Lack::Unreadable)?;
    if was_there && !walk.found.keys().any(|path| is_within(path)) {
        let why = format!("{} is empty and was not", root.display());
        return Err(Lack::Unreadable(why));
    }
    Ok(())
}

/// Returns files that are no configuration, were read before, and can't be read now.
fn lost(before: &Snapshot, now: &Snapshot) -> Vec<BrokenFile> {
    let mut lost = Vec::new();
    for (path, file) in now.files().filter(|(path, _)| Format::of(path).is_none()) {
        let was_there = before.file(path).is_some_and(|file| file.lacks().is_none());
        if let Some(broken) = file.lacks().filter(|_| was_there) {
            lost.push(BrokenFile {
                path: path.to_owned(),
                broken: broken.clone(),
            });
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads nothing whose name says so.
    fn read_but_hidden(path: &Path, bytes_max: usize) -> std::io::Result<Vec<u8>> {
        if path.ends_with("app.yml") && path.with_file_name("hide").exists() {
            return Err(std::io::ErrorKind::PermissionDenied.into());
        }
        walk::read(path, bytes_max)
    }

    #[test]
    fn a_file_that_may_not_be_read_is_told_and_not_missing() {
        let here = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(here.path().join(name), text).unwrap();
        let app = here.path().join("app.yml").display().to_string();
        write("app.yml", "a: one");
        let folder = || {
            let config = NativeConfig {
                search_locations: vec![here.path().display().to_string()],
                ..NativeConfig::default()
            };
            Folder::reading_by(read_but_hidden, config, &Arc::default())
        };
        let bytes = |folder: &Folder| {
            folder
                .snapshot()
                .file(&app)
                .map(|file| file.bytes().clone())
        };
        let running = folder();
        assert_eq!(bytes(&running).as_deref(), Some(&b"a: one"[..]));
        // It is another one now, and may not be read.
        write("hide", "");
        write("app.yml", "a: three");
        running.read();
        assert_eq!(bytes(&running).as_deref(), Some(&b"a: one"[..]));
        let told = format!("{app}: line 1, column 1: it can't be read: permission denied");
        assert_eq!(running.broken()[0].to_string(), told);
        // Who starts now has nothing else, and says so to whoever asks for it.
        let started = folder();
        assert_eq!(started.broken()[0].to_string(), told);
        let snapshot = started.snapshot();
        let file = snapshot.file(&app).unwrap();
        assert!(file.documents().is_err() && file.lacks().is_some());
        // Nothing of it changed but that it may be read.
        std::fs::remove_file(here.path().join("hide")).unwrap();
        for folder in [running, started] {
            folder.read();
            assert_eq!(bytes(&folder).as_deref(), Some(&b"a: three"[..]));
            assert!(folder.broken().is_empty());
        }
    }
}
