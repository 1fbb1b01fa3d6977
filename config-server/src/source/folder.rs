//! Folders of this machine, read again on an interval. Paths are absolute. A symbolic link counts
//! when it leads to a file of the same folder, as those of mounted configuration maps do.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::changed::Changed;
use super::config::NativeConfig;
use super::location;
use crate::environment::assemble::{BrokenFile, Request};
use crate::snapshot::{File, Reading, Snapshot};

/// Folders within folders.
const DEPTH_MAX: usize = 32;

/// What tells that a file is another one than before.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Stamp {
    target: PathBuf,
    inode: u64,
    bytes: u64,
    changed: Option<SystemTime>,
}

/// Files by their path, with what tells whether one changed.
type Found = BTreeMap<Box<str>, (Stamp, Arc<File>)>;

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
    /// Search locations as absolute paths, placeholders left in.
    locations: Vec<String>,
    reading: Arc<Reading>,
    state: ArcSwap<State>,
    seen: Mutex<Found>,
    changed: watch::Sender<u64>,
    /// The paths of what is new, until they are taken.
    changed_paths: Mutex<Changed>,
}

impl Folder {
    /// Returns folders that were read once.
    pub(crate) fn new(config: NativeConfig, reading: &Arc<Reading>) -> Arc<Self> {
        let locations = config
            .search_locations
            .iter()
            .map(|location| absolute(location));
        let folder = Self {
            locations: locations.collect(),
            config,
            reading: Arc::clone(reading),
            state: ArcSwap::default(),
            seen: Mutex::default(),
            changed: watch::Sender::new(0),
            changed_paths: Mutex::default(),
        };
        folder.read();
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

    /// Returns what is set.
    pub fn config(&self) -> &NativeConfig {
        &self.config
    }

    /// Returns the folders, as they may be shown.
    pub fn shown(&self) -> String {
        let locations = self.locations.iter().map(|path| format!("file:{path}"));
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
        let mut all = Vec::new();
        let mut add = |path: String| {
            if !all.contains(&path) {
                all.push(path);
            }
        };
        for location in &self.locations {
            for path in location::filled(location, request) {
                let Some(path) = location::normal(&path) else {
                    continue;
                };
                if path.contains(['*', '?']) {
                    location::matching(snapshot, &format!("/{path}")).for_each(&mut add);
                } else {
                    add(format!("/{path}"));
                }
            }
        }
        let label = request
            .label
            .as_deref()
            .filter(|_| self.config.label_locations);
        if let Some(label) = label.and_then(location::normal) {
            let labelled: Vec<String> = all.iter().map(|path| format!("{path}{label}")).collect();
            all.extend(labelled);
        }
        all
    }

    /// Keeps what is served up to date until it is told to end.
    pub(crate) async fn run(self: Arc<Self>, mut ending: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.config.refresh) => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
            let this = Arc::clone(&self);
            if tokio::task::spawn_blocking(move || this.read())
                .await
                .is_err()
            {
                tracing::error!("reading folders panicked");
            }
        }
    }

    /// Reads what is there, and serves it unless something is newly wrong with it: whoever has all
    /// must not lose it because a volume is away. Blocks.
    fn read(&self) {
        let mut seen = self.seen.lock();
        let (found, changed, unreadable) = self.walk(&seen);
        let state = self.state.load_full();
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
        let broken = snapshot.check(|folder| self.is_searched(folder));
        let now = Flaws { broken, unreadable };
        *seen = found;
        drop(seen);
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

    /// Returns the files that are there, when they changed last, and why folders can't be read.
    fn walk(&self, seen: &Found) -> (Found, Option<SystemTime>, BTreeMap<PathBuf, String>) {
        let mut walk = Walk {
            seen,
            reading: &self.reading,
            found: BTreeMap::new(),
            bytes: 0,
            changed: None,
        };
        let mut unreadable = BTreeMap::new();
        for location in &self.locations {
            let root = root(location);
            let read = match root.canonicalize() {
                Ok(within) => walk.folder(&root, (&within, 0)),
                Err(_) => Err(format!("{} is no folder that can be read", root.display())),
            };
            if let Err(why) = read {
                unreadable.insert(root, why);
            }
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
        let paths = self.locations.iter().flat_map(|path| {
            let labelled = format!("{path}/{{label}}");
            [
                Some(path.clone()),
                self.config.label_locations.then_some(labelled),
            ]
        });
        let paths: Vec<String> = paths.flatten().collect();
        location::is_searched(&paths, folder.trim_start_matches('/'))
    }
}

/// Returns a location as an absolute path, with a slash behind and no `..` within, as Spring
/// has it: `..` takes the folder before it away, whatever that is.
fn absolute(location: &str) -> String {
    let path = location.strip_prefix("file:").unwrap_or(location);
    let path = path.strip_prefix("//").unwrap_or(path);
    let whole = std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path));
    let text = whole.display().to_string();
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return "/".to_owned();
    }
    format!("/{}/", parts.join("/"))
}

