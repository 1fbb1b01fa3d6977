//! Changes of the list of segments: the manifest first, then what queries see, then the files.

use std::io;
use std::sync::Arc;

use speargun_storage::Position;

use super::{Shared, waiting};
use crate::manifest::Manifest;
use crate::segment::Segment;
use crate::unwritten;

/// A change of the list of segments.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Numbers (first heads) of segments that go.
    pub(crate) remove: Vec<u64>,
    pub(crate) add: Option<Arc<Segment>>,
    /// The file of a segment that was in memory alone, and takes its place if that is still there.
    pub(crate) written: Option<Arc<Segment>>,
    /// Whether the added segment is the oldest head that waits for sealing.
    pub(crate) sealed: bool,
    /// Whether the files of segments that go are kept aside, for whoever can mend them.
    pub(crate) aside: bool,
}

impl Shared {
    /// Replaces the manifest where files come or go, then the list of segments, then deletes the
    /// files that went.
    pub(crate) fn commit(&self, change: &Change) -> io::Result<()> {
        let _one_at_a_time = self.commit.lock();
        let (before, durable) = {
            let state = self.state.lock();
            (state.segments.clone(), state.durable)
        };
        let (mut gone, mut kept): (Vec<_>, Vec<_>) = before
            .iter()
            .cloned()
            .partition(|s| change.remove.contains(&s.facts.first));
        kept.extend(change.add.clone());
        kept.sort_by_key(|segment| segment.facts.first);
        if let Some(written) = &change.written {
            gone.push(unwritten::replace(&mut kept, written));
        }
        let manifest = Manifest {
            durable: durable.max(unwritten::durable_end(&before, &kept)).0,
            segments: unwritten::on_disk(&kept),
        };
        let is_told =
            manifest.durable == durable.0 && manifest.segments == unwritten::on_disk(&before);
        if !is_told {
            manifest.write(&*self.disk, &self.config.dir)?;
        }
        let in_segments = waiting::of_segments(&kept);
        {
            let mut state = self.state.lock();
            state.in_segments = in_segments;
            state.segments = Arc::new(kept);
            state.durable = Position(manifest.durable);
            if change.sealed {
                state.sealing.pop_front();
            }
            if manifest.durable > durable.0 {
                // What could not be written is.
                state.trouble = None;
            }
        }
        self.changed.notify_all();
        for segment in gone.iter().filter(|gone| !gone.is_in_memory()) {
            self.remove(segment, change.aside);
        }
        Ok(())
    }

    /// Deletes the file of a segment, or keeps it aside.
    fn remove(&self, segment: &Segment, aside: bool) {
        let done = if aside {
            let aside = segment.path.with_extension("damaged");
            self.disk.rename(&segment.path, &aside)
        } else {
            self.disk.remove(&segment.path)
        };
        if let Err(error) = done {
            let path = segment.path.display();
            tracing::warn!(%path, %error, "a file stays until restart");
        }
    }
}
