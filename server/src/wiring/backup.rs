//! `speargun storage backup`: a copy of the data folder, whether or not a server runs on it. It
//! asks no server and locks nothing.
//!
//! The journal comes first, then the segments with their manifest. So each span that was
//! acknowledged before is in a segment of the manifest, or in the journal behind the position up to
//! which segments hold everything; the start reads the journal from there, as after a crash, and no
//! span is there twice. What comes in meanwhile may or may not be in the copy.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use speargun_runtime::{Disk, RealDisk};

use super::engine::{JOURNAL, SEGMENTS};
use super::raise_open_files;
use crate::settings::{Engine, Settings};

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The folder to make. On the file system of the data folder it costs next to nothing, for
    /// segments are shared then; copy it elsewhere, since it is lost with that disk.
    to: PathBuf,
    #[command(flatten)]
    pub(crate) of_server: crate::Flags,
}

/// What was copied.
#[derive(Debug)]
struct Copied {
    segments: speargun_segment::backup::Copied,
    journal: speargun_journal::Copied,
}

/// Makes a copy and says what is in it.
pub(crate) fn run(flags: Backup) -> anyhow::Result<()> {
    let settings = Settings::parse(&flags.of_server.texts()?)?;
    match settings.engine {
        Engine::Segment => {}
        Engine::Memory => bail!("STORAGE_TYPE is mem: there is nothing on disk to copy"),
        Engine::Database(kind) => bail!(
            "STORAGE_TYPE is {}: back the database up by its own means; the data folder only holds \
             what is on its way there",
            kind.name()
        ),
    }
    raise_open_files();
    let Copied { segments, journal } = copy(&settings.data, &flags.to)?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{}: {} segments with {} bytes, {} of them shared with the original; {} bytes of journal",
        flags.to.display(),
        segments.segments,
        segments.bytes,
        segments.linked,
        journal.bytes
    )?;
    if segments.missing > 0 {
        bail!(
            "{} segments were lost before: they are not in the copy",
            segments.missing
        );
    }
    Ok(())
}

/// Copies a data folder to where nothing is. A copy that was not finished bears another name.
fn copy(data: &Path, to: &Path) -> anyhow::Result<Copied> {
    let at = |path: &Path| format!("{}", path.display());
    if to.try_exists().with_context(|| at(to))? {
        bail!("{} is there already", to.display());
    }
    let parent = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut name = OsString::from(to.as_os_str());
    name.push(".part");
    let part = PathBuf::from(name);
    if part.try_exists().with_context(|| at(&part))? {
        bail!(
            "{} is left of a copy that was not finished: remove it",
            part.display()
        );
    }
    std::fs::create_dir_all(&part).with_context(|| at(&part))?;
    let copied = copy_parts(data, &part)?;
    let disk = RealDisk;
    disk.sync_dir(&part).with_context(|| at(&part))?;
    disk.rename(&part, to).with_context(|| at(to))?;
    disk.sync_dir(parent).with_context(|| at(parent))?;
    Ok(copied)
}

fn copy_parts(data: &Path, to: &Path) -> anyhow::Result<Copied> {
    let (segments, journal) = (data.join(SEGMENTS), data.join(JOURNAL));
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let position = speargun_segment::backup::durable_position(&segments)?;
    // Without a journal, as with `SPEARGUN_SYNC=off`, only what was sealed can be copied.
    let journal = if journal.try_exists()? {
        speargun_journal::copy(&disk, (&journal, &to.join(JOURNAL)), position)?
    } else {
        speargun_journal::Copied::default()
    };
    Ok(Copied {
        segments: speargun_segment::backup::copy(&segments, &to.join(SEGMENTS))?,
        journal,
    })
}

#[cfg(test)]
mod tests;