/// Returns the part of a location in front of placeholders and stars.
fn root(location: &str) -> PathBuf {
    let parts = location.split('/');
    let plain = parts.take_while(|part| !part.contains(['{', '*', '?']));
    let plain = plain.collect::<Vec<_>>().join("/");
    PathBuf::from(format!("{}/", plain.trim_end_matches('/')))
}

struct Walk<'a> {
    seen: &'a Found,
    reading: &'a Arc<Reading>,
    found: Found,
    bytes: usize,
    changed: Option<SystemTime>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, (within, depth): (&Path, usize)) -> Result<(), String> {
        if depth > DEPTH_MAX {
            return Err(format!("{} is too deep", folder.display()));
        }
        let failed = |error| format!("{}: {error}", folder.display());
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                // Hidden folders are those of tools, as that of git.
                if !entry.file_name().to_string_lossy().starts_with('.') {
                    self.folder(&path, (within, depth + 1))?;
                }
            } else if let Some(name) = path.to_str() {
                self.file(name, (&path, within))?;
            }
        }
        Ok(())
    }

    fn file(&mut self, name: &str, (path, within): (&Path, &Path)) -> Result<(), String> {
        let limits = self.reading.limits;
        // What goes away meanwhile is not there.
        let Ok(target) = path.canonicalize() else {
            return Ok(());
        };
        let Ok(data) = std::fs::metadata(&target) else {
            return Ok(());
        };
        if !target.starts_with(within) || !data.is_file() {
            return Ok(());
        }
        let stamp = Stamp {
            target,
            inode: data.ino(),
            bytes: data.len(),
            changed: data.modified().ok(),
        };
        self.changed = self.changed.max(stamp.changed);
        let file = match self.seen.get(name) {
            Some((before, file)) if *before == stamp => Arc::clone(file),
            _ => {
                let size = usize::try_from(stamp.bytes).unwrap_or(usize::MAX);
                if size > limits.file_bytes_max {
                    Arc::new(File::too_large(name, size, self.reading))
                } else {
                    let Ok(bytes) = std::fs::read(&stamp.target) else {
                        return Ok(());
                    };
                    Arc::new(File::new(name, bytes.into(), self.reading))
                }
            }
        };
        self.bytes += file.bytes().len();
        if self.bytes > limits.bytes_max || self.found.len() >= limits.files_max {
            let (files, bytes) = (limits.files_max, limits.bytes_max);
            return Err(format!("more than {files} files or {bytes} bytes"));
        }
        self.found.insert(name.into(), (stamp, file));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_lead_upwards_too() {
        let here = std::env::current_dir().unwrap();
        let above = here.parent().unwrap().display().to_string();
        assert_eq!(absolute("../conf"), format!("{above}/conf/"));
        assert_eq!(absolute("file:///a/./b/../c/"), "/a/c/");
        assert_eq!(absolute("/a/{application}/"), "/a/{application}/");
        assert_eq!(absolute("/.."), "/");
    }
}
