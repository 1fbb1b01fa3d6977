//! What a folder holds when the store opens: the segments that count, what a crash left behind,
//! what is damaged.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use speargun_runtime::Disk;

use crate::cache::Cache;
use crate::error::{Corrupt, OpenError, SegmentError};
use crate::format;
use crate::manifest::{self, Found, Manifest, parse_segment_path, segment_path};
use crate::moving::Ticket;
use crate::segment::Segment;

/// What was found.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) durable: u64,
    pub(crate) next_head: u64,
    /// Segments that are damaged or missing.
    pub(crate) lost: u64,
    /// The segment that was being moved away.
    pub(crate) ticket: Option<Ticket>,
}

/// Opens the folder: reads the manifest, deletes leftovers, opens the segments.
pub(crate) fn recover(
    disk: &dyn Disk,
    dir: &Path,
    cache: &Arc<Cache>,
) -> Result<Recovered, OpenError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    disk.create_dir_all(dir).map_err(at(dir))?;
    // Names that a process which was killed did not sync: what they promise must not go with the
    // next power cut.
    disk.sync_dir(dir).map_err(at(dir))?;
    let files = disk.list(dir).map_err(at(dir))?;
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "tmp"))
    {
        disk.remove(path).map_err(at(path))?;
    }
    let named: BTreeSet<(u64, u64)> = files
        .iter()
        .filter_map(|path| parse_segment_path(path))
        .collect();
    let manifest = match Manifest::read(disk, dir).map_err(at(dir))? {
        Found::Manifest(manifest) => Some(manifest),
        Found::TooNew(found) => {
            let path = manifest::path(dir);
            return Err(OpenError::TooNew {
                path,
                found,
                known: manifest::VERSION,
            });
        }
        Found::Missing if named.is_empty() => Some(Manifest::default()),
        Found::Missing => {
            tracing::warn!(dir = %dir.display(), "the manifest is missing; listing the segments");
            None
        }
        Found::Damaged(error) => {
            tracing::error!(dir = %dir.display(), %error, "listing the segments anew");
            None
        }
    };
    let ticket = Ticket::read(disk, dir).map_err(at(dir))?;
    let moved = ticket.as_ref().map(|ticket| ticket.last);
    // What counts when the list is found anew may differ from what was moved in part: its lists get
    // new names.
    let ticket = ticket.filter(|_| manifest.is_some());
    let (durable, opened) = match manifest {
        Some(manifest) => {
            let live = manifest.segments.into_iter().collect();
            (Some(manifest.durable), open_all(disk, dir, live, cache)?)
        }
        None => (None, open_listed(disk, dir, named.clone(), cache)?),
    };
    // Last, so that nothing is gone that the segment it was merged into does not hold.
    for &(first, last) in named.difference(&opened.live) {
        let path = segment_path(dir, first, last);
        tracing::info!(path = %path.display(), "deleting a segment that no longer counts");
        disk.remove(&path).map_err(at(&path))?;
    }
    let ends = opened
        .segments
        .iter()
        .map(|segment| segment.facts.end_position);
    let durable = durable.or(ends.max()).unwrap_or_default();
    Ok(Recovered {
        next_head: next_head(&opened.live, &named, moved),
        segments: opened.segments,
        durable,
        lost: opened.lost.len() as u64,
        ticket,
    })
}

/// Returns a number that no head had yet: lists that were moved away are named by them, so those of
/// segments that are gone count too.
fn next_head(live: &BTreeSet<(u64, u64)>, named: &BTreeSet<(u64, u64)>, moved: Option<u64>) -> u64 {
    let lasts = live.iter().chain(named).map(|&(_, last)| last);
    let last = lasts.chain(moved).max();
    last.map_or(1, |last| last.saturating_add(1))
}

/// Segments that were to be opened, and how it went.
struct Opened {
    /// All of them.
    live: BTreeSet<(u64, u64)>,
    segments: Vec<Arc<Segment>>,
    /// Those that are damaged or missing.
    lost: BTreeSet<(u64, u64)>,
}

/// Opens what counts of the segments in the folder. What was merged counts again where the result
/// is damaged.
fn open_listed(
    disk: &dyn Disk,
    dir: &Path,
    mut named: BTreeSet<(u64, u64)>,
    cache: &Arc<Cache>,
) -> Result<Opened, OpenError> {
    let mut lost = BTreeSet::new();
    loop {
        let mut opened = open_all(disk, dir, not_merged(&named), cache)?;
        if opened.lost.is_empty() {
            opened.live.extend(&lost);
            return Ok(Opened { lost, ..opened });
        }
        named.retain(|interval| !opened.lost.contains(interval));
        lost.append(&mut opened.lost);
    }
}

/// Returns the intervals that lie in no other: segments that were merged into another lie in it.
fn not_merged(named: &BTreeSet<(u64, u64)>) -> BTreeSet<(u64, u64)> {
    let inside = |a: &(u64, u64), b: &(u64, u64)| a != b && b.0 <= a.0 && a.1 <= b.1;
    named
        .iter()
        .filter(|a| !named.iter().any(|b| inside(a, b)))
        .copied()
        .collect()
}

fn open_all(
    disk: &dyn Disk,
    dir: &Path,
    live: BTreeSet<(u64, u64)>,
    cache: &Arc<Cache>,
) -> Result<Opened, OpenError> {
    let mut segments = Vec::with_capacity(live.len());
    let mut lost = BTreeSet::new();
    for &(first, last) in &live {
        let path = segment_path(dir, first, last);
        let before = segments.len();
        match Segment::open(disk, &path, cache.clone()) {
            Ok(segment) if (segment.facts.first, segment.facts.last) == (first, last) => {
                segments.push(Arc::new(segment));
            }
            Ok(_) => put_aside(disk, &path, &Corrupt("the segment has another name"))?,
            Err(SegmentError::Corrupt(error)) => put_aside(disk, &path, &error)?,
            Err(SegmentError::TooNew(found)) => {
                return Err(OpenError::TooNew {
                    path,
                    found,
                    known: format::VERSION,
                });
            }
            Err(SegmentError::Io(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                tracing::error!(path = %path.display(), "a segment is missing");
            }
            Err(SegmentError::Io(source)) => return Err(OpenError::Io { path, source }),
        }
        if segments.len() == before {
            lost.insert((first, last));
        }
    }
    Ok(Opened {
        live,
        segments,
        lost,
    })
}

/// Renames a damaged segment, so that it is neither served nor deleted.
fn put_aside(disk: &dyn Disk, path: &Path, error: &Corrupt) -> Result<(), OpenError> {
    let aside: PathBuf = path.with_extension("damaged");
    tracing::error!(path = %path.display(), %error, "a damaged segment is put aside");
    disk.rename(path, &aside).map_err(|source| OpenError::Io {
        path: aside,
        source,
    })
}
